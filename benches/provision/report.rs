//! Its section of docs/benchmarks.md.

use std::fmt;

use bench_page::{Machine, Sample, Table, ratio, seconds, thousands, today};

use crate::program::Run;

/// Everything that was measured.
pub struct Report {
    pub machine: Machine,
    /// The load before each part.
    pub loads: Vec<(&'static str, f64)>,
    /// By the default profile.
    pub first: First,
    pub first_calls: usize,
    /// By the profile `jupyterhub`.
    pub stock: First,
    /// Runs with nothing to do, each with its requests.
    pub idle: Vec<(Run, usize)>,
    pub users: Vec<Users>,
    pub destroy: Run,
    pub destroy_calls: usize,
    pub peers: Peers,
}

/// A first provision, from nothing.
pub struct First {
    pub run: Run,
    /// Seconds from SSH answering until the login page was there, and until a test user's cell had run.
    pub page: f64,
    pub cell: f64,
}

impl First {
    /// `hub`: the step after which the login page answers.
    pub fn of(run: Run, hub: &str) -> anyhow::Result<Self> {
        Ok(Self {
            page: run.since_ssh(hub)?,
            cell: run.since_ssh("check compute")?,
            run,
        })
    }

    fn phase(&self, wanted: &[&str]) -> f64 {
        let phases = self.run.phases();
        let chosen = phases
            .iter()
            .filter(|(phase, _)| wanted.contains(&phase.as_str()));
        chosen.map(|(_, seconds)| seconds).sum()
    }
}

/// So many users added, several times.
pub struct Users {
    pub count: usize,
    pub seconds: Sample,
}

/// Ansible in this run, as far as it could be had.
#[derive(Default)]
pub struct Peers {
    /// Seconds and requests of the cloud half: first, nothing to do, away.
    pub cloud: Option<[(f64, usize); 3]>,
    /// Seconds by number of users.
    pub loops: Vec<(usize, f64)>,
    pub newusers: Vec<(usize, f64)>,
}

/// Ansible as it was measured on the same kind of machine on another day, where this run has no number of its own.
mod earlier {
    pub const CLOUD_FIRST: (f64, usize) = (15.6, 75);
    pub const CLOUD_IDLE: (f64, usize) = (7.9, 49);
    pub const CLOUD_AWAY: (f64, usize) = (9.6, 37);
    /// With uv for the Python packages, as hubctl does; 51.7 s with pip.
    pub const HOST_FIRST: f64 = 38.0;
    /// Seconds, SSH runs.
    pub const HOST_IDLE: (f64, usize) = (12.0, 39);
    pub const LOOP: [(usize, f64); 3] = [(10, 5.5), (100, 43.7), (1000, 470.0)];
    pub const NEWUSERS: [(usize, f64); 3] = [(10, 2.0), (100, 3.3), (1000, 23.2)];
}

const GOAL_CALLS: usize = 12;
const GOAL_EXCHANGES: u64 = 1;
const GOAL_IDLE: f64 = 1.0;
const GOAL_USERS: f64 = 5.0;
const GOAL_PAGE: f64 = 10.0;
const GOAL_CELL: f64 = 60.0;

/// A number of the peer's, and whether it is of this run.
#[derive(Clone, Copy)]
struct Theirs {
    number: f64,
    now: bool,
}

impl Theirs {
    fn when(self) -> &'static str {
        if self.now { "this run" } else { "another day" }
    }
}

fn or_earlier(now: Option<f64>, earlier: f64) -> Theirs {
    Theirs {
        number: now.unwrap_or(earlier),
        now: now.is_some(),
    }
}

