//! What a client may take.

use std::time::Duration;

/// What a client may take of us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of a request's line and headers together; 431 above. At least 8192.
    pub header_bytes: usize,
    /// The most headers of a request; 431 above.
    pub headers: usize,
    /// How long a request's head may take from its first byte, and a TLS handshake from the connection; 408 after.
    pub header_timeout: Duration,
    /// How long a connection is kept between two requests (`--keep-alive-timeout`).
    pub keep_alive_timeout: Duration,
    /// How long a client may be silent within an exchange (`--timeout`); `None` is for ever. WebSockets are exempt.
    pub client_timeout: Option<Duration>,
    /// How long the next bytes of a request's body may take; 408 after. Only time spent waiting for the client counts.
    pub body_timeout: Duration,
    /// The least bytes a second of a request's body, counted once it was waited for as long as `body_timeout`; 0 is none.
    pub body_rate: u64,
    /// How long a client may take none of the bytes that are ready for it; on HTTP/2, of one stream's.
    pub send_timeout: Duration,
    /// The most bytes of a request's body; 413 above. `None` is any.
    pub body_bytes: Option<u64>,
    /// The most connections of all clients.
    pub connections: usize,
    /// The most connections of one address (IPv6: of one /64); 0 is any.
    pub connections_per_address: usize,
    /// The most streams of one HTTP/2 connection.
    pub streams: u32,
    /// How often one address may send its password.
    pub login: Option<LoginLimit>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            header_bytes: 64 * 1024,
            headers: 100,
            header_timeout: Duration::from_secs(30),
            keep_alive_timeout: Duration::from_secs(5),
            client_timeout: None,
            body_timeout: Duration::from_secs(60),
            body_rate: 16,
            send_timeout: Duration::from_secs(120),
            body_bytes: None,
            connections: 16 * 1024,
            connections_per_address: 0,
            streams: 128,
            login: None,
        }
    }
}

/// How often one address may post to the login page; 429 above.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoginLimit {
    /// What the decoded path of a login ends in, such as `/hub/login`.
    pub path: String,
    /// Attempts a minute, on average.
    pub per_minute: u32,
    /// Attempts at once.
    pub burst: u32,
}
