//! The program `hubd`.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Parser;
use hub_api::hub::Hub as Config;
use hubd::app::{self, Hub, Surroundings};
use hubd::cli::{self, Args, Command};
use hubd::clock::Clock;
use hubd::listen::Listeners;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> ExitCode {
    let args = Args::parse();
    match run(args) {
        Ok(text) => {
            // Nobody reads any more: nothing to be done about it.
            let _closed = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _closed = writeln!(std::io::stderr(), "hubd: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: Args) -> anyhow::Result<String> {
    let config = cli::load(&args.config)?;
    let workers = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(4);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    match args.command {
        None | Some(Command::Serve) => {
            hubd::log::start(&config.log)?;
            runtime.block_on(serve(config)).map(|()| String::new())
        }
        Some(command) => runtime.block_on(command.run(config)),
    }
}

async fn serve(mut config: Config) -> anyhow::Result<()> {
    let begun = std::time::Instant::now();
    // Before anything is changed: a second hubd must not come so far.
    let listeners = Listeners::bind(&config.listen)?;
    listeners.tell(&mut config.listen);
    let around = Surroundings {
        clock: Clock::system(),
        spawner: hubd::spawner::from_configuration(&config.spawn)?,
    };
    let hub = Arc::new(Hub::new(config, around).await?);
    end_at_signals(&hub)?;
    for (name, listener) in [
        ("public", &listeners.public),
        ("internal", &listeners.internal),
    ] {
        let place = listener.place().map_or_else(
            || "a socket without a name".to_owned(),
            |place| place.to_string(),
        );
        tracing::info!(%place, "listening ({name})");
    }
    tracing::info!(
        took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX),
        "ready"
    );
    if let Err(error) = sd_notify::notify(&[sd_notify::NotifyState::Ready]) {
        tracing::warn!(%error, "telling systemd that the hub is ready");
    }
    app::serve(hub, listeners).await?;
    tracing::info!("ended");
    Ok(())
}

fn end_at_signals(hub: &Arc<Hub>) -> anyhow::Result<()> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut signals = signal(kind).context("listening for signals")?;
        let hub = hub.clone();
        tokio::spawn(async move {
            if signals.recv().await.is_some() {
                tracing::info!("told to end");
                let _no_systemd = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
                hub.end();
            }
        });
    }
    Ok(())
}
