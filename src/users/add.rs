//! Adding people: names chosen, passwords made and written down here, accounts made there, in one exchange.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::credentials::{Credential, Credentials, Note};
use super::names::{self, NameProblem};
use super::password::{self, Ahead, Hashed};
use super::remote::{Conversation, Root};
use super::{Account, Person, Refused, Settings, UsersError, WITHIN, reset};
use crate::event::{Event, Observer};
use crate::secret::Secret;
use crate::state::State;

/// Names that were chosen and perhaps not made yet; gone when they are.
const JOURNAL: &str = "add-users.json";

/// Whom to add.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    pub people: Vec<Person>,
    /// Further users, numbered.
    pub count: usize,
    /// What their numbers follow.
    pub prefix: String,
    /// Of all users, old and new, those who shall be hub admins.
    pub admins: Vec<String>,
    /// Where the hub is, for the hand-out.
    pub url: String,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Added {
    /// New, with their passwords; so are those whose account was there without one.
    pub created: Vec<Credential>,
    /// Was there already and is unchanged.
    pub existing: Vec<String>,
    /// Was there and lacked its home.
    pub completed: Vec<String>,
    /// Is a hub admin now and was not before.
    pub promoted: Vec<String>,
    /// Cannot be made, and why.
    pub refused: Vec<(String, String)>,
    /// Of the existing ones, those whose password this machine does not know.
    pub without_password: Vec<String>,
}

impl Added {
    /// Whether the server is as it was.
    pub fn is_nothing(&self) -> bool {
        self.created.is_empty() && self.completed.is_empty() && self.promoted.is_empty()
    }
}

#[derive(Deserialize)]
struct Facts {
    accounts: Vec<Account>,
    taken: BTreeSet<String>,
}

#[derive(Serialize)]
struct Order<'a> {
    add: Vec<Wanted<'a>>,
    admins: &'a [String],
}

#[derive(Serialize)]
struct Wanted<'a> {
    name: &'a str,
    hash: &'a str,
}

#[derive(Deserialize)]
struct Done {
    created: Vec<String>,
    finished: Vec<Finished>,
    existing: Vec<String>,
    promoted: Vec<String>,
    refused: Vec<Refused>,
}

#[derive(Deserialize)]
struct Finished {
    name: String,
    parts: Vec<String>,
}

/// The numbered names of a run, so that one that was killed is finished by the next and not followed by as many more.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Journal {
    prefix: String,
    count: usize,
    names: Vec<String>,
}

/// Adds people in one exchange, however many. `ahead` are the passwords for them, which may have been begun while the way
/// to the server was being opened: [`Request::passwords`].
///
/// Each new user's password is in the credentials file before there is an account, so that no run, however it ends,
/// leaves an account whose password nobody knows. The server gets hashes alone.
pub async fn add(
    root: &dyn Root,
    state: &State,
    request: &Request,
    ahead: Ahead,
    observer: &dyn Observer,
) -> Result<Added, UsersError> {
    request.check()?;
    let mut credentials = Credentials::load(state)?;
    let journal: Option<Journal> = state
        .read(JOURNAL)?
        .and_then(|text| serde_json::from_str(&text).ok());

    let talk = Conversation::open(root, &Settings::new("add"), WITHIN);
    let (mut talk, facts) = talk.hear::<Facts>().await?;
    reset::settle(state, &mut credentials, &facts.accounts, &request.url)?;
    credentials.note(&facts.accounts);
    let plan = Plan::new(request, journal.as_ref(), &facts, &credentials);

    if plan.resumed {
        observer.note(format!(
            "finishing what an earlier run that was ended began: {}",
            plan.numbered.join(", ")
        ));
    }
    let step = match plan.making.len() {
        1 => "add 1 user".to_owned(),
        many => format!("add {many} users"),
    };
    let started = Instant::now();
    observer.on(Event::StepStarted { name: step.clone() });
    let passwords = plan.passwords(request, &credentials, ahead).await?;

    let before = credentials.clone();
    for (making, made) in plan.making.iter().zip(&passwords) {
        if making.needs_password {
            credentials.put(Credential {
                url: request.url.clone(),
                user: making.name.clone(),
                password: made.password.clone(),
                note: Note::None,
                ..credentials.of(&making.name).cloned().unwrap_or_default()
            });
        }
    }
    for person in &request.people {
        credentials.describe(person);
    }
    if !plan.numbered.is_empty() {
        write_journal(state, request, &plan.numbered)?;
    }
    credentials.save(state)?;

    let order = Order {
        add: plan
            .making
            .iter()
            .zip(&passwords)
            .map(|(making, made)| Wanted {
                name: &making.name,
                hash: &made.hash,
            })
            .collect(),
        admins: &request.all_admins(),
    };
    talk.tell(&order).await;
    let (talk, done) = talk.hear::<Done>().await?;
    talk.end().await?;

    let added = settle(request, plan, done, &before, &mut credentials);
    credentials.save(state)?;
    state.delete(JOURNAL)?;
    observer.on(Event::StepFinished {
        name: step,
        changed: !added.is_nothing(),
        seconds: started.elapsed().as_secs_f64(),
    });
    Ok(added)
}

impl Request {
    /// Begins to make passwords for all it may add.
    pub fn passwords(&self) -> Ahead {
        let given = self
            .people
            .iter()
            .filter(|person| person.password.is_some());
        Ahead::begin(self.people.len() - given.count() + self.count)
    }

    /// Those asked for as admins in either way.
    fn all_admins(&self) -> Vec<String> {
        let people = self.people.iter().filter(|person| person.admin);
        let mut all: Vec<String> = people.map(|person| person.name.clone()).collect();
        all.extend(self.admins.iter().cloned());
        all.sort();
        all.dedup();
        all
    }

