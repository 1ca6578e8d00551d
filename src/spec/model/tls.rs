//! The hub's certificate.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::format;

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
    /// None: plain HTTP, which only the server itself may reach (`hubctl tunnel` leads there). Needs `access.web: []`.
    None,
}

impl TlsKind {
    /// Each of them, as the documentation lists them.
    pub const ALL: [Self; 5] = [
        Self::SelfSigned,
        Self::Own,
        Self::Acme,
        Self::AcmeIp,
        Self::None,
    ];

    /// As it is written in `hub.yaml`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::SelfSigned => "self-signed",
            Self::Own => "own",
            Self::Acme => "acme",
            Self::AcmeIp => "acme-ip",
            Self::None => "none",
        }
    }
}
