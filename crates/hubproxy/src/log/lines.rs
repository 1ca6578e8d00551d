//! How log lines look: configurable-http-proxy's, the journal's, or JSON.

use std::fmt;
use std::io::{self, IsTerminal};

use hub_api::proxy::{LogFormat, LogLevel};
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

const STAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// Changes what is logged while the proxy runs.
#[derive(Clone)]
pub struct LogHandle(reload::Handle<Targets, Registry>);

impl LogHandle {
    /// Logs at this level from now on.
    pub fn set_level(&self, level: LogLevel) {
        // It fails only when there is no log any more.
        let _ = self.0.reload(targets(level));
    }
}

/// Starts the log. `is_chp` asks for configurable-http-proxy's lines on standard output; otherwise they go to standard
/// error, without a time where the journal adds one.
pub fn init(level: LogLevel, format: LogFormat, is_chp: bool) -> LogHandle {
    let (filter, handle) = reload::Layer::new(targets(level));
    let layer = match (is_chp, format) {
        (true, _) => {
            let look = Look::Chp {
                colour: io::stdout().is_terminal(),
            };
            tracing_subscriber::fmt::layer()
                .event_format(look)
                .with_writer(io::stdout)
                .boxed()
        }
        (false, LogFormat::Json) => tracing_subscriber::fmt::layer()
            .json()
            .flatten_event(true)
            .with_writer(io::stderr)
            .boxed(),
        (false, LogFormat::Text) => {
            let look = if std::env::var_os("JOURNAL_STREAM").is_some() {
                Look::Journal
            } else {
                Look::Plain
            };
            tracing_subscriber::fmt::layer()
                .event_format(look)
                .with_writer(io::stderr)
                .boxed()
        }
    };
    // A second start in one process (a test) keeps the first log.
    let _ = tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init();
    LogHandle(handle)
}

/// Libraries are heard only when something is wrong.
fn targets(level: LogLevel) -> Targets {
    let own = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
    };
    Targets::new()
        .with_default(own.min(LevelFilter::WARN))
        .with_target("hubproxy", own)
}

enum Look {
    Chp { colour: bool },
    Journal,
    Plain,
}

impl<S, N> FormatEvent<S, N> for Look
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut to: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let level = *event.metadata().level();
        match self {
            Self::Chp { colour } => {
                let (name, code) = chp_level(level);
                let time = stamp();
                if *colour {
                    write!(to, "{time} [ConfigProxy] \x1b[{code}m{name}\x1b[39m: ")?;
                } else {
                    write!(to, "{time} [ConfigProxy] {name}: ")?;
                }
            }
            // sd-daemon(3): the journal takes the level from the prefix.
            Self::Journal => write!(to, "<{}>", priority(level))?,
            Self::Plain => write!(to, "{} {}: ", stamp(), chp_level(level).0)?,
        }
        context.field_format().format_fields(to.by_ref(), event)?;
        writeln!(to)
    }
}

fn stamp() -> String {
    OffsetDateTime::now_utc().format(STAMP).unwrap_or_default()
}

fn chp_level(level: Level) -> (&'static str, u8) {
    match level {
        Level::ERROR => ("error", 31),
        Level::WARN => ("warn", 33),
        Level::INFO => ("info", 32),
        _ => ("debug", 34),
    }
}

fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}
