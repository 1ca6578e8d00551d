//! How TLS is spoken: versions, suites, HTTP versions, clients' certificates.

use std::sync::Arc;

use hub_api::proxy::{CertificateSource, MinVersion};
use rustls::crypto::ring;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{NoClientAuth, WebPkiClientVerifier};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};

use super::{Certificate, CertificateError, PemError, Store, authorities, chain, key};
use crate::settings::{Api, ClientAuthority, Tls};

/// The protocol that TLS-ALPN-01 (RFC 8737) is answered under.
pub const ACME_TLS: &[u8] = b"acme-tls/1";

/// Why TLS cannot be spoken.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file is of no use.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// A certificate is of no use.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The authorities of clients are of no use.
    #[error("{path}: {reason}")]
    Authority {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// rustls refuses the settings.
    #[error("setting up TLS: {0}")]
    Rustls(#[from] rustls::Error),
}

/// The configuration of the public HTTPS listener, which answers with the certificates of `store`.
pub fn public_config(tls: &Tls, store: Arc<Store>) -> Result<ServerConfig, ConfigError> {
    let versions: &[&SupportedProtocolVersion] = match (tls.min_version, tls.only_tls12) {
        (_, true) => &[&version::TLS12],
        (MinVersion::Tls13, _) => &[&version::TLS13],
        (MinVersion::Tls12, _) => &[&version::TLS13, &version::TLS12],
    };
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(versions)?
        .with_client_cert_verifier(verifier(&tls.clients)?)
        .with_cert_resolver(store);
    config.alpn_protocols = if tls.http2 {
        vec![b"h2".to_vec()]
    } else {
        Vec::new()
    };
    config.alpn_protocols.push(b"http/1.1".to_vec());
    config.alpn_protocols.push(ACME_TLS.to_vec());
    // Sessions go on without state here, in the tickets; one of them is enough for a browser.
    config.ticketer = ring::Ticketer::new()?;
    config.send_tls13_tickets = 1;
    Ok(config)
}

/// The configuration of the API listener; none if it speaks plain HTTP.
pub fn api_config(api: &Api) -> Result<Option<ServerConfig>, ConfigError> {
    let Some(files) = &api.tls else {
        return Ok(None);
    };
    let key = key(&files.key, files.passphrase.as_ref())?;
    let certificate = Certificate::new(chain(&files.certificate)?, &key, CertificateSource::File)?;
    let certified = CertifiedKey::clone(&certificate.certified);
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(verifier(&api.callers)?)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.ticketer = ring::Ticketer::new()?;
    Ok(Some(config))
}

fn verifier(clients: &ClientAuthority) -> Result<Arc<dyn ClientCertVerifier>, ConfigError> {
    let (path, required) = match clients {
        ClientAuthority::Off => return Ok(Arc::new(NoClientAuth)),
        ClientAuthority::Request(path) => (path, false),
        ClientAuthority::Require(path) => (path, true),
    };
    let failed = |reason: String| ConfigError::Authority {
        path: path.display().to_string(),
        reason,
    };
    let mut roots = RootCertStore::empty();
    for authority in authorities(path)? {
        roots
            .add(authority)
            .map_err(|error| failed(error.to_string()))?;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        Arc::new(ring::default_provider()),
    );
    let builder = if required {
        builder
    } else {
        builder.allow_unauthenticated()
    };
    builder.build().map_err(|error| failed(error.to_string()))
}
