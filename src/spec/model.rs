//! The fields of `hub.yaml`. One set of types is the parser, the JSON Schema and the validated spec.
//!
//! Every struct refuses unknown fields and has a default for each field but `name`; a profile is a partial document of
//! the same shape beneath the operator's. Doc comments here are the schema's descriptions, which editors show.

use std::path::PathBuf;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// The built-in defaults under a name, without a profile.
    pub fn named(name: &str) -> Self {
        #[expect(clippy::expect_used, reason = "every other field has a default")]
        serde_json::from_value(serde_json::json!({ "name": name }))
            .expect("a spec needs a name only")
    }
}

pub(super) fn default_profile() -> String {
    "jupyterhub".to_owned()
}

/// The OpenStack server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Image name or id. Default: the newest public Debian 12 image.
    pub image: Option<String>,
    /// Flavor name or id. Default: the smallest that holds `limits.seats` seats.
    pub flavor: Option<String>,
    /// The image's login, a sudo user. Default: the image's `os_admin_user`, else by its distribution (`debian`, `ubuntu`).
    #[schemars(with = "Option<format::UserName>")]
    pub login: Option<String>,
    /// `auto` (a new one, kept in later runs), `none` (the server's own address is reachable), or the address of one
    /// that the project already has.
    pub floating_ip: FloatingIpChoice,
    /// Availability zone of the server and its volumes. Default: the cloud's choice.
    pub availability_zone: Option<String>,
    /// Size in GiB of a boot volume. Default: none where the flavor's disk is large enough, else what the hub needs.
    #[schemars(range(min = 1, max = 16384))]
    pub boot_volume: Option<u32>,
    /// Rebuild the server when `image` names another image than it was made from. Otherwise the image is not compared.
    pub rebuild: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            image: None,
            flavor: None,
            login: None,
            floating_ip: FloatingIpChoice::Auto,
            availability_zone: None,
            boot_volume: None,
            rebuild: false,
        }
    }
}

/// How the server is reached from outside: `auto`, `none` or an IPv4 address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FloatingIpChoice {
    Auto,
    None,
    Address(std::net::Ipv4Addr),
}

/// Networks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// Network name or id for the server. Default: the project's only one; a network, subnet and router of our own
    /// where the project has none.
    pub name: Option<String>,
    /// External network (floating IPs and the router's gateway), name or id. Default: the only one there is.
    pub external: Option<String>,
    /// Range of a network of our own. Default: `10.42.0.0/24`.
    #[schemars(with = "Option<format::Ipv4Network>")]
    pub cidr: Option<ipnet::Ipv4Net>,
    /// Name servers of a network of our own. Default: the cloud's.
    #[schemars(with = "Vec<format::Address>")]
    pub dns: Vec<std::net::IpAddr>,
}

/// Who may connect: the security group, exactly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// Where SSH may come from: networks in CIDR form, or `operator` for the address this machine is seen under.
    pub ssh: Vec<Source>,
    /// Where HTTP and HTTPS may come from: networks in CIDR form, or `operator`.
    pub web: Vec<Source>,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            ssh: anywhere(),
            web: anywhere(),
        }
    }
}

#[expect(clippy::expect_used, reason = "constants")]
fn anywhere() -> Vec<Source> {
    ["0.0.0.0/0", "::/0"]
        .into_iter()
        .map(|net| Source::Net(net.parse().expect("a network")))
        .collect()
}

/// A network in CIDR form, or `operator`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The address this machine is seen under by the cloud.
    Operator,
    Net(IpNet),
}

/// A data volume for the homes; it outlives the server and, with `destroy --keep-volume`, the deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// Size in GiB. It can grow later, never shrink.
    #[schemars(range(min = 1, max = 65536))]
    pub size: u32,
    /// Volume type. Default: the cloud's.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
}

/// The DNS record for `domain`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Dns {
    /// Designate zone of the record. Default: the longest zone of the project that `domain` lies in. Without a zone
    /// the record to make is printed.
    #[schemars(with = "Option<format::Domain>")]
    pub zone: Option<String>,
    /// Wait until `domain` resolves to the server before the hub is checked.
    pub wait: bool,
}

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
            kind: HubKind::Jupyterhub,
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

