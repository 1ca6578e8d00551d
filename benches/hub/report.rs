//! Its section of docs/benchmarks.md.

use std::fmt;

use bench_page::{Machine, Sample, Table, ratio, seconds, thousands, today};

use crate::api::ASKED;
use crate::measure::Cost;
use crate::visit::Visit;
use crate::{ALL, FEW, MANY, STARTS};

/// Seconds until the hub answers, megabytes idle and with many servers, milliseconds of CPU for a start.
const GOAL_START: f64 = 0.05;
const GOAL_IDLE: f64 = 20.0;
const GOAL_MANY: f64 = 40.0;
const GOAL_SPAWN: f64 = 5.0;
/// How many times the peer's requests a second.
const GOAL_REQUESTS: f64 = 30.0;

pub struct Report {
    pub machine: Machine,
    /// Before it began.
    pub load: f64,
    /// Ours first.
    pub measured: Vec<Measured>,
}

/// Of one hub.
pub struct Measured {
    pub name: &'static str,
    /// Seconds.
    pub starts: Vec<f64>,
    /// Megabytes: after the start, and with few and many servers.
    pub idle: f64,
    pub memory: [f64; 2],
    /// A server's start: the first few, up to many.
    pub spawn: [Cost; 2],
    /// Requests with few users, many users who have a server each, all users.
    pub api: [[Cost; ASKED.len()]; 3],
    pub login: Cost,
    pub visits: Vec<Visit>,
}

impl Measured {
    fn start(&self) -> f64 {
        Sample::new(self.starts.clone()).median()
    }

    /// Seconds of a visit until so far, the median.
    fn visit(&self, so_far: impl Fn(&Visit) -> f64) -> f64 {
        Sample::new(self.visits.iter().map(so_far).collect()).median()
    }
}

/// A row: what it is, how it is written, and the number of each hub.
struct Row {
    what: String,
    write: fn(f64) -> String,
    numbers: Vec<f64>,
}

impl Report {
    fn row(
        &self,
        what: impl Into<String>,
        write: fn(f64) -> String,
        number: impl Fn(&Measured) -> f64,
    ) -> Row {
        Row {
            what: what.into(),
            write,
            numbers: self.measured.iter().map(number).collect(),
        }
    }

    fn rows(&self) -> Vec<Row> {
        let (few, many) = (thousands(FEW), thousands(MANY));
        let mut rows = vec![
            self.row("from its start to its first answer", millis, |hub| {
                hub.start() * 1e3
            }),
            self.row("memory after the start", megabytes, |hub| hub.idle),
            self.row(format!("memory with {few} servers"), megabytes, |hub| {
                hub.memory[0]
            }),
            self.row(format!("memory with {many} servers"), megabytes, |hub| {
                hub.memory[1]
            }),
            self.row(
                format!("a server's start, the hub's CPU, the first {few}"),
                millis,
                |hub| hub.spawn[0].cpu / 1e3,
            ),
            self.row(
                format!("a server's start, the hub's CPU, up to {many}"),
                millis,
                |hub| hub.spawn[1].cpu / 1e3,
            ),
            self.row("a login by the form, the hub's CPU", millis, |hub| {
                hub.login.cpu / 1e3
            }),
        ];
        for (at, users) in whose() {
            for (which, asked) in ASKED.iter().enumerate() {
                let what = format!("{}, CPU, {users}", asked.what);
                rows.push(self.row(what, micros, move |hub| hub.api[at][which].cpu));
            }
        }
        rows
    }

    /// From the login page to the first cell.
    fn way(&self) -> Vec<Row> {
        vec![
            self.row("logged in", millis, |hub| {
                hub.visit(|visit| visit.login) * 1e3
            }),
            self.row("the server is ready", seconds, |hub| {
                hub.visit(|visit| visit.ready)
            }),
            self.row("JupyterLab's page is there", seconds, |hub| {
                hub.visit(|visit| visit.page)
            }),
            self.row("the first cell has run", seconds, |hub| {
                hub.visit(|visit| visit.cell)
            }),
        ]
    }

    fn table(&self, what: &str, rows: &[Row]) -> Table {
        let names = self.measured.iter().map(|hub| hub.name);
        let head: Vec<&str> = [what, "less by"].into_iter().chain(names).collect();
        rows.iter().fold(Table::new(&head), |table, row| {
            let less = match row.numbers.as_slice() {
                [ours, theirs, ..] => ratio(*ours, *theirs),
                _ => String::new(),
            };
            let numbers = row.numbers.iter().map(|number| (row.write)(*number));
            let cells: Vec<String> = [row.what.clone(), less]
                .into_iter()
                .chain(numbers)
                .collect();
            table.row(&cells.iter().map(String::as_str).collect::<Vec<_>>())
        })
    }

