//! Users and their servers as the API tells them: written as they are, so that long lists need no copies of them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::Reader;
use crate::clock::Timestamp;
use crate::name;
use crate::scope::{Filter, Names, Scopes, Subject};
use crate::server::state::State;
use crate::server::{Look, address};
use crate::store::server::Server;
use crate::store::user::User;

/// The keys of a user's model that a scope may let be read.
#[derive(Debug, Clone, Copy)]
enum Key {
    Admin,
    AuthState,
    Created,
    Groups,
    LastActivity,
    Pending,
    Roles,
    Server,
    Servers,
    UserInfo,
}

/// Some of the keys. Who may read any may read `kind` and `name`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Keys(u16);

impl Keys {
    const fn of(keys: &[Key]) -> Self {
        let (mut bits, mut at) = (0, 0);
        while at < keys.len() {
            bits |= 1 << keys[at] as u16;
            at += 1;
        }
        Self(bits)
    }

    fn has(self, key: Key) -> bool {
        self.0 & (1 << key as u16) != 0
    }
}

const ACCESS: [(&str, Keys); 7] = {
    use Key::{
        Admin, AuthState, Created, Groups, LastActivity, Pending, Roles, Server, Servers, UserInfo,
    };
    [
        (
            "read:users",
            Keys::of(&[
                UserInfo,
                Admin,
                Roles,
                Groups,
                Server,
                Pending,
                Created,
                LastActivity,
            ]),
        ),
        ("read:users:name", Keys::of(&[UserInfo, Admin])),
        ("read:users:groups", Keys::of(&[Groups])),
        ("read:users:activity", Keys::of(&[LastActivity])),
        ("read:servers", Keys::of(&[Servers])),
        ("read:roles:users", Keys::of(&[Roles, Admin])),
        ("admin:auth_state", Keys::of(&[AuthState])),
    ]
};

/// What may be read of users: looked up once, however many are told.
pub(super) struct Access<'a> {
    /// Of all users; `None`: nothing.
    all: Option<Keys>,
    /// Of those with these names or in these groups.
    some: Vec<(&'a Names, Keys)>,
    servers: Option<&'a Filter>,
    server_states: Option<&'a Filter>,
}

impl<'a> Access<'a> {
    pub(super) fn of(scopes: &'a Scopes) -> Self {
        let mut access = Self {
            all: None,
            some: Vec::new(),
            servers: scopes.filter("read:servers"),
            server_states: scopes.filter("admin:server_state"),
        };
        for (scope, keys) in ACCESS {
            match scopes.filter(scope) {
                None => {}
                Some(Filter::All) => {
                    let before = access.all.unwrap_or_default();
                    access.all = Some(Keys(before.0 | keys.0));
                }
                Some(Filter::Only(names)) => access.some.push((names, keys)),
            }
        }
        access
    }

    /// The keys that may be read of a user; `None`: nothing.
    fn keys(&self, user: &Subject<'_>) -> Option<Keys> {
        let of_him = self.some.iter().filter(|(names, _)| names.allow(user));
        of_him.fold(self.all, |keys, (_, more)| {
            Some(Keys(keys.unwrap_or_default().0 | more.0))
        })
    }
}

/// A user. Keys that may not be read are left out.
#[derive(Debug, Serialize)]
pub struct UserModel<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    admin: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_state: Option<Option<&'a Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<&'a [String]>,
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_activity: Option<Option<Timestamp>>,
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<Option<&'static str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server: Option<Option<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    servers: Option<BTreeMap<&'a str, ServerModel<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_info: Option<Option<&'a Value>>,
}

/// A server of a user.
#[derive(Debug, Serialize)]
pub struct ServerModel<'a> {
    display_name: &'a str,
    full_name: String,
    full_progress_url: Option<String>,
    full_url: Option<String>,
    last_activity: Option<Timestamp>,
    name: &'a str,
    pending: Option<&'static str>,
    progress_url: String,
    ready: bool,
    started: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<Cow<'a, Value>>,
    stopped: bool,
    url: String,
    user_options: Cow<'a, Map<String, Value>>,
}

