//! What is told about each exchange: the seam of the access log and the metrics.

use std::net::IpAddr;
use std::time::Duration;

use http::{HeaderValue, Method, StatusCode, Uri, Version};

/// The kind of an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Web,
    WebSocket,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The answer was passed on whole, or a WebSocket ended.
    Complete,
    /// The client went away, or was cut off, before the end.
    Aborted,
    /// The target broke off after its answer had begun.
    TargetFailed,
}

/// A finished exchange. The URL and headers are as they came: whoever writes them down redacts them.
#[derive(Debug)]
pub struct Exchange<'a> {
    pub kind: Kind,
    pub method: &'a Method,
    pub uri: &'a Uri,
    pub version: Version,
    pub host: Option<&'a HeaderValue>,
    pub user_agent: Option<&'a HeaderValue>,
    /// Whether it came over TLS.
    pub tls: bool,
    /// The other end of the connection; none on a Unix socket.
    pub peer: Option<IpAddr>,
    pub status: StatusCode,
    /// The path of the route that was taken.
    pub route: Option<&'a str>,
    /// Until the answer's head was there.
    pub until_head: Duration,
    /// Until the end.
    pub total: Duration,
    /// Bytes of the request's body, or from a WebSocket's client.
    pub received: u64,
    /// Bytes of the answer's body, or to a WebSocket's client.
    pub sent: u64,
    pub outcome: Outcome,
}

/// Told of what goes on. Called on the workers' threads: it must not block.
pub trait Observer: Send + Sync + 'static {
    /// Whether [`Observer::finished`] is wanted; asked once a request. False saves the copies it needs.
    fn detailed(&self) -> bool {
        false
    }

    /// A request was routed; `lookup` is how long that took. None unless [`Observer::timed`].
    fn routed(&self, kind: Kind, lookup: Option<Duration>) {
        let _ = (kind, lookup);
    }

    /// Whether lookups are timed.
    fn timed(&self) -> bool {
        false
    }

    /// An answer's head goes out.
    fn answered(&self, kind: Kind, status: StatusCode) {
        let _ = (kind, status);
    }

    /// An exchange ended.
    fn finished(&self, exchange: &Exchange<'_>) {
        let _ = exchange;
    }
}

/// Wants to know nothing.
#[derive(Debug, Default, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {}
