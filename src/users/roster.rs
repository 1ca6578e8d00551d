//! Who is there, as the account files and the hub tell it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::remote::{Conversation, Root};
use super::{Account, Settings, UsersError, WITHIN};

/// The people of a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// In the order they were made.
    pub accounts: Vec<Account>,
    /// What the hub knows, by user; also users without an account.
    pub hub: BTreeMap<String, HubUser>,
    /// Why the hub told nothing.
    pub hub_problem: Option<String>,
}

/// A user as the hub knows them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubUser {
    pub admin: bool,
    /// RFC 3339; `None` for one who never logged in.
    pub last_activity: Option<String>,
    /// Their servers that run or are about to.
    pub servers: Vec<HubServer>,
}

/// A user's server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubServer {
    /// Empty for the default one.
    pub name: String,
    pub ready: bool,
    /// RFC 3339.
    pub started: Option<String>,
    /// RFC 3339.
    pub last_activity: Option<String>,
}

impl Roster {
    /// Users that the hub knows and the server has no account for.
    pub fn without_account(&self) -> impl Iterator<Item = (&String, &HubUser)> {
        self.hub
            .iter()
            .filter(|(name, _)| self.accounts.iter().all(|account| account.name != **name))
    }
}

/// Who is there. One exchange.
pub async fn roster(root: &dyn Root) -> Result<Roster, UsersError> {
    let talk = Conversation::open(root, &Settings::new("list"), WITHIN);
    let (talk, roster) = talk.hear::<Roster>().await?;
    talk.end().await?;
    Ok(roster)
}
