//! Where a listener listens: an IP address and port, or a Unix socket.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An address to listen on. Written `0.0.0.0:443`, `[::]:443` or `unix:/run/hubproxy/api.sock`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Listen {
    /// An IP address and a port; port 0 means any free port.
    Tcp(SocketAddr),
    /// A Unix socket, by its absolute path.
    Unix(PathBuf),
}

/// What is wrong with an address to listen on.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ListenError {
    /// `unix:` is followed by a path that is not absolute.
    #[error("\"{0}\" is not an absolute path: write unix:/run/…")]
    Relative(String),
    /// Neither an IP address with a port nor `unix:`.
    #[error("\"{0}\" is not an address to listen on: write IP:PORT, [IPv6]:PORT or unix:/PATH")]
    Neither(String),
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, ListenError> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') {
                Ok(Self::Unix(PathBuf::from(path)))
            } else {
                Err(ListenError::Relative(path.to_owned()))
            };
        }
        text.parse()
            .map(Self::Tcp)
            .map_err(|_| ListenError::Neither(text.to_owned()))
    }
}

impl TryFrom<String> for Listen {
    type Error = ListenError;

    fn try_from(text: String) -> Result<Self, ListenError> {
        text.parse()
    }
}

impl From<Listen> for String {
    fn from(listen: Listen) -> Self {
        listen.to_string()
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_reads_back_as_it_was_written() {
        for text in [
            "0.0.0.0:80",
            "[::]:443",
            "127.0.0.1:0",
            "unix:/run/hubproxy/api.sock",
        ] {
            assert_eq!(text.parse::<Listen>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_named() {
        for text in ["80", "localhost:80", "unix:api.sock", "::1:80x", ""] {
            let problem = text.parse::<Listen>().unwrap_err().to_string();
            assert!(problem.contains("write "), "{text}: {problem}");
        }
    }
}
