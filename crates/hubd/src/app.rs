//! Joins the parts: the state that requests share, and the life of the program.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
use crate::service::{self, OtherUser, Services};
use crate::session::Sessions;
use crate::session::key::Key;
use crate::spawner::{SpawnError, Spawner};
use crate::store::people::{self, PeopleError};
use crate::store::{Store, StoreError, secret};
use crate::{api, housekeeping, page};

/// What every request can reach.
pub struct Hub {
    pub config: Arc<Config>,
    pub store: Store,
    pub clock: Clock,
    pub metrics: Metrics,
    pub pages: Pages,
    pub servers: Servers,
    pub sessions: Sessions,
    pub authenticators: Authenticators,
    pub services: Services,
    /// Tokens of services of the configuration, for those that the hub runs.
    service_tokens: BTreeMap<String, String>,
    /// Whether what the configuration says of people is not in the store yet: the disk was full.
    people_due: AtomicBool,
    /// Where servers and services find the API.
    pub api_url: String,
    /// Turned to true when the hub is to end.
    pub ending: watch::Sender<bool>,
    /// Whether every server is to be stopped before the end.
    pub stop_servers: AtomicBool,
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
    Service(#[from] OtherUser),
    #[error(transparent)]
    Spawner(#[from] SpawnError),
    #[error(transparent)]
    Proxy(#[from] AddressError),
    #[error("reading {what} from {}: {cause}", path.display())]
    Secret {
        what: String,
        path: PathBuf,
        cause: std::io::Error,
    },
}

/// What the hub is given beside its configuration.
pub struct Surroundings {
    pub clock: Clock,
    pub spawner: Arc<dyn Spawner>,
}

impl Hub {
    /// Opens the store, brings what the configuration says of people into it, and makes the parts.
    pub async fn new(config: Config, around: Surroundings) -> Result<Self, StartError> {
        let Surroundings { clock, spawner } = around;
        let catalog = Catalog::new(config.custom_scopes.clone())?;
        let store = Store::open(&config.database, catalog, clock.clone())?;
        let config = Arc::new(config);
        let tokens = service_tokens(&config)?;
        service::check_users(&config)?;
        let (key, people_due) = match bring_in(&store, &config, &tokens).await {
            Ok(key) => (key, false),
            // What it knows is enough to serve those who are at work. Who comes is told what is wrong.
            Err(error) if error.is_full() => {
                let key = store
                    .read(|connection| secret::find(connection, SESSION_KEY))
                    .await?;
                let key = key.ok_or(error)?;
                tracing::error!(
                    "the disk is full: the hub goes on with what it had written, and takes the configuration's roles, groups, \
                     services and admins in when there is room"
                );
                (key, true)
            }
            Err(error) => return Err(error.into()),
        };
        let key = Key::from_bytes(key);
        let base = &config.base_url;
        let sessions = Sessions::new(
            base,
            config.public_url.as_deref(),
            config.auth.session_days,
            &key,
        );
        let authenticators =
            Authenticators::new(&config.auth, &key)?.through(config.spawn.systemd.helper.clone());
        let pages = Pages::new(&config)?;
        let proxy = proxy::from_configuration(&config.proxy)?;
        let api_url = format!("{}{base}hub/api", internal_url(&config));
        let servers = Servers::new(config.clone(), store.clone(), spawner, proxy);
        Ok(Self {
            config,
            store,
            clock,
            metrics: Metrics::new(servers.times()),
            pages,
            servers,
            sessions,
            authenticators,
            services: Services::default(),
            service_tokens: tokens,
            people_due: people_due.into(),
            api_url,
            ending: watch::channel(false).0,
            stop_servers: false.into(),
        })
    }

    /// The path of the hub's own pages and API, without a slash at the end: `/hub`.
    pub fn prefix(&self) -> String {
        format!("{}hub", self.config.base_url)
    }

    /// Brings what the configuration says of people into the store, if that could not be done at the start.
    pub async fn bring_people_in(&self) -> Result<(), PeopleError> {
        if !self.people_due.load(Ordering::SeqCst) {
            return Ok(());
        }
        bring_in(&self.store, &self.config, &self.service_tokens).await?;
        self.people_due.store(false, Ordering::SeqCst);
        tracing::info!("there is room on the disk again: the configuration's people are taken in");
        Ok(())
    }

    /// Has the hub end after the requests that run.
    pub fn end(&self) {
        self.ending.send_replace(true);
    }
}

/// The name of the secret that the keys of sessions are made from.
const SESSION_KEY: &str = "session";

/// Brings what the configuration says of people into the store. The secret that the keys of sessions are made from.
async fn bring_in(
    store: &Store,
    config: &Arc<Config>,
    tokens: &BTreeMap<String, String>,
) -> Result<[u8; 32], PeopleError> {
    let (config, tokens, known) = (config.clone(), tokens.clone(), store.clone());
    store
        .write(move |connection| {
            let now = known.clock().now();
            people::load(connection, &config, known.catalog(), &tokens, now)?;
            Ok(secret::ensure(connection, SESSION_KEY)?)
        })
        .await
}

/// Everything the hub answers.
pub fn router(hub: &Arc<Hub>) -> Router {
    api::router(hub)
        .merge(page::router(hub))
        .with_state(hub.clone())
}

/// Takes running servers in again, then answers requests until a signal or the API ends it.
pub async fn serve(hub: Arc<Hub>, listeners: Listeners) -> Result<(), StoreError> {
    let adopted = hub.servers.adopt().await?;
    if adopted > 0 {
        tracing::info!(adopted, "servers that ran before are looked for");
    }
    let servers = hub.servers.clone();
    let watching = tokio::spawn(async move { servers.run().await });
    let keeping = tokio::spawn(housekeeping::run(hub.clone()));
    let running = tokio::spawn({
        let hub = hub.clone();
        async move {
            hub.services
                .run(&hub.config, &hub.api_url, &hub.service_tokens)
                .await
        }
    });
    let mut ending = hub.ending.subscribe();
    let ended = async move {
        // The sender is in the hub, which outlives this.
        let _sender_lives = ending.wait_for(|ending| *ending).await;
    };
    let limits = listen::Limits::of(&hub.config.listen);
    listen::serve(listeners, router(&hub), limits, ended).await;
    watching.abort();
    service::end(&hub.services).await;
    running.abort();
    if hub.stop_servers.load(Ordering::SeqCst) {
        hub.servers.stop_all().await;
    }
    keeping.abort();
    hub.store.flush_activity().await
}

/// Where servers and services find the hub, without a path.
fn internal_url(config: &Config) -> String {
    match &config.listen.internal.url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("http://{}", config.listen.internal.bind),
    }
}

/// The tokens of services: from their files, or new for those that the hub runs.
fn service_tokens(config: &Config) -> Result<BTreeMap<String, String>, StartError> {
    let mut tokens = BTreeMap::new();
    for service in &config.services {
        if let Some(path) = &service.api_token_file {
            let token = read_secret(
                &format!("the token of the service {:?}", service.name),
                path,
            )?;
            tokens.insert(service.name.clone(), token);
        } else if !service.command.is_empty() {
            tokens.insert(service.name.clone(), secret::new_token());
        }
    }
    Ok(tokens)
}

fn read_secret(what: &str, path: &Path) -> Result<String, StartError> {
    let text = std::fs::read_to_string(path).map_err(|cause| StartError::Secret {
        what: what.to_owned(),
        path: path.to_owned(),
        cause,
    })?;
    Ok(text.trim().to_owned())
}
