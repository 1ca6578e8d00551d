//! Random values: tokens, and how they are kept.

use std::fmt;

use rand::Rng;
use rusqlite::{Connection, OptionalExtension, params};
use sha2::{Digest, Sha256};

use super::Result;

/// What is kept of a token: its SHA-256. A token has 256 random bits, so no salt and no slow hash is needed.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl TokenHash {
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(***)")
    }
}

impl rusqlite::ToSql for TokenHash {
    fn to_sql(&self) -> rusqlite::Result<rusqlite::types::ToSqlOutput<'_>> {
        Ok(self.0.as_slice().into())
    }
}

/// A new token: 64 hexadecimal digits.
pub fn new_token() -> String {
    use fmt::Write;
    let mut bytes = [0u8; 32];
    rand::rng().fill_bytes(&mut bytes);
    bytes
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a String cannot fail.
            let _infallible = write!(text, "{byte:02x}");
            text
        })
}

/// A secret of the hub's own that outlives a restart; made at the first call.
pub fn ensure(connection: &Connection, name: &str) -> Result<[u8; 32]> {
    let mut fresh = [0u8; 32];
    rand::rng().fill_bytes(&mut fresh);
    connection.execute(
        "INSERT OR IGNORE INTO secrets (name, value) VALUES (?1, ?2)",
        params![name, fresh.as_slice()],
    )?;
    find(connection, name)?.ok_or_else(|| rusqlite::Error::QueryReturnedNoRows.into())
}

/// The same, if it was made.
pub fn find(connection: &Connection, name: &str) -> Result<Option<[u8; 32]>> {
    let found = connection.query_row("SELECT value FROM secrets WHERE name = ?1", [name], |row| {
        row.get(0)
    });
    Ok(found.optional()?)
}
