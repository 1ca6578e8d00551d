//! HTTPS to the directory: its authorities, a deadline for each call, and when it asked to be left alone.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{RETRY_AFTER, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Limited};
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
/// The largest directory that is read.
const DIRECTORY_BYTES: usize = 1 << 20;

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
        let answer = async {
            let response = self
                .https
                .request(request)
                .await
                .map_err(|error| chain(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), DIRECTORY_BYTES)
                .collect()
                .await;
            Ok::<_, String>((status, body.map_err(|error| error.to_string())?.to_bytes()))
        };
        let (status, body) = tokio::time::timeout(CALL, answer)
            .await
            .map_err(|_| unreachable(format!("no answer within {} s", CALL.as_secs())))?
            .map_err(unreachable)?;
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
        let call = self.https.request(request);
        let left_alone = Arc::clone(&self.left_alone);
        Box::pin(async move {
            let other = |reason: String| Error::Other(reason.into());
            let response = tokio::time::timeout(CALL, call)
                .await
                .map_err(|_| {
                    other(format!(
                        "the directory did not answer within {} s",
                        CALL.as_secs()
                    ))
                })?
                .map_err(|error| other(chain(&error)))?;
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
            Ok(BytesResponse::from(response))
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
