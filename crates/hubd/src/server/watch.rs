//! The watch over what runs: whether it still does, whether the proxy's routes are right, when it was last used.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::stream::{self, StreamExt};
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::state::State;
use super::{Inner, Servers, address, register};
use crate::clock::Timestamp;
use crate::proxy::{Change, Owner, Present, ProxyError, changes};
use crate::spawner::ServerKey;

/// Servers looked at at once, and routes changed at once.
const AT_ONCE: usize = 10;

impl Servers {
    /// Looks after the servers until it is dropped.
    pub async fn run(&self) {
        tokio::join!(self.watch_servers(), self.watch_routes(), self.watch_idle());
    }

    async fn watch_servers(&self) {
        let mut ticks = every(self.0.config.spawn.poll_interval);
        loop {
            ticks.tick().await;
            let ready: Vec<_> = {
                let lives = self.0.lives();
                lives
                    .values()
                    .filter(|life| life.state() == State::Ready)
                    .cloned()
                    .collect()
            };
            self.0.clear_left().await;
            stream::iter(ready)
                .for_each_concurrent(AT_ONCE, |life| {
                    let servers = self.clone();
                    async move {
                        servers.look_at(&life).await;
                    }
                })
                .await;
        }
    }

    async fn watch_routes(&self) {
        let mut ticks = every(self.0.config.proxy.check_interval);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.0.check_due.notified() => {}
            }
            if let Err(error) = self.check_routes().await {
                tracing::error!(%error, "looking at the proxy's routes");
            }
        }
    }

    /// Makes the proxy's routes right, and learns from them when servers were used.
    pub async fn check_routes(&self) -> Result<(), ProxyError> {
        let present = self.0.proxy.routes().await?;
        // Those that the API made; those of the configuration are among the fixed ones.
        let services = match self.0.store.read(crate::store::service::list).await {
            Ok(services) => services,
            Err(error) => {
                tracing::error!(%error, "reading the services: the proxy's routes are left as they are");
                return Ok(());
            }
        };
        // After the table was read: a route added meanwhile is at worst added twice, never taken for a stray.
        let mut wanted: BTreeMap<_, _> = self.0.fixed.iter().cloned().collect();
        for service in services {
            if let Some((routespec, route)) = self.0.service_route(&service.name, &service.spec.url)
            {
                wanted.entry(routespec).or_insert(route);
            }
        }
        let mut pending = BTreeSet::new();
        let mut used = Vec::new();
        for (key, life) in self.0.lives().iter() {
            let routespec = address::routespec(&self.0.address.base, key);
            match life.state() {
                State::Ready => {
                    used.extend(last_use(key, present.get(&routespec)));
                    wanted.extend(self.0.server_route(life));
                }
                State::Stopped => {}
                State::Spawning | State::Stopping | State::Checking => {
                    pending.insert(routespec);
                }
            }
        }
        let changes = changes(&wanted, &pending, &present);
        for change in &changes {
            tracing::info!(?change, "the proxy's routes were not right");
        }
        let results: Vec<Result<(), ProxyError>> = stream::iter(changes)
            .map(|change| {
                let servers = self.clone();
                async move {
                    if servers.0.is_still_right(&change) {
                        servers.0.proxy.apply(&change).await
                    } else {
                        Ok(())
                    }
                }
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        if let Err(error) = register::note_use(&self.0.store, used).await {
            tracing::error!(%error, "writing down when servers were used");
        }
        results.into_iter().collect()
    }
}

impl Inner {
    /// Whether a change is one to make still: a server may have come or gone since the table was read.
    fn is_still_right(&self, change: &Change) -> bool {
        match change {
            Change::Add(_, route) => match &route.owner {
                Owner::Server { user, name } => {
                    let (user, name) = (user.clone(), name.clone());
                    let life = self.life(&ServerKey { user, name });
                    life.is_some_and(|life| life.state() == State::Ready)
                }
                Owner::Hub | Owner::Service(_) => true,
            },
            Change::Delete(routespec) => !self.lives().iter().any(|(key, life)| {
                life.state().is_active()
                    && address::routespec(&self.address.base, key) == *routespec
            }),
        }
    }
}

fn last_use(key: &ServerKey, route: Option<&Present>) -> Option<(ServerKey, Timestamp)> {
    let when = route?.last_activity?.unix_timestamp_nanos() / 1000;
    Some((key.clone(), Timestamp(i64::try_from(when).ok()?)))
}

/// Ticks now, and then every so many seconds; late ticks are not made up for.
pub(super) fn every(seconds: u64) -> Interval {
    let mut ticks = interval(Duration::from_secs(seconds.max(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
