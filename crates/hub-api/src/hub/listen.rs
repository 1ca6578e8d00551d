//! Where the hub listens.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Where the hub listens. Sockets that systemd passes by the names `public` and `internal` are taken instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Listen {
    /// Where the proxy sends visitors: `/run/hubd/public.sock` or `127.0.0.1:8080`. Only what comes in here has its
    /// `X-Forwarded-*` headers believed.
    pub public: Place,
    /// Where single-user servers and services on this machine call the API.
    pub internal: Internal,
    /// Connections at once at each of the two; more wait until others end. Whoever holds one and says nothing is cut off.
    pub connections: usize,
}

impl Default for Listen {
    fn default() -> Self {
        Self {
            public: Place::Unix(PathBuf::from("/run/hubd/public.sock")),
            internal: Internal::default(),
            connections: 8192,
        }
    }
}

/// Where single-user servers call the API. A port under 1024, so that no user of the machine can be there first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Internal {
    /// The address listened on.
    pub bind: SocketAddr,
    /// How servers reach it, without path; empty: `http://` and `bind`. Containers need another one.
    pub url: Option<String>,
}

impl Default for Internal {
    fn default() -> Self {
        Self {
            bind: SocketAddr::from(([127, 0, 0, 1], 881)),
            url: None,
        }
    }
}

/// A Unix socket (an absolute path, `unix:` before it if you like) or an address and port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    Unix(PathBuf),
    Tcp(SocketAddr),
}

/// A text that names no place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is neither an absolute path of a Unix socket nor an address with a port such as 127.0.0.1:8080"
)]
pub struct PlaceError(String);

impl FromStr for Place {
    type Err = PlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = text.strip_prefix("unix:").unwrap_or(text);
        if path.starts_with('/') {
            return Ok(Self::Unix(PathBuf::from(path)));
        }
        text.parse()
            .map(Self::Tcp)
            .map_err(|_| PlaceError(text.to_owned()))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => write!(f, "{address}"),
        }
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Place {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_path_or_an_address() {
        assert_eq!("/run/a.sock".parse(), Ok(Place::Unix("/run/a.sock".into())));
        assert_eq!(
            "unix:/run/a.sock".parse(),
            Ok(Place::Unix("/run/a.sock".into()))
        );
        assert_eq!(
            "[::1]:80".parse(),
            Ok(Place::Tcp("[::1]:80".parse().unwrap()))
        );
        assert!("run/a.sock".parse::<Place>().is_err());
        assert!("localhost:80".parse::<Place>().is_err());
    }
}
