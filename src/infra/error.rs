//! What ends the cloud half early.

use std::time::Duration;

use super::problem::Problems;
use crate::cloud::{Category, CloudError};
use crate::wait::WaitError;

/// Why the cloud is not as the spec says.
#[derive(Debug, thiserror::Error)]
pub enum InfraError {
    /// Nothing was changed.
    #[error(transparent)]
    Problems(#[from] Problems),
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error("waited {} s for {what}; last seen: {state}", within.as_secs())]
    Deadline {
        what: String,
        state: String,
        within: Duration,
    },
    /// The cloud could not make or grow a volume; it gives no reason.
    #[error("volume {name} is in status {status}")]
    Volume { name: String, status: String },
    /// The plan lacks something that only a complete one has.
    #[error("the plan makes no {0}, and there is none")]
    Incomplete(&'static str),
}

impl InfraError {
    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            // Each problem carries its own.
            Self::Problems(_) => None,
            Self::Cloud(error) => error.hint(),
            Self::Deadline { .. } => Some(
                "the cloud may only be slow: run the same command again, it goes on where this one ended".to_owned(),
            ),
            Self::Volume { name, .. } => Some(format!(
                "run the same command again: a volume that could not be made is replaced; `openstack volume show {name}` tells more"
            )),
            Self::Incomplete(_) => Some("observe and plan again".to_owned()),
        }
    }

    /// What kind of failure it is, for the exit code.
    pub fn category(&self) -> Category {
        match self {
            Self::Problems(problems) if problems.is_quota() => Category::Quota,
            Self::Problems(_) => Category::Config,
            Self::Cloud(error) => error.category(),
            Self::Deadline { .. } | Self::Volume { .. } | Self::Incomplete(_) => Category::Cloud,
        }
    }
}

impl<E: Into<Self>> From<WaitError<E>> for InfraError {
    fn from(error: WaitError<E>) -> Self {
        match error {
            WaitError::Deadline {
                what,
                state,
                within,
            } => Self::Deadline {
                what,
                state,
                within,
            },
            WaitError::Failed(error) => error.into(),
        }
    }
}
