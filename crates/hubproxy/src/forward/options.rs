//! How requests are forwarded: `configurable-http-proxy`'s options and our own.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Response};
use http_body_util::Full;

use super::client_tls::ClientTls;
use crate::routes::Target;

/// How requests are forwarded. The defaults are `configurable-http-proxy`'s.
#[derive(Clone)]
pub struct Options {
    /// Whether the target's own path comes before the request's (`--no-prepend-path` turns it off).
    pub prepend_path: bool,
    /// Whether the route's path stays in the forwarded URL (`--no-include-prefix` turns it off).
    pub include_prefix: bool,
    /// Whether `X-Forwarded-*` are added (`--no-x-forward` turns it off).
    pub x_forward: bool,
    /// Whether `X-Forwarded-*` of the client are kept and appended to; where not, they are replaced.
    pub trust_forwarded: bool,
    /// Whether `Host` becomes the target's (`--change-origin`).
    pub change_origin: bool,
    /// Whether routing goes by host first (`--host-routing`).
    pub host_routing: bool,
    /// Headers set on every forwarded request, over the client's (`--custom-header`).
    pub custom_headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether the host of a redirect that names the target is rewritten to the request's (`--auto-rewrite`).
    pub auto_rewrite: bool,
    /// The scheme put on redirects that name the target (`--protocol-rewrite`): `http` or `https`.
    pub protocol_rewrite: Option<String>,
    /// How https targets are spoken to: authorities, client certificate, `--insecure`.
    pub client_tls: Arc<ClientTls>,
    /// How long a connection to a target may take.
    pub connect_timeout: Duration,
    /// How long a target may be silent during an exchange (`--proxy-timeout`); `None` is for ever.
    pub proxy_timeout: Option<Duration>,
    /// Where error pages come from.
    pub errors: ErrorPages,
    /// `Strict-Transport-Security` on what is answered over TLS.
    pub hsts: Option<HeaderValue>,
    /// Asked before the routes, as for ACME's challenges.
    pub intercept: Option<Arc<dyn Intercept>>,
    /// The most idle connections kept to one target by one worker.
    pub pool_idle_per_target: usize,
    /// How long an idle connection to a target is kept.
    pub pool_idle_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prepend_path: true,
            include_prefix: true,
            x_forward: true,
            trust_forwarded: true,
            change_origin: false,
            host_routing: false,
            custom_headers: Vec::new(),
            auto_rewrite: false,
            protocol_rewrite: None,
            client_tls: Arc::new(ClientTls::default()),
            connect_timeout: Duration::from_secs(10),
            proxy_timeout: None,
            errors: ErrorPages::Own,
            hsts: None,
            intercept: None,
            pool_idle_per_target: 256,
            pool_idle_timeout: Duration::from_secs(60),
        }
    }
}

/// Where error pages come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorPages {
    /// A short page of our own.
    Own,
    /// `GET {target}/{code}?url={the request's URL}` (`--error-target`).
    Target(Target),
    /// `{code}.html`, then `error.html`, of a folder (`--error-path`).
    Path(PathBuf),
}

/// Answers requests before the routes are asked.
pub trait Intercept: Send + Sync {
    /// The answer to a request that is not to be forwarded. `tls` says how it came.
    fn intercept(&self, request: &Parts, tls: bool) -> Option<Response<Full<bytes::Bytes>>>;
}
