//! Where a hub is, how to get there, and whom to believe there.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::MaybeTlsStream;
use url::{Host, Url};

use super::Fault;

/// Whose signature makes a certificate good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// That of the authorities in this PEM text alone: the deployment's own, or those the operator named.
    Authority(String),
    /// The authorities this machine trusts.
    System,
    /// Anyone's: the certificate is one for trying things out, which nobody vouches for. Whoever is between here and the
    /// hub can read along.
    Anyone,
}

/// A hub as its users reach it.
#[derive(Debug, Clone)]
pub struct Endpoint {
    url: Url,
    address: Option<IpAddr>,
    tls: Arc<ClientConfig>,
    /// It is one person's notebook server, without a hub.
    notebook: bool,
}

/// Why an endpoint is none.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    #[error(
        "{url} is not the URL of a hub: it must be https://NAME/, or http:// on this machine itself"
    )]
    Url { url: String },
    #[error("the authority's certificate is damaged")]
    Authority,
    #[error("reading the authorities this machine trusts")]
    System(#[source] std::io::Error),
    #[error("setting up TLS")]
    Tls(#[from] rustls::Error),
}

impl Endpoint {
    /// `url` is the hub's (`https://hub.example.org/`). With an `address` connections go there whatever the name
    /// resolves to, so that a hub can be looked at before its DNS record is there. Without TLS (`http://127.0.0.1:8000/`)
    /// only an address of this machine's loopback device will do: where a tunnel begins.
    pub fn new(url: &str, address: Option<IpAddr>, trust: &Trust) -> Result<Self, EndpointError> {
        let wrong = || EndpointError::Url {
            url: url.to_owned(),
        };
        let mut url = Url::parse(url).map_err(|_| wrong())?;
        match (url.scheme(), url.host(), address) {
            ("https", Some(_), _) => {}
            ("http", Some(Host::Ipv4(own)), None) if own.is_loopback() => {}
            _ => return Err(wrong()),
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?;
        let config = match trust {
            Trust::Anyone => config
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(Credulous(provider))),
            trust => config.with_root_certificates(roots(trust)?),
        }
        .with_no_client_auth();
        Ok(Self {
            url,
            address,
            tls: Arc::new(config),
            notebook: false,
        })
    }

    /// The same place, where one person's notebook server is and no hub.
    pub fn of_notebook(self) -> Self {
        Self {
            notebook: true,
            ..self
        }
    }

    pub(super) fn is_notebook(&self) -> bool {
        self.notebook
    }

    pub fn url(&self) -> &Url {
        &self.url
    }

    /// Whether TLS is spoken to it.
    pub(super) fn has_tls(&self) -> bool {
        self.url.scheme() == "https"
    }

    /// A path of the hub's, e.g. `hub/api`. `path` has no slash at its beginning.
    pub(super) fn at(&self, path: &str) -> Url {
        let mut url = self.url.clone();
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        url.set_path(&format!("{}{path}", self.url.path()));
        url.set_query((!query.is_empty()).then_some(query));
        url
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.url.port_or_known_default().unwrap_or(443)
    }

    /// Where connections go, for messages.
    pub(super) fn place(&self) -> String {
        match self.address {
            Some(address) => SocketAddr::new(address, self.port()).to_string(),
            None => format!(
                "{}:{}",
                self.url.host_str().unwrap_or_default(),
                self.port()
            ),
        }
    }

    /// An HTTP client that follows no redirect, keeps its cookies in `jar` and goes where this endpoint is.
    pub(super) fn client(
        &self,
        jar: Option<Arc<reqwest::cookie::Jar>>,
    ) -> Result<reqwest::Client, Fault> {
        let mut builder = reqwest::Client::builder()
            .use_preconfigured_tls(ClientConfig::clone(&self.tls))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(std::time::Duration::from_secs(10))
            .user_agent(concat!("hubctl/", env!("CARGO_PKG_VERSION")));
        if let Some(jar) = jar {
            builder = builder.cookie_provider(jar);
        }
        if let (Some(address), Some(Host::Domain(name))) = (self.address, self.url.host()) {
            builder = builder.resolve(name, SocketAddr::new(address, self.port()));
        }
        builder
            .build()
            .map_err(|error| Fault::plain(format!("setting up HTTP: {error}")))
    }

    /// A TCP connection.
    pub(super) async fn connect(&self) -> std::io::Result<TcpStream> {
        let stream = match (self.address, self.url.host()) {
            (Some(address), _) => TcpStream::connect((address, self.port())).await?,
            (None, Some(Host::Ipv4(address))) => TcpStream::connect((address, self.port())).await?,
            (None, Some(Host::Ipv6(address))) => TcpStream::connect((address, self.port())).await?,
            (None, Some(Host::Domain(name))) => TcpStream::connect((name, self.port())).await?,
            (None, None) => return Err(std::io::ErrorKind::AddrNotAvailable.into()),
        };
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// TLS on top of it, everything checked.
    pub(super) async fn secure(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        let name = match self.url.host() {
            Some(Host::Domain(name)) => ServerName::try_from(name.to_owned())
                .map_err(|error| std::io::Error::other(error.to_string()))?,
            Some(Host::Ipv4(address)) => ServerName::IpAddress(IpAddr::V4(address).into()),
            Some(Host::Ipv6(address)) => ServerName::IpAddress(IpAddr::V6(address).into()),
            None => return Err(std::io::ErrorKind::AddrNotAvailable.into()),
        };
        TlsConnector::from(Arc::clone(&self.tls))
            .connect(name, stream)
            .await
    }

    /// A connection as HTTP goes over it: with TLS, where the hub has it.
    pub(super) async fn stream(&self) -> std::io::Result<MaybeTlsStream<TcpStream>> {
        let stream = self.connect().await?;
        Ok(if self.has_tls() {
            MaybeTlsStream::Rustls(self.secure(stream).await?)
        } else {
            MaybeTlsStream::Plain(stream)
        })
    }
}

fn roots(trust: &Trust) -> Result<RootCertStore, EndpointError> {
    let mut roots = RootCertStore::empty();
    match trust {
        Trust::Authority(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|_| EndpointError::Authority)?;
                roots
                    .add(certificate)
                    .map_err(|_| EndpointError::Authority)?;
            }
            if roots.is_empty() {
                return Err(EndpointError::Authority);
            }
        }
        Trust::Anyone => {}
        Trust::System => {
            let found = rustls_native_certs::load_native_certs();
            let (added, _) = roots.add_parsable_certificates(found.certs);
            if added == 0 {
                let reason = found
                    .errors
                    .first()
                    .map_or_else(|| "there are none".to_owned(), ToString::to_string);
                return Err(EndpointError::System(std::io::Error::other(reason)));
            }
        }
    }
    Ok(roots)
}

/// Believes any certificate; the handshake's signatures are checked all the same.
#[derive(Debug)]
struct Credulous(Arc<CryptoProvider>);

impl ServerCertVerifier for Credulous {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            certificate,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
