//! Its section of docs/benchmarks.md.

use std::fmt;

use bench_page::{Machine, Sample, Table, ratio, seconds, thousands, today};

use crate::load::{CLIENTS, Done};
use crate::routes::{AMONG, MANY, Routes};
use crate::{Kind, ROUNDS};

/// Microseconds on the CPU that a request must not exceed.
const MUST_PLAIN: f64 = 40.0;
const MUST_TLS: f64 = 60.0;
/// Megabytes: after the start, and at its busiest with many routes.
const GOAL_IDLE: f64 = 16.0;
const GOAL_BUSY: f64 = 32.0;
/// A request among a hundred thousand routes costs so many times one among ten, at most: what the noise allows.
const GOAL_LOOKUP: f64 = 1.15;

pub struct Report {
    pub machine: Machine,
    /// Before it began.
    pub load: f64,
    /// Ours first.
    pub measured: Vec<Measured>,
    pub routes: Vec<Routes>,
}

/// Of one proxy.
pub struct Measured {
    pub name: &'static str,
    /// Memory in MB: after the start, and the most ever.
    idle: f64,
    pub peak: f64,
    done: Vec<(Kind, Done)>,
}

pub fn words(kind: Kind) -> &'static str {
    match kind {
        Kind::Plain => "request over HTTP",
        Kind::Tls => "request over HTTPS",
        Kind::WebSocket => "round trip through a WebSocket",
        Kind::Handshake => "TLS handshake",
    }
}

impl Measured {
    pub fn new(name: &'static str, idle: f64) -> Self {
        Self {
            name,
            idle,
            peak: f64::NAN,
            done: Vec::new(),
        }
    }

    pub fn add(&mut self, kind: Kind, done: Done) {
        self.done.push((kind, done));
    }

    fn sample(&self, kind: Kind, number: impl Fn(&Done) -> f64) -> Sample {
        let of_kind = self.done.iter().filter(|done| done.0 == kind);
        Sample::new(of_kind.map(|(_, done)| number(done)).collect())
    }

    fn cpu(&self, kind: Kind) -> f64 {
        self.sample(kind, Done::cpu).median()
    }
}

impl Report {
    fn head<'a>(&'a self, what: &'a str) -> Vec<&'a str> {
        std::iter::once(what)
            .chain(self.measured.iter().map(|measured| measured.name))
            .collect()
    }

    /// A row of words and a cell for each proxy.
    fn row(&self, what: &str, cell: impl Fn(&Measured) -> String) -> Vec<String> {
        std::iter::once(what.to_owned())
            .chain(self.measured.iter().map(cell))
            .collect()
    }

    fn table(&self, what: &str, rows: Vec<Vec<String>>) -> Table {
        rows.iter()
            .fold(Table::new(&self.head(what)), |table, row| {
                table.row(&row.iter().map(String::as_str).collect::<Vec<_>>())
            })
    }

    fn ratios(&self) -> Table {
        let rows = Kind::ALL.map(|kind| {
            let ours = self.measured[0].cpu(kind);
            self.row(&format!("{}, CPU", words(kind)), |measured| {
                ratio(ours, measured.cpu(kind))
            })
        });
        let mut rows = rows.to_vec();
        let (idle, peak) = (self.measured[0].idle, self.measured[0].peak);
        rows.push(self.row("memory after the start", |measured| {
            ratio(idle, measured.idle)
        }));
        rows.push(self.row("memory at its busiest", |measured| {
            ratio(peak, measured.peak)
        }));
        self.table("times what it costs hubproxy", rows)
    }

    fn goals(&self) -> Table {
        let verdict = |met: bool| if met { "met" } else { "missed" };
        let find = |name: &str| self.measured.iter().find(|measured| measured.name == name);
        let (ours, nginx) = (&self.measured[0], find("nginx"));
        let mut rows = Vec::new();
        for (kind, must) in [(Kind::Plain, MUST_PLAIN), (Kind::Tls, MUST_TLS)] {
            let cpu = ours.cpu(kind);
            rows.push([
                format!("{}: at most {must:.0} µs of CPU", words(kind)),
                micros(cpu),
                verdict(cpu <= must).to_owned(),
            ]);
            if let Some(nginx) = nginx {
                let goal = nginx.cpu(kind);
                let what = format!("{}: nginx's in this run, {}", words(kind), micros(goal));
                rows.push([what, micros(cpu), verdict(cpu <= goal).to_owned()]);
            }
        }
        if let Some(routes) = self.routes.first() {
            let many = thousands(MANY);
            rows.push([
                format!("memory after the start: at most {GOAL_IDLE:.0} MB"),
                megabytes(routes.idle),
                verdict(routes.idle <= GOAL_IDLE).to_owned(),
            ]);
            let what = format!(
                "memory at its busiest, {CLIENTS} clients and {many} routes: at most {GOAL_BUSY:.0} MB"
            );
            rows.push([
                what,
                megabytes(routes.busy),
                verdict(routes.busy <= GOAL_BUSY).to_owned(),
            ]);
            let (few, most) = (routes.found[0], routes.found[AMONG.len() - 1]);
            let what = "a request's CPU does not depend on the number of routes".to_owned();
            let found = format!("{} and {}", micros(few), micros(most));
            rows.push([what, found, verdict(most <= few * GOAL_LOOKUP).to_owned()]);
        }
        rows.iter()
            .fold(Table::new(&["goal", "measured", ""]), |table, row| {
                table.row(&row.each_ref().map(String::as_str))
            })
    }

