//! What the hub must not forget: users, groups, tokens, servers, OAuth clients and codes, in SQLite.
//!
//! One thread writes and two read (WAL), so no call blocks the runtime and writes never wait for one another in SQLite.
//! The functions of the modules below take a connection and can be joined in one [`Store::read`] or [`Store::write`].

pub mod group;
pub mod migration;
pub mod oauth;
pub mod people;
pub mod requester;
pub mod role;
pub mod secret;
pub mod server;
pub mod service;
pub mod session;
pub mod token;
pub mod user;

mod file;
mod ids;
mod reserve;
mod thread;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use rusqlite::{Connection, Transaction};

use crate::clock::Clock;
use crate::scope::Catalog;
use requester::Requesters;
use thread::Workers;

/// Why the store could not do it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error("the database said: {0}")]
    Sql(#[from] rusqlite::Error),
    #[error("a value in the database is not the JSON it should be: {0}")]
    Json(#[from] serde_json::Error),
    #[error("opening the database {}: {cause}", path.display())]
    Open {
        path: PathBuf,
        cause: rusqlite::Error,
    },
    #[error("{}: {cause}", path.display())]
    File {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("the database {} was written by a newer hubd (schema {found}, this one knows {known}): install that version, or go back to a backup beside it", path.display())]
    Newer {
        path: PathBuf,
        found: i64,
        known: i64,
    },
    #[error("the store is closed, the hub is going down")]
    Closed,
    #[error("the store broke off, nothing was written: this is a fault of hubd, its log has more")]
    BrokeOff,
}

impl StoreError {
    /// Whether there is no room on the disk.
    pub fn is_full(&self) -> bool {
        match self {
            Self::Sql(cause) | Self::Open { cause, .. } => {
                cause.sqlite_error().is_some_and(|error| {
                    // The second: there was none for the index of the log.
                    error.code == rusqlite::ErrorCode::DiskFull
                        || error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
                })
            }
            Self::File { cause, .. } => cause.kind() == std::io::ErrorKind::StorageFull,
            _ => false,
        }
    }
}

/// The result of a call of the store.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A handle to the store; clones are the same store.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    path: PathBuf,
    workers: Workers,
    requesters: Requesters,
    catalog: Catalog,
    clock: Clock,
    /// SQLite's count of other programs' writes, as last seen.
    data_version: AtomicI64,
}

impl Store {
    /// Opens the file, makes it if it is not there (0600), and brings an older schema forward: the file as it was is
    /// then beside it, named after its schema. On a full disk it takes the room that [`Store::keep_room`] kept.
    pub fn open(path: &Path, catalog: Catalog, clock: Clock) -> Result<Self> {
        let [writer, readers @ ..] = file::open(path)?;
        Ok(Self(Arc::new(Inner {
            path: path.to_owned(),
            workers: Workers::start(writer, readers.into()),
            requesters: Requesters::default(),
            catalog,
            clock,
            data_version: AtomicI64::new(0),
        })))
    }

    /// Runs a function on a snapshot of the data. It must not write.
    pub async fn read<T, E, F>(&self, f: F) -> std::result::Result<T, E>
    where
        F: FnOnce(&Connection) -> std::result::Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let job = self.0.workers.read(move |connection| {
            // One transaction, so that all that is read is of one moment.
            let snapshot = Snapshot::of(connection)?;
            f(snapshot.0)
        });
        job.await?
    }

    /// Runs a function in a transaction, which is rolled back if it fails. What it changes may bear on who may do what:
    /// every requester that is kept in memory is forgotten.
    pub async fn write<T, E, F>(&self, f: F) -> std::result::Result<T, E>
    where
        F: FnOnce(&Transaction<'_>) -> std::result::Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let inner = self.0.clone();
        let result = self.0.workers.write(move |connection| {
            let result = commit(connection, f);
            // Before the caller hears of it, so that no later request is answered from before it.
            inner.requesters.forget();
            result
        });
        result.await?
    }

    /// As [`Store::write`], for what does not bear on who may do what: activity, states of servers, OAuth codes, and new
    /// tokens. A new token is not known yet, so nothing kept can be wrong about it.
    pub async fn note<T, E, F>(&self, f: F) -> std::result::Result<T, E>
    where
        F: FnOnce(&Transaction<'_>) -> std::result::Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.0
            .workers
            .write(move |connection| commit(connection, f))
            .await?
    }

    /// Forgets requesters kept in memory if another program (`hubd user`) wrote to the database since the last time.
    pub async fn notice_foreign_writes(&self) -> Result<()> {
        // On the one connection that writes here, the number changes by the writes of others only.
        let version: i64 = self
            .0
            .workers
            .write(|connection| connection.query_row("PRAGMA data_version", [], |row| row.get(0)))
            .await??;
        if self.0.data_version.swap(version, Ordering::SeqCst) != version {
            self.0.requesters.forget();
        }
        Ok(())
    }

    /// The scopes there are.
    pub fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Copies the whole database, while it is in use, to a new file (0600).
    pub async fn backup(&self, to: PathBuf) -> Result<()> {
        self.read(move |connection| migration::copy(connection, &to))
            .await
    }

    /// Keeps room on the disk for the next start, unless that is done already.
    pub async fn keep_room(&self) -> Result<()> {
        let inner = self.0.clone();
        // On the thread that writes anyway.
        self.0
            .workers
            .write(move |_| reserve::keep(&inner.path))
            .await?
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.0.path
    }
}

