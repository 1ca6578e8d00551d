//! The REST API of the routes: configurable-http-proxy's, and the proxy's own health and status.

mod auth;
mod date;
mod routes;
mod server;

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Body;
use percent_encoding::percent_decode_str;
use secrecy::SecretString;
use serde_json::Value;
use tracing::{debug, error, info, warn};
use url::Url;

use crate::log::Metrics;
use crate::overview::Overview;
use crate::routes::Table;

pub use server::{Server, serve_http};

/// The largest body of a `POST`: a route is a few hundred bytes.
const BODY_BYTES: usize = 1 << 20;
/// How long a body may take to arrive.
const BODY_TIME: Duration = Duration::from_secs(30);

/// The API.
pub struct Api {
    /// The routes it changes.
    pub table: Arc<Table>,
    /// What callers must send; none: anybody may call. It may be swapped at any time.
    pub token: ArcSwapOption<SecretString>,
    /// Whether the first segment of a routespec is a host name.
    pub host_routing: bool,
    /// Whether every call is logged, as the other does; if not, only changes are.
    pub logs_calls: bool,
    /// Counts of calls.
    pub metrics: Arc<Metrics>,
    /// How the proxy is.
    pub overview: Arc<Overview>,
}

type Answer = Response<Full<Bytes>>;

impl Api {
    /// Answers one call.
    pub async fn answer<B>(&self, request: Request<B>) -> Answer
    where
        B: Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let (answer, message) = self.dispatch(request).await;
        let status = answer.status();
        self.metrics.api_answered(status);
        if self.logs_calls {
            let code = status.as_u16();
            match code {
                0..400 => info!("{code} {method} {path} {message}"),
                400..500 => warn!("{code} {method} {path} {message}"),
                _ => error!("{code} {method} {path} {message}"),
            }
        } else {
            debug!("{} {method} {path} {message}", status.as_u16());
        }
        answer
    }

    async fn dispatch<B>(&self, request: Request<B>) -> (Answer, String)
    where
        B: Body + Send,
        B::Data: Send,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let Some(url) = resolve(request.uri()) else {
            return text(StatusCode::BAD_REQUEST, "the URL is broken");
        };
        let Some(rest) = routes_path(url.path()) else {
            return self.own(&request, url.path());
        };
        let method = request.method();
        if !matches!(*method, Method::GET | Method::POST | Method::DELETE) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "Method not supported");
        }
        // The other never answers a path that it cannot decode.
        let Ok(path) = percent_decode_strict(rest) else {
            return text(
                StatusCode::BAD_REQUEST,
                "the percent-encoding of the path is broken",
            );
        };
        let is_authorized = self.is_authorized(request.headers());
        if *method == Method::POST {
            // A broken body is refused before a missing token, as there.
            let body = match read_json(request).await {
                Ok(body) => body,
                Err(refusal) => return refusal,
            };
            return if is_authorized {
                self.post(&path, body)
            } else {
                forbidden()
            };
        }
        if !is_authorized {
            return forbidden();
        }
        if *method == Method::DELETE {
            self.delete(&path)
        } else {
            self.get(&path, &url)
        }
    }

    fn is_authorized(&self, headers: &http::HeaderMap) -> bool {
        auth::is_authorized(headers, self.token.load().as_deref())
    }

    /// What the other does not have.
    fn own<B>(&self, request: &Request<B>, path: &str) -> (Answer, String) {
        match (request.method(), path) {
            (&Method::GET | &Method::HEAD, "/api/health") => {
                json(StatusCode::OK, "{\"status\":\"OK\"}".to_owned())
            }
            (&Method::GET, "/api/status") => {
                if !self.is_authorized(request.headers()) {
                    return forbidden();
                }
                match serde_json::to_string(&self.overview.status()) {
                    Ok(status) => json(StatusCode::OK, status),
                    Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
                }
            }
            (_, "/api/health" | "/api/status") => {
                text(StatusCode::METHOD_NOT_ALLOWED, "Method not supported")
            }
            _ => text(StatusCode::NOT_FOUND, "Not Found"),
        }
    }
}

/// The URL as the other parses it: dot segments resolved, an absolute form accepted.
fn resolve(uri: &http::Uri) -> Option<Url> {
    let base = Url::parse("http://api.invalid").ok()?;
    base.join(&uri.to_string()).ok()
}

/// What follows `/api/routes`; none for other paths.
fn routes_path(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("/api/routes")?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

fn percent_decode_strict(text: &str) -> Result<String, ()> {
    let bytes = text.as_bytes();
    let is_hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let broken = |(at, byte): (usize, &u8)| *byte == b'%' && !(is_hex(at + 1) && is_hex(at + 2));
    if bytes.iter().enumerate().any(broken) {
        return Err(());
    }
    percent_decode_str(text)
        .decode_utf8()
        .map(std::borrow::Cow::into_owned)
        .map_err(|_| ())
}

/// The body as JSON, whatever its type is said to be.
async fn read_json<B>(request: Request<B>) -> Result<Value, (Answer, String)>
where
    B: Body + Send,
    B::Data: Send,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let body = tokio::time::timeout(
        BODY_TIME,
        Limited::new(request.into_body(), BODY_BYTES).collect(),
    )
    .await;
    let body = match body {
        Err(_) => {
            return Err(text(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not arrive in time",
            ));
        }
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return Err(text(
                StatusCode::PAYLOAD_TOO_LARGE,
                "the body is larger than 1 MiB",
            ));
        }
        Ok(Err(error)) => {
            return Err(text(
                StatusCode::BAD_REQUEST,
                &format!("reading the body: {error}"),
            ));
        }
        Ok(Ok(body)) => body.to_bytes(),
    };
    serde_json::from_slice(&body).map_err(|error| {
        text(
            StatusCode::BAD_REQUEST,
            &format!("Body not valid JSON: {error}"),
        )
    })
}

fn text(status: StatusCode, message: &str) -> (Answer, String) {
    let mut answer = Response::new(Full::from(message.to_owned()));
    *answer.status_mut() = status;
    answer.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    (answer, message.to_owned())
}

fn json(status: StatusCode, body: String) -> (Answer, String) {
    let mut answer = Response::new(Full::from(body));
    *answer.status_mut() = status;
    answer
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    (answer, String::new())
}

fn empty(status: StatusCode) -> (Answer, String) {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    (answer, String::new())
}

fn forbidden() -> (Answer, String) {
    debug!("Rejecting API request: no token, or a wrong one");
    empty(StatusCode::FORBIDDEN)
}
