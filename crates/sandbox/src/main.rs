//! `sandbox serve`: a small OpenStack until interrupted. `sandbox image`: what its machines start from.

#![expect(
    clippy::print_stdout,
    reason = "the program's output is where its clouds.yaml is"
)]

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use sandbox::{Options, Pace, Sandbox, Scenario};
use tokio::signal::unix::{SignalKind, signal};

/// A small OpenStack on loopback, for tests and for trying hubctl out
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the cloud until interrupted, then take everything away
    Serve(Serve),
    /// Build the image that machines start from, where it is not there yet, and print where it is (needs root)
    Image,
}

#[derive(clap::Args)]
struct Serve {
    /// Where to listen; port 0 takes any free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Where clouds.yaml, volumes and machines go; a temporary directory if not given
    #[arg(long)]
    state_dir: Option<PathBuf>,
    /// What servers are made of
    #[arg(long, value_enum, default_value_t = MachineKind::None)]
    machines: MachineKind,
    /// What the cloud has: words and quotas, with commas
    ///
    /// Words: default, provider-network, no-external, two-externals, project-network, shared-networks, no-volumes,
    /// no-dns, no-tags, no-console, old-nova, ipv6, two-regions, twin-image. Quotas by the service's own word: cores=4,floatingip=1,gigabytes=20.
    #[arg(long, default_value = "default")]
    scenario: Scenario,
    /// Serve over HTTPS, with a certificate authority made for it
    #[arg(long)]
    tls: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum MachineKind {
    /// Nothing: servers are records only
    None,
    /// Namespaces of this host, with systemd and SSH in them (needs root)
    Namespaces,
}

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::WARN)
        .with_writer(std::io::stderr)
        .init();
    let done = match Args::parse().command {
        Command::Serve(args) => serve(args),
        Command::Image => image(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn image() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let image = runtime.block_on(sandbox::image())?;
    println!("{}", image.display());
    Ok(())
}

fn serve(args: Serve) -> anyhow::Result<()> {
    let options = Options {
        listen: args.listen,
        state_dir: args.state_dir,
        tls: args.tls,
        scenario: args.scenario,
        pace: Pace::REAL,
    };
    // Ready for the signal before there is anything to clean up.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut interrupt, mut terminate) = {
        let _guard = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    let mut interrupted = async || {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    // Building an image takes a minute; whoever interrupts it need not wait for its end.
    let starting = runtime.spawn_blocking(move || start(options, args.machines));
    let started = runtime.block_on(async {
        tokio::select! {
            started = starting => Some(started),
            () = interrupted() => None,
        }
    });
    let Some(started) = started else {
        runtime.shutdown_background();
        return Ok(());
    };
    let sandbox = started.context("starting the sandbox")??;
    println!("clouds.yaml: {}", sandbox.clouds_yaml.display());
    println!("auth_url:    {}", sandbox.auth_url);
    println!(
        "use it with: OS_CLIENT_CONFIG_FILE={} OS_CLOUD=sandbox",
        sandbox.clouds_yaml.display()
    );
    runtime.block_on(interrupted());
    sandbox.stop();
    Ok(())
}

/// The one place where the machines are chosen.
fn start(options: Options, machines: MachineKind) -> anyhow::Result<Sandbox> {
    match machines {
        MachineKind::None => Sandbox::start(options),
        MachineKind::Namespaces => Sandbox::start_with(options, sandbox::namespaces()),
    }
    .context("starting the sandbox")
}
