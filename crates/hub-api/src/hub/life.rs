//! The proxy, culling and tokens.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// How the proxy is told its routes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Proxy {
    /// The proxy's routes API: `http://127.0.0.1:8001`, or `unix:/run/hubproxy/api.sock`.
    pub api: String,
    /// The file with the token of that API. Without it `CONFIGPROXY_AUTH_TOKEN` of the environment is used.
    pub token_file: Option<PathBuf>,
    /// Where the proxy finds the hub, told to it as the target of `/`; empty: the public listener's address.
    pub hub_target: Option<String>,
    /// Seconds between two looks at the whole route table.
    pub check_interval: u64,
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            api: "unix:/run/hubproxy/api.sock".to_owned(),
            token_file: None,
            hub_target: None,
            check_interval: 300,
        }
    }
}

/// Which servers are stopped because nobody uses them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cull {
    /// Whether any are.
    pub enabled: bool,
    /// Seconds between two looks.
    pub every: u64,
    /// Seconds without activity after which a server is stopped; 0: never.
    pub idle: u64,
    /// Seconds after its start at which a server is stopped, used or not; 0: never.
    pub max_age: u64,
    /// Whether a named server is removed, not only stopped.
    pub remove_named_servers: bool,
    /// Whether users without a server are deleted, too, once they were not active for as long as a server may be idle.
    /// Admins stay.
    pub users: bool,
    /// Other limits for members of some groups; the first that fits counts.
    pub groups: Vec<CullRule>,
}

impl Default for Cull {
    fn default() -> Self {
        Self {
            enabled: true,
            every: 60,
            idle: 3600,
            max_age: 0,
            remove_named_servers: false,
            users: false,
            groups: Vec::new(),
        }
    }
}

/// Limits for the members of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CullRule {
    /// The group's name.
    pub group: String,
    /// As in [`Cull`]; absent: as for everybody.
    pub idle: Option<u64>,
    /// As in [`Cull`]; absent: as for everybody.
    pub max_age: Option<u64>,
}

/// Limits on API tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tokens {
    /// The longest life in seconds that a token may be asked with, and the life of one asked without any; 0: no limit.
    pub expires_in_max: u64,
}
