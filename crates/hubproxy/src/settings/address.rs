//! An address to listen on, before names are looked up.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use hub_api::proxy::Listen;

/// Where something listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A host name, an IP address, or "" for all addresses.
    Host {
        /// The name or address.
        host: String,
        /// The port; 0: any free one.
        port: u16,
    },
    /// An IP address and port.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix {
        /// Its path.
        path: PathBuf,
        /// Its mode; none: what the umask makes it.
        mode: Option<u32>,
    },
}

impl Address {
    /// The IP addresses that are meant, in the order in which they are tried; empty for a Unix socket. Blocks while a
    /// name is looked up.
    pub fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Unix { .. } => Ok(Vec::new()),
            Self::Tcp(address) => Ok(vec![*address]),
            Self::Host { host, port } if host.is_empty() => Ok(vec![
                SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), *port),
                SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), *port),
            ]),
            Self::Host { host, port } => Ok((host.as_str(), *port).to_socket_addrs()?.collect()),
        }
    }

    /// The port, if there is one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Host { port, .. } => Some(*port),
            Self::Tcp(address) => Some(address.port()),
            Self::Unix { .. } => None,
        }
    }
}

impl From<Listen> for Address {
    fn from(listen: Listen) -> Self {
        match listen {
            Listen::Tcp(address) => Self::Tcp(address),
            Listen::Unix(path) => Self::Unix { path, mode: None },
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host { host, port } if host.is_empty() => write!(f, "*:{port}"),
            Self::Host { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Host { host, port } => write!(f, "{host}:{port}"),
            Self::Tcp(address) => address.fmt(f),
            Self::Unix { path, .. } => write!(f, "unix:{}", path.display()),
        }
    }
}