/// A transaction that only reads. Its two statements are kept, where `Connection::transaction` has them parsed each time.
struct Snapshot<'a>(&'a Connection);

impl<'a> Snapshot<'a> {
    fn of(connection: &'a Connection) -> Result<Self> {
        connection.prepare_cached("BEGIN")?.execute([])?;
        Ok(Self(connection))
    }
}

impl Drop for Snapshot<'_> {
    fn drop(&mut self) {
        // After some errors SQLite has ended it already.
        if self.0.is_autocommit() {
            return;
        }
        let end = self.0.prepare_cached("ROLLBACK");
        if let Err(error) = end.and_then(|mut end| end.execute([])) {
            tracing::error!(%error, "ending a transaction that only read");
        }
    }
}

fn commit<T, E: From<StoreError>>(
    connection: &mut Connection,
    f: impl FnOnce(&Transaction<'_>) -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    let transaction = connection
        .transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)
        .map_err(StoreError::from)?;
    let value = f(&transaction)?;
    transaction.commit().map_err(StoreError::from)?;
    Ok(value)
}

/// A JSON value from a text column.
fn json<T: serde::de::DeserializeOwned>(text: &str) -> Result<T> {
    Ok(serde_json::from_str(text)?)
}

/// A list of texts as JSON, for `json_each`.
fn texts<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> String {
    let list: Vec<String> = texts
        .into_iter()
        .map(|text| text.as_ref().to_owned())
        .collect();
    serde_json::Value::from(list).to_string()
}

impl rusqlite::types::ToSql for crate::clock::Timestamp {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(self.0.into())
    }
}

impl rusqlite::types::FromSql for crate::clock::Timestamp {
    fn column_result(value: rusqlite::types::ValueRef<'_>) -> rusqlite::types::FromSqlResult<Self> {
        value.as_i64().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::atomic::AtomicI64;
    use std::time::Duration;

    use super::token::{New, OwnerId};
    use super::*;
    use crate::clock::Timestamp;

    /// A store with the user `ann`, a token of hers, and a clock that the test turns.
    async fn store() -> (tempfile::TempDir, Store, Arc<AtomicI64>, i64, String) {
        let folder = tempfile::tempdir().unwrap();
        let now = Arc::new(AtomicI64::new(1_000_000_000_000_000));
        let turned = now.clone();
        let clock = Clock::from_fn(move || Timestamp(turned.load(Ordering::SeqCst)));
        let store =
            Store::open(&folder.path().join("hub.sqlite"), Catalog::default(), clock).unwrap();
        let known = store.clone();
        let (user, token) = store
            .write(move |connection| {
                role::set_all(connection, &crate::scope::default_roles())?;
                let now = known.clock().now();
                let user = user::create(connection, now, "ann", false)?;
                let new = New::of(OwnerId::User(user), "");
                let (token, _) = token::mint(connection, known.catalog(), now, &new)?;
                Ok::<_, token::MintError>((user, token))
            })
            .await
            .unwrap();
        (folder, store, now, user, token)
    }

    fn turn(now: &AtomicI64, by: Duration) {
        now.fetch_add(i64::try_from(by.as_micros()).unwrap(), Ordering::SeqCst);
    }

    #[tokio::test]
    async fn files_are_the_hubs_alone() {
        let (folder, store, _, _, token) = store().await;
        let backup = folder.path().join("copy");
        store.backup(backup.clone()).await.unwrap();
        for entry in std::fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let mode = std::fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{}", path.display());
            let text = std::fs::read(&path).unwrap();
            let held = text
                .windows(token.len())
                .any(|window| window == token.as_bytes());
            assert!(!held, "{} holds a token", path.display());
        }
        let copied = Store::open(&backup, Catalog::default(), Clock::system()).unwrap();
        let (users, total) = copied
            .read(|connection| {
                user::list(
                    connection,
                    &user::Query {
                        limit: 10,
                        ..Default::default()
                    },
                )
            })
            .await
            .unwrap();
        assert_eq!((users[0].name.as_str(), total), ("ann", 1));
    }

