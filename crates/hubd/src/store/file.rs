//! Opening the database's file.

use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rusqlite::Connection;

use super::{Result, StoreError, migration, reserve};

/// Three connections to a database of the present schema, the first to write. On a full disk the reserve makes way.
pub(super) fn open(path: &Path) -> Result<[Connection; 3]> {
    match try_open(path) {
        Err(error) if wants_room(&error) && reserve::give_up(path) => {
            tracing::warn!(%error, "the disk is full: the room that was kept for this is given up");
            try_open(path)
        }
        opened => opened,
    }
}

fn wants_room(error: &StoreError) -> bool {
    // A file that SQLite cannot make is told as one that it cannot open, whatever the reason.
    let no_file = matches!(error, StoreError::Open { cause, .. } | StoreError::Sql(cause)
        if cause.sqlite_error_code() == Some(rusqlite::ErrorCode::CannotOpen));
    no_file || error.is_full()
}

fn try_open(path: &Path) -> Result<[Connection; 3]> {
    // SQLite would make it as the umask says; the journal files take the mode of the database.
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(path)
        .map_err(|cause| StoreError::File {
            path: path.to_owned(),
            cause,
        })?;
    let mut writer = connect(path)?;
    migration::run(&mut writer, path)?;
    Ok([writer, connect(path)?, connect(path)?])
}

fn connect(path: &Path) -> Result<Connection> {
    let opened = Connection::open(path).and_then(|connection| {
        connection.busy_timeout(std::time::Duration::from_secs(10))?;
        connection.set_prepared_statement_cache_capacity(64);
        connection.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON; PRAGMA cache_size = -1024;",
        )?;
        Ok(connection)
    });
    opened.map_err(|cause| StoreError::Open {
        path: path.to_owned(),
        cause,
    })
}
