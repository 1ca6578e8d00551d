//! `make bench`: what hubd costs, and what JupyterHub costs, side by side in one run: the start, logins, memory with many
//! servers running, the hub's own work for a start, requests of the API, and the way from the login page to the first
//! cell. Writes its section of docs/benchmarks.md.

mod api;
mod hub;
mod login;
mod measure;
mod process;
mod report;
mod single;
mod site;
mod visit;

use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::Context;
use bench_page::{Machine, Page, calm};

use hub::{Hub, name};
use report::{Measured, Report};
use site::{Kind, Servers};
use visit::Visit;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/benchmarks.md");
/// Set for the part that runs in a process namespace of its own.
const INSIDE: &str = "BENCH_INSIDE";
/// How long to wait for others to leave the box alone.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often each hub is started.
const STARTS: usize = 5;
/// Servers that run, at the two looks.
pub const FEW: usize = 100;
pub const MANY: usize = 1000;
/// Users of a whole university.
pub const ALL: usize = 10_000;
/// How many go from the login page to the first cell, one after the other; before them one for whom all is cold.
pub const VISITS: usize = 3;

fn main() -> anyhow::Result<ExitCode> {
    match std::env::args().nth(1).as_deref() {
        Some(single::NAME) => single::serve().map(|()| ExitCode::SUCCESS),
        _ if std::env::var_os(INSIDE).is_none() => inside(),
        _ => {
            let load = calm(PATIENCE);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let report = runtime.block_on(measure(load))?;
            Page::at(PAGE).write("hub", &report.to_string())?;
            say("wrote its section of docs/benchmarks.md");
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// Runs this very program in a process namespace: a thousand servers end with it, however it ends.
fn inside() -> anyhow::Result<ExitCode> {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
    if !nix::unistd::geteuid().is_root() {
        command.arg("--map-root-user");
    }
    let status = command
        .arg(std::env::current_exe()?)
        .env(INSIDE, "1")
        .status()
        .context("unshare, of util-linux")?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn measure(load: f64) -> anyhow::Result<Report> {
    let mut measured = Vec::new();
    for kind in [Kind::Hubd, Kind::JupyterHub] {
        measured.push(one(kind).await.with_context(|| kind.name().to_owned())?);
    }
    Ok(Report {
        machine: Machine::this(),
        load,
        measured,
    })
}

async fn one(kind: Kind) -> anyhow::Result<Measured> {
    let hub_name = kind.name();
    say(&format!("{hub_name}: starts"));
    let mut starts = Vec::new();
    for _ in 1..STARTS {
        starts.push(Hub::start(kind, Servers::Mock).await?.1.as_secs_f64());
    }
    let (hub, took) = Hub::start(kind, Servers::Mock).await?;
    starts.push(took.as_secs_f64());
    // What is done right after the start is the start's.
    tokio::time::sleep(Duration::from_secs(2)).await;
    let idle = process::memory(hub.pid);
    say(&format!("{hub_name}: {FEW} servers"));
    hub.make_users(0..FEW).await?;
    let api_few = api::measure(&hub).await?;
    let few = hub.start_servers(0..FEW).await?;
    let memory_few = process::memory(hub.pid);
    say(&format!("{hub_name}: {MANY} servers"));
    hub.make_users(FEW..MANY).await?;
    let many = hub.start_servers(FEW..MANY).await?;
    let memory_many = process::memory(hub.pid);
    let api_many = api::measure(&hub).await?;
    hub.end();

    say(&format!("{hub_name}: {ALL} users"));
    let hub = Hub::start_with(kind, ALL).await?;
    let api_all = api::measure(&hub).await?;
    hub.end();

    say(&format!("{hub_name}: logins"));
    let (hub, _) = Hub::start(kind, Servers::Mock).await?;
    hub.make_users(0..FEW).await?;
    let login = login::measure(&hub, FEW).await?;
    hub.end();
    Ok(Measured {
        name: hub_name,
        starts,
        idle,
        memory: [memory_few, memory_many],
        spawn: [few, many],
        api: [api_few, api_many, api_all],
        login,
        visits: visits(kind).await?,
    })
}

async fn visits(kind: Kind) -> anyhow::Result<Vec<Visit>> {
    say(&format!("{}: from the login page to a cell", kind.name()));
    let (hub, _) = Hub::start(kind, Servers::Real).await?;
    hub.routed().await?;
    let mut visits = Vec::new();
    for user in 0..=VISITS {
        visits.push(visit::go(&hub, &name(user)).await?);
        hub.stop_server(&name(user)).await?;
    }
    hub.end();
    visits.remove(0);
    Ok(visits)
}

#[expect(
    clippy::print_stderr,
    reason = "the person who waits wants to see life"
)]
fn say(what: &str) {
    eprintln!("{what}");
}