    /// Every name that cannot be, at once. [`add`] checks it too; a caller can do so before anything is contacted.
    pub fn check(&self) -> Result<(), UsersError> {
        let mut problems: Vec<NameProblem> = self
            .people
            .iter()
            .filter_map(|person| names::check(&person.name).err())
            .collect();
        if self.count > 0 {
            problems.extend(names::check_prefix(&self.prefix).err());
        }
        if problems.is_empty() {
            Ok(())
        } else {
            Err(UsersError::Names(problems))
        }
    }
}

/// Who is to be made, and who is there.
struct Plan {
    making: Vec<Making>,
    existing: Vec<String>,
    numbered: Vec<String>,
    /// The numbers are those of a run that was killed.
    resumed: bool,
}

struct Making {
    name: String,
    needs_password: bool,
}

impl Plan {
    fn new(
        request: &Request,
        journal: Option<&Journal>,
        facts: &Facts,
        credentials: &Credentials,
    ) -> Self {
        let accounts: BTreeMap<&str, &Account> = facts
            .accounts
            .iter()
            .map(|account| (account.name.as_str(), account))
            .collect();
        let resumable = journal.filter(|journal| {
            request.count > 0
                && (&journal.prefix, journal.count) == (&request.prefix, request.count)
                && journal
                    .names
                    .iter()
                    .all(|name| credentials.of(name).is_some())
        });
        let numbered = match resumable {
            Some(journal) => journal.names.clone(),
            None => {
                let people = facts
                    .accounts
                    .iter()
                    .map(|account| account.name.clone())
                    .collect();
                let mut taken = facts.taken.clone();
                taken.extend(request.people.iter().map(|person| person.name.clone()));
                names::numbered(&request.prefix, request.count, &people, &taken)
            }
        };
        let mut plan = Self {
            making: Vec::new(),
            existing: Vec::new(),
            numbered,
            resumed: resumable.is_some(),
        };
        let mut seen = BTreeSet::new();
        let named = request.people.iter().map(|person| &person.name);
        for name in named.chain(&plan.numbered) {
            if !seen.insert(name) {
                continue;
            }
            let needs_password = match accounts.get(name.as_str()) {
                Some(account) if account.missing.is_empty() => {
                    plan.existing.push(name.clone());
                    continue;
                }
                Some(account) => account.missing.iter().any(|part| part == "password"),
                None => true,
            };
            plan.making.push(Making {
                name: name.clone(),
                needs_password,
            });
        }
        plan
    }

    /// A password for each to be made: the one given, else the one written down by a run that was killed, or a new one.
    async fn passwords(
        &self,
        request: &Request,
        credentials: &Credentials,
        ahead: Ahead,
    ) -> Result<Vec<Hashed>, UsersError> {
        let given: BTreeMap<&String, &Secret> = request
            .people
            .iter()
            .filter_map(|person| Some((&person.name, person.password.as_ref()?)))
            .collect();
        let known: Vec<Option<Secret>> = self
            .making
            .iter()
            .map(|making| {
                if let Some(password) = given.get(&making.name) {
                    return Some((*password).clone());
                }
                let row = credentials.of(&making.name)?;
                (!row.password.reveal().is_empty()).then(|| row.password.clone())
            })
            .collect();
        let broken = |error: tokio::task::JoinError| UsersError::Broken {
            status: 0,
            said: error.to_string(),
        };
        let new = known.iter().filter(|password| password.is_none()).count();
        let mut ahead = if new == 0 {
            Vec::new()
        } else {
            ahead.all().await.map_err(broken)?
        };
        tokio::task::spawn_blocking(move || {
            known
                .into_iter()
                .map(|password| match password {
                    Some(password) => Hashed::new(password),
                    None => ahead
                        .pop()
                        .unwrap_or_else(|| Hashed::new(password::generate())),
                })
                .collect()
        })
        .await
        .map_err(broken)
    }
}

/// Puts what was done into words, and takes back the rows of those who were not made after all.
fn settle(
    request: &Request,
    plan: Plan,
    done: Done,
    before: &Credentials,
    credentials: &mut Credentials,
) -> Added {
    let mut added = Added {
        existing: plan.existing,
        promoted: done.promoted,
        ..Added::default()
    };
    let mut new: Vec<String> = done.created;
    for finished in done.finished {
        if finished.parts.iter().any(|part| part == "password") {
            new.push(finished.name);
        } else {
            added.completed.push(finished.name);
        }
    }
    for refused in done.refused {
        take_back(&refused.name, before, credentials);
        added.refused.push(refused.into_pair());
    }
    for name in done.existing {
        // Someone else made it while we were choosing a password.
        take_back(&name, before, credentials);
        added.existing.push(name);
    }
    credentials.lead_to(&request.url);
    added.created = new
        .iter()
        .filter_map(|name| credentials.of(name).cloned())
        .collect();
    added.without_password = added
        .existing
        .iter()
        .chain(&added.completed)
        .filter(|name| credentials.of(name).is_none())
        .cloned()
        .collect();
    added
}

fn take_back(name: &str, before: &Credentials, credentials: &mut Credentials) {
    if before.of(name).is_none() {
        credentials.remove(name);
    }
}

fn write_journal(state: &State, request: &Request, names: &[String]) -> Result<(), UsersError> {
    let journal = Journal {
        prefix: request.prefix.clone(),
        count: request.count,
        names: names.to_vec(),
    };
    let text = serde_json::to_vec(&journal).map_err(|error| UsersError::Broken {
        status: 0,
        said: error.to_string(),
    })?;
    Ok(state.write(JOURNAL, &text)?)
}
