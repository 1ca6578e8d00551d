//! The client of the proxy's routes API: CHP's, which hubproxy speaks too.

mod check;
mod configuration;
mod route;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub use self::check::{Change, changes};
pub use self::configuration::{AddressError, from_configuration};
pub use self::route::{Owner, Present, Route};

use crate::dial::Connector;
use crate::spawner::Target;

/// How long a request is repeated while the proxy refuses connections or answers 5xx.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(10);
/// Requests at once.
const AT_ONCE: usize = 10;
/// CHP closes a connection that was idle for 5 s; this side lets go first.
const IDLE: Duration = Duration::from_secs(4);
/// The largest table that is read, in bytes.
const TABLE_LIMIT: usize = 64 << 20;

/// The routes API of one proxy.
pub struct Proxy {
    client: Client<Connector, Full<Bytes>>,
    authority: String,
    token: String,
    permits: Semaphore,
    patience: Duration,
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy")
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

/// Why the proxy did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ProxyError {
    #[error(
        "{doing}: the proxy did not do it within {} s: {cause}; see that the proxy runs and that its API is where \
         the hub's configuration says",
        waited.as_secs()
    )]
    Unreachable {
        doing: String,
        waited: Duration,
        cause: String,
    },
    #[error(
        "{doing}: the proxy answered 403: the hub's proxy token is not the one the proxy was started with"
    )]
    Token { doing: String },
    #[error("{doing}: the proxy answered {status}: {body}")]
    Refused {
        doing: String,
        status: StatusCode,
        body: String,
    },
    #[error("reading the proxy's routes: {cause}")]
    Garbled { cause: String },
}

impl Proxy {
    /// A client of the API at `api`. `token` is what the proxy knows as `CONFIGPROXY_AUTH_TOKEN`.
    pub fn new(api: &Target, token: String) -> Self {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(Connector::new(api.clone()));
        Self {
            client,
            authority: match api {
                Target::Tcp(address) => address.to_string(),
                Target::Unix(_) => "localhost".to_owned(),
            },
            token,
            permits: Semaphore::new(AT_ONCE),
            patience: PATIENCE,
        }
    }

    /// The same client with another patience.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The whole table as the proxy tells it, by path.
    pub async fn table(&self) -> Result<BTreeMap<String, serde_json::Value>, ProxyError> {
        let (_, body) = self
            .send("reading the proxy's routes", Method::GET, "", None)
            .await?;
        serde_json::from_slice(&body).map_err(|cause| ProxyError::Garbled {
            cause: cause.to_string(),
        })
    }

    /// The whole table, by routespec.
    pub async fn routes(&self) -> Result<BTreeMap<String, Present>, ProxyError> {
        let (_, body) = self
            .send("reading the proxy's routes", Method::GET, "", None)
            .await?;
        serde_json::from_slice(&body).map_err(|cause| ProxyError::Garbled {
            cause: cause.to_string(),
        })
    }

    /// Adds a route, or replaces the one of that path.
    pub async fn add(&self, routespec: &str, route: &Route) -> Result<(), ProxyError> {
        let doing = format!("adding the route {routespec}");
        let body = Bytes::from(route.to_json().to_string());
        self.send(&doing, Method::POST, routespec, Some(body))
            .await
            .map(drop)
    }

    /// Deletes a route; that there is none is as good.
    pub async fn delete(&self, routespec: &str) -> Result<(), ProxyError> {
        let doing = format!("deleting the route {routespec}");
        match self.send(&doing, Method::DELETE, routespec, None).await {
            Err(ProxyError::Refused {
                status: StatusCode::NOT_FOUND,
                ..
            }) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Carries out one change of a check.
    pub async fn apply(&self, change: &Change) -> Result<(), ProxyError> {
        match change {
            Change::Add(routespec, route) => self.add(routespec, route).await,
            Change::Delete(routespec) => self.delete(routespec).await,
        }
    }

    async fn send(
        &self,
        doing: &str,
        method: Method,
        routespec: &str,
        body: Option<Bytes>,
    ) -> Result<(StatusCode, Bytes), ProxyError> {
        let uri = format!(
            "http://{}/api/routes{}",
            self.authority,
            route::path(routespec)
        );
        let deadline = Instant::now() + self.patience;
        let mut pause = Duration::from_millis(100);
        loop {
            let cause = match self.attempt(&method, &uri, body.clone()).await {
                Ok((status, body)) if status.is_success() => return Ok((status, body)),
                Ok((StatusCode::FORBIDDEN, _)) => {
                    return Err(ProxyError::Token {
                        doing: doing.to_owned(),
                    });
                }
                Ok((status, body)) if !status.is_server_error() => {
                    return Err(ProxyError::Refused {
                        doing: doing.to_owned(),
                        status,
                        body: excerpt(&body),
                    });
                }
                Ok((status, body)) => format!("it answered {status}: {}", excerpt(&body)),
                Err(cause) => cause,
            };
            if Instant::now() + pause >= deadline {
                return Err(ProxyError::Unreachable {
                    doing: doing.to_owned(),
                    waited: self.patience,
                    cause,
                });
            }
            tracing::warn!(%cause, "{doing}: trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }

    async fn attempt(
        &self,
        method: &Method,
        uri: &str,
        body: Option<Bytes>,
    ) -> Result<(StatusCode, Bytes), String> {
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|closed| closed.to_string())?;
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(header::AUTHORIZATION, format!("token {}", self.token))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body.unwrap_or_default()))
            .map_err(|error| error.to_string())?;
        let exchange = async {
            let response = self.client.request(request).await.map_err(with_causes)?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, TABLE_LIMIT)
                .collect()
                .await
                .map_err(|error| error.to_string())?;
            Ok((head.status, body.to_bytes()))
        };
        tokio::time::timeout(ATTEMPT, exchange)
            .await
            .unwrap_or_else(|_| Err(format!("no answer within {} s", ATTEMPT.as_secs())))
    }
}

/// An error and what it came from: hyper-util keeps "connection refused" in the source.
fn with_causes(error: hyper_util::client::legacy::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(&error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}

fn excerpt(body: &[u8]) -> String {
    String::from_utf8_lossy(body).chars().take(200).collect()
}
