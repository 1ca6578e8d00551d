//! Models: users, servers, groups, services and tokens as the API tells them, each key only to those who may read it.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::app::Hub;
use crate::name;
use crate::scope::{Scopes, Subject};
use crate::server::state::State;
use crate::spawner::ServerKey;
use crate::store::group::Group;
use crate::store::server::Server;
use crate::store::service::Service;
use crate::store::token::{OwnerId, Token};
use crate::store::user::User;

/// Which keys a scope lets be read.
type Access = &'static [(&'static str, &'static [&'static str])];

const USER: Access = &[
    (
        "read:users",
        &[
            "kind",
            "name",
            "user_info",
            "admin",
            "roles",
            "groups",
            "server",
            "pending",
            "created",
            "last_activity",
        ],
    ),
    ("read:users:name", &["kind", "name", "user_info", "admin"]),
    ("read:users:groups", &["kind", "name", "groups"]),
    ("read:users:activity", &["kind", "name", "last_activity"]),
    ("read:servers", &["kind", "name", "servers"]),
    ("read:roles:users", &["kind", "name", "roles", "admin"]),
    ("admin:auth_state", &["kind", "name", "auth_state"]),
];

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

/// What models are made with.
pub struct Reader<'a> {
    pub hub: &'a Hub,
    pub scopes: &'a Scopes,
    /// Whether servers that do not run are told of.
    pub stopped_servers: bool,
}

impl Reader<'_> {
    /// A user and his servers. Empty if nothing may be read of him.
    pub fn user(&self, user: &User, servers: &[Server]) -> Map<String, Value> {
        let subject = Subject::User {
            name: &user.name,
            groups: &user.groups,
        };
        let keys = readable(USER, self.scopes, &subject);
        let state = |name: &str| self.hub.servers.state(&key(&user.name, name));
        let default = state("");
        let mut model = Map::new();
        for key in &keys {
            let value = match *key {
                "kind" => json!("user"),
                "name" => json!(user.name),
                "admin" => json!(user.admin),
                "roles" => json!(user.roles),
                "groups" => json!(user.groups),
                "server" => json!(
                    (default == State::Ready)
                        .then(|| self.hub.servers.url(&self::key(&user.name, "")))
                ),
                "pending" => json!(default.pending()),
                "created" => json!(user.created),
                "last_activity" => json!(user.last_activity),
                "auth_state" => json!(user.auth_state),
                "user_info" => json!(user.user_info),
                _ => continue,
            };
            model.insert((*key).to_owned(), value);
        }
        if model.is_empty() {
            return model;
        }
        let mut told = Map::new();
        let no_default = !servers.iter().any(|server| server.name.is_empty());
        let default = no_default.then(|| unmade(user, ""));
        for server in default.iter().chain(servers) {
            let of = Subject::Server {
                user: &user.name,
                groups: &user.groups,
                name: &server.name,
            };
            let shown = self.stopped_servers || state(&server.name).is_active();
            if shown && self.scopes.allows("read:servers", &of) {
                told.insert(
                    server.name.clone(),
                    Value::Object(self.server(user, server)),
                );
            }
        }
        if keys.contains("servers") || !told.is_empty() {
            model.insert("servers".to_owned(), Value::Object(told));
        }
        model
    }

    /// A server; that it may be read was checked.
    pub fn server(&self, user: &User, server: &Server) -> Map<String, Value> {
        let key = key(&user.name, &server.name);
        let state = self.hub.servers.state(&key);
        let url = self.hub.servers.url(&key);
        let progress_url = self.progress_url(&key);
        let full = |path: &str| {
            self.hub
                .config
                .public_url
                .as_deref()
                .and_then(|public| join(public, path))
        };
        let mut model = Map::new();
        for (key, value) in [
            ("name", json!(server.name)),
            ("display_name", json!(server.display_name)),
            ("full_name", json!(format!("{}/{}", user.name, server.name))),
            ("last_activity", json!(server.last_activity)),
            ("started", json!(server.started)),
            ("pending", json!(state.pending())),
            ("ready", json!(state == State::Ready)),
            ("stopped", json!(!state.is_active())),
            ("full_url", json!(full(&url))),
            ("full_progress_url", json!(full(&progress_url))),
            ("url", json!(url)),
            ("user_options", json!(server.user_options)),
            ("progress_url", json!(progress_url)),
        ] {
            model.insert(key.to_owned(), value);
        }
        let subject = Subject::Server {
            user: &user.name,
            groups: &user.groups,
            name: &server.name,
        };
        if self.scopes.allows("admin:server_state", &subject) {
            model.insert("state".to_owned(), server.state.clone());
        }
        model
    }

    fn progress_url(&self, key: &ServerKey) -> String {
        let user = format!(
            "{}/api/users/{}",
            self.hub.prefix(),
            name::escape(&key.user)
        );
        if key.name.is_empty() {
            format!("{user}/server/progress")
        } else {
            format!("{user}/servers/{}/progress", name::escape(&key.name))
        }
    }

    pub fn group(&self, group: &Group) -> Map<String, Value> {
        let mut model = Map::new();
        for key in readable(GROUP, self.scopes, &Subject::Group(&group.name)) {
            let value = match key {
                "kind" => json!("group"),
                "name" => json!(group.name),
                "roles" => json!(group.roles),
                "users" => json!(group.users),
                "properties" => json!(group.properties),
                _ => continue,
            };
            model.insert(key.to_owned(), value);
        }
        model
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

/// A server that was never asked for: every user has a default one.
pub fn unmade(user: &User, name: &str) -> Server {
    Server {
        id: 0,
        user_id: user.id,
        user: user.name.clone(),
        name: name.to_owned(),
        display_name: String::new(),
        target: None,
        state: json!({}),
        user_options: Map::new(),
        started: None,
        last_activity: None,
    }
}

fn key(user: &str, name: &str) -> ServerKey {
    ServerKey {
        user: user.to_owned(),
        name: name.to_owned(),
    }
}

fn join(public: &str, path: &str) -> Option<String> {
    let mut url = url::Url::parse(public).ok()?;
    url.set_path(path);
    Some(url.into())
}
