//! The schema and its way forward.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use super::{Result, StoreError};

/// Every step of the schema, in order; the number of steps done is the database's `user_version`. A step that was
/// released is never changed: add one.
const STEPS: &[&str] = &[include_str!("1.sql")];

/// The schema this program works with.
pub const KNOWN: i64 = STEPS.len() as i64;

/// Brings the schema forward. Before an older one is touched, the file is copied to `NAME.schema-N`.
pub fn run(connection: &mut Connection, path: &Path) -> Result<()> {
    let found = version(connection)?;
    if found > KNOWN {
        return Err(StoreError::Newer {
            path: path.to_owned(),
            found,
            known: KNOWN,
        });
    }
    if found == KNOWN {
        return Ok(());
    }
    if found > 0 {
        let beside = beside(path, found);
        copy(connection, &beside)?;
        tracing::info!(backup = %beside.display(), from = found, to = KNOWN, "bringing the database forward");
    }
    step(connection, found, STEPS)
}

fn step(connection: &mut Connection, found: i64, steps: &[&str]) -> Result<()> {
    let transaction = connection.transaction()?;
    for (sql, number) in steps
        .iter()
        .zip(1i64..)
        .skip_while(|(_, number)| *number <= found)
    {
        transaction.execute_batch(sql)?;
        transaction.pragma_update(None, "user_version", number)?;
    }
    Ok(transaction.commit()?)
}

fn version(connection: &Connection) -> Result<i64> {
    Ok(connection.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// Where the copy of an older schema goes.
fn beside(path: &Path, schema: i64) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".schema-{schema}"));
    PathBuf::from(name)
}

/// Copies a database in use to a file (0600) that replaces an older copy only when it is whole.
pub fn copy(from: &Connection, to: &Path) -> Result<()> {
    let file = |cause| StoreError::File {
        path: to.to_owned(),
        cause,
    };
    let mut partial = to.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    std::fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&partial)
        .map_err(file)?;
    let mut target = Connection::open(&partial)?;
    rusqlite::backup::Backup::new(from, &mut target)?.run_to_completion(
        1024,
        Duration::ZERO,
        None,
    )?;
    // The copy is one file: whoever moves it need not know of journals.
    target.pragma_update(None, "journal_mode", "DELETE")?;
    target.close().map_err(|(_, error)| error)?;
    std::fs::File::open(&partial)
        .and_then(|copy| copy.sync_all())
        .map_err(file)?;
    std::fs::rename(&partial, to).map_err(file)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn open(path: &Path) -> Connection {
        Connection::open(path).unwrap()
    }

    #[test]
    fn an_older_schema_is_copied_and_brought_forward() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.sqlite");
        let mut connection = open(&path);
        step(&mut connection, 0, &["CREATE TABLE old (x)"]).unwrap();
        connection
            .execute("INSERT INTO old VALUES (7)", [])
            .unwrap();

        let copied = beside(&path, 1);
        copy(&connection, &copied).unwrap();
        step(
            &mut connection,
            1,
            &["CREATE TABLE old (x)", "ALTER TABLE old ADD y"],
        )
        .unwrap();

        assert_eq!(version(&connection).unwrap(), 2);
        let copy = open(&copied);
        assert_eq!(version(&copy).unwrap(), 1);
        assert_eq!(
            copy.query_row("SELECT x FROM old", [], |row| row.get::<_, i64>(0))
                .unwrap(),
            7
        );
        assert_eq!(
            std::fs::metadata(&copied).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }

    #[test]
    fn a_step_that_fails_changes_nothing() {
        let mut connection = Connection::open_in_memory().unwrap();
        assert!(
            step(
                &mut connection,
                0,
                &["CREATE TABLE a (x)", "CREATE TABLE a (x)"]
            )
            .is_err()
        );
        assert_eq!(version(&connection).unwrap(), 0);
        assert!(
            connection
                .query_row("SELECT * FROM a", [], |_| Ok(()))
                .is_err()
        );
    }

    #[test]
    fn a_newer_schema_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.sqlite");
        let mut connection = open(&path);
        connection
            .pragma_update(None, "user_version", KNOWN + 1)
            .unwrap();
        let error = run(&mut connection, &path).unwrap_err();
        assert!(matches!(error, StoreError::Newer { .. }), "{error}");
    }
}
