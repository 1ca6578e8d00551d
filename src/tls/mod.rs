//! Certificates: an authority for each deployment and the leaf it signs, or the operator's own.
//!
//! The authority's key never leaves the operator's machine and may sign for nothing but the deployment's own names, so
//! that trusting it costs a user nothing else. What the server gets is a leaf for a year.

mod authority;
mod chain;
mod leaf;
pub mod own;

use std::collections::BTreeSet;
use std::net::IpAddr;

use time::OffsetDateTime;

use crate::secret::Secret;
use crate::state::{State, StateError};
use authority::Authority;
pub use leaf::subject;

/// The authority's certificate in the state folder, for whoever is to trust it.
pub const AUTHORITY: &str = authority::CERTIFICATE;

/// What a hub is called: what its certificate must be valid for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// The DNS name, lower case and without a dot at its end.
    domain: Option<String>,
    addresses: BTreeSet<IpAddr>,
}

impl Names {
    pub fn new(domain: Option<&str>, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        Self {
            domain: domain.map(|name| name.trim_end_matches('.').to_ascii_lowercase()),
            addresses: addresses.into_iter().collect(),
        }
    }

    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref()
    }

    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> + '_ {
        self.addresses.iter().copied()
    }

    /// Domain and addresses as text, for messages and comparisons.
    fn texts(&self) -> impl Iterator<Item = String> + '_ {
        self.domain
            .iter()
            .cloned()
            .chain(self.addresses.iter().map(ToString::to_string))
    }

    fn is_empty(&self) -> bool {
        self.domain.is_none() && self.addresses.is_empty()
    }
}

/// A certificate that a server can use, with its key.
#[derive(Debug, Clone)]
pub struct Leaf {
    /// The server's certificate, then what connects it to its authority. PEM.
    pub certificate: String,
    /// PEM.
    pub key: Secret,
    /// The authority to trust, PEM; none where the system's authorities are meant to know it.
    pub authority: Option<String>,
    pub not_after: OffsetDateTime,
    /// It was made in this run.
    pub renewed: bool,
    /// So was the authority: whoever trusted the one before has to trust this one anew.
    pub new_authority: bool,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("a certificate needs a domain or an address to be for")]
    NoNames,
    #[error("making a certificate for {names}")]
    Make {
        names: String,
        #[source]
        source: rcgen::Error,
    },
    #[error("the certificate and key given cannot be used:\n{}", .0.iter().map(|problem| problem.message.as_str()).collect::<Vec<_>>().join("\n"))]
    Own(Vec<own::Problem>),
    #[error(transparent)]
    State(#[from] StateError),
}

impl TlsError {
    pub fn hint(&self) -> String {
        match self {
            Self::NoNames => "give the hub a `domain`, or the server an address".to_owned(),
            Self::Make { .. } => {
                "check that `domain` is a plain DNS name such as hub.example.org".to_owned()
            }
            Self::Own(problems) => problems
                .iter()
                .map(|problem| problem.hint.as_str())
                .collect::<Vec<_>>()
                .join("\n"),
            Self::State(error) => error.hint(),
        }
    }
}

/// The deployment's certificate for `names`, from the state folder where the one there is still good, else made anew.
///
/// Good is one of our authority's for exactly these names with more than thirty days left. A file that is missing,
/// damaged or without its other half (a run was killed between the two) is made anew as well.
pub fn ensure(state: &State, names: &Names, now: OffsetDateTime) -> Result<Leaf, TlsError> {
    if names.is_empty() {
        return Err(TlsError::NoNames);
    }
    let make_error = |source| TlsError::Make {
        names: names.texts().collect::<Vec<_>>().join(", "),
        source,
    };
    let kept = Authority::load(state)?.filter(|authority| authority.serves(names, now));
    let new_authority = kept.is_none();
    let authority = match kept {
        Some(authority) => authority,
        None => {
            let authority = Authority::make(state.name(), names, now).map_err(make_error)?;
            authority.save(state)?;
            authority
        }
    };
    if let Some(leaf) = leaf::load(state, &authority, names, now)? {
        return Ok(leaf);
    }
    let mut leaf = leaf::issue(state.name(), &authority, names, now).map_err(make_error)?;
    leaf.new_authority = new_authority;
    leaf::save(state, &leaf)?;
    Ok(leaf)
}

/// Forgets the authority and the certificate: the next [`ensure`] makes both anew.
pub fn forget(state: &State) -> Result<(), StateError> {
    for file in authority::FILES.iter().chain(&leaf::FILES) {
        state.delete(file)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
