//! A certificate with its key, and what there is to know about it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use hub_api::proxy::{CertificateSource, CertificateStatus};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use time::OffsetDateTime;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// It is no certificate.
    #[error("the certificate cannot be parsed: {0}")]
    Parse(String),
    /// rustls does not take the pair: an unknown kind of key, or the key of another certificate.
    #[error("certificate and key cannot be used: {0}")]
    Pair(#[from] rustls::Error),
}

/// A certificate, ready to serve.
#[derive(Clone)]
pub struct Certificate {
    /// What rustls answers with.
    pub certified: Arc<CertifiedKey>,
    /// Names, dates, issuer and source.
    pub status: CertificateStatus,
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate")
            .field("status", &self.status)
            .finish_non_exhaustive()
    }
}

impl Certificate {
    /// Pairs a chain with its key; refuses a key that belongs to another certificate.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: &PrivateKeyDer<'static>,
        source: CertificateSource,
    ) -> Result<Self, CertificateError> {
        let first = chain
            .first()
            .ok_or_else(|| CertificateError::Parse("the chain is empty".to_owned()))?;
        let status = status(first, source)?;
        let certified =
            CertifiedKey::new(chain, rustls::crypto::ring::sign::any_supported_type(key)?);
        certified.keys_match()?;
        Ok(Self {
            certified: Arc::new(certified),
            status,
        })
    }

    /// The names it is for, as in a `Host` header: domain names in lower case, IP addresses.
    pub fn names(&self) -> &[String] {
        &self.status.names
    }
}

fn status(
    der: &CertificateDer<'_>,
    source: CertificateSource,
) -> Result<CertificateStatus, CertificateError> {
    let parse = |reason: String| CertificateError::Parse(reason);
    let (_, certificate) =
        X509Certificate::from_der(der).map_err(|error| parse(error.to_string()))?;
    let alternative = certificate
        .subject_alternative_name()
        .map_err(|error| parse(error.to_string()))?;
    let mut names: Vec<String> = match alternative {
        Some(extension) => extension
            .value
            .general_names
            .iter()
            .filter_map(name)
            .collect(),
        // Browsers look at nothing else, but a common name is better than nothing to show.
        None => certificate
            .subject()
            .iter_common_name()
            .filter_map(|name| name.as_str().ok())
            .map(str::to_owned)
            .collect(),
    };
    names.dedup();
    let time = |time: i64| {
        OffsetDateTime::from_unix_timestamp(time).map_err(|error| parse(error.to_string()))
    };
    let issuer = certificate.issuer();
    let issuer = issuer
        .iter_common_name()
        .next()
        .and_then(|name| name.as_str().ok())
        .map_or_else(|| issuer.to_string(), str::to_owned);
    Ok(CertificateStatus {
        names,
        source,
        issuer,
        not_before: time(certificate.validity().not_before.timestamp())?,
        not_after: time(certificate.validity().not_after.timestamp())?,
        serial: certificate.raw_serial_as_string().replace(':', ""),
    })
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::V4(Ipv4Addr::from(bytes)));
    }
    <[u8; 16]>::try_from(bytes)
        .ok()
        .map(|bytes| IpAddr::V6(Ipv6Addr::from(bytes)))
}
