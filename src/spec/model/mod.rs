//! The fields of `hub.yaml`. One set of types is the parser, the JSON Schema and the validated spec.
//!
//! Every struct refuses unknown fields and has a default for each field but `name`; a profile is a partial document of
//! the same shape beneath the operator's. Doc comments here are the schema's descriptions, which editors show.

mod authenticator;
mod environment;
mod host;
mod hub;
mod limits;
mod network;
mod proxy;
mod release;
mod server;
mod spawner;
mod tls;
mod volume;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::authenticator::{Authenticator, AuthenticatorKind};
pub use self::environment::Environment;
pub use self::host::{HostKey, HostSettings, Ssh};
pub use self::hub::{Hub, HubKind, HubUser};
pub use self::limits::{Limits, Memory};
pub use self::network::{Access, Dns, Network, Source};
pub use self::proxy::{ProgramRelease, ProgramSource, Proxy, ProxyKind, ProxyLimits};
pub use self::release::{Release, ReleaseSource};
pub use self::server::{FloatingIpChoice, Server};
pub use self::spawner::{Spawner, SpawnerKind};
pub use self::tls::{Tls, TlsKind};
pub use self::volume::Volume;
use super::format;

/// A deployment: one hub on one OpenStack server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Name of the deployment: lower case letters, digits and `-`, at most 40 characters, starting with a letter.
    /// Every cloud resource carries it.
    #[schemars(with = "format::DeploymentName")]
    pub name: String,
    /// The profile beneath this document: a name from `hubctl profiles`, or a path to a YAML file.
    #[serde(default = "default_profile")]
    pub profile: String,
    /// Entry of `clouds.yaml`; `--os-cloud` and `OS_CLOUD` come first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cloud: Option<String>,
    /// The hub's DNS name. Without one the hub is reached by its address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<format::Domain>")]
    pub domain: Option<String>,
    /// The OpenStack server.
    #[serde(default)]
    pub server: Server,
    /// The networks the server is in.
    #[serde(default)]
    pub network: Network,
    /// Who may connect: the security group, exactly.
    #[serde(default)]
    pub access: Access,
    /// A data volume for the homes; it outlives the server and, with `destroy --keep-volume`, the deployment.
    /// Default: homes are on the server's disk and go with it.
    #[serde(default)]
    pub volume: Option<Volume>,
    /// The DNS record for `domain`.
    #[serde(default)]
    pub dns: Dns,
    /// How the host is reached by its operators.
    #[serde(default)]
    pub ssh: Ssh,
    /// The host itself: system, packages, where packages come from.
    #[serde(default)]
    pub host: HostSettings,
    /// The hub: its version, its admins, when idle servers stop.
    #[serde(default)]
    pub hub: Hub,
    /// The proxy in front of the hub and the single-user servers.
    #[serde(default)]
    pub proxy: Proxy,
    /// Where hubctl's own programs for the server are.
    #[serde(default)]
    pub release: Release,
    /// What starts the single-user servers.
    #[serde(default)]
    pub spawner: Spawner,
    /// Who may log in.
    #[serde(default)]
    pub authenticator: Authenticator,
    /// The hub's certificate.
    #[serde(default)]
    pub tls: Tls,
    /// What the notebooks run in.
    #[serde(default)]
    pub environment: Environment,
    /// How much a seat may use.
    #[serde(default)]
    pub limits: Limits,
}

impl Spec {
    /// The ports that users reach, all of them: those of HTTP and HTTPS, or that of a notebook server without a proxy.
    pub fn web_ports(&self) -> Vec<u16> {
        match self.proxy.kind {
            ProxyKind::None => vec![self.hub.port],
            _ => vec![80, 443],
        }
    }

    /// Whether users' containers show what the server itself has for notebooks.
    pub fn shows_host_environment(&self) -> bool {
        let spawner = &self.spawner;
        spawner.kind == SpawnerKind::Docker && spawner.image.is_none() && spawner.source.is_none()
    }

    /// What stands behind the host in the address that users open: nothing, a port, a path.
    pub fn web_place(&self) -> String {
        if self.hub.kind != HubKind::Notebook {
            return "/".to_owned();
        }
        let base = self.hub.base_path();
        match self.proxy.kind {
            ProxyKind::None if self.hub.port != 443 => format!(":{}{base}", self.hub.port),
            _ => base,
        }
    }

    /// The built-in defaults under a name, without a profile.
    pub fn named(name: &str) -> Self {
        #[expect(clippy::expect_used, reason = "every other field has a default")]
        serde_json::from_value(serde_json::json!({ "name": name }))
            .expect("a spec needs a name only")
    }
}

pub(super) fn default_profile() -> String {
    "rust".to_owned()
}
