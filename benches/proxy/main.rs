//! `make bench`: what a request, a handshake, a WebSocket's round trip and a route cost hubproxy, and what they cost the
//! proxies that others use, side by side. Writes its section of docs/benchmarks.md.

mod backend;
mod load;
mod process;
mod proxies;
mod report;
mod routes;

use std::time::Duration;

use anyhow::{Context, ensure};
use bench_page::{Machine, Page, calm, processors};
use nix::sched::{CpuSet, sched_setaffinity};
use nix::unistd::Pid;

use load::Stint;
use proxies::{Bench, Running};
use report::{Measured, Report};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/benchmarks.md");
/// How often each proxy is measured at each thing, in turn with the others.
const ROUNDS: usize = 3;
/// Before a measurement, and the measurement itself.
const WARM: Duration = Duration::from_millis(250);
const TIME: Duration = Duration::from_millis(1250);
/// Of each, before the first round: a program that is compiled while it runs needs some time to be as fast as it gets.
const COMPILED: Duration = Duration::from_millis(2500);
/// How long to wait for others to leave the box alone.
const PATIENCE: Duration = Duration::from_secs(20);

/// What is measured of every proxy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Plain,
    Tls,
    WebSocket,
    Handshake,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Plain, Self::Tls, Self::WebSocket, Self::Handshake];
}

pub fn stint(pid: u32) -> Stint {
    Stint {
        warm: WARM,
        time: TIME,
        pid,
    }
}

fn main() -> anyhow::Result<()> {
    ensure!(
        processors() >= 2,
        "the proxies want a CPU for themselves, and we another"
    );
    // Before this process is kept to one of its CPUs.
    let machine = Machine::this();
    let mut second = CpuSet::new();
    second.set(1)?;
    sched_setaffinity(Pid::from_raw(0), &second).context("keeping to the second CPU")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let folder = tempfile::tempdir()?;
    let bench = Bench::new(folder.path(), backend::start()?)?;
    let load = calm(PATIENCE);
    let report = runtime.block_on(measure(&bench, machine, load))?;
    Page::at(PAGE).write("proxy", &report.to_string())?;
    say("wrote its section of docs/benchmarks.md");
    Ok(())
}

async fn measure(bench: &Bench, machine: Machine, load: f64) -> anyhow::Result<Report> {
    say("starting the proxies");
    let running = [
        vec![bench.hubproxy(true)?],
        vec![bench.chp(false, true)?, bench.chp(true, true)?],
        vec![bench.nginx()?],
        vec![bench.haproxy()?],
        vec![bench.caddy()?],
    ];
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut measured: Vec<Measured> = running
        .iter()
        .map(|programs| {
            Measured::new(
                programs[0].name,
                process::memory(programs[0].pid(), "VmRSS"),
            )
        })
        .collect();
    say("warming all of them");
    for programs in &running {
        for kind in [Kind::Plain, Kind::Tls, Kind::Handshake] {
            ask(programs, kind, COMPILED).await?;
        }
    }
    for round in 0..ROUNDS {
        for kind in Kind::ALL {
            say(&format!(
                "round {} of {ROUNDS}: {}",
                round + 1,
                report::words(kind)
            ));
            for turn in 0..running.len() {
                // Another begins each time.
                let at = (turn + round) % running.len();
                let done = ask(&running[at], kind, TIME).await;
                let done = done
                    .with_context(|| format!("{}, {}", measured[at].name, report::words(kind)))?;
                measured[at].add(kind, done);
            }
        }
    }
    for (measured, programs) in measured.iter_mut().zip(&running) {
        measured.peak = process::memory(programs[0].pid(), "VmHWM");
    }
    drop(running);
    let mut routes = Vec::new();
    for name in ["hubproxy", "CHP"] {
        say(&format!("routes of {name}"));
        let start = || {
            if name == "CHP" {
                bench.chp(false, false)
            } else {
                bench.hubproxy(false)
            }
        };
        routes.push(routes::measure(start, bench.backend).await?);
    }
    Ok(Report {
        machine,
        load,
        measured,
        routes,
    })
}

async fn ask(programs: &[Running], kind: Kind, time: Duration) -> anyhow::Result<load::Done> {
    let plain = programs
        .iter()
        .find_map(|program| Some((program, program.plain.as_ref()?)));
    let tls = programs
        .iter()
        .find_map(|program| Some((program, program.tls.as_ref()?)));
    let (plain, tls) = (plain.context("no HTTP")?, tls.context("no HTTPS")?);
    let target = "/user/alice/api/status?x=1".to_owned();
    let stint = |pid| Stint { time, ..stint(pid) };
    match kind {
        Kind::Plain => plain.1.requests(&[target], stint(plain.0.pid())).await,
        Kind::Tls => tls.1.requests(&[target], stint(tls.0.pid())).await,
        Kind::WebSocket => plain.1.round_trips(&target, stint(plain.0.pid())).await,
        Kind::Handshake => tls.1.handshakes(stint(tls.0.pid())).await,
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the person who waits wants to see life"
)]
fn say(what: &str) {
    eprintln!("{what}");
}
