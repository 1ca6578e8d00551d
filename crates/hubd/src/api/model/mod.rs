//! Models: users, servers, groups, services and tokens as the API tells them, each key only to those who may read it.

mod user;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde_json::{Map, Value, json};
use url::Url;

use super::ApiError;
use crate::app::Hub;
use crate::name;
use crate::scope::{Scopes, Subject};
use crate::store::StoreError;
use crate::store::group::Group;
use crate::store::server::Server;
use crate::store::service::Service;
use crate::store::token::{OwnerId, Token};
use crate::store::user::User;

/// Which keys a scope lets be read.
type Access = &'static [(&'static str, &'static [&'static str])];

const GROUP: Access = &[
    ("read:groups", &["kind", "name", "properties", "users"]),
    ("read:groups:name", &["kind", "name"]),
    ("read:roles:groups", &["kind", "name", "roles"]),
];

const SERVICE: Access = &[
    (
        "read:services",
        &[
            "kind", "name", "admin", "url", "prefix", "command", "pid", "info", "display",
        ],
    ),
    ("read:services:name", &["kind", "name", "admin"]),
    ("read:roles:services", &["kind", "name", "roles", "admin"]),
];

/// The keys that may be read of this.
fn readable(access: Access, scopes: &Scopes, subject: &Subject<'_>) -> BTreeSet<&'static str> {
    let held = access
        .iter()
        .filter(|(scope, _)| scopes.allows(scope, subject));
    held.flat_map(|(_, keys)| keys.iter().copied()).collect()
}

/// What stands under a key of a group's model.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum GroupValue<'a> {
    Text(&'a str),
    Names(&'a [String]),
    Properties(&'a Map<String, Value>),
}

/// What models are made with.
pub struct Reader<'a> {
    pub hub: &'a Hub,
    pub scopes: &'a Scopes,
    /// Whether servers that do not run are told of.
    stopped_servers: bool,
    access: user::Access<'a>,
    public_url: Option<Url>,
}

impl<'a> Reader<'a> {
    /// For whoever holds these scopes.
    pub fn new(hub: &'a Hub, scopes: &'a Scopes) -> Self {
        let public_url = hub.config.public_url.as_deref();
        Self {
            hub,
            scopes,
            stopped_servers: false,
            access: user::Access::of(scopes),
            public_url: public_url.and_then(|url| Url::parse(url).ok()),
        }
    }

    /// The same that tells of servers that do not run, or not.
    pub fn with_stopped_servers(self, stopped_servers: bool) -> Self {
        Self {
            stopped_servers,
            ..self
        }
    }
}

impl Reader<'_> {
    /// A user and his servers, to which more is added. Empty if nothing may be read of him.
    pub fn user(&self, user: &User, servers: &[Server]) -> Result<Map<String, Value>, ApiError> {
        let model = self.user_model(user, servers, &mut self.hub.servers.look());
        match serde_json::to_value(model).map_err(StoreError::from)? {
            Value::Object(model) => Ok(model),
            _ => Ok(Map::new()),
        }
    }

    /// A group. Keys that may not be read are left out.
    pub fn group_model<'g>(&self, group: &'g Group) -> BTreeMap<&'static str, GroupValue<'g>> {
        let keys = readable(GROUP, self.scopes, &Subject::Group(&group.name));
        let value = |key: &str| {
            Some(match key {
                "kind" => GroupValue::Text("group"),
                "name" => GroupValue::Text(&group.name),
                "roles" => GroupValue::Names(&group.roles),
                "users" => GroupValue::Names(&group.users),
                "properties" => GroupValue::Properties(&group.properties),
                _ => return None,
            })
        };
        keys.into_iter()
            .filter_map(|key| Some((key, value(key)?)))
            .collect()
    }

    pub fn service(&self, service: &Service) -> Map<String, Value> {
        let mut model = Map::new();
        for key in readable(SERVICE, self.scopes, &Subject::Service(&service.name)) {
            let spec = &service.spec;
            let value = match key {
                "kind" => json!("service"),
                "name" => json!(service.name),
                "roles" => json!(service.roles),
                "admin" => json!(service.admin),
                "url" => json!(spec.url),
                "prefix" if spec.url.is_empty() => json!(""),
                "prefix" => {
                    json!(format!(
                        "{}services/{}/",
                        self.hub.config.base_url,
                        name::escape(&service.name)
                    ))
                }
                "command" => json!(spec.command),
                "pid" => json!(self.hub.services.pid(&service.name)),
                "info" => json!(spec.info),
                "display" => json!(spec.display),
                _ => continue,
            };
            model.insert(key.to_owned(), value);
        }
        model
    }
}

/// A token, with what it allows now.
pub fn token(token: &Token, scopes: &Scopes) -> Map<String, Value> {
    let owner = match token.owner {
        OwnerId::User(_) => "user",
        OwnerId::Service(_) => "service",
    };
    let client = token.client.as_ref().map_or("JupyterHub", |client| {
        if client.description.is_empty() {
            &client.identifier
        } else {
            &client.description
        }
    });
    let mut model = Map::new();
    for (key, value) in [
        (owner, json!(token.owner_name)),
        ("id", json!(token.api_id())),
        ("kind", json!("api_token")),
        ("roles", json!([])),
        ("scopes", json!(scopes.to_sorted())),
        ("created", json!(token.created)),
        ("last_activity", json!(token.last_activity)),
        ("expires_at", json!(token.expires_at)),
        ("note", json!(token.note)),
        ("session_id", json!(token.session_id)),
        ("oauth_client", json!(client)),
    ] {
        model.insert(key.to_owned(), value);
    }
    model
}
