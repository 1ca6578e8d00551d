//! A certificate authority of the sandbox's own, and its server's certificate.

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// What serves HTTPS, and what a client must trust.
pub struct Tls {
    pub acceptor: TlsAcceptor,
    /// The authority's certificate, PEM.
    pub ca: String,
}

/// How long the certificates are good for.
const LIFE: time::Duration = time::Duration::days(30);

fn params(name: &str, hosts: Vec<String>) -> anyhow::Result<CertificateParams> {
    let mut params = CertificateParams::new(hosts).context("naming the certificate")?;
    params.distinguished_name.push(DnType::CommonName, name);
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::hours(1);
    params.not_after = now + LIFE;
    Ok(params)
}

impl Tls {
    /// Makes a fresh authority and a certificate for this address.
    pub fn new(address: IpAddr) -> anyhow::Result<Self> {
        let mut authority = params("sandbox CA", Vec::new())?;
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let authority_key = KeyPair::generate().context("making the authority's key")?;
        let ca = authority
            .self_signed(&authority_key)
            .context("signing the authority")?
            .pem();
        let issuer = Issuer::new(authority, authority_key);
        let key = KeyPair::generate().context("making the server's key")?;
        let leaf = params("sandbox", vec![address.to_string(), "localhost".to_owned()])?;
        let leaf = leaf
            .signed_by(&key, &issuer)
            .context("signing the server's certificate")?;
        let chain = vec![CertificateDer::from(leaf.der().to_vec())];
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .context("choosing TLS versions")?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .context("taking the certificate")?;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            ca,
        })
    }
}