/// The proxy in front of the hub and the single-user servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Proxy {
    /// Which proxy.
    pub kind: ProxyKind,
    /// Version of `configurable-http-proxy` from its package registry; hubproxy comes with hubctl (`release`).
    #[schemars(with = "format::Version")]
    pub version: String,
    /// With `hubproxy`: what one client may ask for.
    pub limits: ProxyLimits,
    /// With `hubproxy`: days that browsers remember to open the hub by HTTPS only (HSTS); 0 not at all.
    #[schemars(range(min = 0, max = 730))]
    pub hsts_days: u32,
    /// With `hubproxy`: note each request in the journal, as a line of JSON without secrets.
    pub access_log: bool,
    /// With `hubproxy`: seconds that open requests and WebSockets get to end when the proxy restarts. New connections
    /// wait for so long.
    #[schemars(range(min = 0, max = 3600))]
    pub drain_seconds: u32,
}

impl Default for Proxy {
    fn default() -> Self {
        Self {
            kind: ProxyKind::Chp,
            version: "5.3.0".to_owned(),
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

/// Where hubctl's own programs for the server are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Release {
    /// Folder here that holds them (`hubproxy`, `hubd`, `hub-helper`), built for the server's processor. Default: beside hubctl itself, or
    /// `../lib/hubctl` from there.
    #[schemars(with = "Option<format::LocalFolder>")]
    pub source: Option<PathBuf>,
}

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

/// Who may log in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Authenticator {
    /// Which authenticator.
    pub kind: AuthenticatorKind,
}

impl Default for Authenticator {
    fn default() -> Self {
        Self {
            kind: AuthenticatorKind::Pam,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuthenticatorKind {
    /// The server's own accounts.
    Pam,
}

/// The hub's certificate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Tls {
    /// Where the certificate comes from.
    pub kind: TlsKind,
    /// With `own`: file here with the certificate and its chain, PEM.
    #[schemars(with = "Option<format::LocalFile>")]
    pub certificate: Option<PathBuf>,
    /// With `own`: file here with the private key, PEM.
    #[schemars(with = "Option<format::LocalFile>")]
    pub key: Option<PathBuf>,
    /// With `acme` and `acme-ip`: whom the authority may write to about the certificate.
    #[schemars(with = "Option<format::Email>")]
    pub email: Option<String>,
    /// With `acme` and `acme-ip`: take certificates from Let's Encrypt's staging directory, to try things out. Browsers
    /// do not trust them.
    pub staging: bool,
    /// With `acme` and `acme-ip`: directory URL of another authority. Default: Let's Encrypt's.
    #[schemars(with = "Option<format::WebAddress>")]
    pub directory: Option<String>,
    /// With `directory`: file here with the authorities that sign its HTTPS and the hub's certificate, where the system
    /// does not know them.
    #[schemars(with = "Option<format::LocalFile>")]
    pub directory_ca: Option<PathBuf>,
}

impl Tls {
    /// Whether the certificate comes from an ACME directory.
    pub fn is_acme(&self) -> bool {
        matches!(self.kind, TlsKind::Acme | TlsKind::AcmeIp)
    }
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            kind: TlsKind::SelfSigned,
            certificate: None,
            key: None,
            email: None,
            staging: false,
            directory: None,
            directory_ca: None,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum TlsKind {
    /// From an authority of this deployment's own, for its address and domain.
    SelfSigned,
    /// Certificate and key are given.
    Own,
    /// From an ACME directory (Let's Encrypt) for `domain`, renewed in time. Needs `proxy.kind: hubproxy`.
    Acme,
    /// From an ACME directory for the hub's bare address, where there is no `domain`: valid for days, renewed in time.
    AcmeIp,
}

/// What the notebooks run in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Environment {
    /// Version of JupyterLab.
    #[schemars(with = "format::Version")]
    pub jupyterlab: String,
    /// Further Python packages, as pip requirements (`numpy`, `pandas>=2`).
    #[schemars(with = "Vec<format::Requirement>")]
    pub packages: Vec<String>,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            jupyterlab: "4.6.6".to_owned(),
            packages: Vec::new(),
        }
    }
}

/// How much a seat may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// People working at the same time. Sizes are checked against it.
    #[schemars(range(min = 1, max = 2000))]
    pub seats: u32,
    /// Memory of a single-user server: `512M`, `1G`, `1.5G`. Default: the flavor's memory, less what the system and
    /// the hub need, shared by the seats.
    pub memory: Option<Memory>,
    /// CPUs of a single-user server: `0.5`, `2`. Default: no limit below the server's.
    #[schemars(range(min = 0.05, max = 1024))]
    pub cpu: Option<f64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            seats: 10,
            memory: None,
            cpu: None,
        }
    }
}

/// An amount of memory, written `512M`, `1G` or `1.5G` (powers of 1024).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory {
    pub bytes: u64,
}
