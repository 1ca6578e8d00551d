//! Taking a request to its target and the answer back.

mod answer;
mod body;
mod chunked;
mod client_tls;
mod error_page;
mod head;
mod options;
mod pool;
mod redirect;
mod report;
mod request;
mod request_body;
mod transfer;
mod tunnel;
mod upstream;
mod url;
mod web;
mod websocket;

use std::sync::Arc;
use std::time::Instant;

use arc_swap::{ArcSwap, Guard};
use bytes::Bytes;
use http::header::{
    ALLOW, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, RETRY_AFTER, STRICT_TRANSPORT_SECURITY,
    TRANSFER_ENCODING,
};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::routes::{Route, Table};
use crate::serve::{InFlight, Kind, Observer};
use body::Body;
pub use client_tls::{ClientTls, ClientTlsError};
use error_page::Page;
pub use options::{ErrorPages, Intercept, Options};
pub(crate) use pool::Pool;
use report::Report;

/// What every request needs: the routes, the options, and who is told.
pub struct Forwarder {
    table: Arc<Table>,
    options: ArcSwap<Options>,
    observer: Arc<dyn Observer>,
}

impl std::fmt::Debug for Forwarder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Forwarder").finish_non_exhaustive()
    }
}

impl Forwarder {
    pub fn new(table: Arc<Table>, options: Options, observer: Arc<dyn Observer>) -> Arc<Self> {
        Arc::new(Self {
            table,
            options: ArcSwap::from_pointee(options),
            observer,
        })
    }

    /// Sets the options of requests that come from now on.
    pub fn set_options(&self, options: Options) {
        self.options.store(Arc::new(options));
    }

    pub(crate) fn options(&self) -> Guard<Arc<Options>> {
        self.options.load()
    }
}

/// The URL that answers for the proxy itself.
const HEALTH: &str = "/_chp_healthz";

/// One exchange on its way through.
struct Passage {
    exchange: InFlight,
    options: Arc<Options>,
    kind: Kind,
    version: Version,
    report: Option<Box<Report>>,
}

/// Answers one request of a client.
pub(crate) async fn handle(exchange: InFlight, request: Request<Incoming>) -> Response<Body> {
    let (mut parts, body) = request.into_parts();
    let checked = request::check(&mut parts);
    let kind = if request::asks_for_websocket(&parts) {
        Kind::WebSocket
    } else {
        Kind::Web
    };
    let forwarder = Arc::clone(&exchange.worker.shared.forwarder);
    let observer = &forwarder.observer;
    let report = observer
        .detailed()
        .then(|| Report::new(observer, &exchange, &parts, kind));
    let options = forwarder.options.load_full();
    let mut passage = Passage {
        exchange,
        options,
        kind,
        version: parts.version,
        report,
    };
    if let Err(status) = checked {
        return passage.refuse(status);
    }
    if let Some(answer) = passage.answer_ourselves(&parts).await {
        return answer;
    }
    let route = match passage.find_route(&forwarder, &parts) {
        Ok(Some(route)) => route,
        Ok(None) => return passage.fail(StatusCode::NOT_FOUND, &parts).await,
        Err(status) => return passage.refuse(status),
    };
    if let Some(report) = &mut passage.report {
        report.route = Some(Arc::clone(&route));
    }
    if let Err(error) = &route.target {
        tracing::warn!(route = &*route.path, %error, "the route leads nowhere");
        return passage
            .fail(StatusCode::INTERNAL_SERVER_ERROR, &parts)
            .await;
    }
    if let Some(answer) = passage.limit(&parts) {
        return answer;
    }
    match kind {
        Kind::Web => web::forward(passage, parts, body, route).await,
        Kind::WebSocket => websocket::forward(passage, parts, body, route).await,
    }
}

impl Passage {
    /// The answers that no target gives.
    async fn answer_ourselves(&mut self, parts: &Parts) -> Option<Response<Body>> {
        if parts.method == Method::OPTIONS && parts.uri.path() == "*" {
            let mut response = Response::new(Bytes::new());
            response
                .headers_mut()
                .insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            return Some(self.local(response));
        }
        if parts.uri.path_and_query().is_some_and(|url| url == HEALTH) {
            let mut response = Response::new(Bytes::from_static(b"{\"status\":\"OK\"}"));
            response
                .headers_mut()
                .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            // No request of a client's: not among those that are counted.
            self.dress(&mut response);
            return Some(self.whole(response));
        }
        let answer = self
            .options
            .intercept
            .as_ref()?
            .intercept(parts, self.exchange.tls)?;
        let (head, body) = answer.into_parts();
        let body = body
            .collect()
            .await
            .map(http_body_util::Collected::to_bytes)
            .unwrap_or_default();
        Some(self.local(Response::from_parts(head, body)))
    }

