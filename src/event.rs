//! What the logic announces while it works. The [`ui`](crate::ui) decides how it looks.

use serde::Serialize;

/// One thing worth telling. Plain data; with `--output json` each is one line.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// A part of the run with a time of its own in the timing table: `preflight`, `cloud`, `ssh`, `setup`, `health`.
    PhaseStarted {
        phase: &'static str,
    },
    PhaseFinished {
        phase: &'static str,
        seconds: f64,
    },
    /// One change of a plan or one step on the host begins, e.g. `create server class`, `install packages`.
    StepStarted {
        name: String,
    },
    /// It ended; `changed` is false where nothing was needed after all.
    StepFinished {
        name: String,
        changed: bool,
        seconds: f64,
    },
    /// More about the step that runs now, e.g. a package being unpacked. Not kept on the screen.
    Detail {
        message: String,
    },
    /// Something is being waited for. Sent again while the wait goes on.
    Waiting {
        /// What for: `SSH on 172.24.4.7`.
        what: String,
        /// What it looks like now: `connection refused`.
        state: String,
        elapsed_seconds: f64,
        deadline_seconds: f64,
    },
    /// Worth knowing, needs no action.
    Note {
        message: String,
    },
    /// Went on, but the operator should look at it.
    Warning {
        message: String,
    },
}

/// Receives events. The logic below `command` has no other way to speak.
pub trait Observer: Send + Sync {
    fn on(&self, event: Event);
}

/// Convenience on top of [`Observer`].
impl dyn Observer + '_ {
    pub fn note(&self, message: impl Into<String>) {
        self.on(Event::Note {
            message: message.into(),
        });
    }

    pub fn warn(&self, message: impl Into<String>) {
        self.on(Event::Warning {
            message: message.into(),
        });
    }

    pub fn detail(&self, message: impl Into<String>) {
        self.on(Event::Detail {
            message: message.into(),
        });
    }
}

/// Keeps silent; for tests and for work nobody watches.
pub struct Silent;

impl Observer for Silent {
    fn on(&self, _: Event) {}
}
