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
    /// With `jupyterhub`: the account that the hub runs as.
    pub user: HubUser,
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
    /// With `notebook`: the port of the notebook server.
    #[schemars(range(min = 1024, max = 65535))]
    pub port: u16,
    /// With `notebook`: where its pages begin: `/` or `/jupyter`.
    #[schemars(with = "format::UrlPath")]
    pub base_url: String,
}

impl Hub {
    /// [`Self::base_url`] with a slash at both ends.
    pub fn base_path(&self) -> String {
        match self.base_url.trim_matches('/') {
            "" => "/".to_owned(),
            inner => format!("/{inner}/"),
        }
    }
}

impl Default for Hub {
    fn default() -> Self {
        Self {
            kind: HubKind::Hubd,
            user: HubUser::Root,
            version: "6.1.1".to_owned(),
            admins: Vec::new(),
            cull_after_minutes: 60,
            extra_config: None,
            port: 8888,
            base_url: "/".to_owned(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HubKind {
    /// Stock JupyterHub from its package registry.
    Jupyterhub,
    /// hubctl's own hub, without privileges, beside a small root helper: the same single-user servers and API. Needs
    /// `proxy.kind: hubproxy`, and `spawner.kind: systemd` or `docker`.
    Hubd,
    /// One person's Jupyter Server, without a hub: a password, no users.
    Notebook,
}

impl HubKind {
    /// Each of them, as the documentation lists them.
    pub const ALL: [Self; 3] = [Self::Jupyterhub, Self::Hubd, Self::Notebook];

    /// As it is written in `hub.yaml`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Jupyterhub => "jupyterhub",
            Self::Hubd => "hubd",
            Self::Notebook => "notebook",
        }
    }
}

/// The account that JupyterHub runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HubUser {
    /// root, as `pam` and the spawners `systemd` and `local` need it.
    Root,
    /// An account of the hub's own, which may read the password hashes (group `shadow`). Goes with the spawners `sudo`
    /// and `docker`.
    Jupyterhub,
}
