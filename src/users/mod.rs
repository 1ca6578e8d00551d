//! The people: names, passwords, accounts on the server, what is handed out.

mod add;
pub mod credentials;
mod log_out;
pub mod names;
pub mod password;
mod person;
pub mod remote;
mod remove;
mod reset;
mod roster;
pub mod sheet;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use add::{Added, Request, add};
pub use credentials::{Credential, Credentials};
pub use log_out::{LoggedOut, log_out};
pub use person::Person;
pub use remove::{Removal, Removed, remove};
pub use reset::{Reset, Whose, reset};
pub use roster::{HubServer, HubUser, Roster, roster};

use crate::host::HostError;
use crate::setup::HubPlaces;
use crate::setup::names::{ADMINS_GROUP, HUB_PORT, SSH_GROUP, USERS_GROUP};
use crate::state::StateError;

/// A notebook user's account on the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    pub name: String,
    pub uid: u32,
    /// A hub admin.
    pub admin: bool,
    /// What it lacks (`home`, `password`); `add` completes it.
    pub missing: Vec<String>,
    /// hubctl made it; else someone did by hand.
    pub made: bool,
    pub password: PasswordState,
    /// Of the password's hash, to know it again.
    #[serde(skip_serializing, default)]
    digest: String,
}

/// Whose password an account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PasswordState {
    /// The one that hubctl gave.
    Given,
    /// Another than hubctl gave.
    Changed,
    /// It was locked.
    Locked,
    /// There is none yet.
    None,
    /// hubctl never gave one.
    Unknown,
}

/// Why people could not be added or listed.
#[derive(Debug, thiserror::Error)]
pub enum UsersError {
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Names(Vec<names::NameProblem>),
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Sheet(Vec<sheet::SheetProblem>),
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
            Self::Sheet(problems) => {
                let mut hints: Vec<&str> = problems
                    .iter()
                    .filter_map(|problem| problem.hint.as_deref())
                    .collect();
                hints.dedup();
                hints.join("\n")
            }
            Self::Credentials { path } => format!(
                "its first line must name the columns user and password; move {} away to begin a new one",
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
    /// Who is in it is no notebook user.
    pub(crate) ssh_group: &'a str,
    /// The hubs that may be there.
    pub(crate) hubs: Vec<HubAccess>,
}

/// How the hub is asked, and what it leaves of a user.
#[derive(Serialize)]
pub(crate) struct HubAccess {
    pub(crate) api: String,
    /// On the server, readable for root alone.
    pub(crate) token_file: &'static str,
    /// Whether it can be told to end browsers' sessions.
    pub(crate) ends_sessions: bool,
    /// Units that a user's server runs in, `{name}` for the user.
    pub(crate) units: [&'static str; 1],
    /// Further folders of a user's.
    pub(crate) folders: [&'static str; 1],
}

impl<'a> Settings<'a> {
    pub(crate) fn new(verb: &'a str) -> Self {
        Self {
            verb,
            group: USERS_GROUP,
            admin_group: ADMINS_GROUP,
            ssh_group: SSH_GROUP,
            hubs: HubPlaces::all()
                .into_iter()
                .map(|places| HubAccess {
                    api: format!("http://127.0.0.1:{HUB_PORT}/hub/api"),
                    token_file: places.api_token,
                    ends_sessions: places.ends_sessions,
                    units: [places.user_unit],
                    folders: [places.user_folder],
                })
                .collect(),
        }
    }
}

/// One whom the server refused.
#[derive(Deserialize)]
pub(crate) struct Refused {
    name: String,
    reason: String,
}

impl Refused {
    fn into_pair(self) -> (String, String) {
        (self.name, self.reason)
    }
}

/// Longest time a talk with the server takes: a minute's wait for a lock, and thousands of homes.
pub(crate) const WITHIN: Duration = Duration::from_secs(180);

#[cfg(test)]
mod tests;
