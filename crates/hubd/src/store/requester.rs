//! Who asks: a user or service, known by a token or a session, and what the request may do.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::Connection;

use super::secret::TokenHash;
use super::token::OwnerId;
use super::{Result, Store, StoreError, service, token, user};
use crate::clock::Timestamp;
use crate::scope::{Catalog, Owner, Scopes, Subject};

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    User {
        id: i64,
        name: String,
        admin: bool,
        groups: Vec<String>,
    },
    Service {
        id: i64,
        name: String,
        admin: bool,
    },
}

/// The token of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenUsed {
    pub id: i64,
    /// Whether it is the token of a single-user server: what that does is not activity of its owner.
    pub of_server: bool,
    expires_at: Option<Timestamp>,
    last_activity: Option<Timestamp>,
}

/// Who asks and what the request may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requester {
    pub who: Who,
    pub scopes: Scopes,
    /// `None`: known by a session's cookie.
    pub token: Option<TokenUsed>,
    /// The browser's session, of the cookie or in which the token was issued.
    pub session_id: Option<String>,
    /// The user as he was when this was read, at most [`FRESH`] ago.
    pub user: Option<Box<user::User>>,
}

impl Who {
    fn of(user: &user::User) -> Self {
        Self::User {
            id: user.id,
            name: user.name.clone(),
            admin: user.admin,
            groups: user.groups.clone(),
        }
    }
}

impl Requester {
    /// Whether the request may do this to that.
    pub fn may(&self, base: &str, subject: &Subject<'_>) -> bool {
        self.scopes.allows(base, subject)
    }

    pub fn name(&self) -> &str {
        match &self.who {
            Who::User { name, .. } | Who::Service { name, .. } => name,
        }
    }

    pub fn is_admin(&self) -> bool {
        match self.who {
            Who::User { admin, .. } | Who::Service { admin, .. } => admin,
        }
    }

    pub fn user_id(&self) -> Option<i64> {
        match self.who {
            Who::User { id, .. } => Some(id),
            Who::Service { .. } => None,
        }
    }

    /// What it is to scopes.
    pub fn owner(&self) -> Owner<'_> {
        match &self.who {
            Who::User { name, .. } => Owner::User(name),
            Who::Service { name, .. } => Owner::Service(name),
        }
    }

    pub fn owner_id(&self) -> OwnerId {
        match self.who {
            Who::User { id, .. } => OwnerId::User(id),
            Who::Service { id, .. } => OwnerId::Service(id),
        }
    }
}

/// A user known by a session: he may all that he may.
pub fn of_user(
    connection: &Connection,
    catalog: &Catalog,
    id: i64,
    session_id: Option<String>,
) -> Result<Option<Requester>> {
    let Some(user) = user::find_id(connection, id)? else {
        return Ok(None);
    };
    let scopes =
        token::owner_scopes(connection, catalog, OwnerId::User(id))?.map(|(_, _, scopes)| scopes);
    Ok(Some(Requester {
        who: Who::of(&user),
        scopes: scopes.unwrap_or_default(),
        token: None,
        session_id,
        user: Some(Box::new(user)),
    }))
}

/// Whoever a token is of; `None` if there is no such token, or it has expired.
pub fn of_token(
    connection: &Connection,
    catalog: &Catalog,
    hash: &TokenHash,
    now: Timestamp,
) -> Result<Option<Requester>> {
    let Some(token) = token::find(connection, hash, now)? else {
        return Ok(None);
    };
    let (who, user) = match token.owner {
        OwnerId::User(id) => match user::find_id(connection, id)? {
            Some(user) => (Who::of(&user), Some(Box::new(user))),
            None => return Ok(None),
        },
        OwnerId::Service(id) => match service::find_id(connection, id)? {
            Some(service) => {
                let (name, admin) = (service.name, service.admin);
                (Who::Service { id, name, admin }, None)
            }
            None => return Ok(None),
        },
    };
    let scopes = token::scopes_now(connection, catalog, &token)?;
    let of_server = token.note.starts_with("Server at ");
    let used = TokenUsed {
        id: token.id,
        of_server,
        expires_at: token.expires_at,
        last_activity: token.last_activity,
    };
    Ok(Some(Requester {
        who,
        scopes,
        token: Some(used),
        session_id: token.session_id,
        user,
    }))
}

/// How long a requester is kept in memory: what does not bear on rights, such as activity, may be as old.
const FRESH: Duration = Duration::from_secs(5);
/// How old a noted activity may be before a request is noted again.
const RESOLUTION: Duration = Duration::from_secs(30);
/// How many requesters are kept in memory.
const KEPT: usize = 20_000;

/// Requesters by token, and activity that is not in the database yet.
#[derive(Default)]
pub(super) struct Requesters {
    kept: Mutex<HashMap<TokenHash, Kept>>,
    /// Counts what was forgotten: what was read before is not kept after.
    generation: AtomicU64,
    pending: Mutex<Pending>,
    /// When users were active, for as long as a requester that was read before may be kept.
    recent: Mutex<HashMap<i64, Timestamp>>,
    /// Tokens that are to be deleted and could not be, by id; ids are not given twice.
    dead: Mutex<HashSet<i64>>,
}

struct Kept {
    requester: Arc<Requester>,
    noted: Timestamp,
    read: Timestamp,
}

#[derive(Default)]
struct Pending {
    tokens: HashMap<i64, Timestamp>,
    users: HashMap<i64, Timestamp>,
}

impl Requesters {
    /// Forgets all: somebody's rights may have changed.
    pub(super) fn forget(&self) {
        let mut kept = lock(&self.kept);
        self.generation.fetch_add(1, Ordering::SeqCst);
        kept.clear();
    }

