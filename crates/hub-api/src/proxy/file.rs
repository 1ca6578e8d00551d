//! `hubproxy.toml`, field by field. `hubctl` writes it, `hubproxy --config FILE` reads it.
//!
//! Unknown fields are refused. Times are in seconds and sizes in bytes, as the names say.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Listen;

/// The whole file. At least one of `[http]` and `[https]` must be there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    /// Threads that serve. Default: one for each CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<usize>,
    /// Where requests go that no other route takes: the hub's URL. Default: none, the hub adds `/` itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_target: Option<String>,
    /// Whether the first segment of a routespec is a host name. Default: false.
    pub host_routing: bool,
    /// Where routes are kept over a restart. Default: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state_file: Option<PathBuf>,
    /// Seconds that open requests and WebSockets get after SIGTERM. New connections wait that long, if systemd holds the
    /// sockets. Default: 10.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_seconds: Option<u64>,
    /// What is logged beside the access log. Default: `info`.
    pub log_level: LogLevel,
    /// How log lines look. Default: `text`.
    pub log_format: LogFormat,
    /// The plain HTTP listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// The HTTPS listener; needs `[tls]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub https: Option<Https>,
    /// Where certificates come from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// The listener of the routes API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api: Option<Api>,
    /// The Prometheus metrics listener. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    /// One JSON line a request. Default: off.
    pub access_log: AccessLog,
    /// What one client may ask for.
    pub limits: Limits,
    /// How requests go to their targets.
    pub forward: Forward,
    /// What clients see when a target is down or there is none.
    pub error_pages: ErrorPages,
}

/// `[http]`: the plain HTTP listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Addresses; sockets handed over by systemd as `http` take their place.
    pub listen: Vec<Listen>,
    /// Whether requests are redirected (301) to HTTPS instead of served; ACME's HTTP-01 is answered either way.
    /// Default: true if there is `[https]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect: Option<bool>,
    /// The port that the redirect names, if it is not the one that `[https]` listens on (a port forwarded by a router).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redirect_port: Option<u16>,
}

/// `[https]`: the HTTPS listener.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Https {
    /// Addresses; sockets handed over by systemd as `https` take their place.
    pub listen: Vec<Listen>,
    /// The oldest TLS version spoken. Default: `"1.2"`, with forward-secret AEAD suites only.
    #[serde(default)]
    pub min_version: MinVersion,
    /// Whether HTTP/2 is offered. Default: true.
    #[serde(default = "yes")]
    pub http2: bool,
    /// HTTP Strict Transport Security (RFC 6797). Default: the header is not sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hsts: Option<Hsts>,
    /// Whether clients are asked for a certificate. Default: `off`.
    #[serde(default)]
    pub client_certificates: ClientCertificates,
    /// PEM file with the authorities that sign client certificates; needed unless `client_certificates` is `off`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
}

/// `[https.hsts]`: the `Strict-Transport-Security` header.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hsts {
    /// Seconds that browsers remember to use HTTPS only.
    pub max_age_seconds: u64,
    /// Whether names below this one are meant, too. Default: false.
    #[serde(default)]
    pub include_subdomains: bool,
    /// Whether browsers may build the name into their lists; this is very hard to take back. Default: false.
    #[serde(default)]
    pub preload: bool,
}

/// The oldest TLS version that is spoken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum MinVersion {
    /// TLS 1.2 and 1.3.
    #[default]
    #[serde(rename = "1.2")]
    Tls12,
    /// TLS 1.3 alone.
    #[serde(rename = "1.3")]
    Tls13,
}

/// Whether clients are asked for a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClientCertificates {
    /// Not asked.
    #[default]
    Off,
    /// Asked; one that is sent must be valid, none is fine.
    Request,
    /// Connections without a valid one are refused.
    Require,
}

/// `[tls]`: where certificates come from. Files, ACME, or both: files serve the names they are for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tls {
    /// Certificates in files, read again when they change and on SIGHUP. The first serves clients that name no host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<KeyPair>,
    /// A certificate from an ACME directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acme: Option<Acme>,
}