    #[tokio::test]
    async fn a_change_of_rights_counts_at_once() {
        let (_folder, store, _, user, token) = store().await;
        let admin = async || {
            store
                .requester_by_token(&token)
                .await
                .unwrap()
                .unwrap()
                .is_admin()
        };
        assert!(!admin().await);
        store
            .write(move |connection| user::set_admin(connection, user, true))
            .await
            .unwrap();
        assert!(admin().await);
        store
            .write(move |connection| user::delete(connection, user))
            .await
            .unwrap();
        assert_eq!(store.requester_by_token(&token).await.unwrap(), None);
    }

    #[tokio::test]
    async fn what_another_program_writes_is_noticed() {
        let (folder, store, _, user, token) = store().await;
        store.notice_foreign_writes().await.unwrap();
        assert!(store.requester_by_token(&token).await.unwrap().is_some());
        let other = Connection::open(folder.path().join("hub.sqlite")).unwrap();
        other
            .execute("DELETE FROM tokens WHERE user_id = ?1", [user])
            .unwrap();
        store.notice_foreign_writes().await.unwrap();
        assert_eq!(store.requester_by_token(&token).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_token_expires_while_it_is_in_memory() {
        let (_folder, store, now, user, _) = store().await;
        let known = store.clone();
        let token = store
            .note(move |connection| {
                let new = New {
                    expires_in: Some(Duration::from_secs(3)),
                    ..New::of(OwnerId::User(user), "")
                };
                token::mint(connection, known.catalog(), known.clock().now(), &new)
            })
            .await
            .unwrap()
            .0;
        assert!(store.requester_by_token(&token).await.unwrap().is_some());
        turn(&now, Duration::from_secs(4));
        assert_eq!(store.requester_by_token(&token).await.unwrap(), None);
    }

    #[tokio::test]
    async fn activity_is_written_together_and_not_each_time() {
        let (_folder, store, now, user, token) = store().await;
        let last = async || {
            store.flush_activity().await.unwrap();
            let found = store
                .read(move |connection| user::find_id(connection, user))
                .await
                .unwrap();
            found.unwrap().last_activity
        };
        assert_eq!(last().await, None);
        store.requester_by_token(&token).await.unwrap();
        let first = last().await;
        assert_eq!(first, Some(store.clock().now()));
        turn(&now, Duration::from_secs(20));
        store.requester_by_token(&token).await.unwrap();
        assert_eq!(last().await, first, "within half a minute");
        turn(&now, Duration::from_secs(20));
        store.requester_by_token(&token).await.unwrap();
        assert_eq!(last().await, Some(store.clock().now()));
    }

    #[tokio::test]
    async fn a_job_that_panics_changes_nothing_and_the_next_is_done() {
        let (_folder, store, now, _, _) = store().await;
        let at = Timestamp(now.load(Ordering::SeqCst));
        let broken = store
            .write(move |connection| {
                user::create(connection, at, "bob", false)?;
                if connection.is_autocommit() {
                    return Ok::<_, StoreError>(());
                }
                panic!("on purpose")
            })
            .await;
        assert!(matches!(broken, Err(StoreError::BrokeOff)), "{broken:?}");
        for _reader in 0..4 {
            let broken: Result<()> = store.read(|_| panic!("on purpose")).await;
            assert!(matches!(broken, Err(StoreError::BrokeOff)), "{broken:?}");
        }
        assert_eq!(store.read(user::count).await.unwrap(), 1);
        store
            .write(move |connection| user::create(connection, at, "cyd", false))
            .await
            .unwrap();
        assert_eq!(store.read(user::count).await.unwrap(), 2);
    }

    /// As on a full disk: nothing can be written for a while.
    #[tokio::test]
    async fn activity_that_could_not_be_written_is_written_later() {
        let (_folder, store, _, user, token) = store().await;
        let sql = async |sql: &'static str| {
            let done = store.note(move |connection| {
                connection.execute_batch(sql)?;
                Ok::<_, StoreError>(())
            });
            done.await.unwrap();
        };
        store.requester_by_token(&token).await.unwrap();
        sql("CREATE TRIGGER full BEFORE UPDATE ON users BEGIN SELECT RAISE(ABORT, 'full'); END")
            .await;
        assert!(store.flush_activity().await.is_err());
        sql("DROP TRIGGER full").await;
        store.flush_activity().await.unwrap();
        let found = store
            .read(move |connection| user::find_id(connection, user))
            .await
            .unwrap();
        assert_eq!(found.unwrap().last_activity, Some(store.clock().now()));
    }

    #[tokio::test]
    async fn a_job_that_fails_changes_nothing() {
        let (_folder, store, now, _, _) = store().await;
        let at = Timestamp(now.load(Ordering::SeqCst));
        let failed = store
            .write(move |connection| {
                user::create(connection, at, "bob", false)?;
                user::create(connection, at, "bob", false)
            })
            .await;
        assert!(failed.is_err());
        assert_eq!(store.read(user::count).await.unwrap(), 1);
    }
}