fn of_count(found: &[(usize, f64)], count: usize) -> Option<f64> {
    found.iter().find(|of| of.0 == count).map(|of| of.1)
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn float(count: usize) -> f64 {
    count as f64
}

impl Report {
    fn idle_seconds(&self) -> Sample {
        Sample::new(self.idle.iter().map(|(run, _)| run.seconds).collect())
    }

    fn idle_calls(&self) -> usize {
        let calls = self.idle.iter().map(|(_, calls)| *calls);
        calls.max().unwrap_or_default()
    }

    fn idle_exchanges(&self) -> u64 {
        let exchanges = self.idle.iter().map(|(run, _)| run.number("ssh_exchanges"));
        exchanges.flatten().max().unwrap_or_default()
    }

    fn ratios(&self) -> Table {
        let cloud = |part: usize, earlier: (f64, usize)| {
            let now = self.peers.cloud.map(|parts| parts[part]);
            (
                or_earlier(now.map(|part| part.0), earlier.0),
                or_earlier(now.map(|part| float(part.1)), float(earlier.1)),
            )
        };
        let (first, first_calls) = cloud(0, earlier::CLOUD_FIRST);
        let (idle, idle_calls) = cloud(1, earlier::CLOUD_IDLE);
        let (away, away_calls) = cloud(2, earlier::CLOUD_AWAY);
        let host_idle = Theirs {
            number: idle.number + earlier::HOST_IDLE.0,
            now: false,
        };
        let mut rows = Rows(Vec::new());
        rows.calls(
            "first provision, requests to the cloud",
            self.first_calls,
            first_calls,
        );
        rows.time(
            "first provision, cloud half",
            self.first.phase(&["observe", "cloud"]),
            first,
        );
        let host = or_earlier(None, earlier::HOST_FIRST);
        rows.time(
            "first provision, host half, the profile `jupyterhub`",
            self.stock.phase(&["host", "setup"]),
            host,
        );
        rows.calls(
            "nothing to do, requests to the cloud",
            self.idle_calls(),
            idle_calls,
        );
        let exchanges = usize::try_from(self.idle_exchanges()).unwrap_or_default();
        let runs = or_earlier(None, float(earlier::HOST_IDLE.1));
        rows.calls("nothing to do, SSH exchanges", exchanges, runs);
        let idle_seconds = self.idle_seconds().median();
        rows.time(
            "nothing to do, against the peer's cloud half alone",
            idle_seconds,
            idle,
        );
        rows.time(
            "nothing to do, against both halves",
            idle_seconds,
            host_idle,
        );
        for users in &self.users {
            let count = thousands(users.count);
            for (what, found, earlier) in [
                (
                    "the `user` module in a loop",
                    &self.peers.loops,
                    earlier::LOOP,
                ),
                ("`newusers`", &self.peers.newusers, earlier::NEWUSERS),
            ] {
                let before = of_count(&earlier, users.count).unwrap_or(f64::NAN);
                let theirs = or_earlier(of_count(found, users.count), before);
                let row = format!("{count} users, against {what}");
                rows.time(&row, users.seconds.median(), theirs);
            }
        }
        rows.calls(
            "destroy, requests to the cloud",
            self.destroy_calls,
            away_calls,
        );
        rows.time("destroy", self.destroy.seconds, away);
        rows.table()
    }

    fn goals(&self) -> Table {
        let verdict = |met: bool| if met { "met" } else { "missed" };
        let idle = self.idle_seconds().median();
        let thousand = self.users.iter().find(|users| users.count == 1000);
        let thousand = thousand.map_or(f64::NAN, |users| users.seconds.median());
        Table::new(&["goal", "measured", ""])
            .row(&[
                "nothing to do: at most 12 API calls",
                &self.idle_calls().to_string(),
                verdict(self.idle_calls() <= GOAL_CALLS),
            ])
            .row(&[
                "nothing to do: one SSH exchange",
                &self.idle_exchanges().to_string(),
                verdict(self.idle_exchanges() <= GOAL_EXCHANGES),
            ])
            .row(&[
                "nothing to do: under 1 s",
                &seconds(idle),
                verdict(idle < GOAL_IDLE),
            ])
            .row(&[
                "1,000 users: under 5 s",
                &seconds(thousand),
                verdict(thousand < GOAL_USERS),
            ])
            .row(&[
                "first provision: the login page within 10 s of SSH answering",
                &seconds(self.first.page),
                verdict(self.first.page <= GOAL_PAGE),
            ])
            .row(&[
                "first provision: the first cell within 60 s of SSH answering",
                &seconds(self.first.cell),
                verdict(self.first.cell <= GOAL_CELL),
            ])
    }

    /// Both profiles, by phase.
    fn first_table(&self) -> Table {
        let runs = [&self.first, &self.stock];
        let mut table = Table::new(&["first provision", "`rust`, the default", "`jupyterhub`"]);
        let mut row = |what: &str, of: &dyn Fn(&First) -> String| {
            let [ours, stock] = runs.map(of);
            table = std::mem::take(&mut table).row(&[what, &ours, &stock]);
        };
        row("**whole run**", &|first| seconds(first.run.seconds));
        for (phase, _) in self.first.run.phases() {
            row(&format!("phase `{phase}`"), &|first| {
                seconds(first.phase(&[&phase]))
            });
        }
        row("from SSH answering to the login page", &|first| {
            seconds(first.page)
        });
        row("from SSH answering to the first cell", &|first| {
            seconds(first.cell)
        });
        let count = |first: &First, what: &str| first.run.number(what).unwrap_or_default();
        row("SSH exchanges", &|first| {
            count(first, "ssh_exchanges").to_string()
        });
        row("changes and steps", &|first| {
            count(first, "changed").to_string()
        });
        table
    }

    fn steps_tables(&self) -> String {
        let tables =
            [(&self.first, "rust"), (&self.stock, "jupyterhub")].map(|(first, profile)| {
                let slowest = first.run.slowest_steps().into_iter().take(10);
                let head = format!("the ten slowest steps of `{profile}`");
                let table = Table::new(&[&head, ""]);
                table
                    .rows(slowest.map(|(name, time)| (name, seconds(time))))
                    .to_string()
            });
        tables.join("\n")
    }

    fn idle_table(&self) -> Table {
        let mut table =
            Table::new(&["nothing to do", ""]).row(&["whole run", &self.idle_seconds().describe()]);
        if let Some((run, _)) = self.idle.first() {
            for (phase, _) in run.phases() {
                let of_phase = |run: &Run| run.phases().into_iter().find(|p| p.0 == phase);
                let times = self
                    .idle
                    .iter()
                    .filter_map(|(run, _)| Some(of_phase(run)?.1));
                let described = Sample::new(times.collect()).describe();
                table = table.row(&[&format!("phase `{phase}`"), &described]);
            }
        }
        table
            .row(&["requests to the cloud", &self.idle_calls().to_string()])
            .row(&["SSH exchanges", &self.idle_exchanges().to_string()])
    }

    fn users_table(&self) -> Table {
        let mut table = Table::new(&["add-users", "seconds", "users a second"]);
        for users in &self.users {
            table = table.row(&[
                &thousands(users.count),
                &users.seconds.describe(),
                &format!("{:.0}", float(users.count) / users.seconds.median()),
            ]);
        }
        table
    }

    fn peers_table(&self) -> Option<Table> {
        let mut table = Table::new(&["Ansible, in this run", "seconds", "requests"]);
        let mut any = false;
        let parts = [
            "cloud half, first",
            "cloud half, nothing to do",
            "cloud half, away",
        ];
        if let Some(measured) = self.peers.cloud {
            any = true;
            for (part, (time, calls)) in parts.iter().zip(measured) {
                table = table.row(&[part, &seconds(time), &calls.to_string()]);
            }
        }
        for (what, found) in [
            ("users, the `user` module in a loop", &self.peers.loops),
            ("users, `newusers`", &self.peers.newusers),
        ] {
            for (count, time) in found {
                any = true;
                let row = format!("{} {what}", thousands(*count));
                table = table.row(&[&row, &seconds(*time), ""]);
            }
        }
        any.then_some(table)
    }

    fn loads_text(&self) -> String {
        let loads = self.loads.iter();
        let loads: Vec<String> = loads
            .map(|(what, load)| format!("{load:.1} ({what})"))
            .collect();
        loads.join(", ")
    }
}

/// Rows of what costs how many times less.
struct Rows(Vec<[String; 5]>);

impl Rows {
    fn time(&mut self, what: &str, ours: f64, theirs: Theirs) {
        self.row(what, ours, theirs, seconds);
    }

    fn calls(&mut self, what: &str, ours: usize, theirs: Theirs) {
        self.row(what, float(ours), theirs, |count| format!("{count:.0}"));
    }

    fn row(&mut self, what: &str, ours: f64, theirs: Theirs, show: impl Fn(f64) -> String) {
        self.0.push([
            what.to_owned(),
            ratio(ours, theirs.number),
            show(ours),
            show(theirs.number),
            theirs.when().to_owned(),
        ]);
    }

    fn table(&self) -> Table {
        let head = ["", "less by", "hubctl", "Ansible", "Ansible measured"];
        self.0.iter().fold(Table::new(&head), |table, row| {
            table.row(&row.each_ref().map(String::as_str))
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = today();
        let version = env!("CARGO_PKG_VERSION");
        writeln!(
            f,
            "## Provisioning\n\n\
             `make bench` wrote this on {date}: hubctl {version}, release build, against the sandbox on one machine.\n\n\
             - Machine: {}.\n\
             - Load average before each part: {}.\n",
            self.machine,
            self.loads_text()
        )?;
        writeln!(f, "### Ratios\n\n{}", self.ratios())?;
        writeln!(f, "{}", include_str!("report/caveats.md"))?;
        writeln!(f, "### Goals\n\n{}", self.goals())?;
        writeln!(f, "### Numbers\n\n{}", self.first_table())?;
        writeln!(f, "{}", self.steps_tables())?;
        writeln!(f, "{}", self.idle_table())?;
        writeln!(f, "{}", self.users_table())?;
        let destroy = Table::new(&["destroy", ""])
            .row(&["whole run", &seconds(self.destroy.seconds)])
            .row(&["requests to the cloud", &self.destroy_calls.to_string()]);
        write!(f, "{destroy}")?;
        if let Some(peers) = self.peers_table() {
            write!(f, "\n{peers}")?;
        }
        Ok(())
    }
}
