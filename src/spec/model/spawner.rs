//! What starts the single-user servers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::format;

/// What starts the single-user servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Spawner {
    /// Which spawner.
    pub kind: SpawnerKind,
    /// Where a server opens: `/lab` or `/tree`.
    #[schemars(with = "format::UrlPath")]
    pub default_url: String,
    /// Seconds a server may take to start.
    #[schemars(range(min = 5, max = 3600))]
    pub start_timeout: u32,
}

impl Default for Spawner {
    fn default() -> Self {
        Self {
            kind: SpawnerKind::Systemd,
            default_url: "/lab".to_owned(),
            start_timeout: 60,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SpawnerKind {
    /// A systemd unit for each server, with limits (with `jupyterhub` by `jupyterhub-systemdspawner`).
    Systemd,
    /// A process of the hub's for each server (`LocalProcessSpawner`). Knows no limits.
    Local,
}
