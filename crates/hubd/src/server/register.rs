//! What of servers outlives the hub: their rows, their tokens and OAuth clients.

use std::sync::Arc;

use rusqlite::Connection;
use serde_json::{Map, Value};

use super::address;
use super::start::Wish;
use crate::clock::Timestamp;
use crate::name;
use crate::spawner::{ServerKey, Started, Target};
use crate::store::oauth::{self, Client, ClientOf};
use crate::store::secret::TokenHash;
use crate::store::token::{self, MintError, New, OwnerId};
use crate::store::{Store, StoreError, role, server, user};

/// The target of a server that is starting and not yet anywhere.
const NOWHERE: &str = "";

/// Who asks for a server, and what is known of it.
pub(super) struct Owner {
    pub(super) user_id: i64,
    pub(super) groups: Vec<String>,
    pub(super) server_exists: bool,
    /// How many named servers there are.
    pub(super) named_servers: u64,
    /// What was chosen the last time.
    pub(super) options: Map<String, Value>,
}

/// A start that is written down.
pub(super) struct Begun {
    pub(super) server_id: i64,
    /// The server's token: kept nowhere else but in its environment.
    pub(super) token: String,
    pub(super) since: Timestamp,
}

/// Finds the owner of a server; `None` if there is no such user.
pub(super) async fn find_owner(
    store: &Store,
    key: &ServerKey,
) -> Result<Option<Owner>, StoreError> {
    let key = key.clone();
    store
        .read(move |connection| {
            let Some(user) = user::find(connection, &key.user)? else {
                return Ok(None);
            };
            let servers = server::of_user(connection, user.id)?;
            let named = servers
                .iter()
                .filter(|server| !server.name.is_empty())
                .count();
            let this = servers.into_iter().find(|server| server.name == key.name);
            Ok(Some(Owner {
                user_id: user.id,
                groups: user.groups,
                server_exists: this.is_some(),
                named_servers: named as u64,
                options: this.map(|server| server.user_options).unwrap_or_default(),
            }))
        })
        .await
}

/// Writes a start down: the server's row, a new token, and its OAuth client whose secret the token is.
pub(super) async fn begin(
    store: &Store,
    base: &str,
    key: &ServerKey,
    owner: &Owner,
    wish: Wish,
    options: Map<String, Value>,
) -> Result<Begun, MintError> {
    let since = store.clock().now();
    let (catalog, key, user_id) = (store.catalog().clone(), key.clone(), owner.user_id);
    let redirect_uri = address::callback(base, &key);
    let note = address::token_note(base, &key);
    store
        // It revokes the token of a former life, if one is left: nobody may be known by it any more.
        .write(move |connection| {
            // Renamed in this very moment: the server would be of nobody.
            if user::find(connection, &key.user)?.map(|user| user.id) != Some(user_id) {
                return Err(MintError::Owner);
            }
            let shown = wish
                .display_name
                .clone()
                .unwrap_or_else(|| key.name.clone());
            let row = server::ensure(connection, user_id, &key.name, &shown)?;
            if let Some(name) = wish.display_name.filter(|name| *name != row.display_name) {
                server::set_display_name(connection, row.id, &name)?;
            }
            server::set_options(connection, row.id, &options)?;
            server::set_active(
                connection,
                row.id,
                NOWHERE,
                &Value::Object(Map::new()),
                since,
            )?;
            server::note_activity(connection, row.id, since)?;
            user::note_activity(connection, user_id, since)?;
            token::delete_of_note(connection, user_id, &note)?;
            let new = New {
                scopes: Some(token_scopes(connection, &catalog, &key, user_id)?),
                ..New::of(OwnerId::User(user_id), &note)
            };
            let (token, _) = token::mint(connection, &catalog, since, &new)?;
            let client = Client {
                identifier: name::server_client_id(&key.user, &key.name),
                description: note.clone(),
                secret: TokenHash::of(&token).0,
                redirect_uri,
                allowed_scopes: Vec::new(),
                of: ClientOf::Server {
                    id: row.id,
                    user: key.user.clone(),
                    name: key.name.clone(),
                },
            };
            oauth::put_client(connection, &client)?;
            Ok(Begun {
                server_id: row.id,
                token,
                since,
            })
        })
        .await
}

/// The scopes of a server's token: those of the role `server` that its owner holds.
fn token_scopes(
    connection: &Connection,
    catalog: &crate::scope::Catalog,
    key: &ServerKey,
    user_id: i64,
) -> Result<Vec<String>, StoreError> {
    let of_role = role::scopes(connection, "server")?.unwrap_or_default();
    let this = address::full_name(key);
    let mut held = Vec::new();
    for scope in of_role {
        let scope = match scope.strip_suffix("!server") {
            Some(base) => format!("{base}!server={this}"),
            None => scope,
        };
        match token::check_held(
            connection,
            catalog,
            OwnerId::User(user_id),
            None,
            std::slice::from_ref(&scope),
        ) {
            Ok(()) => held.push(scope),
            Err(MintError::Store(error)) => return Err(error),
            Err(error) => tracing::debug!(%error, "a scope less for the server's token"),
        }
    }
    Ok(held)
}