    fn find(&self, hash: &TokenHash, now: Timestamp) -> Option<Arc<Requester>> {
        let mut kept = lock(&self.kept);
        let found = kept.get_mut(hash)?;
        let expires = found
            .requester
            .token
            .as_ref()
            .and_then(|token| token.expires_at);
        if expires.is_some_and(|at| at <= now) || now.since(found.read) >= FRESH {
            kept.remove(hash);
            return None;
        }
        if now.since(found.noted) >= RESOLUTION {
            found.noted = now;
            self.note(&found.requester, now);
        }
        Some(found.requester.clone())
    }

    fn keep(&self, hash: TokenHash, requester: Arc<Requester>, now: Timestamp, generation: u64) {
        let token = requester.token.as_ref();
        let before = token.and_then(|token| token.last_activity.max(self.pending_of(token.id)));
        let noted = match before {
            Some(before) if now.since(before) < RESOLUTION => before,
            _ => {
                self.note(&requester, now);
                now
            }
        };
        let mut kept = lock(&self.kept);
        if self.generation.load(Ordering::SeqCst) != generation {
            return;
        }
        if kept.len() >= KEPT {
            kept.clear();
        }
        let read = now;
        kept.insert(
            hash,
            Kept {
                requester,
                noted,
                read,
            },
        );
    }

    fn pending_of(&self, token: i64) -> Option<Timestamp> {
        lock(&self.pending).tokens.get(&token).copied()
    }

    fn note(&self, requester: &Requester, now: Timestamp) {
        let Some(token) = &requester.token else {
            return;
        };
        let mut pending = lock(&self.pending);
        pending.tokens.insert(token.id, now);
        if let (Some(user), false) = (requester.user_id(), token.of_server) {
            pending.users.insert(user, now);
            drop(pending);
            lock(&self.recent).insert(user, now);
        }
    }
}

impl Store {
    /// Whoever a token is of, from memory if nothing changed since; and notes that it was used.
    pub async fn requester_by_token(&self, token: &str) -> Result<Option<Arc<Requester>>> {
        let hash = TokenHash::of(token);
        let now = self.0.clock.now();
        if let Some(found) = self.0.requesters.find(&hash, now) {
            return Ok(Some(found));
        }
        let generation = self.0.requesters.generation.load(Ordering::SeqCst);
        let inner = self.0.clone();
        let found = self
            .read(move |connection| of_token(connection, &inner.catalog, &hash, now))
            .await?;
        let is_alive = |found: &Requester| {
            let dead = lock(&self.0.requesters.dead);
            !found
                .token
                .as_ref()
                .is_some_and(|token| dead.contains(&token.id))
        };
        let Some(requester) = found.filter(is_alive).map(Arc::new) else {
            return Ok(None);
        };
        self.0
            .requesters
            .keep(hash, requester.clone(), now, generation);
        Ok(Some(requester))
    }

    /// Lets nobody be known by these tokens any more, though they are still in the database: it cannot be written.
    pub fn refuse_tokens(&self, ids: impl IntoIterator<Item = i64>) {
        lock(&self.0.requesters.dead).extend(ids);
        self.0.requesters.forget();
    }

    /// Forgets that these tokens were refused: they are deleted.
    pub fn tokens_are_gone(&self, ids: &[i64]) {
        lock(&self.0.requesters.dead).retain(|id| !ids.contains(id));
    }

    /// A user known by a session.
    pub async fn requester_by_user(
        &self,
        id: i64,
        session_id: Option<String>,
    ) -> Result<Option<Requester>> {
        let inner = self.0.clone();
        self.read(move |connection| of_user(connection, &inner.catalog, id, session_id))
            .await
    }

    /// Notes that a user was active; written with the next [`Store::flush_activity`].
    pub fn note_user_activity(&self, id: i64) {
        let now = self.0.clock.now();
        lock(&self.0.requesters.pending).users.insert(id, now);
        lock(&self.0.requesters.recent).insert(id, now);
    }

    /// When a user was last active, as far as a requester that is kept in memory may not know it.
    pub fn recent_activity(&self, user: i64) -> Option<Timestamp> {
        lock(&self.0.requesters.recent).get(&user).copied()
    }

    /// Writes the activity that was noted since the last time. What cannot be written now is kept for the next time.
    pub async fn flush_activity(&self) -> Result<()> {
        let pending = std::mem::take(&mut *lock(&self.0.requesters.pending));
        if pending.tokens.is_empty() && pending.users.is_empty() {
            return Ok(());
        }
        let now = self.0.clock.now();
        lock(&self.0.requesters.recent).retain(|_, at| now.since(*at) < 2 * FRESH);
        let pending = Arc::new(pending);
        let shared = pending.clone();
        let written = self
            .note(move |connection| {
                for (id, at) in &shared.tokens {
                    token::note_activity(connection, *id, *at)?;
                }
                for (id, at) in &shared.users {
                    user::note_activity(connection, *id, *at)?;
                }
                Ok::<_, StoreError>(())
            })
            .await;
        if written.is_err() {
            let mut newer = lock(&self.0.requesters.pending);
            for (id, at) in &pending.tokens {
                newer.tokens.entry(*id).or_insert(*at);
            }
            for (id, at) in &pending.users {
                newer.users.entry(*id).or_insert(*at);
            }
        }
        written
    }

    /// The same before something is read: where nothing can be written, as on a full disk, what is told is older, and
    /// told all the same.
    pub async fn try_flush_activity(&self) {
        if let Err(error) = self.flush_activity().await {
            tracing::debug!(%error, "writing activity before it is told");
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
