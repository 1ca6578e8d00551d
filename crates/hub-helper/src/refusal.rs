//! Why the helper did not do what was asked.

use hub_api::helper::{Answer, InstanceError};

/// Why the helper did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is not allowed, or makes no sense.
    #[error("{0}")]
    Refused(String),
    /// What it takes did not work, or not in time.
    #[error("{doing}: {cause}")]
    Unavailable { doing: &'static str, cause: String },
}

impl Refusal {
    /// For `map_err`: what was being done when `cause` came.
    pub fn doing<E: std::fmt::Display>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |cause| Self::Unavailable {
            doing,
            cause: cause.to_string(),
        }
    }

    pub fn late(doing: &'static str) -> Self {
        Self::Unavailable {
            doing,
            cause: "it took too long".to_owned(),
        }
    }
}

impl From<InstanceError> for Refusal {
    fn from(error: InstanceError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::Refused(_) => Self::Refused { message },
            Refusal::Unavailable { .. } => Self::Unavailable { message },
        }
    }
}
