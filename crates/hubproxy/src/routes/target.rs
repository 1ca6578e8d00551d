//! Where a route leads: a target's URL, parsed once.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;

use url::{Host, Url};

use super::path::decode;

/// Why a target's text is no target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error(
        "the target is not a URL ({0}): write `http://host:port`, `https://host:port` or `http+unix://%2Fpath`"
    )]
    Url(String),
    #[error("targets of scheme `{0}` are not supported: use http, https, http+unix or unix+http")]
    Scheme(String),
    #[error("the target names no host")]
    Host,
    #[error(
        "the target's socket path is not absolute, percent-encoded UTF-8: write `http+unix://%2Fpath%2Fto.sock`"
    )]
    Socket,
}

/// What is dialled.
#[derive(Clone, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// A literal address.
    Address(SocketAddr),
    /// A name that is looked up at each connection.
    Name(Box<str>, u16),
    /// A Unix socket.
    Unix(Box<Path>),
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address}"),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A parsed target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What is dialled.
    pub endpoint: Endpoint,
    /// Whether TLS is spoken there.
    pub tls: bool,
    /// The `Host` under `--change-origin`: the URL's host, with its port where it is not the scheme's own.
    pub authority: Box<str>,
    /// The target's own path without a trailing slash, percent-encoded as it was written; empty for `/`.
    pub path: Box<str>,
}

impl Target {
    /// Parses a target's URL as `configurable-http-proxy` takes it.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        for prefix in ["http+unix://", "unix+http://"] {
            if let Some(rest) = text.strip_prefix(prefix) {
                return Self::unix(rest);
            }
        }
        let url = Url::parse(text).map_err(|error| TargetError::Url(error.to_string()))?;
        let tls = match url.scheme() {
            "http" => false,
            "https" => true,
            other => return Err(TargetError::Scheme(other.to_owned())),
        };
        let port = url.port_or_known_default().ok_or(TargetError::Host)?;
        let host = url.host().ok_or(TargetError::Host)?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_string(),
        };
        let endpoint = match host {
            Host::Ipv4(address) => Endpoint::Address((IpAddr::V4(address), port).into()),
            Host::Ipv6(address) => Endpoint::Address((IpAddr::V6(address), port).into()),
            Host::Domain(name) => Endpoint::Name(name.into(), port),
        };
        Ok(Self {
            endpoint,
            tls,
            authority: authority.into(),
            path: url.path().trim_end_matches('/').into(),
        })
    }

    fn unix(rest: &str) -> Result<Self, TargetError> {
        let (socket, path) = match rest.find('/') {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let socket = decode(socket).map_err(|_| TargetError::Socket)?;
        if !socket.starts_with('/') || socket.contains('\0') {
            return Err(TargetError::Socket);
        }
        if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TargetError::Url(
                "the path holds a character that must be percent-encoded".to_owned(),
            ));
        }
        Ok(Self {
            endpoint: Endpoint::Unix(Path::new(&*socket).into()),
            tls: false,
            authority: "localhost".into(),
            path: path.trim_end_matches('/').into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_scheme_is_parsed() {
        for (text, endpoint, tls, authority, path) in [
            (
                "http://127.0.0.1:8081",
                "127.0.0.1:8081",
                false,
                "127.0.0.1:8081",
                "",
            ),
            ("http://127.0.0.1", "127.0.0.1:80", false, "127.0.0.1", ""),
            (
                "https://hub.example/",
                "hub.example:443",
                true,
                "hub.example",
                "",
            ),
            (
                "https://hub.example:8443/base/",
                "hub.example:8443",
                true,
                "hub.example:8443",
                "/base",
            ),
            (
                "http://[::1]:5/x%20y?q=1",
                "[::1]:5",
                false,
                "[::1]:5",
                "/x%20y",
            ),
            (
                "http+unix://%2Frun%2Fa.sock",
                "unix:/run/a.sock",
                false,
                "localhost",
                "",
            ),
            (
                "unix+http://%2Frun%2Fa%20b.sock/base/",
                "unix:/run/a b.sock",
                false,
                "localhost",
                "/base",
            ),
        ] {
            let target = Target::parse(text).unwrap();
            assert_eq!(format!("{:?}", target.endpoint), endpoint, "{text}");
            assert_eq!(
                (target.tls, &*target.authority, &*target.path),
                (tls, authority, path),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_target_says_why() {
        assert!(matches!(
            Target::parse("not a url"),
            Err(TargetError::Url(_))
        ));
        assert!(matches!(Target::parse(""), Err(TargetError::Url(_))));
        assert_eq!(
            Target::parse("ftp://x/"),
            Err(TargetError::Scheme("ftp".to_owned()))
        );
        for text in [
            "http+unix://relative.sock",
            "http+unix://",
            "http+unix:///run/a.sock",
            "unix+http://%2Fa%00b",
        ] {
            assert_eq!(Target::parse(text), Err(TargetError::Socket), "{text}");
        }
        assert!(matches!(
            Target::parse("http+unix://%2Fa/b c"),
            Err(TargetError::Url(_))
        ));
    }
}
