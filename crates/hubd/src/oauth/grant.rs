//! What a client is granted for a visitor, and whether the visitor is asked first.

use rusqlite::Connection;

use super::authorization::Authorization;
use crate::clock::Timestamp;
use crate::scope::{Catalog, Owner, Subject, identify};
use crate::store::oauth::{Client, ClientOf};
use crate::store::requester::Requester;
use crate::store::token::{self, MintError, OwnerId};
use crate::store::{Result, service, user};

/// What is granted, if the visitor agrees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// Raw scopes, sorted: what the client asked for and the visitor holds, and what every client gets.
    pub scopes: Vec<String>,
    /// Of those the ones the visitor has not granted by coming here.
    pub beyond: Vec<String>,
    /// Whether the visitor is asked.
    pub ask: bool,
}

impl Grant {
    /// Leaves out what the visitor was not shown when he agreed.
    pub fn keep_named(&mut self, named: &[String]) {
        let beyond = std::mem::take(&mut self.beyond);
        let (kept, left_out): (Vec<String>, Vec<String>) =
            beyond.into_iter().partition(|scope| named.contains(scope));
        self.scopes.retain(|scope| !left_out.contains(scope));
        self.beyond = kept;
    }
}

/// Why nothing is granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// The visitor may not go where the client is.
    NoAccess,
    /// The client asked for scopes that it may not have.
    Scope(Vec<String>),
}

/// Says what the client is granted for this visitor.
pub fn decide(
    connection: &Connection,
    catalog: &Catalog,
    now: Timestamp,
    visitor: &Requester,
    client: &Client,
    authorization: &Authorization,
) -> Result<std::result::Result<Grant, Denial>> {
    if !may_go(connection, visitor, client)? {
        return Ok(Err(Denial::NoAccess));
    }
    let mut always = identify(Owner::User(visitor.name()));
    always.push(client.of.scope().access_scope());
    let wanted = match &authorization.scopes {
        None => client.allowed_scopes.clone(),
        Some(wanted) => {
            let unknown: Vec<String> = wanted
                .iter()
                .filter(|scope| {
                    !client.allowed_scopes.contains(scope) && !is_always(scope, &always)
                })
                .cloned()
                .collect();
            if !unknown.is_empty() {
                return Ok(Err(Denial::Scope(unknown)));
            }
            wanted.clone()
        }
    };
    let mut beyond = Vec::new();
    for scope in wanted {
        if !is_always(&scope, &always) && is_held(connection, catalog, visitor, client, &scope)? {
            beyond.push(scope);
        }
    }
    let mut scopes: Vec<String> = always.into_iter().chain(beyond.iter().cloned()).collect();
    scopes.sort();
    scopes.dedup();
    let ask = must_ask(connection, now, visitor, client, &scopes)?;
    Ok(Ok(Grant {
        scopes,
        beyond,
        ask,
    }))
}

/// Whether this is one of the scopes that every client gets, under any of its names.
fn is_always(scope: &str, always: &[String]) -> bool {
    let own = ["read:users:name!user", "read:users:groups!user"];
    own.contains(&scope) || always.iter().any(|other| other == scope)
}

fn may_go(connection: &Connection, visitor: &Requester, client: &Client) -> Result<bool> {
    Ok(match &client.of {
        ClientOf::Server { user, name, .. } => {
            let groups = user::groups_of(connection, user)?;
            let subject = Subject::Server {
                user,
                groups: &groups,
                name,
            };
            visitor.may("access:servers", &subject)
        }
        ClientOf::Service { name, .. } => visitor.may("access:services", &Subject::Service(name)),
    })
}

fn is_held(
    connection: &Connection,
    catalog: &Catalog,
    visitor: &Requester,
    client: &Client,
    scope: &String,
) -> Result<bool> {
    let owner = visitor.owner_id();
    match token::check_held(
        connection,
        catalog,
        owner,
        Some(client),
        std::slice::from_ref(scope),
    ) {
        Ok(()) => Ok(true),
        Err(MintError::Store(error)) => Err(error),
        Err(_) => Ok(false),
    }
}

/// The visitor's own servers are not asked about, nor what the operator vouches for, nor what was agreed to before.
fn must_ask(
    connection: &Connection,
    now: Timestamp,
    visitor: &Requester,
    client: &Client,
    scopes: &[String],
) -> Result<bool> {
    match &client.of {
        ClientOf::Server { user, .. } if user == visitor.name() => return Ok(false),
        ClientOf::Service { id, .. } => {
            let vouched = service::find_id(connection, *id)?
                .is_some_and(|service| service.spec.oauth_no_confirm);
            if vouched {
                return Ok(false);
            }
        }
        ClientOf::Server { .. } => {}
    }
    let Some(id) = visitor.user_id() else {
        return Ok(true);
    };
    let agreed: Vec<String> = token::list(connection, OwnerId::User(id), now)?
        .into_iter()
        .filter(|token| {
            token
                .client
                .as_ref()
                .is_some_and(|of| of.identifier == client.identifier)
        })
        .flat_map(|token| token.scopes)
        .collect();
    Ok(!scopes.iter().all(|scope| agreed.contains(scope)))
}
