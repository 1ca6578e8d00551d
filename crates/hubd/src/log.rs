//! The log on standard error.

use std::io::IsTerminal;

use anyhow::Context;
use hub_api::hub::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

/// Starts the log. Under systemd lines carry no time: the journal has its own.
pub fn start(log: &Log) -> anyhow::Result<()> {
    let filter =
        EnvFilter::try_new(&log.level).with_context(|| format!("log.level: {:?}", log.level))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
        LogFormat::Text if std::env::var_os("JOURNAL_STREAM").is_some() => {
            builder.without_time().with_ansi(false).try_init()
        }
        LogFormat::Text => builder
            .with_ansi(std::io::stderr().is_terminal())
            .try_init(),
    };
    started.map_err(|error| anyhow::anyhow!("starting the log: {error}"))
}
