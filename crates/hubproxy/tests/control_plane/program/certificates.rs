//! An authority and certificates for tests, and a TLS client that trusts it.

use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use super::{PATIENCE, write};

/// Signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pub pem: String,
}

/// A certificate and its key in files.
pub struct Pair {
    pub certificate: PathBuf,
    pub key: PathBuf,
    pub key_pem: String,
    pub certificate_pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params
            .distinguished_name
            .push(DnType::CommonName, "hubproxy test authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// Signs a certificate for `names` and writes `NAME.crt` and `NAME.key`.
    pub fn issue(&self, folder: &Path, name: &str, names: &[&str]) -> Pair {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        let now = time::OffsetDateTime::now_utc();
        params.not_before = now - time::Duration::hours(1);
        params.not_after = now + time::Duration::days(30);
        let key = KeyPair::generate().unwrap();
        let certificate_pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        let key_pem = key.serialize_pem();
        Pair {
            certificate: write(folder, &format!("{name}.crt"), &certificate_pem),
            key: write(folder, &format!("{name}.key"), &key_pem),
            key_pem,
            certificate_pem,
        }
    }

    pub fn write(&self, folder: &Path) -> PathBuf {
        write(folder, "authority.crt", &self.pem)
    }

    /// A client that trusts this authority.
    pub fn client(&self) -> Client {
        Client {
            authority: self.pem.clone(),
            identity: None,
            versions: rustls::ALL_VERSIONS,
            alpn: Vec::new(),
        }
    }
}

/// How a client speaks TLS.
#[derive(Clone)]
pub struct Client {
    authority: String,
    pub identity: Option<(String, String)>,
    pub versions: &'static [&'static SupportedProtocolVersion],
    pub alpn: Vec<Vec<u8>>,
}

/// A TLS connection.
pub type Secure = StreamOwned<ClientConnection, TcpStream>;

impl Client {
    pub fn config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(self.authority.as_bytes()) {
            roots.add(authority.unwrap()).unwrap();
        }
        let builder =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_protocol_versions(self.versions)
                .unwrap()
                .with_root_certificates(roots);
        let mut config = match &self.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = CertificateDer::pem_slice_iter(certificate.as_bytes())
                    .map(Result::unwrap)
                    .collect();
                builder
                    .with_client_auth_cert(
                        chain,
                        PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap(),
                    )
                    .unwrap()
            }
        };
        config.alpn_protocols = self.alpn.clone();
        Arc::new(config)
    }

    /// Connects and shakes hands.
    pub fn connect(&self, to: SocketAddr, name: &str) -> Result<Secure, std::io::Error> {
        connect(self.config(), to, name)
    }
}

/// Connects and shakes hands with a configuration that may be used again, to resume sessions.
pub fn connect(
    config: Arc<ClientConfig>,
    to: SocketAddr,
    name: &str,
) -> Result<Secure, std::io::Error> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut connection =
        ClientConnection::new(config, ServerName::try_from(name.to_owned()).unwrap()).unwrap();
    while connection.is_handshaking() {
        connection.complete_io(&mut stream)?;
    }
    Ok(StreamOwned::new(connection, stream))
}

/// The names of the certificate that the server showed.
pub fn shown_names(connection: &Secure) -> Vec<String> {
    let certificate = &connection.conn.peer_certificates().unwrap()[0];
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).unwrap();
    let names = parsed.subject_alternative_name().unwrap().unwrap();
    names
        .value
        .general_names
        .iter()
        .map(ToString::to_string)
        .collect()
}
