//! What starts the single-user servers.

use std::path::PathBuf;

use ipnet::Ipv4Net;
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
    /// With `docker`: the image of users' servers. Default: one without anything in it, in which the server's own
    /// `environment` is to be seen; with `source` the name of what is built.
    pub image: Option<String>,
    /// With `docker`: file here that the image is made of: a Dockerfile, or an archive from `docker save`. Default: the
    /// image is pulled.
    #[schemars(with = "Option<format::LocalFile>")]
    pub source: Option<PathBuf>,
    /// With `docker`: the network of the containers.
    #[schemars(with = "format::Ipv4Network")]
    pub network: Ipv4Net,
}

impl Default for Spawner {
    fn default() -> Self {
        Self {
            kind: SpawnerKind::Systemd,
            default_url: "/lab".to_owned(),
            start_timeout: 60,
            image: None,
            source: None,
            network: containers(),
        }
    }
}

#[expect(clippy::expect_used, reason = "a constant")]
fn containers() -> Ipv4Net {
    "172.31.250.0/24".parse().expect("a network")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SpawnerKind {
    /// A systemd unit for each server, with limits (with `jupyterhub` by `jupyterhub-systemdspawner`).
    Systemd,
    /// A process of the hub's for each server (`LocalProcessSpawner`). Knows no limits.
    Local,
    /// A Docker container for each server, with limits, as the account of the user and with its home: with `hubd` by its
    /// root helper, with `jupyterhub` by `dockerspawner`, and whoever takes over that hub takes over the server. With
    /// `notebook` the one server is in a container, with an init that reaps (`tini`).
    Docker,
    /// A process of the user's for each server, started by `sudospawner`: the hub needs no root. Knows no limits.
    Sudo,
}

impl SpawnerKind {
    /// Each of them, as the documentation lists them.
    pub const ALL: [Self; 4] = [Self::Systemd, Self::Local, Self::Docker, Self::Sudo];

    /// As it is written in `hub.yaml`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Local => "local",
            Self::Docker => "docker",
            Self::Sudo => "sudo",
        }
    }
}
