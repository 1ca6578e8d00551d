//! HTTPS to the directory: its authorities, a deadline for each call, and when it asked to be left alone.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{RETRY_AFTER, USER_AGENT};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::{ClientConfig, RootCertStore};
use serde::Deserialize;

use super::super::{PemError, authorities};

/// How long one call may take.
const CALL: Duration = Duration::from_secs(30);
/// The largest answer that is read: a directory, a chain of certificates.
const ANSWER_BYTES: usize = 1 << 20;

/// Why the directory cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The authorities in the file are of no use.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// There are no authorities at all.
    #[error(
        "no authority is known to check the directory against: install ca-certificates, or set directory_ca"
    )]
    NoAuthorities,
    /// TLS does not take them.
    #[error("the authorities for the directory: {0}")]
    Tls(#[from] rustls::Error),
    /// It was not reached.
    #[error("reaching the directory {url}: {reason}")]
    Unreachable {
        /// Its URL.
        url: String,
        /// Why.
        reason: String,
    },
    /// What answered is no directory.
    #[error("{url} is no ACME directory: {reason}")]
    NoDirectory {
        /// Its URL.
        url: String,
        /// What it is.
        reason: String,
    },
}

/// Speaks HTTPS with one directory.
#[derive(Clone)]
pub(super) struct DirectoryClient {
    https: Client<HttpsConnector<HttpConnector>, BodyWrapper<Bytes>>,
    left_alone: Arc<Mutex<Option<SystemTime>>>,
    patience: Duration,
}

/// The part of a directory that is asked for before there is an account.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Directory {
    /// Where orders go; what makes it a directory.
    pub new_order: String,
    /// Where it says when to renew (RFC 9773).
    pub renewal_info: Option<String>,
    #[serde(default)]
    meta: Meta,
}

#[derive(Debug, Default, Deserialize)]
struct Meta {
    #[serde(default)]
    profiles: std::collections::BTreeMap<String, String>,
}

impl Directory {
    /// The profiles that can be asked for.
    pub(super) fn profiles(&self) -> Vec<String> {
        self.meta.profiles.keys().cloned().collect()
    }
}

impl DirectoryClient {
    /// Trusts the system's authorities, and the ones in a file.
    pub(super) fn new(directory_ca: Option<&Path>) -> Result<Self, ClientError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(path) = directory_ca {
            for authority in authorities(path)? {
                roots.add(authority)?;
            }
        }
        if roots.is_empty() {
            return Err(ClientError::NoAuthorities);
        }
        let config =
            ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_root_certificates(roots)
                .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(config)
            .https_only()
            .enable_http1()
            .enable_http2()
            .build();
        let https = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self {
            https,
            left_alone: Arc::default(),
            patience: CALL,
        })
    }

    /// Fetches the directory.
    pub(super) async fn directory(&self, url: &str) -> Result<Directory, ClientError> {
        let unreachable = |reason: String| ClientError::Unreachable {
            url: url.to_owned(),
            reason,
        };
        let request = Request::get(url)
            .header(USER_AGENT, concat!("hubproxy/", env!("CARGO_PKG_VERSION")))
            .body(BodyWrapper::default())
            .map_err(|error| unreachable(error.to_string()))?;
        let (head, body) = self
            .clone()
            .call(request)
            .await
            .map_err(unreachable)?
            .into_parts();
        let status = head.status;
        if status != StatusCode::OK {
            return Err(ClientError::NoDirectory {
                url: url.to_owned(),
                reason: format!("it answers {status}"),
            });
        }
        let not_one = |reason: String| ClientError::NoDirectory {
            url: url.to_owned(),
            reason,
        };
        let directory: Directory =
            serde_json::from_slice(&body).map_err(|error| not_one(error.to_string()))?;
        if !directory.new_order.starts_with("https://") {
            return Err(not_one("it names no https URL for orders".to_owned()));
        }
        Ok(directory)
    }

    /// Makes a call and reads its answer to the end, all within the time of one call.
    async fn call(self, request: Request<BodyWrapper<Bytes>>) -> Result<Response<Bytes>, String> {
        let call = async {
            let response = self.https.request(request).await;
            let (head, body) = response.map_err(|error| chain(&error))?.into_parts();
            let body = Limited::new(body, ANSWER_BYTES).collect().await;
            let body = body.map_err(|error| chain(&*error))?.to_bytes();
            Ok(Response::from_parts(head, body))
        };
        tokio::time::timeout(self.patience, call)
            .await
            .unwrap_or_else(|_| {
                Err(format!(
                    "no whole answer within {} s",
                    self.patience.as_secs()
                ))
            })
    }

    /// How long the directory asked to be left alone, counted from now; the question forgets it.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        let until = self
            .left_alone
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()?;
        until.duration_since(SystemTime::now()).ok()
    }
}

impl HttpClient for DirectoryClient {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let call = self.clone().call(request);
        let left_alone = Arc::clone(&self.left_alone);
        Box::pin(async move {
            let response = call.await.map_err(|reason| Error::Other(reason.into()))?;
            if matches!(
                response.status(),
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE
            ) {
                let seconds = response
                    .headers()
                    .get(RETRY_AFTER)
                    .and_then(|value| value.to_str().ok());
                let until = seconds.and_then(retry_time);
                *left_alone.lock().unwrap_or_else(PoisonError::into_inner) = until;
            }
            Ok(BytesResponse::from(response.map(Full::new)))
        })
    }
}

/// `Retry-After`: seconds or a date.
fn retry_time(value: &str) -> Option<SystemTime> {
    if let Ok(seconds) = value.trim().parse::<u64>() {
        return SystemTime::now().checked_add(Duration::from_secs(seconds));
    }
    let date =
        time::OffsetDateTime::parse(value.trim(), &time::format_description::well_known::Rfc2822)
            .ok()?;
    Some(date.into())
}

/// An error with its causes: "client error (Connect)" alone says nothing.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.ends_with(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use rustls::ServerConfig;
    use rustls::pki_types::PrivateKeyDer;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio_rustls::TlsAcceptor;

    use super::*;

    #[tokio::test]
    async fn an_answer_that_stops_halfway_is_given_up() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let authority = folder.path().join("ca.pem");
        std::fs::write(&authority, made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![made.cert.der().clone()], key)
                .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let half = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = acceptor.accept(stream).await.unwrap();
            stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
                .await
                .unwrap();
            stream.flush().await.unwrap();
            // Until the client is gone.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        let mut client = DirectoryClient::new(Some(&authority)).unwrap();
        client.patience = Duration::from_secs(1);
        let request = Request::get(format!("https://localhost:{port}/"))
            .body(BodyWrapper::default())
            .unwrap();
        let answered = async {
            match client.request(request).await {
                Ok(mut response) => response.body.into_bytes().await.is_ok(),
                Err(_) => false,
            }
        };
        let answered = tokio::time::timeout(Duration::from_secs(20), answered).await;
        assert!(!answered.expect("an end"), "half an answer is none");
        half.abort();
    }
}
