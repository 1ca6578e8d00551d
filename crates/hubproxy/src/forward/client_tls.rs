//! TLS towards https targets.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

/// Why no TLS connection to targets can be made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ClientTlsError {
    #[error("no authority's certificate could be loaded from the system: {0}")]
    Roots(String),
    #[error("setting up TLS towards targets: {0}")]
    Config(#[from] rustls::Error),
}

/// How https targets are spoken to. Built at its first use: the system's authorities take a megabyte.
#[derive(Default)]
pub struct ClientTls {
    authorities: Option<Vec<CertificateDer<'static>>>,
    identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
    insecure: bool,
    server_name: Option<ServerName<'static>>,
    config: OnceLock<Result<Arc<ClientConfig>, ClientTlsError>>,
}

impl fmt::Debug for ClientTls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientTls")
            .field("authorities", &self.authorities.as_ref().map(Vec::len))
            .field("identity", &self.identity.is_some())
            .field("insecure", &self.insecure)
            .field("server_name", &self.server_name)
            .finish_non_exhaustive()
    }
}

impl ClientTls {
    /// `authorities` replace the system's; `identity` is shown to targets that ask for a certificate; `insecure`
    /// verifies nothing.
    pub fn new(
        authorities: Option<Vec<CertificateDer<'static>>>,
        identity: Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)>,
        insecure: bool,
    ) -> Self {
        Self {
            authorities,
            identity,
            insecure,
            server_name: None,
            config: OnceLock::new(),
        }
    }

    /// Targets have certificates for this name, wherever they are reached.
    pub fn named(self, name: ServerName<'static>) -> Self {
        Self {
            server_name: Some(name),
            ..self
        }
    }

    /// What certificates of targets are for, if that is not the target's own name or address.
    pub fn server_name(&self) -> Option<&ServerName<'static>> {
        self.server_name.as_ref()
    }

    /// The configuration, built once. Call it at start to hear of a bad key early.
    pub fn config(&self) -> Result<Arc<ClientConfig>, ClientTlsError> {
        self.config
            .get_or_init(|| self.build().map(Arc::new))
            .clone()
    }

    fn build(&self) -> Result<ClientConfig, ClientTlsError> {
        let provider = Arc::new(ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let builder = if self.insecure {
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Unverified(provider)))
        } else {
            builder.with_root_certificates(self.roots()?)
        };
        Ok(match &self.identity {
            Some((chain, key)) => builder.with_client_auth_cert(chain.clone(), key.clone_key())?,
            None => builder.with_no_client_auth(),
        })
    }

    fn roots(&self) -> Result<RootCertStore, ClientTlsError> {
        let mut roots = RootCertStore::empty();
        if let Some(authorities) = &self.authorities {
            for authority in authorities {
                roots.add(authority.clone())?;
            }
            return Ok(roots);
        }
        let found = rustls_native_certs::load_native_certs();
        let (added, _) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            let errors: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
            return Err(ClientTlsError::Roots(errors.join("; ")));
        }
        Ok(roots)
    }
}

/// `--insecure`: any certificate is taken, signatures are still checked.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            dss,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
