//! The way up: request, register, spawner, probe, route, ready.

use std::sync::Arc;
use std::time::Duration;

use hub_api::hub::Profile;
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout};

use super::environment::{Choices, environment};
use super::failure::Failure;
use super::life::Life;
use super::progress::Progress;
use super::register::{self, Owner};
use super::state::{Event, State};
use super::{Inner, Outcome, Refusal, Servers, address, options, probe};
use crate::name;
use crate::spawner::{Launch, ServerKey, Status};

/// How often a starting server is looked at, so that one that ended is not waited for.
const LOOK: Duration = Duration::from_millis(500);

/// What a request for a server says beside its name.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// The user's choices; `None`: as the last time.
    pub options: Option<Map<String, Value>>,
    /// The name it is shown by; `None`: as it was, or its own name.
    pub display_name: Option<String>,
}

impl Servers {
    /// Starts a server, and waits for it as long as a request may.
    pub async fn start(&self, key: &ServerKey, wish: Wish) -> Result<Outcome, Refusal> {
        let life = match self.begin(key, wish).await? {
            Begun::New(life) => life,
            Begun::Pending => return Ok(Outcome::Pending),
        };
        let Ok(phase) = timeout(self.0.slow(), life.past(State::Spawning)).await else {
            return Ok(Outcome::Pending);
        };
        match (phase.state, phase.failure) {
            (_, Some(failure)) => Err(Refusal::Failed(failure)),
            (State::Ready, None) => Ok(Outcome::Done),
            // Somebody stopped it meanwhile.
            (_, None) => Err(Refusal::Failed(Failure::Cancelled)),
        }
    }

    /// Sees that a start is possible, and sets it going.
    async fn begin(&self, key: &ServerKey, wish: Wish) -> Result<Begun, Refusal> {
        let inner = &self.0;
        if let Some(life) = inner.life(key) {
            match life.state() {
                State::Spawning => return Ok(Begun::Pending),
                State::Ready if self.look_at(&life).await => {
                    return Err(Refusal::Running(key.clone()));
                }
                // It had ended, unnoticed: what was left of it goes first.
                State::Ready => life.ended().await,
                _ => {}
            }
        }
        let owner = inner.find_owner(key).await?;
        inner.check_name(key, &owner, wish.display_name.as_deref())?;
        let chosen = wish
            .options
            .clone()
            .unwrap_or_else(|| owner.options.clone());
        let profile = options::chosen(&inner.config.spawn, &owner.groups, &chosen)
            .map_err(Refusal::Options)?;
        let plan = Plan {
            choices: options::choices(&inner.config.spawn, profile),
            profile: profile.cloned(),
            options: chosen,
        };
        let Begun::New(life) = inner.reserve(key)? else {
            return Ok(Begun::Pending);
        };
        let (inner, task) = (self.0.clone(), life.clone());
        // A task of its own: a browser that goes away does not leave half a server behind.
        tokio::spawn(async move { inner.raise(&task, &owner, wish, plan).await });
        Ok(Begun::New(life))
    }
}

/// What a start is to be, checked.
struct Plan {
    options: Map<String, Value>,
    profile: Option<Profile>,
    choices: Choices,
}

enum Begun {
    New(Arc<Life>),
    Pending,
}

impl Inner {
    async fn find_owner(&self, key: &ServerKey) -> Result<Owner, Refusal> {
        register::find_owner(&self.store, key)
            .await?
            .ok_or_else(|| Refusal::NoUser(key.user.clone()))
    }

    fn check_name(
        &self,
        key: &ServerKey,
        owner: &Owner,
        display_name: Option<&str>,
    ) -> Result<(), Refusal> {
        if key.name.is_empty() {
            return Ok(());
        }
        let named = &self.config.named_servers;
        if !named.allow {
            return Err(Refusal::NamedDisabled);
        }
        if owner.server_exists {
            return Ok(());
        }
        if named.limit > 0 && owner.named_servers >= u64::from(named.limit) {
            return Err(Refusal::NamedLimit {
                user: key.user.clone(),
                limit: named.limit,
            });
        }
        if !name::is_valid_server(&key.name) {
            return Err(Refusal::Name(key.name.clone()));
        }
        match display_name {
            Some(name) if !name::is_valid_display(name) => {
                Err(Refusal::DisplayName(name.to_owned()))
            }
            _ => Ok(()),
        }
    }

    /// Takes the place of a server in the table, if there is room and nobody was faster.
    fn reserve(&self, key: &ServerKey) -> Result<Begun, Refusal> {
        let spawn = &self.config.spawn;
        let mut lives = self.lives();
        match lives.get(key).map(|life| life.state()) {
            None | Some(State::Stopped) => {}
            Some(State::Spawning) => return Ok(Begun::Pending),
            Some(State::Ready) => return Err(Refusal::Running(key.clone())),
            Some(state @ (State::Stopping | State::Checking)) => {
                let key = key.clone();
                return Err(Refusal::Pending { key, state });
            }
        }
        let (mut starting, mut active) = (0, 0);
        for life in lives.values() {
            let state = life.state();
            starting += u32::from(state == State::Spawning);
            active += u32::from(state.is_active());
        }
        if spawn.concurrent_spawn_limit > 0 && starting >= spawn.concurrent_spawn_limit {
            // Spread, so that those who were sent away do not all come back at once.
            let retry_after = rand::random_range(3..=6) * 10;
            return Err(Refusal::TooManyStarts { retry_after });
        }
        if spawn.active_server_limit > 0 && active >= spawn.active_server_limit {
            return Err(Refusal::TooManyServers);
        }
        let life = Arc::new(Life::requested(key.clone()));
        lives.insert(key.clone(), life.clone());
        Ok(Begun::New(life))
    }

