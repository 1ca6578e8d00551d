//! `make bench`: what a deployment costs on the sandbox, from nothing and back, and what Ansible costs beside it.
//! Writes its section of docs/benchmarks.md. Needs root: the sandbox makes its servers of namespaces.

mod peer;
mod program;
mod report;

use std::time::Duration;

use anyhow::ensure;
use bench_page::{Machine, Page, Sample, calm};
use hubctl::key;
use hubctl::state::State;
use sandbox::{Control, Options, Pace, Sandbox};

use peer::Peer;
use program::Operator;
use report::{First, Peers, Report, Users};

const NAME: &str = "bench";
/// The default: hubctl's own hub and proxy.
const SPEC: &str = "name: bench\nlimits:\n  seats: 4\n";
/// Stock JupyterHub and its proxy.
const STOCK: &str = "name: stock\nprofile: jupyterhub\nlimits:\n  seats: 4\n";
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/benchmarks.md");
/// How often a run with nothing to do is measured.
const REPEATS: usize = 5;
/// How long to wait for others to leave the box alone, before each part.
const PATIENCE: Duration = Duration::from_secs(40);

fn main() -> anyhow::Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "the sandbox makes machines of namespaces: run it as root"
    );
    let folder = tempfile::tempdir_in("/var/tmp")?;
    say("installing the peer, where it is not");
    let peer = Peer::install(folder.path());
    say("starting the sandbox");
    let options = Options {
        state_dir: Some(folder.path().join("cloud")),
        pace: Pace::REAL,
        ..Options::default()
    };
    let sandbox = Sandbox::start_with(options, sandbox::namespaces())?;
    let operator =
        |name: &str, spec| Operator::new(folder.path().join(name), &sandbox.clouds_yaml, spec);
    let (ours, stock) = (operator("laptop", SPEC)?, operator("stock", STOCK)?);
    let report = measure(&ours, &stock, &sandbox.control, peer)?;
    Page::at(PAGE).write("provision", &report.to_string())?;
    say("wrote docs/benchmarks.md");
    Ok(())
}

fn measure(
    operator: &Operator,
    stock: &Operator,
    control: &Control,
    peer: anyhow::Result<Peer>,
) -> anyhow::Result<Report> {
    let mut loads = Vec::new();
    let mut part = |what: &'static str| {
        let load = calm(PATIENCE);
        say(&format!("{what} (load {load:.1})"));
        loads.push((what, load));
    };

    part("first provision");
    let (first, first_calls) = counted(control, || operator.run(&["provision", "--yes"]))?;

    part("provision with nothing to do");
    let mut idle = Vec::new();
    for _ in 0..REPEATS {
        let (run, calls) = counted(control, || operator.run(&["provision", "--yes"]))?;
        ensure!(run.number("changed")? == 0, "something was to be done");
        idle.push((run, calls));
    }

    let mut users = Vec::new();
    let mut peers = Peers::default();
    for count in [10, 100, 1000] {
        part(match count {
            10 => "10 users",
            100 => "100 users",
            _ => "1,000 users",
        });
        // The peer first: the later has the longer account files to work on.
        if let Ok(peer) = &peer {
            // A thousand in the loop take eight minutes.
            if count < 1000 {
                let seconds = peer.loop_of_users(operator, NAME, count);
                peers.loops.extend(measured(count, seconds));
            }
            let seconds = peer.newusers(operator, NAME, count);
            peers.newusers.extend(measured(count, seconds));
        }
        users.push(add_users(operator, count)?);
    }

    part("destroy");
    let (destroy, destroy_calls) = counted(control, || operator.run(&["destroy", "--yes"]))?;
    ensure!(destroy.length("left")? == 0, "something is left");

    part("the profile jupyterhub");
    let stock_first = stock.run(&["provision", "--yes"])?;
    stock.run(&["destroy", "--yes"])?;

    match &peer {
        Ok(peer) => {
            part("the peer's cloud half");
            peers.cloud = told(cloud_half(operator, control, peer));
        }
        Err(error) => say(&format!("no peer: {error:#}")),
    }
    Ok(Report {
        machine: Machine::this(),
        loads,
        first: First::of(first, "start hubd.service")?,
        first_calls,
        stock: First::of(stock_first, "start jupyterhub.service")?,
        idle,
        users,
        destroy,
        destroy_calls,
        peers,
    })
}

/// Seconds and requests of the cloud half by Ansible: from nothing, with nothing to do, away.
fn cloud_half(
    operator: &Operator,
    control: &Control,
    peer: &Peer,
) -> anyhow::Result<[(f64, usize); 3]> {
    let state = State::open(&operator.folder.join("state"), "peer")?;
    let key = key::ensure(&state)?;
    let first = counted(control, || peer.cloud(operator, &key))?;
    let idle = counted(control, || peer.cloud(operator, &key))?;
    let away = counted(control, || peer.cloud_away(operator))?;
    Ok([first, idle, away])
}

/// The peer's number, where it has one; that it has none must not spoil the rest.
fn told<T>(result: anyhow::Result<T>) -> Option<T> {
    let told = result.inspect_err(|error| say(&format!("the peer did not do it: {error:#}")));
    told.ok()
}

fn measured(count: usize, seconds: anyhow::Result<f64>) -> Option<(usize, f64)> {
    Some((count, told(seconds)?))
}

/// Three classes of so many each.
fn add_users(operator: &Operator, count: usize) -> anyhow::Result<Users> {
    let mut seconds = Vec::new();
    for class in ["a", "b", "c"] {
        let prefix = format!("class{count}{class}-");
        let count_text = count.to_string();
        let run = operator.run(&["add-users", "--count", &count_text, "--prefix", &prefix])?;
        ensure!(run.length("created")? == count, "not all were made");
        ensure!(run.number("ssh_exchanges")? == 1, "more than one exchange");
        seconds.push(run.seconds);
    }
    Ok(Users {
        count,
        seconds: Sample::new(seconds),
    })
}

/// What was done, and how many requests the cloud was asked meanwhile.
fn counted<T>(
    control: &Control,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<(T, usize)> {
    control.reset();
    let result = work()?;
    Ok((result, control.requests().len()))
}

#[expect(
    clippy::print_stderr,
    reason = "the person who waits wants to see life"
)]
fn say(what: &str) {
    eprintln!("{what}");
}
