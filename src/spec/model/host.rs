//! The host itself, and how its operators reach it.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::format;

/// How the host is reached by its operators.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Ssh {
    /// Further public keys (`ssh-ed25519 AAAA… name`) that may log in as the operator.
    #[schemars(with = "Vec<format::PublicKey>")]
    pub authorized_keys: Vec<String>,
    /// How the server's SSH host key is known before anything secret is sent to it.
    pub host_key: HostKey,
}

/// How the server's SSH host key is known before anything secret is sent to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HostKey {
    /// Read from the server's console log; where the cloud gives none, `injected`.
    #[default]
    Console,
    /// A one-time host key goes in through user data and is replaced on the first contact.
    Injected,
    /// Whatever answers first is believed. Anyone between you and the server can read everything.
    TrustOnFirstUse,
}

/// The host itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HostSettings {
    /// Bring the system up to date at the first provision and when asked with `--upgrade`.
    pub upgrade: bool,
    /// Install security updates unattended.
    pub unattended_upgrades: bool,
    /// Further distribution packages (`r-base`, `git`).
    #[schemars(with = "Vec<format::DebianPackage>")]
    pub packages: Vec<String>,
    /// Time zone (`Europe/Zurich`). Default: as the image has it.
    #[schemars(with = "Option<format::TimeZone>")]
    pub timezone: Option<String>,
    /// Where Python packages come from. Default: what pip on the server is set up for.
    #[schemars(with = "Option<format::WebAddress>")]
    pub pip_index_url: Option<String>,
    /// Where npm packages come from. Default: what npm on the server is set up for.
    #[schemars(with = "Option<format::WebAddress>")]
    pub npm_registry: Option<String>,
    /// HTTP proxy of the server for its downloads.
    #[schemars(with = "Option<format::WebAddress>")]
    pub http_proxy: Option<String>,
    /// File here with further certificate authorities for the server to trust.
    #[schemars(with = "Option<format::LocalFile>")]
    pub ca_bundle: Option<PathBuf>,
}

impl Default for HostSettings {
    fn default() -> Self {
        Self {
            upgrade: true,
            unattended_upgrades: true,
            packages: Vec::new(),
            timezone: None,
            pip_index_url: None,
            npm_registry: None,
            http_proxy: None,
            ca_bundle: None,
        }
    }
}
