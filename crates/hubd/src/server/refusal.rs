//! Why a start or a stop is refused, with JupyterHub's status and words.

use http::StatusCode;

use super::failure::Failure;
use super::state::State;
use crate::api::python;
use crate::spawner::ServerKey;
use crate::store::StoreError;

/// Why a server is not started, or not stopped.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("No such user {0}")]
    NoUser(String),
    #[error("{} is pending {}", log_name(key), state.pending().unwrap_or("nothing"))]
    Pending { key: ServerKey, state: State },
    #[error("{} is already running", log_name(.0))]
    Running(ServerKey),
    #[error("{} is not starting...", log_name(.0))]
    NotStarting(ServerKey),
    #[error("Named servers are not enabled.")]
    NamedDisabled,
    #[error(
        "User {user} already has the maximum of {limit} named servers.  One must be deleted before a new server can be \
         created"
    )]
    NamedLimit { user: String, limit: u32 },
    #[error("Invalid server_name: {}", python::text(.0))]
    Name(String),
    #[error("Invalid display_name: {}", python::text(.0))]
    DisplayName(String),
    #[error("{0}")]
    Options(String),
    #[error("{user} has no server named '{name}'")]
    NoServer { user: String, name: String },
    #[error("Cannot delete the default server")]
    DefaultStays,
    #[error("Too many users trying to log in right now. Try again in {retry_after} seconds.")]
    TooManyStarts { retry_after: u64 },
    #[error("Active user limit exceeded. Try again in a few minutes.")]
    TooManyServers,
    /// It was tried, and did not work.
    #[error("{0}")]
    Failed(Failure),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Refusal {
    /// The status of the answer.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::NoUser(_) | Self::NoServer { .. } => StatusCode::NOT_FOUND,
            Self::TooManyStarts { .. } | Self::TooManyServers => StatusCode::TOO_MANY_REQUESTS,
            Self::Failed(failure) => failure.status(),
            Self::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The seconds of a `Retry-After` header.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooManyStarts { retry_after } => Some(*retry_after),
            Self::TooManyServers => Some(120),
            Self::Failed(failure) => failure.retry_after(),
            _ => None,
        }
    }
}

/// A server as the log and the messages call it: `alice`, `alice:lab2`.
pub fn log_name(key: &ServerKey) -> String {
    if key.name.is_empty() {
        key.user.clone()
    } else {
        format!("{}:{}", key.user, key.name)
    }
}