/// Writes down where a server runs.
pub(super) async fn started(
    store: &Store,
    begun: &Begun,
    started: &Started,
) -> Result<(), StoreError> {
    let target = address::target_url(&started.target);
    let (id, state, since) = (begun.server_id, started.state.clone(), begun.since);
    store
        .note(move |connection| server::set_active(connection, id, &target, &state, since))
        .await
}

/// What of a server that is gone could not be taken out of the store.
pub(super) struct Left {
    key: ServerKey,
    row: Option<i64>,
    started: Option<Timestamp>,
    tokens: Vec<i64>,
    client: Option<Client>,
}

/// Writes down that a server is gone, and revokes its token, its OAuth client and what was issued to it. Where that
/// cannot be written, as on a full disk, the tokens are refused all the same, and what is left is returned.
pub(super) async fn end(store: &Store, base: &str, key: &ServerKey) -> Option<Left> {
    let log_name = super::refusal::log_name(key);
    let note = address::token_note(base, key);
    let (owned, noted) = (key.clone(), note.clone());
    let ended = store.write(move |connection| {
        let key = owned;
        oauth::delete_client(connection, &name::server_client_id(&key.user, &key.name))?;
        let Some(row) = server::find(connection, &key.user, &key.name)? else {
            return Ok(());
        };
        token::delete_of_note(connection, row.user_id, &noted)?;
        server::set_stopped(connection, row.id)
    });
    let Err(error): Result<(), StoreError> = ended.await else {
        return None;
    };
    tracing::error!(server = log_name, %error, "revoking the server's token; it is refused until that can be written");
    let key = key.clone();
    let found = store.read(move |connection| left(connection, key, &note));
    match found.await {
        Ok(left) => {
            store.refuse_tokens(left.tokens.iter().copied());
            Some(left)
        }
        Err(error) => {
            tracing::error!(server = log_name, %error, "looking for the server's token; it counts until the next start");
            None
        }
    }
}

fn left(connection: &Connection, key: ServerKey, note: &str) -> Result<Left, StoreError> {
    let row = server::find(connection, &key.user, &key.name)?;
    let client = name::server_client_id(&key.user, &key.name);
    let tokens = match &row {
        Some(row) => token::ids_of_server(connection, row.user_id, note, &client)?,
        None => Vec::new(),
    };
    Ok(Left {
        row: row.as_ref().map(|row| row.id),
        started: row.and_then(|row| row.started),
        tokens,
        client: oauth::find_client(connection, &client)?,
        key,
    })
}

/// Tries again to take out what was left of a server. What a start has made anew since stays.
pub(super) async fn end_left(store: &Store, left: &Arc<Left>) -> Result<(), StoreError> {
    let owned = left.clone();
    store
        .write(move |connection| {
            token::delete_these(connection, &owned.tokens)?;
            if let Some(client) = &owned.client {
                oauth::delete_client_with(connection, &client.identifier, &client.secret)?;
            }
            let row = server::find(connection, &owned.key.user, &owned.key.name)?;
            match row.filter(|row| Some(row.id) == owned.row && row.started == owned.started) {
                Some(row) => server::set_stopped(connection, row.id),
                None => Ok(()),
            }
        })
        .await?;
    store.tokens_are_gone(&left.tokens);
    Ok(())
}

/// Forgets a server.
pub(super) async fn remove(store: &Store, key: &ServerKey) -> Result<(), super::Refusal> {
    let key = key.clone();
    store
        .write(
            move |connection| match server::find(connection, &key.user, &key.name)? {
                Some(row) => Ok(server::delete(connection, row.id)?),
                None => Err(super::Refusal::NoServer {
                    user: key.user.clone(),
                    name: key.name.clone(),
                }),
            },
        )
        .await
}

/// The servers that ran, or were starting, when the hub last ended.
pub(super) async fn remembered(
    store: &Store,
) -> Result<Vec<(ServerKey, Option<Target>, Value)>, StoreError> {
    let rows = store.read(server::active).await?;
    let known = rows.into_iter().map(|row| {
        let target = row.target.as_deref().and_then(address::parse_target);
        let key = ServerKey {
            user: row.user,
            name: row.name,
        };
        (key, target, row.state)
    });
    Ok(known.collect())
}

/// Notes that people used servers, and so were active.
pub(super) async fn note_use(
    store: &Store,
    used: Vec<(ServerKey, Timestamp)>,
) -> Result<(), StoreError> {
    if used.is_empty() {
        return Ok(());
    }
    store
        .note(move |connection| {
            for (key, at) in used {
                if let Some(row) = server::find(connection, &key.user, &key.name)? {
                    server::note_activity(connection, row.id, at)?;
                    user::note_activity(connection, row.user_id, at)?;
                }
            }
            Ok(())
        })
        .await
}