    fn cpu(&self) -> Table {
        let rows = Kind::ALL.map(|kind| {
            self.row(words(kind), |measured| {
                let sample = measured.sample(kind, Done::cpu);
                let (from, to) = sample.range();
                format!("{:.0} ({from:.0}–{to:.0})", sample.median())
            })
        });
        self.table("µs of CPU for each", rows.to_vec())
    }

    fn rates(&self) -> Table {
        let rows = Kind::ALL.map(|kind| {
            self.row(words(kind), |measured| {
                rounded(measured.sample(kind, Done::rate).median())
            })
        });
        self.table("a second, of each", rows.to_vec())
    }

    fn latencies(&self) -> Table {
        let mut rows = Vec::new();
        for kind in [Kind::Plain, Kind::Tls, Kind::WebSocket] {
            for percent in [50, 99] {
                rows.push(
                    self.row(&format!("{}, p{percent}", words(kind)), |measured| {
                        format!(
                            "{:.2}",
                            measured
                                .sample(kind, |done| done.percentile(percent))
                                .median()
                        )
                    }),
                );
            }
        }
        self.table("ms", rows)
    }

    fn memory(&self) -> Table {
        let rows = vec![
            self.row("after the start", |measured| {
                format!("{:.1}", measured.idle)
            }),
            self.row("at its busiest", |measured| format!("{:.1}", measured.peak)),
        ];
        self.table("MB", rows)
    }

    fn routes(&self) -> Table {
        let many = thousands(MANY);
        let names = self.routes.iter().map(|routes| routes.name);
        let head: Vec<&str> = std::iter::once("routes").chain(names).collect();
        let row = |what: String, cell: &dyn Fn(&Routes) -> String| -> Vec<String> {
            std::iter::once(what)
                .chain(self.routes.iter().map(cell))
                .collect()
        };
        let mut rows = vec![
            row("memory after the start".to_owned(), &|routes| {
                megabytes(routes.idle)
            }),
            row(format!("memory at its busiest with {many}"), &|routes| {
                megabytes(routes.busy)
            }),
            row(format!("{many} added, ten requests at once"), &|routes| {
                seconds(routes.added)
            }),
        ];
        for (at, among) in AMONG.iter().enumerate() {
            let what = format!("request over HTTP, one of {} routes", thousands(*among));
            rows.push(row(what, &|routes| micros(routes.found[at])));
        }
        rows.iter().fold(Table::new(&head), |table, row| {
            table.row(&row.iter().map(String::as_str).collect::<Vec<_>>())
        })
    }
}

fn micros(micros: f64) -> String {
    format!("{micros:.0} µs")
}

fn megabytes(megabytes: f64) -> String {
    format!("{megabytes:.1} MB")
}

/// To three digits, which is more than the noise leaves.
fn rounded(number: f64) -> String {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a rate"
    )]
    let whole = number as usize;
    let unit = 10_usize.pow(whole.checked_ilog10().unwrap_or(0).saturating_sub(2));
    thousands((whole + unit / 2) / unit * unit)
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "## The proxy\n\n\
             `make bench` wrote this on {}: hubproxy {}, release build, and the others side by side in one run, {ROUNDS} \
             rounds in turn; medians, and (from–to).\n\n\
             - Machine: {}.\n\
             - Load average before it began: {:.1}.\n",
            today(),
            env!("CARGO_PKG_VERSION"),
            self.machine,
            self.load,
        )?;
        writeln!(f, "### Ratios\n\n{}", self.ratios())?;
        writeln!(f, "{}", include_str!("caveats.md"))?;
        writeln!(f, "### Goals\n\n{}", self.goals())?;
        writeln!(f, "### Numbers\n\n{}", self.cpu())?;
        writeln!(f, "{}", self.rates())?;
        writeln!(f, "{}", self.latencies())?;
        writeln!(f, "{}", self.memory())?;
        write!(f, "{}", self.routes())
    }
}
