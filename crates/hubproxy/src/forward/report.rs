//! What is kept of an exchange for its observer, where that wants it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use http::header::{HOST, USER_AGENT};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Uri, Version};

use crate::routes::Route;
use crate::serve::{Client, Exchange, Kind, Observer, Outcome};

/// The particulars of one exchange; they are reported when it is dropped.
pub(super) struct Report {
    observer: Arc<dyn Observer>,
    kind: Kind,
    method: Method,
    uri: Uri,
    version: Version,
    host: Option<HeaderValue>,
    user_agent: Option<HeaderValue>,
    tls: bool,
    peer: Option<IpAddr>,
    started: Instant,
    headed: Option<Instant>,
    status: StatusCode,
    pub route: Option<Arc<Route>>,
    pub received: u64,
    pub sent: u64,
    pub outcome: Outcome,
}

impl Report {
    pub(super) fn new(
        observer: &Arc<dyn Observer>,
        client: &Client,
        parts: &Parts,
        kind: Kind,
    ) -> Box<Self> {
        Box::new(Self {
            observer: Arc::clone(observer),
            kind,
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            version: parts.version,
            host: parts.headers.get(HOST).cloned(),
            user_agent: parts.headers.get(USER_AGENT).cloned(),
            tls: client.tls,
            peer: client.address,
            started: Instant::now(),
            headed: None,
            // nginx's word for a client that closed before there was an answer.
            status: StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST),
            route: None,
            received: 0,
            sent: 0,
            outcome: Outcome::Aborted,
        })
    }

    pub(super) fn head(&mut self, status: StatusCode) {
        self.status = status;
        self.headed = Some(Instant::now());
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let now = Instant::now();
        self.observer.finished(&Exchange {
            kind: self.kind,
            method: &self.method,
            uri: &self.uri,
            version: self.version,
            host: self.host.as_ref(),
            user_agent: self.user_agent.as_ref(),
            tls: self.tls,
            peer: self.peer,
            status: self.status,
            route: self.route.as_ref().map(|route| &*route.path),
            until_head: self.headed.unwrap_or(now).duration_since(self.started),
            total: now.duration_since(self.started),
            received: self.received,
            sent: self.sent,
            outcome: self.outcome,
        });
    }
}