    fn rates(&self) -> Table {
        let names = self.measured.iter().map(|hub| hub.name);
        let head: Vec<&str> = std::iter::once("a second").chain(names).collect();
        let row = |what: String, rate: &dyn Fn(&Measured) -> f64| -> Vec<String> {
            let rates = self.measured.iter().map(|hub| format!("{:.0}", rate(hub)));
            std::iter::once(what).chain(rates).collect()
        };
        let mut rows = vec![
            row("servers started, ten at once".to_owned(), &|hub| {
                hub.spawn[0].rate
            }),
            row("logins by the form, eight at once".to_owned(), &|hub| {
                hub.login.rate
            }),
        ];
        for (at, users) in whose() {
            for (which, asked) in ASKED.iter().enumerate() {
                let what = format!("{}, {users}", asked.what);
                rows.push(row(what, &move |hub| hub.api[at][which].rate));
            }
        }
        rows.iter().fold(Table::new(&head), |table, row| {
            table.row(&row.iter().map(String::as_str).collect::<Vec<_>>())
        })
    }

    fn goals(&self) -> Table {
        let mut table = Table::new(&["goal", "measured", ""]);
        let [ours, theirs] = self.measured.as_slice() else {
            return table;
        };
        let verdict = |met: bool| if met { "met" } else { "missed" };
        let (from, to) = Sample::new(ours.starts.clone()).range();
        for (goal, found, met) in [
            (
                format!("first answer within {:.0} ms", GOAL_START * 1e3),
                format!(
                    "{} ({}–{}, {STARTS} starts)",
                    millis(ours.start() * 1e3),
                    millis(from * 1e3),
                    millis(to * 1e3)
                ),
                ours.start() <= GOAL_START,
            ),
            (
                format!("at most {GOAL_IDLE:.0} MB idle"),
                megabytes(ours.idle),
                ours.idle <= GOAL_IDLE,
            ),
            (
                format!("at most {GOAL_MANY:.0} MB with {} servers", thousands(MANY)),
                megabytes(ours.memory[1]),
                ours.memory[1] <= GOAL_MANY,
            ),
            (
                format!("at most {GOAL_SPAWN:.0} ms of CPU for a server's start"),
                millis(ours.spawn[0].cpu / 1e3),
                ours.spawn[0].cpu / 1e3 <= GOAL_SPAWN,
            ),
        ] {
            table = table.row(&[&goal, &found, verdict(met)]);
        }
        for (at, users) in whose() {
            for (which, asked) in ASKED.iter().enumerate() {
                let times = ours.api[at][which].rate / theirs.api[at][which].rate;
                let goal = format!("{}, {users}: {GOAL_REQUESTS:.0}× a second", asked.what);
                let found = format!("{times:.0}×");
                table = table.row(&[&goal, &found, verdict(times >= GOAL_REQUESTS)]);
            }
        }
        table
    }
}

/// Which requests, by their place in [`Measured::api`], and how many users the hub had then.
fn whose() -> [(usize, String); 3] {
    let users = |count| format!("{} users", thousands(count));
    [
        (0, users(FEW)),
        (1, format!("{} with a server each", users(MANY))),
        (2, users(ALL)),
    ]
}

fn megabytes(number: f64) -> String {
    format!("{number:.1} MB")
}

fn millis(number: f64) -> String {
    let decimals = if number < 10.0 { 2 } else { 0 };
    format!("{number:.decimals$} ms")
}

fn micros(number: f64) -> String {
    format!("{number:.0} µs")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "## The hub\n\n\
             `make bench` wrote this on {}: hubd {}, {} build, and JupyterHub one after the other in one run.\n\n\
             - Machine: {}.\n\
             - Load average before it began: {:.1}.\n",
            today(),
            env!("CARGO_PKG_VERSION"),
            if cfg!(debug_assertions) {
                "debug"
            } else {
                "release"
            },
            self.machine,
            self.load,
        )?;
        writeln!(f, "{}", self.table("", &self.rows()))?;
        let way = "from the login page on, until";
        writeln!(f, "{}", self.table(way, &self.way()))?;
        writeln!(f, "{}", include_str!("caveats.md"))?;
        writeln!(f, "### Goals\n\n{}", self.goals())?;
        write!(f, "### Rates\n\n{}", self.rates())
    }
}
