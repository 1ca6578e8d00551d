//! The hub's configuration file, `hubd.toml`.
//!
//! Every table is strict: a key that is not known is an error that names it. Durations are whole seconds. Secrets are
//! never written here: a key that ends in `_file` names a file that only the hub may read.

mod auth;
mod life;
mod listen;
mod notebooks;
mod page;
mod people;
mod spawn;

pub use auth::{Auth, Dummy, Oauth, OauthKind, Pam, PasswordFile};
pub use life::{Cull, CullRule, Proxy, Tokens};
pub use listen::{Internal, Listen, Place, PlaceError};
pub use notebooks::Notebooks;
pub use page::Pages;
pub use people::{Group, Role, Service};
pub use spawn::{Docker, NamedServers, Process, Profile, Pull, Spawn, SpawnerKind, Systemd};

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// All of `hubd.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hub {
    /// The path under which the hub and all servers live, with a slash at both ends. The hub's own pages are under
    /// `{base_url}hub/`.
    pub base_url: String,
    /// Where people reach the hub, for example `https://hub.example.org`; empty: told from each request. An https address
    /// makes cookies Secure.
    pub public_url: Option<String>,
    /// The version told in `X-JupyterHub-Version`: the major must be that of the installed single-user package, or each
    /// server logs a warning.
    pub version: String,
    /// The SQLite file that keeps what the hub must not forget.
    pub database: PathBuf,
    /// Where the hub listens.
    pub listen: Listen,
    /// How the proxy is told its routes.
    pub proxy: Proxy,
    /// Who may log in, and how.
    pub auth: Auth,
    /// What runs single-user servers.
    pub spawn: Spawn,
    /// What the notebooks run in, where it is installed while the hub is up already.
    pub notebooks: Notebooks,
    /// Servers beside a user's default one.
    pub named_servers: NamedServers,
    /// Which servers are stopped because nobody uses them.
    pub cull: Cull,
    /// Limits on API tokens.
    pub tokens: Tokens,
    /// Texts and pictures of the pages.
    pub pages: Pages,
    /// Metrics for Prometheus.
    pub metrics: Metrics,
    /// The log on standard error.
    pub log: Log,
    /// Groups that exist from the start, by name.
    pub groups: BTreeMap<String, Group>,
    /// Roles beside, or over, the four that always exist (user, admin, server, token).
    pub roles: Vec<Role>,
    /// Services: programs that use the hub's API, run by the hub or elsewhere.
    pub services: Vec<Service>,
    /// Scopes of the operator's own, which services may ask for: name (`custom:...`) and what it allows.
    pub custom_scopes: BTreeMap<String, CustomScope>,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            base_url: "/".to_owned(),
            public_url: None,
            version: "6.1.1".to_owned(),
            database: PathBuf::from("/var/lib/hubd/hubd.sqlite"),
            listen: Listen::default(),
            proxy: Proxy::default(),
            auth: Auth::default(),
            spawn: Spawn::default(),
            notebooks: Notebooks::default(),
            named_servers: NamedServers::default(),
            cull: Cull::default(),
            tokens: Tokens::default(),
            pages: Pages::default(),
            metrics: Metrics::default(),
            log: Log::default(),
            groups: BTreeMap::new(),
            roles: Vec::new(),
            services: Vec::new(),
            custom_scopes: BTreeMap::new(),
        }
    }
}

/// Metrics for Prometheus, at `{base_url}hub/metrics`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Whether a token with `read:metrics` is needed to read them.
    pub authenticate: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        Self { authenticate: true }
    }
}

/// The log on standard error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// What is logged: `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `hubd=debug,info`.
    pub level: String,
    /// How it is written.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: LogFormat::Text,
        }
    }
}

/// How the log is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line an event; under systemd without time and colour.
    #[default]
    Text,
    /// One JSON object an event.
    Json,
}

/// A scope of the operator's own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CustomScope {
    /// What it allows, for the consent page.
    pub description: String,
    /// Custom scopes that it implies.
    #[serde(default)]
    pub subscopes: Vec<String>,
}
