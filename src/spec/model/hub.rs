//! The hub.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::format;

/// The hub.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Hub {
    /// Which hub.
    pub kind: HubKind,
    /// Version of JupyterHub from its package registry; with `hubd` of its single-user server alone.
    #[schemars(with = "format::Version")]
    pub version: String,
    /// Users with the hub's admin rights (the users themselves are made by `add-users`).
    #[schemars(with = "Vec<format::UserName>")]
    pub admins: Vec<String>,
    /// Stop servers nobody used for so many minutes; 0 never.
    #[schemars(range(min = 0, max = 525_600))]
    pub cull_after_minutes: u32,
    /// With `jupyterhub`: further lines for the hub's configuration file, after ours.
    #[schemars(with = "Option<format::Lines>")]
    pub extra_config: Option<String>,
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            kind: HubKind::Hubd,
            version: "6.1.1".to_owned(),
            admins: Vec::new(),
            cull_after_minutes: 60,
            extra_config: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HubKind {
    /// Stock JupyterHub from its package registry.
    Jupyterhub,
    /// hubctl's own hub, without privileges, beside a small root helper: the same single-user servers and API. Needs
    /// `proxy.kind: hubproxy` and `spawner.kind: systemd`.
    Hubd,
}
