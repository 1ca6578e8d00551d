//! How far a rotation came.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::command::deployment::Deployment;
use crate::infra::is_same_key;
use crate::key;
use crate::state::{State, StateError};

/// Its file in the state folder.
pub(in crate::command) const FILE: &str = "rotate.json";

/// How far a rotation came. Public keys alone; what is secret is where it belongs.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::command) struct Journal {
    /// Those that are to get in no more.
    pub(in crate::command) old_keys: BTreeSet<String>,
    /// The one in their place, once it is this machine's.
    pub(in crate::command) new_key: Option<String>,
    /// The secrets here are the new ones.
    pub(in crate::command) secrets: bool,
    /// The users have their new passwords.
    pub(in crate::command) passwords: bool,
}

impl Journal {
    /// Goes on with the one there is, else begins one: this machine's key and the one that the cloud has are old.
    pub(super) fn begin(deployment: &Deployment) -> anyhow::Result<Self> {
        let state = &deployment.state;
        let mut journal: Self = state
            .read(FILE)?
            .and_then(|text| serde_json::from_str(&text).ok())
            .unwrap_or_default();
        let here = key::public(state)?;
        let in_cloud = deployment
            .inventory
            .key_pair
            .as_ref()
            .map(|pair| pair.public_key.clone());
        for old in here.into_iter().chain(in_cloud) {
            if journal
                .new_key
                .as_deref()
                .is_none_or(|new| !is_same_key(new, &old))
            {
                journal.old_keys.insert(old.trim().to_owned());
            }
        }
        journal.save(state)?;
        Ok(journal)
    }

    pub(in crate::command) fn save(&self, state: &State) -> anyhow::Result<()> {
        Ok(state.write(FILE, &serde_json::to_vec(self)?)?)
    }
}

/// Whether a rotation was cut short.
pub(in crate::command) fn is_unfinished(state: &State) -> bool {
    state.path(FILE).exists()
}

pub(super) fn end(state: &State) -> Result<(), StateError> {
    state.delete(FILE)
}
