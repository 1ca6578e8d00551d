//! Authenticators: who is it that logs in.

mod authenticators;
pub mod dummy;
pub mod limit;
pub mod pam;
pub mod password;
pub mod provider;

use std::time::Duration;

use async_trait::async_trait;

pub use self::authenticators::{
    AccountError, ArrivalError, Attempt, AuthError, Authenticators, normalised,
};

/// Who logged in, as the authenticator says; the hub makes or updates the user from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The hub's user name, already normalised.
    pub name: String,
    /// Whether the authenticator says admin; `None`: it has no say, the hub keeps what it knows.
    pub admin: Option<bool>,
    /// The groups the authenticator says; `None`: it does not manage groups.
    pub groups: Option<Vec<String>>,
    /// What JupyterLab may show of the person (name, display_name, initials, avatar_url, color), as JSON.
    pub user_info: Option<serde_json::Value>,
    /// The provider's own, lasting identifier of the person. A user stays with the first one that logged in: names at a
    /// provider can be given up and taken by somebody else.
    pub subject: Option<Subject>,
}

/// A person at a provider.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Subject {
    /// The provider's id in the configuration.
    pub provider: String,
    /// The identifier.
    pub id: String,
}

impl Identity {
    /// Somebody of whom nothing is known but the name.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            admin: None,
            groups: None,
            user_info: None,
            subject: None,
        }
    }
}

/// Why a login did not happen. Only [`Refusal::Unavailable`] says more than "wrong name or password" to the visitor.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Wrong name or password, or a person who may not log in: never told apart to the visitor.
    #[error("wrong name or password")]
    Denied,
    /// Too many failures; the address may come again after this long.
    #[error("too many failed logins from this address")]
    TooMany(Duration),
    /// What decides cannot be asked now; the text is for the log, the visitor is told to try again.
    #[error("{0}")]
    Unavailable(String),
}

/// An authenticator that takes a name and a password from the hub's own form.
#[async_trait]
pub trait PasswordAuthenticator: Send + Sync {
    /// Says who it is. Takes about as long for a name that does not exist as for a wrong password.
    async fn authenticate(&self, name: &str, password: &str) -> Result<Identity, Refusal>;
}
