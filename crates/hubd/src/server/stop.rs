//! The way down: route, process, token and OAuth client; the row last, if it is to go too.

use std::sync::{Arc, PoisonError};

use tokio::time::{Instant, timeout};

use super::failure::Failure;
use super::life::Life;
use super::refusal::log_name;
use super::state::{Event, State};
use super::{Inner, Outcome, Refusal, Servers, address, register};
use crate::spawner::{Ending, ServerKey, Status};

impl Servers {
    /// Stops a server, and waits for its end as long as a request may. One that does not run is as good as stopped.
    pub async fn stop(&self, key: &ServerKey) -> Result<Outcome, Refusal> {
        let Some(life) = self.0.life(key) else {
            return Ok(Outcome::Done);
        };
        self.0.lower(&life, None);
        Ok(match timeout(self.0.slow(), life.ended()).await {
            Ok(()) => Outcome::Done,
            Err(_) => Outcome::Pending,
        })
    }

    /// Stops a named server and forgets it.
    pub async fn remove(&self, key: &ServerKey) -> Result<Outcome, Refusal> {
        if key.name.is_empty() {
            return Err(Refusal::DefaultStays);
        }
        let servers = self.clone();
        let owned = key.clone();
        // Goes on when the request has gone.
        let removal = tokio::spawn(async move {
            let Held { guard, before } = loop {
                let running = match servers.0.hold(&owned) {
                    Ok(held) => break held,
                    Err(running) => running,
                };
                servers.0.lower(&running, None);
                running.ended().await;
            };
            let removed = register::remove(&servers.0.store, &owned).await;
            let mut lives = servers.0.lives();
            match (&removed, before) {
                (Err(_), Some(before)) => lives.insert(owned, before),
                _ => lives.remove(&owned),
            };
            drop(lives);
            guard.step(Event::Gone, None);
            removed
        });
        match timeout(self.0.slow(), removal).await {
            Ok(Ok(result)) => result.map(|()| Outcome::Done),
            Ok(Err(_)) => Err(Refusal::Failed(Failure::Broken {
                doing: "removing the server",
            })),
            Err(_) => Ok(Outcome::Pending),
        }
    }

    /// Stops every server of a user, and waits until all are gone: the user is about to be deleted.
    pub async fn stop_all_of(&self, user: &str) {
        let lives: Vec<Arc<Life>> = {
            let mut lives = self.0.lives();
            lives.retain(|key, life| key.user != user || life.state().is_active());
            lives
                .values()
                .filter(|life| life.key.user == user)
                .cloned()
                .collect()
        };
        self.stop_these(lives).await;
    }

    /// Stops every server: the hub goes down for good.
    pub async fn stop_all(&self) {
        let lives = self.0.lives().values().cloned().collect();
        self.stop_these(lives).await;
    }

    async fn stop_these(&self, lives: Vec<Arc<Life>>) {
        for life in &lives {
            self.0.lower(life, None);
        }
        for life in &lives {
            life.ended().await;
        }
    }

    /// Looks whether a ready server still runs; sees to what is left of one that does not.
    pub(super) async fn look_at(&self, life: &Arc<Life>) -> bool {
        let place = life.place();
        match self.0.spawner.poll(&life.key, &place.state).await {
            Ok(Status::Running) => true,
            Ok(Status::Ended(ending)) => {
                self.0.lower(life, Some(ending));
                false
            }
            Err(error) => {
                tracing::warn!(server = log_name(&life.key), %error, "looking whether it runs");
                true
            }
        }
    }
}

/// The place of a server that does not run, taken.
struct Held {
    guard: Arc<Life>,
    /// What was there: how its last life ended.
    before: Option<Arc<Life>>,
}

impl Inner {
    /// Takes the place of a server that does not run, so that nobody starts it meanwhile: it is stopping until that is
    /// over. Returns what was there; or the one that runs.
    fn hold(&self, key: &ServerKey) -> Result<Held, Arc<Life>> {
        let mut lives = self.lives();
        match lives.get(key) {
            Some(life) if life.state().is_active() => Err(life.clone()),
            _ => {
                let guard = Arc::new(Life::leaving(key.clone()));
                let before = lives.insert(key.clone(), guard.clone());
                Ok(Held { guard, before })
            }
        }
    }

    /// Sets the end of a life going, once. `ending` says how it ended by itself.
    pub(super) fn lower(self: &Arc<Self>, life: &Arc<Life>, ending: Option<Ending>) {
        let before = life.state();
        let failure = ending
            .filter(|ending| !is_polite(ending))
            .map(Failure::Ended);
        if let Some(failure) = &failure {
            tracing::warn!(server = log_name(&life.key), %failure, "ended by itself");
        }
        if !life.step(Event::Leaving, failure) {
            return;
        }
        if matches!(before, State::Spawning | State::Checking) {
            // The task that brings it up takes it down.
            life.leave();
            return;
        }
        let (inner, life) = (self.clone(), life.clone());
        tokio::spawn(async move {
            let since = Instant::now();
            inner.clear_away(&life).await;
            inner.times.stopped(since.elapsed());
            life.step(Event::Gone, None);
            tracing::info!(server = log_name(&life.key), "stopped");
        });
    }

    /// Takes away all there is of a server: route, process, token and OAuth client. Goes on where one of it does not
    /// work; a process that could not be ended is ended before the next start.
    pub(super) async fn clear_away(&self, life: &Life) {
        let server = log_name(&life.key);
        let routespec = address::routespec(&self.address.base, &life.key);
        let place = life.place();
        // At once: a proxy that does not answer is no reason for a server to stay.
        let (route, process) = tokio::join!(
            self.proxy.delete(&routespec),
            self.spawner.stop(&life.key, &place.state)
        );
        if let Err(error) = route {
            tracing::error!(server, %error, "the next look at the routes will delete it");
        }
        if let Err(error) = process {
            tracing::error!(server, %error, "the server may still run; it is ended before its next start");
        }
        if let Some(left) = register::end(&self.store, &self.address.base, &life.key).await {
            self.left
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(Arc::new(left));
        }
    }

    /// Tries again what could not be written down before.
    pub(super) async fn clear_left(&self) {
        let left = std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner));
        for one in left {
            if let Err(error) = register::end_left(&self.store, &one).await {
                tracing::warn!(%error, "what is left of a server cannot be taken out of the store yet");
                self.left
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(one);
            }
        }
    }
}

/// Whether a server ended as one does whose owner shut it down.
fn is_polite(ending: &Ending) -> bool {
    ending.code == Some(0) && !ending.out_of_memory
}
