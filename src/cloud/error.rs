//! What goes wrong between us and the cloud, in the words of who has to mend it.

use std::time::Duration;

use super::Fault;

/// The cloud's answer to something it refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was being done: `creating server class`.
    pub act: String,
    /// HTTP status.
    pub status: u16,
    /// OpenStack's own message.
    pub message: String,
    /// Neutron's `type` (`SecurityGroupInUse`) or Nova's name of the fault (`conflictingRequest`).
    pub kind: Option<String>,
    /// `x-openstack-request-id`: what the cloud's operators find it by.
    pub request_id: Option<String>,
}

/// One thing there is not enough of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shortage {
    /// OpenStack's name: `cores`, `ram`, `floatingip`, `gigabytes`.
    pub resource: String,
    pub requested: Option<u64>,
    pub used: Option<u64>,
    pub limit: Option<u64>,
}

/// Why a service could not be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreached {
    /// Its name has no address.
    Name,
    /// Nothing listens there, or a firewall says no.
    Refused,
    /// No way there, or no answer to connecting.
    NoRoute,
    /// Its certificate is not signed by an authority we know.
    Untrusted,
    /// Its certificate is for another name, or out of date.
    Certificate,
    /// It speaks no TLS, or no HTTP.
    Protocol,
    Other,
}

#[derive(Debug, thiserror::Error)]
pub enum CloudError {
    /// The credentials could not be put together; nothing was contacted.
    #[error("{message}")]
    Config {
        message: String,
        hint: Option<String>,
    },
    #[error("{0}")]
    NotFound(Box<Refusal>),
    #[error("{0}")]
    Conflict(Box<Refusal>),
    #[error("{refusal}")]
    Quota {
        refusal: Box<Refusal>,
        shortages: Vec<Shortage>,
    },
    /// The credentials were not accepted.
    #[error("{refusal}")]
    Auth {
        refusal: Box<Refusal>,
        hint: Option<String>,
    },
    /// The credentials were accepted, but may not do this.
    #[error("{0}")]
    Forbidden(Box<Refusal>),
    /// The request itself was refused (400 and the rest of the 4xx).
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The cloud failed, also when asked again.
    #[error("{0}")]
    Broken(Box<Refusal>),
    /// A create was sent, and its answer lost: whether the thing exists is not known. Look before trying again.
    #[error("{act}: the answer was lost ({reason}), it may have been done")]
    Lost { act: String, reason: String },
    #[error("{act}: {host} cannot be reached: {reason}")]
    Unreachable {
        act: String,
        host: String,
        why: Unreached,
        reason: String,
    },
    #[error("{act}: no answer within {} s{}", within.as_secs(), last.as_ref().map(|last| format!("; last: {last}")).unwrap_or_default())]
    Deadline {
        act: String,
        within: Duration,
        last: Option<String>,
    },
    /// The catalog has no such service (for this region and interface).
    #[error("{act}: {message}")]
    NoService { act: String, message: String },
    /// The answer is not what this service answers.
    #[error("{act}: {message}")]
    Malformed { act: String, message: String },
    /// A server went to `ERROR`.
    #[error("server {name} is in ERROR: {}", fault.as_ref().map_or("the cloud gives no reason", |fault| &fault.message))]
    Fault { name: String, fault: Option<Fault> },
}

/// What kind of failure it is, for the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// The configuration: nothing was contacted.
    Config,
    Quota,
    Auth,
    /// The cloud refused, failed or was not reached.
    Cloud,
}

impl CloudError {
    /// What to do about it, where something can be done.
    pub fn hint(&self) -> Option<String> {
        super::hint::hint(self)
    }

    pub fn category(&self) -> Category {
        match self {
            Self::Config { .. } => Category::Config,
            Self::Quota { .. } => Category::Quota,
            Self::Auth { .. } => Category::Auth,
            _ => Category::Cloud,
        }
    }

    /// `x-openstack-request-id` of the answer, where there was one.
    pub fn request_id(&self) -> Option<&str> {
        self.refusal()?.request_id.as_deref()
    }

    /// The cloud's answer, where it answered.
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::NotFound(refusal)
            | Self::Conflict(refusal)
            | Self::Forbidden(refusal)
            | Self::Refused(refusal)
            | Self::Broken(refusal)
            | Self::Quota { refusal, .. }
            | Self::Auth { refusal, .. } => Some(refusal),
            _ => None,
        }
    }

    pub fn is_not_found(&self) -> bool {
        matches!(self, Self::NotFound(_))
    }

    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict(_))
    }

    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }

    /// Neutron's `type`, Nova's name of the fault.
    pub fn kind(&self) -> Option<&str> {
        self.refusal()?.kind.as_deref()
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} (HTTP {}", self.act, self.message, self.status)?;
        if let Some(kind) = &self.kind {
            write!(f, ", {kind}")?;
        }
        if let Some(id) = &self.request_id {
            write!(f, ", request {id}")?;
        }
        f.write_str(")")
    }
}
