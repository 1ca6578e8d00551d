//! What the proxy does, valid and complete, whether it was said on a command line or in a file.

mod address;
mod from_args;
mod from_file;

use std::path::PathBuf;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use hub_api::proxy::{AccessLog, Challenge, Hsts, LogFormat, LogLevel, MinVersion};
use rustls::pki_types::ServerName;
use secrecy::SecretString;

use crate::serve::Limits;

pub use address::Address;
pub use from_args::{Environment, from_args};
pub use from_file::from_file;

/// All of it.
#[derive(Debug)]
pub struct Settings {
    /// Whether it was started with configurable-http-proxy's command line, and so logs and ends like it.
    pub is_chp: bool,
    /// Threads that serve.
    pub workers: usize,
    /// The public listeners.
    pub listeners: Vec<Listener>,
    /// The HTTPS port that requests over plain HTTP are redirected to, instead of being served.
    pub redirect: Option<u16>,
    /// Certificates; there if a listener speaks TLS.
    pub tls: Option<Tls>,
    /// The routes API.
    pub api: Api,
    /// The metrics listener.
    pub metrics: Option<Address>,
    /// The target of `/` at the start.
    pub default_target: Option<String>,
    /// Whether the first segment of a routespec is a host name.
    pub host_routing: bool,
    /// Where routes are kept over a restart.
    pub state_file: Option<PathBuf>,
    /// Where the process id is written.
    pub pid_file: Option<PathBuf>,
    /// How long open requests may go on after SIGTERM.
    pub drain: Duration,
    /// What is logged.
    pub log_level: LogLevel,
    /// How.
    pub log_format: LogFormat,
    /// Where the access log goes.
    pub access_log: AccessLog,
    /// What one client may ask for.
    pub limits: Limits,
    /// How requests go to their targets.
    pub forward: Forward,
    /// What clients see when there is no answer to give them.
    pub error_pages: ErrorPages,
    /// What should be said in the log before anything else.
    pub notes: Vec<Note>,
}

/// Something to say at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// How loud.
    pub level: LogLevel,
    /// What.
    pub text: String,
}

/// A public listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where it listens.
    pub address: Address,
    /// Whether it speaks TLS. Sockets from systemd are named `https` if it does, `http` if not.
    pub tls: bool,
}

/// Certificates and how TLS is spoken with clients.
#[derive(Debug)]
pub struct Tls {
    /// Certificates in files.
    pub files: Vec<KeyFiles>,
    /// A certificate by ACME.
    pub acme: Option<Acme>,
    /// The oldest version spoken.
    pub min_version: MinVersion,
    /// The newest version spoken, if it is not 1.3.
    pub only_tls12: bool,
    /// Whether HTTP/2 is offered.
    pub http2: bool,
    /// Whether clients show a certificate.
    pub clients: ClientAuthority,
    /// The header that tells browsers to stay with HTTPS.
    pub hsts: Option<Hsts>,
}

/// A certificate and its key, in files.
#[derive(Clone, Debug)]
pub struct KeyFiles {
    /// PEM, the certificate first.
    pub certificate: PathBuf,
    /// PEM.
    pub key: PathBuf,
    /// What the key is encrypted with.
    pub passphrase: Option<SecretString>,
}

/// Which certificates peers must show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ClientAuthority {
    /// None.
    #[default]
    Off,
    /// None, or a valid one.
    Request(PathBuf),
    /// A valid one.
    Require(PathBuf),
}

/// A certificate by ACME.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// URL of the directory.
    pub directory: String,
    /// Domain names and IP addresses.
    pub names: Vec<String>,
    /// Mail addresses, as `mailto:` URLs.
    pub contact: Vec<String>,
    /// Folder for account and certificates.
    pub storage: PathBuf,
    /// Profile to ask for.
    pub profile: Option<String>,
    /// How control is proven.
    pub challenge: Challenge,
    /// Authorities that the directory's HTTPS is checked against, beside the system's.
    pub directory_ca: Option<PathBuf>,
}

/// The routes API.
#[derive(Debug)]
pub struct Api {
    /// Where it listens.
    pub address: Address,
    /// Its certificate, if it speaks TLS.
    pub tls: Option<KeyFiles>,
    /// Which certificates callers must show.
    pub callers: ClientAuthority,
    /// What callers must send; none: anybody may call.
    pub token: Option<SecretString>,
}

/// How requests go to their targets.
#[derive(Debug)]
pub struct Forward {
    /// Add `X-Forwarded-*`.
    pub x_forward: bool,
    /// Add to the ones that clients send, instead of replacing them.
    pub trust_forwarded: bool,
    /// Put the target's path in front.
    pub prepend_path: bool,
    /// Leave the routespec in the path.
    pub include_prefix: bool,
    /// Rewrite host and port in `Location`.
    pub auto_rewrite: bool,
    /// Rewrite the scheme in `Location` to this.
    pub protocol_rewrite: Option<String>,
    /// Set `Host` to the target's.
    pub change_origin: bool,
    /// Set on every request.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// For a connection to a target.
    pub connect_time: Duration,
    /// For a target's answer.
    pub answer_time: Option<Duration>,
    /// Leave certificates of targets unchecked.
    pub insecure: bool,
    /// Shown to targets.
    pub client: Option<KeyFiles>,
    /// Authorities of targets, instead of the system's.
    pub ca: Option<PathBuf>,
    /// What certificates of targets must be for, instead of the target's own name or address.
    pub server_name: Option<ServerName<'static>>,
}

/// What clients see when there is no answer to give them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ErrorPages {
    /// The proxy's own pages.
    Own,
    /// The server at this URL makes them.
    Target(String),
    /// They lie in this folder.
    Folder(PathBuf),
}
