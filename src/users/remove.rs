//! The end of people: their servers, accounts and homes, and what the hub knows of them.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::credentials::Credentials;
use super::remote::{Conversation, Root};
use super::{Account, Refused, Settings, UsersError, WITHIN, reset};
use crate::event::{Event, Observer};
use crate::state::State;

/// Longest time one user's server and home take.
const EACH: Duration = Duration::from_secs(10);

/// Whom to remove.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removal {
    pub names: Vec<String>,
    /// Of further people, whose accounts hubctl did not make.
    pub by_hand: Vec<String>,
    /// Their homes stay, for accounts of the same name.
    pub keep_homes: bool,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Removed {
    pub removed: Vec<String>,
    /// Had no account any more; the hub and the credentials file forgot them.
    pub absent: Vec<String>,
    /// Stay, and why.
    pub refused: Vec<(String, String)>,
    /// What could not be removed of those who are gone, in words.
    pub left: Vec<String>,
}

#[derive(Deserialize)]
struct Facts {
    accounts: Vec<Account>,
}

#[derive(Serialize)]
struct Order<'a> {
    remove: Vec<&'a String>,
    by_hand: &'a [String],
    keep_homes: bool,
}

#[derive(Deserialize)]
struct Done {
    removed: Vec<String>,
    absent: Vec<String>,
    refused: Vec<Refused>,
    left: Vec<String>,
}

/// Removes people in one exchange. Can be run again where it was cut short.
pub async fn remove(
    root: &dyn Root,
    state: &State,
    removal: &Removal,
    url: &str,
    observer: &dyn Observer,
) -> Result<Removed, UsersError> {
    let mut credentials = Credentials::load(state)?;
    let mut names: Vec<&String> = removal.names.iter().chain(&removal.by_hand).collect();
    names.sort();
    names.dedup();
    let number = u32::try_from(names.len()).unwrap_or(u32::MAX);
    let within = WITHIN + EACH.saturating_mul(number);
    let talk = Conversation::open(root, &Settings::new("remove"), within);
    let (mut talk, facts) = talk.hear::<Facts>().await?;
    reset::settle(state, &mut credentials, &facts.accounts, url)?;

    let step = format!("remove {number} users");
    let started = Instant::now();
    observer.on(Event::StepStarted { name: step.clone() });
    talk.tell(&Order {
        remove: names,
        by_hand: &removal.by_hand,
        keep_homes: removal.keep_homes,
    })
    .await;
    let (talk, done) = talk.hear::<Done>().await?;
    talk.end().await?;

    credentials.note(&facts.accounts);
    for name in done.removed.iter().chain(&done.absent) {
        credentials.remove(name);
    }
    credentials.lead_to(url);
    credentials.save(state)?;
    observer.on(Event::StepFinished {
        name: step,
        changed: !done.removed.is_empty(),
        seconds: started.elapsed().as_secs_f64(),
    });
    Ok(Removed {
        removed: done.removed,
        absent: done.absent,
        refused: done.refused.into_iter().map(Refused::into_pair).collect(),
        left: done.left,
    })
}
