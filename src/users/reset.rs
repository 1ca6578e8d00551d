//! Another password for people who are there.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::credentials::{Credential, Credentials, Note};
use super::password::{Ahead, Hashed};
use super::remote::{Conversation, Root};
use super::{Account, Refused, Settings, UsersError, WITHIN};
use crate::event::{Event, Observer};
use crate::secret::Secret;
use crate::state::State;

/// Passwords that were made and perhaps not set yet; gone when they are.
const JOURNAL: &str = "reset-password.json";

/// Whose password is to be another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    These(Vec<String>),
    /// Of all whose account hubctl made.
    AllMade,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reset {
    pub reset: Vec<Credential>,
    /// Cannot be, and why.
    pub refused: Vec<(String, String)>,
    /// The hub is one that logs them out.
    pub logged_out: bool,
    /// Who could not be logged out, in words.
    pub left: Vec<String>,
}

#[derive(Deserialize)]
struct Facts {
    accounts: Vec<Account>,
}

#[derive(Serialize)]
struct Order<'a> {
    reset: Vec<Wanted<'a>>,
}

#[derive(Serialize)]
struct Wanted<'a> {
    name: &'a str,
    hash: &'a str,
}

#[derive(Deserialize)]
struct Done {
    reset: Vec<String>,
    refused: Vec<Refused>,
    logged_out: bool,
    left: Vec<String>,
}

/// The passwords of a run by user, each with its hash, by which the server is asked whether it was set.
#[derive(Serialize, Deserialize, Default)]
struct Journal(BTreeMap<String, Written>);

#[derive(Serialize, Deserialize)]
struct Written {
    password: String,
    hash: String,
}

/// Gives people new passwords, in one exchange, and has the hub log them out where it can.
///
/// A new password is written down before it is set, and comes into the credentials file after. What a killed run had set
/// is seen by its hash and taken over, by this and by every other run that looks at the accounts ([`settle`]).
pub async fn reset(
    root: &dyn Root,
    state: &State,
    whose: &Whose,
    url: &str,
    observer: &dyn Observer,
) -> Result<Reset, UsersError> {
    let mut credentials = Credentials::load(state)?;
    let talk = Conversation::open(root, &Settings::new("reset"), WITHIN);
    let (mut talk, facts) = talk.hear::<Facts>().await?;
    settle(state, &mut credentials, &facts.accounts, url)?;
    credentials.note(&facts.accounts);

    let names: Vec<String> = match whose {
        Whose::These(names) => {
            let mut names = names.clone();
            names.sort();
            names.dedup();
            names
        }
        Whose::AllMade => facts
            .accounts
            .iter()
            .filter(|account| account.made)
            .map(|account| account.name.clone())
            .collect(),
    };
    let step = format!("reset {} passwords", names.len());
    let started = Instant::now();
    observer.on(Event::StepStarted { name: step.clone() });
    let made = Ahead::begin(names.len())
        .all()
        .await
        .map_err(|error| UsersError::Broken {
            status: 0,
            said: error.to_string(),
        })?;
    let journal = Journal(
        names
            .iter()
            .zip(made)
            .map(|(name, Hashed { password, hash })| {
                let password = password.reveal().to_owned();
                (name.clone(), Written { password, hash })
            })
            .collect(),
    );
    journal.write(state)?;
    talk.tell(&Order {
        reset: journal
            .0
            .iter()
            .map(|(name, written)| Wanted {
                name,
                hash: &written.hash,
            })
            .collect(),
    })
    .await;
    let (talk, done) = talk.hear::<Done>().await?;
    talk.end().await?;

    let mut found = Reset {
        refused: done.refused.into_iter().map(Refused::into_pair).collect(),
        logged_out: done.logged_out,
        left: done.left,
        ..Reset::default()
    };
    for name in done.reset {
        if let Some(written) = journal.0.get(&name) {
            take(&mut credentials, &name, &written.password, url);
            found.reset.extend(credentials.of(&name).cloned());
        }
    }
    credentials.lead_to(url);
    credentials.save(state)?;
    state.delete(JOURNAL)?;
    observer.on(Event::StepFinished {
        name: step,
        changed: !found.reset.is_empty(),
        seconds: started.elapsed().as_secs_f64(),
    });
    Ok(found)
}

/// Takes over what a killed [`reset`] had set on the server. The credentials are not saved.
pub(super) fn settle(
    state: &State,
    credentials: &mut Credentials,
    accounts: &[Account],
    url: &str,
) -> Result<(), UsersError> {
    let Some(journal) = Journal::read(state)? else {
        return Ok(());
    };
    for account in accounts {
        if let Some(written) = journal.0.get(&account.name)
            && account.digest == digest(&written.hash)
        {
            take(credentials, &account.name, &written.password, url);
        }
    }
    credentials.save(state)?;
    Ok(state.delete(JOURNAL)?)
}

fn take(credentials: &mut Credentials, name: &str, password: &str, url: &str) {
    let mut row = credentials.of(name).cloned().unwrap_or_default();
    row.url = url.to_owned();
    row.user = name.to_owned();
    row.password = Secret::new(password);
    row.note = Note::None;
    credentials.put(row);
}

/// As `accounts.py` makes it.
fn digest(hash: &str) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(hash.as_bytes())
        .iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

impl Journal {
    fn read(state: &State) -> Result<Option<Self>, UsersError> {
        Ok(state
            .read(JOURNAL)?
            .and_then(|text| serde_json::from_str(&text).ok()))
    }

    fn write(&self, state: &State) -> Result<(), UsersError> {
        let text = serde_json::to_vec(self).map_err(|error| UsersError::Broken {
            status: 0,
            said: error.to_string(),
        })?;
        Ok(state.write(JOURNAL, &text)?)
    }
}
