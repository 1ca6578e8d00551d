//! Joins the parts: the state that requests share, and the life of the program.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hub_api::hub::Hub as Config;
use tokio::sync::watch;

use crate::auth::{AuthError, Authenticators};
use crate::clock::Clock;
use crate::listen::{self, ListenError, Listeners};
use crate::metrics::Metrics;
use crate::page::{Pages, PagesError};
use crate::proxy::{self, AddressError};
use crate::scope::{Catalog, ScopeError};
use crate::server::Servers;
use crate::session::Sessions;
use crate::session::key::Key;
use crate::spawner::{self, SpawnError};
use crate::store::people::{self, PeopleError};
use crate::store::{Store, StoreError, secret};
use crate::{api, housekeeping, page};

/// What every request can reach.
pub struct Hub {
    pub config: Arc<Config>,
    pub store: Store,
    pub clock: Clock,
    pub metrics: Metrics,
    pub sessions: Sessions,
    pub authenticators: Authenticators,
    pub pages: Pages,
    pub servers: Servers,
    /// Turned to true when the hub is to end.
    pub ending: watch::Sender<bool>,
}

/// Why the hub does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Scope(#[from] ScopeError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    People(#[from] PeopleError),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Auth(#[from] AuthError),
    #[error(transparent)]
    Pages(#[from] PagesError),
    #[error(transparent)]
    Proxy(#[from] AddressError),
    #[error(transparent)]
    Spawner(#[from] SpawnError),
    #[error("reading the token of the service {service:?} from {}: {cause}", path.display())]
    ServiceToken {
        service: String,
        path: PathBuf,
        cause: std::io::Error,
    },
}

impl Hub {
    /// Opens the store and brings what the configuration says of people into it.
    pub async fn new(config: Config, clock: Clock) -> Result<Self, StartError> {
        let catalog = Catalog::new(config.custom_scopes.clone())?;
        let store = Store::open(&config.database, catalog, clock.clone())?;
        let config = Arc::new(config);
        let tokens = service_tokens(&config)?;
        let (given, known, now) = (config.clone(), store.clone(), clock.now());
        let key = store
            .write(move |connection| {
                people::load(connection, &given, known.catalog(), &tokens, now)?;
                Ok::<_, PeopleError>(secret::ensure(connection, "session")?)
            })
            .await?;
        let key = Key::from_bytes(key);
        let sessions = Sessions::new(
            &config.base_url,
            config.public_url.as_deref(),
            config.auth.session_days,
            &key,
        );
        let authenticators = Authenticators::new(&config.auth, &key)?;
        let pages = Pages::new(&config)?;
        let servers = Servers::new(
            config.clone(),
            store.clone(),
            spawner::from_configuration(&config.spawn)?,
            proxy::from_configuration(&config.proxy)?,
        );
        Ok(Self {
            config,
            store,
            clock,
            metrics: Metrics::new(),
            sessions,
            authenticators,
            pages,
            servers,
            ending: watch::channel(false).0,
        })
    }

    /// The path of the hub's own pages and API, without a slash at the end: `/hub`.
    pub fn prefix(&self) -> String {
        format!("{}hub", self.config.base_url)
    }

    /// Has the hub end after the requests that run.
    pub fn end(&self) {
        self.ending.send_replace(true);
    }
}

/// Everything the hub answers.
pub fn router(hub: &Arc<Hub>) -> Router {
    api::router(hub)
        .merge(page::router(hub))
        .with_state(hub.clone())
}

/// Answers requests until a signal or the API ends it.
pub async fn serve(hub: Arc<Hub>, listeners: Listeners) {
    let keeping = tokio::spawn(housekeeping::run(hub.clone()));
    match hub.servers.adopt().await {
        Ok(0) => {}
        Ok(count) => tracing::info!(count, "servers ran when the hub last ended"),
        Err(error) => tracing::error!(%error, "reading which servers ran when the hub last ended"),
    }
    let servers = hub.servers.clone();
    let watching = tokio::spawn(async move { servers.run().await });
    let mut ending = hub.ending.subscribe();
    let ended = async move {
        // The sender is in the hub, which outlives this.
        let _sender_lives = ending.wait_for(|ending| *ending).await;
    };
    listen::serve(listeners, router(&hub), ended).await;
    keeping.abort();
    watching.abort();
    if let Err(error) = hub.store.flush_activity().await {
        tracing::error!(%error, "writing the last activity");
    }
}

/// How long systemd is told that the end may take beyond its own patience.
pub const END_WITHIN: Duration = Duration::from_secs(20);

/// The tokens of services that have one in a file.
fn service_tokens(config: &Config) -> Result<BTreeMap<String, String>, StartError> {
    let mut tokens = BTreeMap::new();
    for service in &config.services {
        if let Some(path) = &service.api_token_file {
            let text = std::fs::read_to_string(path).map_err(|cause| StartError::ServiceToken {
                service: service.name.clone(),
                path: path.clone(),
                cause,
            })?;
            tokens.insert(service.name.clone(), text.trim().to_owned());
        }
    }
    Ok(tokens)
}
