//! Groups, roles and services.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// A group that exists from the start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Group {
    /// Names of users who are put into it at each start (none is taken out).
    pub users: Vec<String>,
    /// What the group is said to have, as JupyterHub's `properties`.
    pub properties: serde_json::Map<String, serde_json::Value>,
}

/// A role: scopes under a name, and who has it. As JupyterHub's `load_roles`: who is named here has the role and nobody
/// else, except that `users` left out of the role `user`, or `users`/`services` left out of `admin`, changes nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Role {
    /// 3 to 255 of `a-z0-9-_~.`, a letter first, a letter or digit last.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What it allows. Absent on a default role: its own scopes. The role `admin` cannot be changed.
    pub scopes: Option<Vec<String>>,
    pub users: Option<Vec<String>>,
    pub groups: Option<Vec<String>>,
    pub services: Option<Vec<String>>,
}

/// A program that uses the hub's API. With `command` the hub starts it and starts it again when it ends; it runs as
/// the hub's own user, so hubd refuses another `user`: a service that needs one is a systemd unit with `api_token_file`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// Its name.
    pub name: String,
    /// Whether it has the role `admin`.
    #[serde(default)]
    pub admin: bool,
    /// Where it listens, if it is reached through the proxy at `{base_url}services/{name}/`.
    pub url: Option<String>,
    /// The file with its API token. Absent for a service with a command: a new one at each start.
    pub api_token_file: Option<PathBuf>,
    /// The program and its arguments, if the hub is to run it.
    #[serde(default)]
    pub command: Vec<String>,
    /// Its working directory.
    pub cwd: Option<PathBuf>,
    /// Its environment beside the variables that the hub sets.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Whom it is to run as: only the hub's own user name is possible.
    pub user: Option<String>,
    /// The identifier of its OAuth client; absent: `service-{name}`.
    pub oauth_client_id: Option<String>,
    /// Where OAuth leads back to; absent: `{base_url}services/{name}/oauth_callback`.
    pub oauth_redirect_uri: Option<String>,
    /// Scopes its OAuth tokens may carry.
    #[serde(default)]
    pub oauth_client_allowed_scopes: Vec<String>,
    /// Whether visitors are sent on without the consent page.
    #[serde(default)]
    pub oauth_no_confirm: bool,
    /// Anything, told in the API.
    #[serde(default)]
    pub info: serde_json::Map<String, serde_json::Value>,
    /// Whether it is listed on the pages.
    #[serde(default = "yes")]
    pub display: bool,
}

fn yes() -> bool {
    true
}
