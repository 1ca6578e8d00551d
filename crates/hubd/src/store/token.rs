//! API tokens.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::oauth::{self, Client};
use super::secret::{TokenHash, new_token};
use super::{Result, StoreError, json, role, texts, user};
use crate::clock::Timestamp;
use crate::scope::{Catalog, Owner, ScopeError, Scopes, expand};

/// Whose token it is, by id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OwnerId {
    User(i64),
    Service(i64),
}

/// A token, without what makes it one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub id: i64,
    pub owner: OwnerId,
    /// The name of the user or service.
    pub owner_name: String,
    /// The OAuth client it was issued to; `None`: asked for from the hub itself.
    pub client: Option<Client>,
    pub session_id: Option<String>,
    pub created: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub last_activity: Option<Timestamp>,
    pub note: String,
    /// Raw scopes.
    pub scopes: Vec<String>,
}

impl Token {
    /// Its name in the API.
    pub fn api_id(&self) -> String {
        format!("a{}", self.id)
    }

    /// What its owner and client are to scopes.
    pub fn scope_owner(&self) -> Owner<'_> {
        match self.owner {
            OwnerId::User(_) => Owner::User(&self.owner_name),
            OwnerId::Service(_) => Owner::Service(&self.owner_name),
        }
    }
}

/// A token to be made.
#[derive(Debug, Clone)]
pub struct New<'a> {
    pub owner: OwnerId,
    pub note: &'a str,
    /// Raw scopes; `None` and no roles: those of the role `token`.
    pub scopes: Option<Vec<String>>,
    /// Names of roles whose scopes it gets, as they are now.
    pub roles: Option<Vec<String>>,
    pub expires_in: Option<Duration>,
    /// The identifier of the OAuth client it is issued to.
    pub client_id: Option<&'a str>,
    pub session_id: Option<&'a str>,
}

impl<'a> New<'a> {
    /// A token of a user or service that may do what its owner may.
    pub fn of(owner: OwnerId, note: &'a str) -> Self {
        Self {
            owner,
            note,
            scopes: None,
            roles: None,
            expires_in: None,
            client_id: None,
            session_id: None,
        }
    }
}

/// Why a token was not made. The texts are JupyterHub's.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    #[error("Can only assign one of scopes or roles when creating tokens.")]
    Both,
    #[error("No such role: {0}")]
    Role(String),
    #[error(transparent)]
    Scope(#[from] ScopeError),
    #[error("Not assigning requested scopes {excess} not held by {kind} {owner}")]
    Excess {
        excess: String,
        kind: &'static str,
        owner: String,
    },
    #[error("the OAuth client {0} is not registered")]
    Client(String),
    #[error("the owner of the token is gone")]
    Owner,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<rusqlite::Error> for MintError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Makes a token after checking that its owner holds its scopes now. Returns the token itself, which is not kept.
pub fn mint(
    connection: &Connection,
    catalog: &Catalog,
    now: Timestamp,
    new: &New<'_>,
) -> std::result::Result<(String, i64), MintError> {
    let secret = new_token();
    let id = keep(connection, catalog, now, new, &secret)?;
    Ok((secret, id))
}

/// As [`mint`], for a token that somebody else made.
pub fn keep(
    connection: &Connection,
    catalog: &Catalog,
    now: Timestamp,
    new: &New<'_>,
    secret: &str,
) -> std::result::Result<i64, MintError> {
    let scopes = match (&new.scopes, &new.roles) {
        (Some(_), Some(_)) => return Err(MintError::Both),
        (Some(scopes), None) => scopes.clone(),
        (None, Some(names)) => {
            let mut all = Vec::new();
            for name in names {
                all.extend(
                    role::scopes(connection, name)?.ok_or_else(|| MintError::Role(name.clone()))?,
                );
            }
            all
        }
        (None, None) => {
            role::scopes(connection, "token")?.unwrap_or_else(|| vec!["inherit".to_owned()])
        }
    };
    catalog.check(&scopes, "token")?;
    let client = match new.client_id {
        Some(id) => Some(
            oauth::find_client(connection, id)?.ok_or_else(|| MintError::Client(id.to_owned()))?,
        ),
        None => None,
    };
    check_held(connection, catalog, new.owner, client.as_ref(), &scopes)?;
    let (user, service) = match new.owner {
        OwnerId::User(id) => (Some(id), None),
        OwnerId::Service(id) => (None, Some(id)),
    };
    connection
        .prepare_cached(
            "INSERT INTO tokens (hash, user_id, service_id, client_id, session_id, created, expires_at, note, scopes) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            TokenHash::of(secret),
            user,
            service,
            new.client_id,
            new.session_id,
            now,
            new.expires_in.map(|life| now.after(life)),
            new.note,
            texts(&scopes)
        ])?;
    Ok(connection.last_insert_rowid())
}

