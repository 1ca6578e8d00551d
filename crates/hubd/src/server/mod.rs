//! Single-user servers: their states, their way from requested to ready, and back.
//!
//! A server that somebody asked for has a `Life`, kept in memory from the request to its end. `start` and `stop` are
//! the two ways through it, [`Servers::adopt`] the way back in after a restart of the hub; `watch` looks after those
//! that run. What must outlive the hub is written down in `register`.

pub mod activity;
pub mod address;
mod adopt;
pub mod cull;
pub mod environment;
pub mod failure;
pub mod http;
mod life;
pub mod options;
pub mod probe;
pub mod progress;
pub mod refusal;
mod register;
mod start;
pub mod state;
mod stop;
#[cfg(test)]
mod tests;
pub mod visit;
mod watch;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::stream::BoxStream;
use hub_api::hub::{Hub as Config, Place};

use self::environment::HubAddress;
use self::failure::Failure;
use self::life::Life;
use self::progress::Progress;
use self::state::State;
use crate::metrics::ServerTimes;
use crate::notebooks::Notebooks;
use crate::proxy::{Owner, Proxy, Route};
use crate::spawner::{ServerKey, Spawner, Target};
use crate::store::Store;

pub use self::refusal::Refusal;
pub use self::start::Wish;

/// All single-user servers of this hub; clones are the same.
#[derive(Clone)]
pub struct Servers(Arc<Inner>);

struct Inner {
    config: Arc<Config>,
    address: HubAddress,
    store: Store,
    notebooks: Notebooks,
    spawner: Arc<dyn Spawner>,
    proxy: Proxy,
    /// Routes that are always there: the hub's own and those of services, by routespec.
    fixed: Vec<(String, Route)>,
    lives: Mutex<HashMap<ServerKey, Arc<Life>>>,
    times: ServerTimes,
    /// What of servers could not be taken out of the store yet.
    left: Mutex<Vec<Arc<register::Left>>>,
    /// Set to have the routes looked at soon.
    check_due: tokio::sync::Notify,
}

/// What is known of a server now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub state: State,
    /// How its last life ended, if not as its owner wished.
    pub failure: Option<Failure>,
    /// Whether that was while it was starting.
    pub failed_to_start: bool,
    /// The version it said it is of.
    pub version: Option<String>,
}

/// How far a start or a stop came in the time a request waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The server is ready, or gone.
    Done,
    /// It is on its way.
    Pending,
}

impl Servers {
    /// Makes the servers of a hub; [`Servers::run`] looks after them.
    pub fn new(config: Arc<Config>, store: Store, spawner: Arc<dyn Spawner>, proxy: Proxy) -> Self {
        let address = HubAddress {
            base: config.base_url.clone(),
            api_url: api_url(&config),
            public_url: public_url(&config),
        };
        let fixed = fixed_routes(&config);
        let notebooks = Notebooks::new(&config.notebooks);
        Self(Arc::new(Inner {
            config,
            address,
            store,
            notebooks,
            spawner,
            proxy,
            fixed,
            lives: Mutex::default(),
            times: ServerTimes::default(),
            left: Mutex::default(),
            check_due: tokio::sync::Notify::new(),
        }))
    }

    /// What is known of a server. One that nobody asked for since the hub started is stopped.
    pub fn view(&self, key: &ServerKey) -> View {
        match self.0.life(key) {
            Some(life) => {
                let phase = life.phase();
                View {
                    state: phase.state,
                    failure: phase.failure,
                    failed_to_start: life.failed_to_start(),
                    version: life.place().version,
                }
            }
            None => View {
                state: State::Stopped,
                failure: None,
                failed_to_start: false,
                version: None,
            },
        }
    }

    /// The state of a server, for listings.
    pub fn state(&self, key: &ServerKey) -> State {
        self.0.life(key).map_or(State::Stopped, |life| life.state())
    }

