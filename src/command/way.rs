//! The way to the hub of a check: straight to its address, or, where its server alone reaches it, over SSH.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::Context as _;
use tokio::task::JoinHandle;
use url::Url;

use crate::event::Silent;
use crate::health::{Endpoint, Trust};
use crate::host::{Destination, Host};

/// How long a further session to a server that is up may take.
const SESSION: Duration = Duration::from_secs(30);

/// A way to the hub, for as long as this is kept.
pub(super) struct Way {
    endpoint: Endpoint,
    _tunnel: Option<Tunnel>,
}

/// Ends when it is dropped.
struct Tunnel(JoinHandle<()>);

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Way {
    /// To a hub that is open to its users.
    pub(super) fn straight(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            _tunnel: None,
        }
    }

    /// To a hub on the server's loopback device (`http://127.0.0.1/`), over a session of its own.
    pub(super) async fn over(host: &Host, url: &str) -> anyhow::Result<Self> {
        let (to, path) = destination(Some(url));
        let listener = TcpListener::bind(("127.0.0.1", 0))
            .context("listening on a port of this machine, for the way to the hub")?;
        let port = listener.local_addr().context("asking for the port")?.port();
        // Nobody vouches for anything: who is at the other end is SSH's to prove.
        let endpoint = Endpoint::new(
            &format!("http://127.0.0.1:{port}{path}"),
            None,
            &Trust::Anyone,
        )?;
        let session = host.again(SESSION, &Silent).await?;
        let tunnel = tokio::spawn(async move {
            // What ends it is seen by who is on the way.
            let _ = session.tunnel(listener, to, |_| {}).await;
        });
        Ok(Self {
            endpoint,
            _tunnel: Some(Tunnel(tunnel)),
        })
    }

    /// The same, where one person's notebook server is and no hub.
    pub(super) fn with_notebook(self, notebook: bool) -> Self {
        Self {
            endpoint: if notebook {
                self.endpoint.of_notebook()
            } else {
                self.endpoint
            },
            ..self
        }
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

/// Where the hub is on the server's loopback device, and where its pages begin: as the last provision left it.
pub(super) fn destination(url: Option<&str>) -> (Destination, String) {
    let url = url.and_then(|url| Url::parse(url).ok());
    let port = url.as_ref().and_then(Url::port_or_known_default);
    let destination = Destination {
        host: "127.0.0.1".to_owned(),
        port: port.unwrap_or(443),
    };
    (
        destination,
        url.map_or_else(|| "/".to_owned(), |url| url.path().to_owned()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tunnel_leads_to_where_the_hub_is() {
        for (url, port, path) in [
            (None, 443, "/"),
            (Some("https://192.0.2.7/"), 443, "/"),
            (Some("https://192.0.2.7:8888/jupyter/"), 8888, "/jupyter/"),
            (Some("http://127.0.0.1/"), 80, "/"),
            (Some("http://127.0.0.1:8888/jupyter/"), 8888, "/jupyter/"),
        ] {
            let (place, found) = destination(url);
            assert_eq!((place.port, found.as_str()), (port, path), "{url:?}");
            assert_eq!(place.host, "127.0.0.1");
        }
    }
}
