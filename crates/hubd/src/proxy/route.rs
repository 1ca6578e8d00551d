//! A route: what the hub posts, and what the proxy's table holds.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;

/// What stays as it is in a routespec's path on the wire.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'_')
    .remove(b'.')
    .remove(b'-')
    .remove(b'~')
    .remove(b'@');

/// A route of the hub's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where requests go: `http://127.0.0.1:8888`, `http+unix://%2Frun%2Fx.sock`.
    pub target: String,
    pub owner: Owner,
}

/// Whose a route is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    Hub,
    Server { user: String, name: String },
    Service(String),
}

impl Route {
    /// The body that JupyterHub posts for such a route.
    pub(super) fn to_json(&self) -> Value {
        let mut body = match &self.owner {
            Owner::Hub => json!({"hub": true}),
            Owner::Server { user, name } => json!({"user": user, "server_name": name}),
            Owner::Service(name) => json!({"service": name}),
        };
        body["target"] = self.target.clone().into();
        body["jupyterhub"] = true.into();
        body
    }
}

/// A route as the proxy's table holds it. Fields that others put there are of no interest.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Present {
    #[serde(default)]
    pub target: String,
    /// Whether a hub posted it; others are left alone.
    #[serde(default)]
    pub jupyterhub: bool,
    /// When a person last used it.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub last_activity: Option<OffsetDateTime>,
}

/// The routespec as the end of the API's path.
pub(super) fn path(routespec: &str) -> String {
    utf8_percent_encode(routespec, PATH).to_string()
}
