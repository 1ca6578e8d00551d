//! OAuth clients (servers and services) and codes.

use rusqlite::{Connection, OptionalExtension, params};

use super::secret::TokenHash;
use super::{Result, json, texts};
use crate::clock::Timestamp;

/// Whose client it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientOf {
    Server { id: i64, user: String, name: String },
    Service { id: i64, name: String },
}

impl ClientOf {
    /// What `!server` and `!service` mean for tokens issued to it.
    pub fn scope(&self) -> crate::scope::Client<'_> {
        match self {
            Self::Server { user, name, .. } => crate::scope::Client::Server { user, name },
            Self::Service { name, .. } => crate::scope::Client::Service(name),
        }
    }
}

/// An OAuth client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    pub identifier: String,
    pub description: String,
    /// The hash of its secret.
    pub secret: [u8; 32],
    pub redirect_uri: String,
    /// Raw scopes its tokens may carry.
    pub allowed_scopes: Vec<String>,
    pub of: ClientOf,
}

/// What a code stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    pub client_id: String,
    pub user_id: i64,
    pub session_id: Option<String>,
    pub redirect_uri: String,
    /// Raw scopes that were granted.
    pub scopes: Vec<String>,
    pub code_challenge: Option<String>,
    pub code_challenge_method: Option<String>,
    pub expires_at: Timestamp,
}

/// Finds a client.
pub fn find_client(connection: &Connection, identifier: &str) -> Result<Option<Client>> {
    let mut statement = connection.prepare_cached(
        "SELECT c.description, c.secret, c.redirect_uri, c.allowed_scopes, c.server_id, u.name, s.name, c.service_id, \
         v.name FROM oauth_clients c LEFT JOIN servers s ON s.id = c.server_id LEFT JOIN users u ON u.id = s.user_id \
         LEFT JOIN services v ON v.id = c.service_id WHERE c.identifier = ?1",
    )?;
    let row = statement
        .query_row([identifier], |row| {
            let server: Option<i64> = row.get(4)?;
            let service: Option<i64> = row.get(7)?;
            let of = match (server, service) {
                (Some(id), _) => Some(ClientOf::Server {
                    id,
                    user: row.get(5)?,
                    name: row.get(6)?,
                }),
                (None, Some(id)) => Some(ClientOf::Service {
                    id,
                    name: row.get(8)?,
                }),
                (None, None) => None,
            };
            Ok((
                row.get(0)?,
                row.get(1)?,
                row.get(2)?,
                row.get::<_, String>(3)?,
                of,
            ))
        })
        .optional()?;
    let Some((description, secret, redirect_uri, allowed, Some(of))) = row else {
        return Ok(None);
    };
    let identifier = identifier.to_owned();
    Ok(Some(Client {
        identifier,
        description,
        secret,
        redirect_uri,
        allowed_scopes: json(&allowed)?,
        of,
    }))
}

/// Registers a client, or makes a registered one what is said now. Tokens issued to it before stay.
pub fn put_client(connection: &Connection, client: &Client) -> Result<()> {
    let (server, service) = match &client.of {
        ClientOf::Server { id, .. } => (Some(id), None),
        ClientOf::Service { id, .. } => (None, Some(id)),
    };
    connection
        .prepare_cached(
            "INSERT INTO oauth_clients (identifier, description, secret, redirect_uri, allowed_scopes, server_id, service_id) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (identifier) DO UPDATE SET description = excluded.description, \
             secret = excluded.secret, redirect_uri = excluded.redirect_uri, allowed_scopes = excluded.allowed_scopes, \
             server_id = excluded.server_id, service_id = excluded.service_id",
        )?
        .execute(params![
            client.identifier,
            client.description,
            client.secret.as_slice(),
            client.redirect_uri,
            texts(&client.allowed_scopes),
            server,
            service
        ])?;
    Ok(())
}

/// Deletes a client, and with it its codes and the tokens issued to it.
pub fn delete_client(connection: &Connection, identifier: &str) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM oauth_clients WHERE identifier = ?1")?
        .execute([identifier])?;
    Ok(())
}

/// Deletes a client if it still has this secret: it is not one that was made anew since.
pub fn delete_client_with(
    connection: &Connection,
    identifier: &str,
    secret: &[u8; 32],
) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM oauth_clients WHERE identifier = ?1 AND secret = ?2")?
        .execute(params![identifier, secret])?;
    Ok(())
}

/// Keeps a code.
pub fn create_code(connection: &Connection, hash: &TokenHash, code: &Code) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO oauth_codes (hash, client_id, user_id, session_id, redirect_uri, scopes, code_challenge, \
             code_challenge_method, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            hash,
            code.client_id,
            code.user_id,
            code.session_id,
            code.redirect_uri,
            texts(&code.scopes),
            code.code_challenge,
            code.code_challenge_method,
            code.expires_at
        ])?;
    Ok(())
}

/// Takes a code out: it can be taken once. One that has expired is gone too.
pub fn take_code(
    connection: &Connection,
    hash: &TokenHash,
    now: Timestamp,
) -> Result<Option<Code>> {
    connection
        .prepare_cached("DELETE FROM oauth_codes WHERE expires_at <= ?1")?
        .execute([now])?;
    let mut statement = connection.prepare_cached(
        "DELETE FROM oauth_codes WHERE hash = ?1 RETURNING client_id, user_id, session_id, redirect_uri, scopes, \
         code_challenge, code_challenge_method, expires_at",
    )?;
    let row = statement
        .query_row([hash], |row| {
            let code = Code {
                client_id: row.get(0)?,
                user_id: row.get(1)?,
                session_id: row.get(2)?,
                redirect_uri: row.get(3)?,
                scopes: Vec::new(),
                code_challenge: row.get(5)?,
                code_challenge_method: row.get(6)?,
                expires_at: row.get(7)?,
            };
            Ok((code, row.get::<_, String>(4)?))
        })
        .optional()?;
    row.map(|(code, scopes)| {
        Ok(Code {
            scopes: json(&scopes)?,
            ..code
        })
    })
    .transpose()
}

/// Forgets codes that expired.
pub fn delete_expired(connection: &Connection, now: Timestamp) -> Result<usize> {
    Ok(connection.execute("DELETE FROM oauth_codes WHERE expires_at <= ?1", [now])?)
}