/// `[[tls.files]]`: a certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPair {
    /// PEM file: the certificate, then the ones that lead to its authority.
    pub certificate: PathBuf,
    /// PEM file: the private key (PKCS#8, SEC1 or PKCS#1); may be encrypted PKCS#8.
    pub key: PathBuf,
    /// File with the passphrase of an encrypted key; one trailing newline is cut off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_passphrase_file: Option<PathBuf>,
}

/// `[tls.acme]`: a certificate from an ACME directory (RFC 8555), renewed in time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Acme {
    /// Domain names and bare IP addresses; all of them go into one certificate.
    pub names: Vec<String>,
    /// Folder for the account key and the certificates; made 0700.
    pub storage: PathBuf,
    /// URL of the directory. Default: Let's Encrypt's, production or staging as `staging` says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// Whether Let's Encrypt's staging directory is used: generous limits, certificates that browsers refuse.
    /// Default: false.
    #[serde(default)]
    pub staging: bool,
    /// Mail addresses for the account, each `mailto:…` or plain. Default: none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contact: Vec<String>,
    /// Certificate profile, as the directory names them. Default: the directory's own, and `shortlived` if one of the
    /// names is an IP address and the directory offers it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// How control over the names is proven. Default: `http-01`.
    #[serde(default)]
    pub challenge: Challenge,
    /// PEM file with authorities that the directory's own HTTPS is checked against, beside the system's; for private
    /// directories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory_ca: Option<PathBuf>,
}

/// How control over a name is proven.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Challenge {
    /// A file over plain HTTP on port 80 (RFC 8555, 8.3); needs `[http]`.
    #[default]
    #[serde(rename = "http-01")]
    Http01,
    /// A special certificate on port 443 (RFC 8737); needs `[https]` alone.
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
}

/// `[api]`: the listener of the routes API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Address; a socket handed over by systemd as `api` takes its place.
    pub listen: Listen,
    /// Mode of the Unix socket, octal. Default: `"0660"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub socket_mode: Option<String>,
    /// File with the token that callers send as `Authorization: token …`. May be left out only on a Unix socket that
    /// others cannot open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_file: Option<PathBuf>,
    /// Certificate for HTTPS. Default: plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<KeyPair>,
    /// Whether callers are asked for a certificate. Default: `off`.
    #[serde(default)]
    pub client_certificates: ClientCertificates,
    /// PEM file with the authorities that sign callers' certificates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
}

/// `[metrics]`: Prometheus metrics at `/metrics`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metrics {
    /// Address.
    pub listen: Listen,
}

/// `access_log`: where one JSON line a request goes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum AccessLog {
    /// Nowhere.
    #[default]
    Off,
    /// Standard output, so the journal under systemd.
    Stdout,
    /// A file, by its absolute path, opened again on SIGHUP.
    File(PathBuf),
}

impl TryFrom<String> for AccessLog {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "off" => Ok(Self::Off),
            "stdout" => Ok(Self::Stdout),
            path if path.starts_with('/') => Ok(Self::File(PathBuf::from(path))),
            other => Err(format!(
                "\"{other}\" is no place for the access log: write off, stdout or an absolute path"
            )),
        }
    }
}

impl From<AccessLog> for String {
    fn from(log: AccessLog) -> Self {
        match log {
            AccessLog::Off => "off".to_owned(),
            AccessLog::Stdout => "stdout".to_owned(),
            AccessLog::File(path) => path.display().to_string(),
        }
    }
}

/// What is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What went wrong.
    Error,
    /// And what may.
    Warn,
    /// And what happens.
    #[default]
    Info,
    /// And how.
    Debug,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line of text.
    #[default]
    Text,
    /// A line of JSON.
    Json,
}

