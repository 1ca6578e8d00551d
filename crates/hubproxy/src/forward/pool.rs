//! A worker's idle connections to targets.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::upstream::Upstream;
use crate::routes::{Endpoint, Target};

/// Idle connections by target. One worker's own: its lock is never waited for.
#[derive(Default)]
pub(crate) struct Pool {
    idle: Mutex<Idle>,
}

#[derive(Default)]
struct Idle {
    plain: HashMap<Endpoint, Vec<(Instant, Upstream)>>,
    tls: HashMap<Endpoint, Vec<(Instant, Upstream)>>,
}

impl Idle {
    fn of(&mut self, target: &Target) -> &mut HashMap<Endpoint, Vec<(Instant, Upstream)>> {
        if target.tls {
            &mut self.tls
        } else {
            &mut self.plain
        }
    }
}

impl Pool {
    fn lock(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the connection to `target` that was used last, if one is still open.
    pub(super) fn take(&self, target: &Target) -> Option<Upstream> {
        let mut idle = self.lock();
        let connections = idle.of(target).get_mut(&target.endpoint)?;
        while let Some((_, mut upstream)) = connections.pop() {
            if upstream.is_idle() {
                return Some(upstream);
            }
        }
        None
    }

    /// Keeps a connection whose exchange ended cleanly.
    pub(super) fn keep(&self, target: &Target, mut upstream: Upstream, most: usize) {
        upstream.reused = true;
        let mut idle = self.lock();
        let connections = idle.of(target);
        match connections.get_mut(&target.endpoint) {
            Some(connections) if connections.len() >= most => {}
            Some(connections) => connections.push((Instant::now(), upstream)),
            None => {
                connections.insert(target.endpoint.clone(), vec![(Instant::now(), upstream)]);
            }
        }
    }

    /// Closes what was idle for longer than `timeout`, or was closed by its target.
    pub(crate) fn sweep(&self, timeout: Duration) {
        let mut idle = self.lock();
        let Idle { plain, tls } = &mut *idle;
        for connections in [plain, tls] {
            connections.retain(|_, connections| {
                connections.retain_mut(|(since, upstream)| {
                    since.elapsed() < timeout && upstream.is_idle()
                });
                !connections.is_empty()
            });
        }
    }
}