/// Checks that an owner holds raw scopes, `inherit` aside.
pub fn check_held(
    connection: &Connection,
    catalog: &Catalog,
    owner: OwnerId,
    client: Option<&Client>,
    raw: &[String],
) -> std::result::Result<(), MintError> {
    let (kind, name, held) = owner_scopes(connection, catalog, owner)?.ok_or(MintError::Owner)?;
    let wanted: Vec<&String> = raw.iter().filter(|scope| *scope != "inherit").collect();
    let scope_owner = match owner {
        OwnerId::User(_) => Owner::User(&name),
        OwnerId::Service(_) => Owner::Service(&name),
    };
    let wanted = expand(
        catalog,
        &wanted,
        scope_owner,
        client.map(|client| client.of.scope()),
    );
    let both = meet(connection, &wanted, &held)?;
    let excess = wanted.without(&both);
    if excess.is_empty() {
        return Ok(());
    }
    Err(MintError::Excess {
        excess: excess.join(","),
        kind,
        owner: name,
    })
}

/// What an owner may do now: kind, name and expanded scopes; `None` if he is gone.
pub fn owner_scopes(
    connection: &Connection,
    catalog: &Catalog,
    owner: OwnerId,
) -> Result<Option<(&'static str, String, Scopes)>> {
    let (kind, sql, id) = match owner {
        OwnerId::User(id) => ("User", "SELECT name FROM users WHERE id = ?1", id),
        OwnerId::Service(id) => ("Service", "SELECT name FROM services WHERE id = ?1", id),
    };
    let name: Option<String> = connection
        .prepare_cached(sql)?
        .query_row([id], |row| row.get(0))
        .optional()?;
    let Some(name) = name else { return Ok(None) };
    let scopes = match owner {
        OwnerId::User(id) => expand(
            catalog,
            &role::scopes_of_user(connection, id)?,
            Owner::User(&name),
            None,
        ),
        OwnerId::Service(id) => expand(
            catalog,
            &role::scopes_of_service(connection, id)?,
            Owner::Service(&name),
            None,
        ),
    };
    Ok(Some((kind, name, scopes)))
}

/// What two sets of scopes both allow, with the memberships of the store.
pub fn meet(connection: &Connection, a: &Scopes, b: &Scopes) -> Result<Scopes> {
    let failed = std::cell::Cell::new(None);
    let both = a.intersect(b, &|name| match user::groups_of(connection, name) {
        Ok(groups) => groups,
        Err(error) => {
            failed.set(Some(error));
            Vec::new()
        }
    });
    match failed.take() {
        Some(error) => Err(error),
        None => Ok(both),
    }
}

/// What a token allows now: what it holds and its owner holds too.
pub fn scopes_now(connection: &Connection, catalog: &Catalog, token: &Token) -> Result<Scopes> {
    let Some((_, _, held)) = owner_scopes(connection, catalog, token.owner)? else {
        return Ok(Scopes::default());
    };
    if token.scopes.iter().any(|scope| scope == "inherit") {
        return Ok(held);
    }
    let owner = token.scope_owner();
    let client = token.client.as_ref().map(|client| client.of.scope());
    let mut wanted = expand(catalog, &token.scopes, owner, client);
    if let Some(client) = client {
        wanted.insert(&client.access_scope());
    }
    for scope in crate::scope::identify(owner) {
        wanted.insert(&scope);
    }
    meet(connection, &wanted, &held)
}

const SELECT: &str = "SELECT t.id, t.user_id, t.service_id, COALESCE(u.name, v.name), t.client_id, t.session_id, \
                      t.created, t.expires_at, t.last_activity, t.note, t.scopes FROM tokens t \
                      LEFT JOIN users u ON u.id = t.user_id LEFT JOIN services v ON v.id = t.service_id";

type Raw = (Token, Option<String>, String);

fn read(row: &Row<'_>) -> rusqlite::Result<Raw> {
    let owner = match row.get(1)? {
        Some(id) => OwnerId::User(id),
        None => OwnerId::Service(row.get(2)?),
    };
    let token = Token {
        id: row.get(0)?,
        owner,
        owner_name: row.get(3)?,
        client: None,
        session_id: row.get(5)?,
        created: row.get(6)?,
        expires_at: row.get(7)?,
        last_activity: row.get(8)?,
        note: row.get(9)?,
        scopes: Vec::new(),
    };
    Ok((token, row.get(4)?, row.get(10)?))
}