impl Reader<'_> {
    /// A user and his servers; `None` if nothing may be read of him.
    pub fn user_model<'u>(
        &self,
        user: &'u User,
        servers: &'u [Server],
        look: &mut Look<'_>,
    ) -> Option<UserModel<'u>> {
        let subject = Subject::User {
            name: &user.name,
            groups: &user.groups,
        };
        let keys = self.access.keys(&subject)?;
        let default = look.state(&user.name, "");
        let mut told = BTreeMap::new();
        if let Some(filter) = self.access.servers {
            if !servers.iter().any(|server| server.name.is_empty())
                && self.shows(default)
                && allows(filter, user, "")
            {
                told.insert("", self.server_model(user, "", None, default));
            }
            for server in servers {
                let state = if server.name.is_empty() {
                    default
                } else {
                    look.state(&user.name, &server.name)
                };
                if self.shows(state) && allows(filter, user, &server.name) {
                    let model = self.server_model(user, &server.name, Some(server), state);
                    told.insert(&server.name, model);
                }
            }
        }
        let url = || (default == State::Ready).then(|| self.url(&user.name, ""));
        Some(UserModel {
            admin: keys.has(Key::Admin).then_some(user.admin),
            auth_state: keys.has(Key::AuthState).then_some(user.auth_state.as_ref()),
            created: keys.has(Key::Created).then_some(user.created),
            groups: keys.has(Key::Groups).then_some(&user.groups),
            kind: "user",
            last_activity: keys.has(Key::LastActivity).then_some(user.last_activity),
            name: &user.name,
            pending: keys.has(Key::Pending).then_some(default.pending()),
            roles: keys.has(Key::Roles).then_some(&user.roles),
            server: keys.has(Key::Server).then(url),
            servers: (keys.has(Key::Servers) || !told.is_empty()).then_some(told),
            user_info: keys.has(Key::UserInfo).then_some(user.user_info.as_ref()),
        })
    }

    fn shows(&self, state: State) -> bool {
        self.stopped_servers || state.is_active()
    }

    /// A server; that it may be read was checked. `row`: unless it was never asked for, as the default one of any user.
    pub fn server_model<'u>(
        &self,
        user: &'u User,
        name: &'u str,
        row: Option<&'u Server>,
        state: State,
    ) -> ServerModel<'u> {
        let url = self.url(&user.name, name);
        let progress_url = self.progress_url(&user.name, name);
        let may_see_state = self
            .access
            .server_states
            .is_some_and(|filter| allows(filter, user, name));
        ServerModel {
            display_name: row.map_or("", |row| &row.display_name),
            full_name: format!("{}/{name}", user.name),
            full_progress_url: self.full(&progress_url),
            full_url: self.full(&url),
            last_activity: row.and_then(|row| row.last_activity),
            name,
            pending: state.pending(),
            progress_url,
            ready: state == State::Ready,
            started: row.and_then(|row| row.started),
            state: may_see_state.then(|| match row {
                Some(row) => Cow::Borrowed(&row.state),
                None => Cow::Owned(Value::Object(Map::new())),
            }),
            stopped: !state.is_active(),
            url,
            user_options: match row {
                Some(row) => Cow::Borrowed(&row.user_options),
                None => Cow::Owned(Map::new()),
            },
        }
    }

    fn url(&self, user: &str, server: &str) -> String {
        address::path(&self.hub.config.base_url, user, server)
    }

    fn progress_url(&self, user: &str, server: &str) -> String {
        let (base, user) = (&self.hub.config.base_url, name::escape(user));
        if server.is_empty() {
            format!("{base}hub/api/users/{user}/server/progress")
        } else {
            let server = name::escape(server);
            format!("{base}hub/api/users/{user}/servers/{server}/progress")
        }
    }

    /// A path with the public address of the hub before it, if that is known.
    fn full(&self, path: &str) -> Option<String> {
        let mut url = self.public_url.clone()?;
        url.set_path(path);
        Some(url.into())
    }
}

fn allows(filter: &Filter, user: &User, server: &str) -> bool {
    filter.allows(&Subject::Server {
        user: &user.name,
        groups: &user.groups,
        name: server,
    })
}