    /// Looks at many servers at one moment, for listings. No other server can change meanwhile: it is for a short look.
    pub fn look(&self) -> Look<'_> {
        Look {
            lives: self.0.lives(),
            key: ServerKey {
                user: String::new(),
                name: String::new(),
            },
        }
    }

    /// The path at which people reach a server.
    pub fn url(&self, key: &ServerKey) -> String {
        address::prefix(&self.0.address.base, key)
    }

    /// How many servers are in each state but stopped.
    pub fn counts(&self) -> HashMap<State, usize> {
        let mut counts = HashMap::new();
        for life in self.0.lives().values() {
            let state = life.state();
            if state.is_active() {
                *counts.entry(state).or_default() += 1;
            }
        }
        counts
    }

    /// The servers in a state.
    pub fn in_state(&self, state: State) -> Vec<ServerKey> {
        let lives = self.0.lives();
        lives
            .values()
            .filter(|life| life.state() == state)
            .map(|life| life.key.clone())
            .collect()
    }

    /// Follows a start. One that is over is told in one event; a server that is not starting has none.
    pub fn progress(&self, key: &ServerKey) -> Result<BoxStream<'static, Progress>, Refusal> {
        let life = self
            .0
            .life(key)
            .ok_or_else(|| Refusal::NotStarting(key.clone()))?;
        let follow = match life.state() {
            State::Spawning | State::Checking => progress::follow(life.log()),
            State::Ready => progress::only(Progress::ready(&self.url(key))),
            State::Stopped | State::Stopping if life.failed_to_start() => {
                let last = life.log().borrow().last().cloned();
                progress::only(last.unwrap_or_else(Progress::requested))
            }
            State::Stopped | State::Stopping => return Err(Refusal::NotStarting(key.clone())),
        };
        Ok(follow)
    }

    /// What was told of a start so far; nothing of a server that is not starting.
    pub fn events(&self, key: &ServerKey) -> Vec<Progress> {
        self.0
            .life(key)
            .map(|life| life.log().borrow().to_vec())
            .unwrap_or_default()
    }

    /// Whether any server of a user runs, or is on its way up or down.
    pub fn has_any_of(&self, user: &str) -> bool {
        self.0
            .lives()
            .iter()
            .any(|(key, life)| key.user == user && life.state().is_active())
    }

    /// Whether notebooks can be started, or are being installed.
    pub fn notebooks_are_ready(&self) -> bool {
        self.0.notebooks.are_ready()
    }

    /// How many processes of a ready server were killed for want of memory; the spawner is asked, and not waited for long.
    pub async fn memory_kills(&self, key: &ServerKey) -> u64 {
        if self.state(key) != State::Ready {
            return 0;
        }
        tokio::time::timeout(Duration::from_secs(1), self.0.spawner.memory_kills(key))
            .await
            .unwrap_or_default()
    }

    /// How long starts and stops took.
    pub fn times(&self) -> &ServerTimes {
        &self.0.times
    }

    /// The client of the proxy's API.
    pub fn proxy(&self) -> &Proxy {
        &self.0.proxy
    }

    /// Asks for a look at the proxy's routes soon: somebody came to the hub who should have come to a server.
    pub fn routes_look_wrong(&self) {
        self.0.check_due.notify_one();
    }
}

/// See [`Servers::look`].
pub struct Look<'a> {
    lives: MutexGuard<'a, HashMap<ServerKey, Arc<Life>>>,
    /// Made once for all that is looked up.
    key: ServerKey,
}

impl Look<'_> {
    /// The state of a server.
    pub fn state(&mut self, user: &str, name: &str) -> State {
        self.key.user.clear();
        self.key.user.push_str(user);
        self.key.name.clear();
        self.key.name.push_str(name);
        self.lives
            .get(&self.key)
            .map_or(State::Stopped, |life| life.state())
    }
}

impl Inner {
    fn lives(&self) -> MutexGuard<'_, HashMap<ServerKey, Arc<Life>>> {
        self.lives.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn life(&self, key: &ServerKey) -> Option<Arc<Life>> {
        self.lives().get(key).cloned()
    }

    /// How long a request waits before it answers that things are on their way.
    fn slow(&self) -> Duration {
        Duration::from_secs(self.config.spawn.slow_spawn_timeout)
    }

    fn service_route(&self, name: &str, url: &str) -> Option<(String, Route)> {
        service_route(&self.address.base, name, url)
    }

    fn server_route(&self, life: &Life) -> Option<(String, Route)> {
        let target = address::target_url(&life.target()?);
        let owner = Owner::Server {
            user: life.key.user.clone(),
            name: life.key.name.clone(),
        };
        let routespec = address::routespec(&self.address.base, &life.key);
        Some((routespec, Route { target, owner }))
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Servers")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

/// The public URL with the base at its end, or "".
fn public_url(config: &Config) -> String {
    match config.public_url.as_deref() {
        Some(url) if !url.is_empty() => {
            let origin = url.trim_end_matches('/');
            let origin = origin
                .strip_suffix(config.base_url.trim_end_matches('/'))
                .unwrap_or(origin);
            format!("{origin}{}", config.base_url)
        }
        _ => String::new(),
    }
}

/// Where single-user servers reach the API.
fn api_url(config: &Config) -> String {
    let internal = &config.listen.internal;
    let origin = match internal.url.as_deref().filter(|url| !url.is_empty()) {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("http://{}", internal.bind),
    };
    format!("{origin}{}hub/api", config.base_url)
}

/// Where the proxy reaches the hub.
fn hub_target(config: &Config) -> String {
    if let Some(target) = config
        .proxy
        .hub_target
        .as_deref()
        .filter(|target| !target.is_empty())
    {
        return target.trim_end_matches('/').to_owned();
    }
    address::target_url(&match &config.listen.public {
        Place::Tcp(address) => Target::Tcp(*address),
        Place::Unix(path) => Target::Unix(path.clone()),
    })
}

fn fixed_routes(config: &Config) -> Vec<(String, Route)> {
    let trimmed = |path: String| match path.trim_end_matches('/') {
        "" => "/".to_owned(),
        path => path.to_owned(),
    };
    let hub = Route {
        target: hub_target(config),
        owner: Owner::Hub,
    };
    let mut routes = vec![(trimmed(config.base_url.clone()), hub)];
    for service in &config.services {
        let url = service.url.as_deref().unwrap_or_default();
        routes.extend(service_route(&config.base_url, &service.name, url));
    }
    routes
}

/// The route of a service that listens somewhere.
fn service_route(base: &str, name: &str, url: &str) -> Option<(String, Route)> {
    let target = url.trim_end_matches('/').to_owned();
    let owner = Owner::Service(name.to_owned());
    let routespec = format!("{base}services/{}", crate::name::escape(name));
    (!target.is_empty()).then_some((routespec, Route { target, owner }))
}