/// `[limits]`: what one client may ask for. 0 means no limit where that is said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Client connections at a time. Default: 16384.
    pub connections: usize,
    /// Connections at a time from one address (IPv6: one /64). Default: 1000, a class behind one router; 0: no limit.
    pub connections_per_address: usize,
    /// Seconds in which a request's head must arrive, and in which a TLS handshake must end. Default: 30.
    pub header_seconds: u64,
    /// Seconds that an idle connection is kept. Default: 75.
    pub keep_alive_seconds: u64,
    /// Seconds that a client may be silent within a request; WebSockets are exempt. Default: 0, no limit.
    pub client_idle_seconds: u64,
    /// Seconds that the next bytes of a request's body may take. Default: 60.
    pub body_seconds: u64,
    /// The least bytes a second of a request's body. Default: 16; 0: no limit.
    pub body_bytes_per_second: u64,
    /// Seconds that a client may take none of the bytes that are ready for it; on HTTP/2, of one stream's. Default: 120.
    pub send_seconds: u64,
    /// Bytes of a request's head. Default: 65536.
    pub header_bytes: usize,
    /// Header fields in a request. Default: 100.
    pub headers: usize,
    /// Bytes of a request's body. Default: 0, no limit.
    pub body_bytes: u64,
    /// Requests at a time on one HTTP/2 connection. Default: 128.
    pub http2_streams: u32,
    /// POST requests a minute from one address (IPv6: one /64) to `login_path`. Default: 30; 0: no limit.
    pub login_per_minute: u32,
    /// How many of them may come at once. Default: 60, a class that begins.
    pub login_burst: u32,
    /// What the path of a login ends in. Default: `/hub/login`.
    pub login_path: String,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 16_384,
            connections_per_address: 1000,
            header_seconds: 30,
            keep_alive_seconds: 75,
            client_idle_seconds: 0,
            body_seconds: 60,
            body_bytes_per_second: 16,
            send_seconds: 120,
            header_bytes: 65_536,
            headers: 100,
            body_bytes: 0,
            http2_streams: 128,
            login_per_minute: 30,
            login_burst: 60,
            login_path: "/hub/login".to_owned(),
        }
    }
}

/// `[forward]`: how requests go to their targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Forward {
    /// Whether `X-Forwarded-*` is added. Default: true.
    pub x_forward: bool,
    /// Whether `X-Forwarded-*` that clients send is trusted and added to; right behind another proxy only.
    /// Default: false, they are replaced.
    pub trust_forwarded: bool,
    /// Whether the target's own path goes in front. Default: true.
    pub prepend_path: bool,
    /// Whether the routespec stays in the forwarded path. Default: true.
    pub include_prefix: bool,
    /// Whether host and port in `Location` of redirects are rewritten to the client's. Default: false.
    pub auto_rewrite: bool,
    /// Whether `Host` becomes the target's. Default: false.
    pub change_origin: bool,
    /// Scheme that `Location` of redirects is rewritten to. Default: left as it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol_rewrite: Option<String>,
    /// Headers set on every forwarded request.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// Seconds that a connection to a target may take. Default: 10.
    pub connect_seconds: u64,
    /// Seconds that a target may take to answer. Default: 0, no limit: a notebook may think for hours.
    pub answer_seconds: u64,
    /// Whether certificates of `https` targets are left unchecked. Default: false.
    pub insecure: bool,
    /// Certificate shown to `https` targets. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<KeyPair>,
    /// PEM file with the authorities that sign `https` targets. Default: the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<PathBuf>,
    /// The name that certificates of `https` targets must be for, in place of the name or address in the target: of a
    /// server that is reached on loopback and has a certificate for its public name. Default: what the target names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

impl Default for Forward {
    fn default() -> Self {
        Self {
            x_forward: true,
            trust_forwarded: false,
            prepend_path: true,
            include_prefix: true,
            auto_rewrite: false,
            change_origin: false,
            protocol_rewrite: None,
            headers: BTreeMap::new(),
            connect_seconds: 10,
            answer_seconds: 0,
            insecure: false,
            client_certificate: None,
            ca: None,
            server_name: None,
        }
    }
}

/// `[error_pages]`: what clients see. At most one of the two; default: the proxy's own pages.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ErrorPages {
    /// URL that is asked for `CODE?url=…`: the hub's `/hub/error`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Folder with `CODE.html` and `error.html`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

fn yes() -> bool {
    true
}