fn finish(connection: &Connection, (mut token, client, scopes): Raw) -> Result<Token> {
    token.scopes = json(&scopes)?;
    if let Some(client) = client {
        token.client = oauth::find_client(connection, &client)?;
    }
    Ok(token)
}

/// Finds a token that has not expired.
pub fn find(connection: &Connection, hash: &TokenHash, now: Timestamp) -> Result<Option<Token>> {
    let mut statement = connection.prepare_cached(&format!(
        "{SELECT} WHERE t.hash = ?1 AND (t.expires_at IS NULL OR t.expires_at > ?2)"
    ))?;
    let row = statement.query_row(params![hash, now], read).optional()?;
    row.map(|row| finish(connection, row)).transpose()
}

/// Finds a token by id.
pub fn find_id(connection: &Connection, id: i64) -> Result<Option<Token>> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE t.id = ?1"))?;
    let row = statement.query_row([id], read).optional()?;
    row.map(|row| finish(connection, row)).transpose()
}

/// The tokens of an owner that have not expired, the longest unused first.
pub fn list(connection: &Connection, owner: OwnerId, now: Timestamp) -> Result<Vec<Token>> {
    let (column, id) = match owner {
        OwnerId::User(id) => ("t.user_id", id),
        OwnerId::Service(id) => ("t.service_id", id),
    };
    let mut statement = connection.prepare_cached(&format!(
        "{SELECT} WHERE {column} = ?1 AND (t.expires_at IS NULL OR t.expires_at > ?2) \
         ORDER BY COALESCE(t.last_activity, t.created), t.id"
    ))?;
    let rows = statement
        .query_map(params![id, now], read)?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    rows.into_iter()
        .map(|row| finish(connection, row))
        .collect()
}

/// Notes that a token was used.
pub fn note_activity(connection: &Connection, id: i64, at: Timestamp) -> Result<()> {
    connection
        .prepare_cached("UPDATE tokens SET last_activity = ?2 WHERE id = ?1 AND COALESCE(last_activity, ?2 - 1) < ?2")?
        .execute(params![id, at])?;
    Ok(())
}

/// Deletes one token.
pub fn delete(connection: &Connection, id: i64) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM tokens WHERE id = ?1")?
        .execute([id])?;
    Ok(())
}

/// Deletes every token that an owner has from one OAuth client.
pub fn delete_of_client(connection: &Connection, user: i64, client: &str) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM tokens WHERE user_id = ?1 AND client_id = ?2")?
        .execute(params![user, client])?;
    Ok(())
}

/// Deletes the tokens of a user that bear this note and were issued to no OAuth client: those of one server.
pub fn delete_of_note(connection: &Connection, user: i64, note: &str) -> Result<()> {
    connection
        .prepare_cached(
            "DELETE FROM tokens WHERE user_id = ?1 AND note = ?2 AND client_id IS NULL",
        )?
        .execute(params![user, note])?;
    Ok(())
}

/// The tokens of a server: its own, and those issued to its OAuth client.
pub fn ids_of_server(
    connection: &Connection,
    user: i64,
    note: &str,
    client: &str,
) -> Result<Vec<i64>> {
    let mut statement = connection.prepare_cached(
        "SELECT id FROM tokens WHERE (user_id = ?1 AND note = ?2 AND client_id IS NULL) OR client_id = ?3",
    )?;
    let ids = statement.query_map(params![user, note, client], |row| row.get(0))?;
    Ok(ids.collect::<rusqlite::Result<_>>()?)
}

/// Deletes these tokens.
pub fn delete_these(connection: &Connection, ids: &[i64]) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM tokens WHERE id IN (SELECT value FROM json_each(?1))")?
        .execute([serde_json::Value::from(ids.to_vec()).to_string()])?;
    Ok(())
}

/// Deletes every token that was issued in a browser's session.
pub fn delete_of_session(connection: &Connection, session_id: &str) -> Result<()> {
    connection
        .prepare_cached("DELETE FROM tokens WHERE session_id = ?1")?
        .execute([session_id])?;
    Ok(())
}

/// Deletes every token that was issued in some browser's session.
pub fn delete_of_sessions(connection: &Connection) -> Result<()> {
    connection.execute("DELETE FROM tokens WHERE session_id IS NOT NULL", [])?;
    Ok(())
}

/// Forgets tokens that expired.
pub fn delete_expired(connection: &Connection, now: Timestamp) -> Result<usize> {
    Ok(connection.execute("DELETE FROM tokens WHERE expires_at <= ?1", [now])?)
}
