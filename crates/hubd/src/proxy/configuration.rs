//! The proxy as the configuration names it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::Proxy;
use crate::spawner::Target;

/// Why there is no way to the proxy.
#[derive(Debug, thiserror::Error)]
pub enum AddressError {
    #[error(
        "proxy.api: {0:?} is neither http://ADDRESS:PORT nor unix:/PATH; the proxy's API is not spoken to over a network"
    )]
    Api(String),
    #[error("proxy.token_file: reading {}: {cause}", path.display())]
    Token {
        path: PathBuf,
        cause: std::io::Error,
    },
}

/// Makes the client. Without a token file the token is taken from `CONFIGPROXY_AUTH_TOKEN`, as in JupyterHub.
pub fn from_configuration(proxy: &hub_api::hub::Proxy) -> Result<Proxy, AddressError> {
    let target = target(&proxy.api).ok_or_else(|| AddressError::Api(proxy.api.clone()))?;
    let token = match &proxy.token_file {
        Some(path) => std::fs::read_to_string(path).map_err(|cause| AddressError::Token {
            path: path.clone(),
            cause,
        })?,
        None => std::env::var("CONFIGPROXY_AUTH_TOKEN").unwrap_or_default(),
    };
    Ok(Proxy::new(&target, token.trim().to_owned()))
}

fn target(api: &str) -> Option<Target> {
    if let Some(path) = api
        .strip_prefix("unix:")
        .or(Some(api))
        .filter(|path| path.starts_with('/'))
    {
        return Some(Target::Unix(PathBuf::from(path)));
    }
    let authority = api.strip_prefix("http://")?.trim_end_matches('/');
    if let Some(port) = authority.strip_prefix("localhost:") {
        let port = port.parse().ok()?;
        return Some(Target::Tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, port))));
    }
    Some(Target::Tcp(authority.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let tcp = Target::Tcp(([127, 0, 0, 1], 8001).into());
        let unix = Target::Unix(PathBuf::from("/run/hubproxy/api.sock"));
        for (api, expected) in [
            ("http://127.0.0.1:8001", Some(&tcp)),
            ("http://localhost:8001/", Some(&tcp)),
            ("unix:/run/hubproxy/api.sock", Some(&unix)),
            ("/run/hubproxy/api.sock", Some(&unix)),
            ("https://127.0.0.1:8001", None),
            ("http://proxy:8001", None),
            ("unix:run/x.sock", None),
        ] {
            assert_eq!(target(api).as_ref(), expected, "{api}");
        }
    }
}
