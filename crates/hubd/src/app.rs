//! Joins the parts: the state that requests share, and the life of the program.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hub_api::hub::Hub as Config;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::listen::{self, ListenError, Listeners};
use crate::metrics::Metrics;
use crate::scope::{Catalog, ScopeError};
use crate::store::people::{self, PeopleError};
use crate::store::{Store, StoreError};
use crate::{api, housekeeping};

/// What every request can reach.
pub struct Hub {
    pub config: Arc<Config>,
    pub store: Store,
    pub clock: Clock,
    pub metrics: Metrics,
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
        store
            .write(move |connection| {
                people::load(connection, &given, known.catalog(), &tokens, now)
            })
            .await?;
        Ok(Self {
            config,
            store,
            clock,
            metrics: Metrics::new(),
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
    api::router(hub).with_state(hub.clone())
}

/// Answers requests until a signal or the API ends it.
pub async fn serve(hub: Arc<Hub>, listeners: Listeners) {
    let keeping = tokio::spawn(housekeeping::run(hub.clone()));
    let mut ending = hub.ending.subscribe();
    let ended = async move {
        // The sender is in the hub, which outlives this.
        let _sender_lives = ending.wait_for(|ending| *ending).await;
    };
    listen::serve(listeners, router(&hub), ended).await;
    keeping.abort();
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