    fn find_route(
        &self,
        forwarder: &Forwarder,
        parts: &Parts,
    ) -> Result<Option<Arc<Route>>, StatusCode> {
        let started = forwarder.observer.timed().then(Instant::now);
        let host = if self.options.host_routing {
            let host = parts
                .headers
                .get(HOST)
                .and_then(|host| host.to_str().ok())
                .unwrap_or_default();
            Some(request::without_port(host))
        } else {
            None
        };
        let found = forwarder.table.lookup(host, parts.uri.path());
        forwarder
            .observer
            .routed(self.kind, started.map(|started| started.elapsed()));
        found.map_err(|_| StatusCode::BAD_REQUEST)
    }

    /// Refuses what is above a limit before anything of it is taken.
    fn limit(&mut self, parts: &Parts) -> Option<Response<Body>> {
        let limits = Arc::clone(&self.exchange.limits);
        if let Some(most) = limits.body_bytes
            && let Some(length) = parts
                .headers
                .get(CONTENT_LENGTH)
                .and_then(answer::content_length)
            && length > most
        {
            return Some(self.refuse(StatusCode::PAYLOAD_TOO_LARGE));
        }
        if parts.method == Method::POST
            && let Some(login) = &limits.login
            && let Some(address) = self.exchange.address
            && crate::routes::decode(parts.uri.path())
                .is_ok_and(|path| path.ends_with(&*login.path))
            && let Err(wait) =
                self.exchange
                    .worker
                    .shared
                    .logins
                    .attempt(address, login, Instant::now())
        {
            let mut response = self.refuse(StatusCode::TOO_MANY_REQUESTS);
            response
                .headers_mut()
                .insert(RETRY_AFTER, HeaderValue::from(wait.as_secs() + 1));
            return Some(response);
        }
        None
    }

    /// Refuses a request that is not to reach a target, and the rest of its connection with it.
    fn refuse(&mut self, status: StatusCode) -> Response<Body> {
        let mut response = Response::new(Bytes::from(format!(
            "{} {}\n",
            status.as_u16(),
            status.canonical_reason().unwrap_or_default()
        )));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("text/plain; charset=utf-8"),
        );
        if status == StatusCode::METHOD_NOT_ALLOWED {
            headers.insert(
                ALLOW,
                HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
            );
        }
        if self.version != Version::HTTP_2 {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
            self.exchange.linger();
        }
        self.local(response)
    }

    /// Answers with an error page, or the bare status where a WebSocket was asked for.
    async fn fail(mut self, status: StatusCode, parts: &Parts) -> Response<Body> {
        if self.kind == Kind::WebSocket {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = status;
            response
                .headers_mut()
                .insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
            return self.local(response);
        }
        if parts.headers.contains_key(CONTENT_LENGTH)
            || parts.headers.contains_key(TRANSFER_ENCODING)
        {
            // hyper closes the connection where the body is not there already.
            self.exchange.linger();
        }
        let url = parts
            .uri
            .path_and_query()
            .map_or("/", http::uri::PathAndQuery::as_str);
        let options = Arc::clone(&self.options);
        let page = Page::find(status, url, &options, &self.exchange.worker.pool).await;
        let mut response = Response::new(page.body);
        *response.status_mut() = status;
        *response.headers_mut() = page.headers;
        self.local(response)
    }

    /// An answer of our own.
    fn local(&mut self, mut response: Response<Bytes>) -> Response<Body> {
        self.head(&mut response);
        self.whole(response)
    }

    fn whole(&mut self, response: Response<Bytes>) -> Response<Body> {
        let (head, bytes) = response.into_parts();
        Response::from_parts(
            head,
            Body::full(bytes, self.exchange.again(), self.report.take()),
        )
    }

    /// What every answer has, and the count of it.
    fn head<B>(&mut self, response: &mut Response<B>) {
        self.exchange
            .worker
            .shared
            .forwarder
            .observer
            .answered(self.kind, response.status());
        self.dress(response);
    }

    fn dress<B>(&mut self, response: &mut Response<B>) {
        let status = response.status();
        if self.exchange.tls
            && let Some(hsts) = &self.options.hsts
        {
            let headers = response.headers_mut();
            headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        if let Some(report) = &mut self.report {
            report.head(status);
        }
    }
}
