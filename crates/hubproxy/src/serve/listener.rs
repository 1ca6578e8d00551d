//! What is listened on.

use std::fmt;
use std::io;
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;

/// A bound, listening socket.
#[derive(Debug)]
pub enum Socket {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

/// A socket and whether TLS is spoken on it.
pub struct Listener {
    pub socket: Socket,
    /// The TLS configuration new connections take; it may be swapped at any time. What it negotiates by ALPN decides
    /// between HTTP/2 (`h2`) and HTTP/1.1; a connection that negotiated `acme-tls/1` is closed after the handshake.
    pub tls: Option<Arc<ArcSwap<ServerConfig>>>,
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener")
            .field("socket", &self.socket)
            .field("tls", &self.tls.is_some())
            .finish()
    }
}

impl Listener {
    pub fn tcp(listener: std::net::TcpListener) -> Self {
        Self {
            socket: Socket::Tcp(listener),
            tls: None,
        }
    }

    pub fn unix(listener: std::os::unix::net::UnixListener) -> Self {
        Self {
            socket: Socket::Unix(listener),
            tls: None,
        }
    }

    pub fn with_tls(mut self, tls: Arc<ArcSwap<ServerConfig>>) -> Self {
        self.tls = Some(tls);
        self
    }

    /// A second handle on the same socket, for another worker.
    pub(super) fn try_clone(&self) -> io::Result<Self> {
        let socket = match &self.socket {
            Socket::Tcp(listener) => Socket::Tcp(listener.try_clone()?),
            Socket::Unix(listener) => Socket::Unix(listener.try_clone()?),
        };
        Ok(Self {
            socket,
            tls: self.tls.clone(),
        })
    }
}
