//! The people: names, passwords, accounts on the server, what is handed out.

mod add;
pub mod credentials;
pub mod names;
pub mod password;
pub mod remote;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use add::{Added, Request, add};
pub use credentials::{Credential, Credentials};

use crate::host::HostError;
use crate::setup::names::{ADMINS_GROUP, USERS_GROUP};
use crate::state::StateError;
use remote::{Conversation, Root};

/// A notebook user's account on the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub name: String,
    pub uid: u32,
    /// A hub admin.
    pub admin: bool,
    /// What it lacks (`home`, `password`); `add` completes it.
    pub missing: Vec<String>,
}

/// Why people could not be added or listed.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Names(Vec<names::NameProblem>),
    #[error("{} is not the list of users that hubctl wrote", path.display())]
    Credentials { path: PathBuf },
    #[error("{problem}")]
    Refused { problem: String },
    #[error("the program that keeps the accounts ended (status {status}): {said}")]
    Broken { status: i32, said: String },
    #[error(transparent)]
    Host(#[from] HostError),
    #[error(transparent)]
    State(#[from] StateError),
}

impl UsersError {
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Names(problems) => problems
                .iter()
                .map(|problem| problem.hint.clone())
                .collect::<Vec<_>>()
                .join("\n"),
            Self::Credentials { path } => format!(
                "its first line must be url,user,password; move {} away to begin a new one",
                path.display()
            ),
            Self::Refused { .. } => "`hubctl provision` sets the server up".to_owned(),
            Self::Broken { .. } => {
                "nothing was half done; run it again, and report this if it stays".to_owned()
            }
            Self::Host(error) => return error.hint(),
            Self::State(error) => error.hint(),
        })
    }
}

/// What the program on the server is told first.
#[derive(Serialize)]
pub(crate) struct Settings<'a> {
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    pub(crate) admin_group: &'a str,
}

impl<'a> Settings<'a> {
    pub(crate) const fn new(verb: &'a str) -> Self {
        Self {
            verb,
            group: USERS_GROUP,
            admin_group: ADMINS_GROUP,
        }
    }
}

/// Longest time a talk with the server takes: a minute's wait for a lock, and thousands of homes.
pub(crate) const WITHIN: Duration = Duration::from_secs(180);

/// The notebook users of the server, in the order they were made. One exchange.
pub async fn list(root: &dyn Root) -> Result<Vec<Account>, UsersError> {
    #[derive(Deserialize)]
    struct Listing {
        accounts: Vec<Account>,
    }
    let talk = Conversation::open(root, &Settings::new("list"), WITHIN);
    let (talk, listing) = talk.hear::<Listing>().await?;
    talk.end().await?;
    Ok(listing.accounts)
}

#[cfg(test)]
mod tests;
