//! The listener: connections, TLS, faults, request ids, the log.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderValue, Request, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

use crate::api::caller::RequestId;
use crate::api::id;
use crate::api::nova::server::Fate;
use crate::control::fault::Asked;
use crate::control::wire::{Shears, Stream, Wire};
use crate::control::{Control, Entry, Kind, Service};

/// Everything a connection needs.
#[derive(Clone)]
pub struct Server {
    pub api: Router,
    pub control_api: Router,
    pub control: Control,
    pub tls: Option<TlsAcceptor>,
}

/// Longest body taken.
const BODY: usize = 4 << 20;

impl Server {
    /// Accepts until it is dropped.
    pub async fn run(self, listener: TcpListener) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    tokio::spawn(self.clone().connection(stream));
                }
                Err(error) => {
                    tracing::warn!(%error, "accepting a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    async fn connection(self, stream: TcpStream) {
        // An answer is small, and the client waits for it.
        let _ = stream.set_nodelay(true);
        let stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some(acceptor) => match acceptor.accept(stream).await {
                Ok(stream) => Box::new(stream),
                Err(error) => return tracing::debug!(%error, "TLS handshake"),
            },
        };
        let shears = Shears::new();
        let wire = Wire {
            stream,
            shears: shears.clone(),
        };
        let service = service_fn(move |request| {
            let (server, shears) = (self.clone(), shears.clone());
            async move { Ok::<_, Infallible>(server.answer(request, &shears).await) }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new());
        if let Err(error) = http.serve_connection(TokioIo::new(wire), service).await {
            tracing::debug!(%error, "connection");
        }
    }

    async fn answer(&self, request: Request<Incoming>, shears: &Arc<Shears>) -> Response {
        let (mut parts, body) = request.into_parts();
        parts.uri = normal(&parts.uri);
        let path = parts.uri.path().to_owned();
        let body = match axum::body::to_bytes(Body::new(body), BODY).await {
            Ok(bytes) => bytes,
            Err(_) => return StatusCode::PAYLOAD_TOO_LARGE.into_response(),
        };
        if path.starts_with("/sandbox/") {
            let request = Request::from_parts(parts, Body::from(body));
            return call(&self.control_api, request).await;
        }
        let (service, rest) = Service::of(&path);
        let method = parts.method.as_str().to_owned();
        let asked = Asked {
            service,
            method: &method,
            path: &rest,
            body: &body,
        };
        let kinds = self.control.meet(&asked);
        let mut entry = Entry {
            service,
            method: method.clone(),
            path: rest.clone(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            status: 0,
            request_id: id::request(),
            fault: kinds.first().map(Kind::name),
        };
        let mut request = Request::from_parts(parts, Body::from(body));
        request
            .extensions_mut()
            .insert(RequestId(entry.request_id.clone()));
        let mut response = match before(&kinds, service, &mut request).await {
            Some(response) => response,
            None => call(&self.api, request).await,
        };
        name_request(service, &mut response, &entry.request_id);
        entry.status = response.status().as_u16();
        let (response, lost) = after(&kinds, response, shears).await;
        if lost {
            entry.status = 0;
        }
        tracing::info!(status = entry.status, "{} {}", entry.method, path);
        self.control.note(entry);
        response
    }
}

async fn call(router: &Router, request: Request<Body>) -> Response {
    let Ok(response) = router.clone().oneshot(request).await;
    response
}

/// Without a slash at the end, and without Neutron's old `.json`.
fn normal(uri: &Uri) -> Uri {
    let path = uri.path();
    let mut path = match path.trim_end_matches('/') {
        "" => "/",
        trimmed => trimmed,
    };
    if path.contains("/network/v2.0/") {
        path = path.strip_suffix(".json").unwrap_or(path);
    }
    let whole = uri
        .query()
        .map_or_else(|| path.to_owned(), |query| format!("{path}?{query}"));
    whole.parse().unwrap_or_else(|_| uri.clone())
}

/// Faults that come before the work, or instead of it.
async fn before(kinds: &[Kind], service: Service, request: &mut Request<Body>) -> Option<Response> {
    let mut fate = Fate::default();
    let mut instead = None;
    for kind in kinds {
        match kind {
            Kind::Latency { ms } => tokio::time::sleep(Duration::from_millis(*ms)).await,
            Kind::Status {
                status,
                retry_after,
                message,
            } => {
                let status =
                    StatusCode::from_u16(*status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let message = message
                    .as_deref()
                    .unwrap_or_else(|| default_message(status));
                let mut response = service.error(status, message);
                if let Some(seconds) = retry_after {
                    response
                        .headers_mut()
                        .insert(header::RETRY_AFTER, HeaderValue::from(*seconds));
                }
                instead = Some(response);
            }
            Kind::LoadBalancer { status } => instead = Some(load_balancer(*status)),
            Kind::Quota { resource } => instead = Some(service.over_quota(resource)),
            Kind::Reset => instead = Some(StatusCode::OK.into_response()),
            Kind::ServerError { code, message } => fate.fault = Some((*code, message.clone())),
            Kind::SshNeverUp => fate.ssh_never_up = true,
            Kind::LoseAnswer | Kind::Cut { .. } => {}
        }
    }
    if fate != Fate::default() {
        request.extensions_mut().insert(fate);
    }
    instead
}

fn default_message(status: StatusCode) -> &'static str {
    match status.as_u16() {
        429 => "This request was rate-limited.",
        500 => {
            "Unexpected API Error. Please report this at http://bugs.launchpad.net/nova/ and attach the Nova API log if possible.\n<class 'oslo_db.exception.DBConnectionError'>"
        }
        503 => "The server is currently unavailable. Please try again at a later time.",
        _ => "An injected fault.",
    }
}

/// What HAProxy says when nothing behind it answers.
fn load_balancer(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let words = format!(
        "{} {}",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default()
    );
    let page = format!(
        "<html><body><h1>{words}</h1>\nNo server is available to handle this request.\n</body></html>\n"
    );
    (status, [(header::CONTENT_TYPE, "text/html")], page).into_response()
}

/// Faults of the way back. True when the client gets no answer.
async fn after(kinds: &[Kind], response: Response, shears: &Arc<Shears>) -> (Response, bool) {
    for kind in kinds {
        match kind {
            Kind::Reset | Kind::LoseAnswer => {
                shears.reset();
                return (response, true);
            }
            Kind::Cut { after } => {
                shears.cut(*after);
                return (response, false);
            }
            _ => {}
        }
    }
    (response, false)
}

/// Every answer of a service names its request.
fn name_request(service: Service, response: &mut Response<Body>, id: &str) {
    let from_balancer = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|v| v == "text/html");
    if from_balancer {
        return;
    }
    if let Ok(value) = HeaderValue::from_str(id) {
        response
            .headers_mut()
            .insert("x-openstack-request-id", value.clone());
        if service == Service::Compute {
            response.headers_mut().insert("x-compute-request-id", value);
        }
    }
}
