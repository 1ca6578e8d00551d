//! The proxy's configuration file, `hubproxy.toml`, its routes API and its status.

mod file;
mod listen;
mod route;
mod status;

pub use file::{
    AccessLog, Acme, Api, Challenge, ClientCertificates, ErrorPages, File, Forward, Hsts, Http,
    Https, KeyPair, Limits, LogFormat, LogLevel, Metrics, MinVersion, Tls,
};
pub use listen::{Listen, ListenError};
pub use route::{Route, Routes};
pub use status::{AcmePhase, AcmeStatus, CertificateSource, CertificateStatus, Status};