    async fn raise(&self, life: &Arc<Life>, owner: &Owner, wish: Wish, plan: Plan) {
        let since = Instant::now();
        let result = tokio::select! {
            biased;
            () = life.left() => Err(Failure::Cancelled),
            result = self.bring_up(life, owner, wish, plan) => result,
        };
        let log_name = super::refusal::log_name(&life.key);
        match result {
            Ok(()) if life.step(Event::Up, None) => {
                life.tell(Progress::ready(&address::prefix(
                    &self.address.base,
                    &life.key,
                )));
                self.times.started("success", since.elapsed());
                tracing::info!(server = log_name, after = ?since.elapsed(), "ready");
            }
            // The stop came in the very moment it got ready.
            Ok(()) => self.give_up(life, Failure::Cancelled).await,
            Err(failure) => {
                self.times.started("failure", since.elapsed());
                tracing::warn!(server = log_name, %failure, after = ?since.elapsed(), "start failed");
                self.give_up(life, failure).await;
            }
        }
    }

    /// Ends a start: what there is of the server goes, and then its followers are told.
    async fn give_up(&self, life: &Arc<Life>, failure: Failure) {
        self.clear_away(life).await;
        let cancelled = failure == Failure::Cancelled;
        life.tell(Progress::failed(&failure));
        let _was_starting = life.step(Event::Failed, Some(failure.clone()))
            || life.step(Event::Gone, (!cancelled).then_some(failure));
    }

    async fn bring_up(
        &self,
        life: &Arc<Life>,
        owner: &Owner,
        wish: Wish,
        plan: Plan,
    ) -> Result<(), Failure> {
        if !self.notebooks.are_ready() {
            life.tell(Progress::installing());
            self.notebooks.wait().await?;
        }
        let key = &life.key;
        let within = Duration::from_secs(self.config.spawn.start_timeout);
        let begun = register::begin(
            &self.store,
            &self.address.base,
            key,
            owner,
            wish,
            plan.options,
        )
        .await
        .map_err(broken("writing the start down"))?;
        let target = self.spawner.prepare(key).await.map_err(Failure::of_start)?;
        let environment = environment(&self.address, &plan.choices, key, &target, &begun.token);
        let launch = Launch {
            key: key.clone(),
            environment,
            profile: plan.profile,
            within,
        };
        life.tell(Progress::spawning());
        let started = timeout(within, self.spawner.start(&launch, &target))
            .await
            .map_err(|_| Failure::Late { within })?
            .map_err(Failure::of_start)?;
        life.started(&started);
        register::started(&self.store, &begun, &started)
            .await
            .map_err(broken("writing down where the server is"))?;
        life.tell(Progress::answering());
        self.wait_until_it_answers(life).await?;
        self.add_route(life).await
    }

    /// Probes until the server answers; a process that ended is not waited for.
    pub(super) async fn wait_until_it_answers(&self, life: &Life) -> Result<(), Failure> {
        let within = Duration::from_secs(self.config.spawn.http_timeout);
        let place = life.place();
        let Some(target) = place.target else {
            return Err(Failure::Broken {
                doing: "finding the server",
            });
        };
        let prefix = address::prefix(&self.address.base, &life.key);
        let deadline = Instant::now() + within;
        let mut looked = Instant::now();
        let mut last = String::new();
        for pause in probe::pauses() {
            match probe::ask(&target, &prefix).await {
                Ok(answer) => {
                    self.compare_versions(life, answer.version.as_deref());
                    life.answered(answer.version);
                    return Ok(());
                }
                Err(cause) => last = cause,
            }
            if looked.elapsed() >= LOOK {
                looked = Instant::now();
                if let Ok(Status::Ended(ending)) = self.spawner.poll(&life.key, &place.state).await
                {
                    return Err(Failure::Ended(ending));
                }
            }
            if Instant::now() + pause >= deadline {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        tracing::warn!(
            server = super::refusal::log_name(&life.key),
            cause = last,
            "the server does not answer"
        );
        Err(Failure::Silent { within })
    }

    fn compare_versions(&self, life: &Life, version: Option<&str>) {
        let ours = &self.config.version;
        let server = super::refusal::log_name(&life.key);
        match version {
            Some(theirs) if probe::differs_in_major(ours, theirs) => tracing::warn!(
                server,
                "its jupyterhub package is {theirs}, the hub speaks as {ours}: set `version` to that major"
            ),
            Some(_) => {}
            None => tracing::debug!(server, "it says no version"),
        }
    }

    pub(super) async fn add_route(&self, life: &Life) -> Result<(), Failure> {
        let Some((routespec, route)) = self.server_route(life) else {
            return Err(Failure::Broken {
                doing: "finding the server",
            });
        };
        self.proxy
            .add(&routespec, &route)
            .await
            .map_err(broken("telling the proxy of the server"))
    }
}

/// Logs what only the operator can use; the owner hears what was being done.
fn broken<E: std::fmt::Display>(doing: &'static str) -> impl FnOnce(E) -> Failure {
    move |error| {
        tracing::error!(%error, "{doing}");
        Failure::Broken { doing }
    }
}
