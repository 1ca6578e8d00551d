//! Sessions of browsers.

use rusqlite::{Connection, OptionalExtension, params};

use super::secret::TokenHash;
use super::{Result, token};
use crate::clock::Timestamp;

/// A browser that is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    pub user_id: i64,
    /// What servers and services see of it.
    pub session_id: String,
    pub created: Timestamp,
    pub last_activity: Timestamp,
    pub expires_at: Timestamp,
}

/// Keeps a new session.
pub fn create(connection: &Connection, hash: &TokenHash, session: &Session) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO sessions (hash, user_id, session_id, created, last_activity, expires_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            hash,
            session.user_id,
            session.session_id,
            session.created,
            session.last_activity,
            session.expires_at
        ])?;
    Ok(())
}

/// Finds a session that has not expired.
pub fn find(connection: &Connection, hash: &TokenHash, now: Timestamp) -> Result<Option<Session>> {
    let mut statement = connection.prepare_cached(
        "SELECT user_id, session_id, created, last_activity, expires_at FROM sessions WHERE hash = ?1 AND expires_at > ?2",
    )?;
    let session = statement.query_row(params![hash, now], |row| {
        Ok(Session {
            user_id: row.get(0)?,
            session_id: row.get(1)?,
            created: row.get(2)?,
            last_activity: row.get(3)?,
            expires_at: row.get(4)?,
        })
    });
    Ok(session.optional()?)
}

/// Ends a session: every login with its id, every code given and every token issued in it.
pub fn end(connection: &Connection, session_id: &str) -> Result<()> {
    for table in ["sessions", "oauth_codes"] {
        connection
            .prepare_cached(&format!("DELETE FROM {table} WHERE session_id = ?1"))?
            .execute([session_id])?;
    }
    token::delete_of_session(connection, session_id)
}

/// Ends every session of a user, but not one that is named.
pub fn end_of_user(connection: &Connection, user: i64, except: Option<&str>) -> Result<()> {
    let mut statement = connection.prepare_cached(
        "SELECT session_id FROM sessions WHERE user_id = ?1 AND session_id IS NOT ?2",
    )?;
    let rows = statement.query_map(params![user, except], |row| row.get::<_, String>(0))?;
    for session in rows.collect::<rusqlite::Result<Vec<_>>>()? {
        end(connection, &session)?;
    }
    Ok(())
}

/// Ends every session of everybody, with every code given and every token issued in one.
pub fn end_all(connection: &Connection) -> Result<()> {
    for table in ["sessions", "oauth_codes"] {
        connection.execute(&format!("DELETE FROM {table}"), [])?;
    }
    token::delete_of_sessions(connection)
}

/// Notes that a session was used.
pub fn note_activity(connection: &Connection, session_id: &str, at: Timestamp) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE sessions SET last_activity = ?2 WHERE session_id = ?1 AND last_activity < ?2",
        )?
        .execute(params![session_id, at])?;
    Ok(())
}

/// Forgets sessions that expired.
pub fn delete_expired(connection: &Connection, now: Timestamp) -> Result<usize> {
    Ok(connection.execute("DELETE FROM sessions WHERE expires_at <= ?1", [now])?)
}
