//! Why a server did not come up, or ended by itself, in words for its owner.

use std::fmt;
use std::time::Duration;

use http::StatusCode;

use crate::notebooks::NotInstalled;
use crate::spawner::{Ending, SpawnError};

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Somebody asked for its end while it was starting.
    Cancelled,
    /// The spawner said no, in words for the owner.
    Refused(String),
    /// Something behind the hub broke; the details are in the log under this act.
    Broken { doing: &'static str },
    /// What notebooks run in was not installed in the time that a start waits for it.
    NotInstalled(NotInstalled),
    /// The start took too long.
    Late { within: Duration },
    /// The process runs, and does not answer.
    Silent { within: Duration },
    /// The process ended.
    Ended(Ending),
}

impl Failure {
    /// The failure of a spawner's start. What only the operator can use goes to the log.
    pub fn of_start(error: SpawnError) -> Self {
        match error {
            SpawnError::Refused { message } => Self::Refused(message),
            SpawnError::Engine { doing, cause } => {
                tracing::error!(%cause, "{doing}");
                Self::Broken {
                    doing: "starting the server",
                }
            }
            SpawnError::Late { within, .. } => Self::Late { within },
        }
    }

    /// The server's last lines, for its owner's eyes only.
    pub fn last_lines(&self) -> &[String] {
        match self {
            Self::Ended(ending) => &ending.last_lines,
            _ => &[],
        }
    }

    /// The status of the answer to whoever asked for the start.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Cancelled | Self::Refused(_) => StatusCode::BAD_REQUEST,
            Self::NotInstalled(_) => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Seconds after which another try may go better.
    pub fn retry_after(&self) -> Option<u64> {
        matches!(self, Self::NotInstalled(_)).then_some(30)
    }
}

impl From<NotInstalled> for Failure {
    fn from(error: NotInstalled) -> Self {
        Self::NotInstalled(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cancelled => f.write_str("it was stopped while it was starting"),
            Self::Refused(message) => f.write_str(message),
            Self::Broken { doing } => {
                write!(f, "{doing} did not work; the hub's log says why. Try again, or tell whoever runs this hub")
            }
            Self::NotInstalled(_) => f.write_str(
                "the notebooks are still being installed on this server. Try again in a few minutes",
            ),
            Self::Late { within } => write!(
                f,
                "the server did not start within {} seconds. Try again; if it happens again, tell whoever runs this hub",
                within.as_secs()
            ),
            Self::Silent { within } => write!(
                f,
                "the server started and did not answer within {} seconds. Try again",
                within.as_secs()
            ),
            Self::Ended(ending) if ending.out_of_memory => f.write_str(
                "the server ran out of memory and was ended. Use less at once (smaller data, fewer notebooks), \
                 or ask for a larger server",
            ),
            Self::Ended(ending) => match ending.code {
                Some(code) => write!(f, "the server ended with exit status {code}"),
                None => f.write_str("the server was ended by a signal"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn out_of_memory_is_called_that() {
        let ending = Ending {
            code: None,
            out_of_memory: true,
            last_lines: vec!["Killed".to_owned()],
        };
        let failure = Failure::Ended(ending);
        assert!(failure.to_string().contains("out of memory"));
        assert_eq!(failure.last_lines(), ["Killed"]);
    }

    #[test]
    fn what_the_engine_said_is_not_for_the_owner() {
        let failure = Failure::of_start(SpawnError::Engine {
            doing: "asking the helper".to_owned(),
            cause: "/run/hub-helper.sock: permission denied".to_owned(),
        });
        assert!(!failure.to_string().contains("/run"));
        assert_eq!(failure.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
