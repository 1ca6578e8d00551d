//! Counters that cost next to nothing: each thread has its own cache lines.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use http::StatusCode;

/// How many threads count without meeting; more share.
const SHARDS: usize = 8;
const STATUSES: usize = 1000;

/// Counts of what was done.
pub struct Metrics {
    shards: Box<[Shard]>,
    api: Box<[AtomicU64]>,
    route_get: AtomicU64,
    route_add: AtomicU64,
    route_delete: AtomicU64,
    updates: AtomicU64,
    updating_nanos: AtomicU64,
}

#[repr(align(128))]
struct Shard {
    web: AtomicU64,
    websocket: AtomicU64,
    lookups: AtomicU64,
    lookup_nanos: AtomicU64,
    statuses: Box<[AtomicU64]>,
}

fn zeros(count: usize) -> Box<[AtomicU64]> {
    std::iter::repeat_with(|| AtomicU64::new(0))
        .take(count)
        .collect()
}

impl Default for Metrics {
    fn default() -> Self {
        let shard = || Shard {
            web: AtomicU64::new(0),
            websocket: AtomicU64::new(0),
            lookups: AtomicU64::new(0),
            lookup_nanos: AtomicU64::new(0),
            statuses: zeros(STATUSES),
        };
        Self {
            shards: std::iter::repeat_with(shard).take(SHARDS).collect(),
            api: zeros(STATUSES),
            route_get: AtomicU64::new(0),
            route_add: AtomicU64::new(0),
            route_delete: AtomicU64::new(0),
            updates: AtomicU64::new(0),
            updating_nanos: AtomicU64::new(0),
        }
    }
}

/// Counts at one moment.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests.
    pub web: u64,
    /// WebSockets asked for.
    pub websocket: u64,
    /// Lookups that were timed.
    pub lookups: u64,
    /// How long they took together, in nanoseconds.
    pub lookup_nanos: u64,
    /// Answers to clients by status.
    pub proxied: Vec<(u16, u64)>,
    /// Answers of the API by status.
    pub api: Vec<(u16, u64)>,
    /// Listings of all routes.
    pub route_get: u64,
    /// Routes added.
    pub route_add: u64,
    /// Removals asked for.
    pub route_delete: u64,
    /// Activity set as routes were added.
    pub updates: u64,
    /// How long that took, in nanoseconds.
    pub updating_nanos: u64,
}

impl Metrics {
    /// A request or a WebSocket came.
    pub fn routed(&self, is_websocket: bool, lookup: Option<Duration>) {
        let shard = self.shard();
        let kind = if is_websocket {
            &shard.websocket
        } else {
            &shard.web
        };
        kind.fetch_add(1, Relaxed);
        if let Some(lookup) = lookup {
            shard.lookups.fetch_add(1, Relaxed);
            shard.lookup_nanos.fetch_add(nanos(lookup), Relaxed);
        }
    }

    /// It was answered.
    pub fn answered(&self, status: StatusCode) {
        if let Some(count) = self.shard().statuses.get(usize::from(status.as_u16())) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// The API answered.
    pub fn api_answered(&self, status: StatusCode) {
        if let Some(count) = self.api.get(usize::from(status.as_u16())) {
            count.fetch_add(1, Relaxed);
        }
    }

    /// All routes were listed.
    pub fn route_got(&self) {
        self.route_get.fetch_add(1, Relaxed);
    }

    /// A route was added.
    pub fn route_added(&self, took: Duration) {
        self.route_add.fetch_add(1, Relaxed);
        self.updates.fetch_add(1, Relaxed);
        self.updating_nanos.fetch_add(nanos(took), Relaxed);
    }

    /// A removal was asked for.
    pub fn route_deleted(&self) {
        self.route_delete.fetch_add(1, Relaxed);
    }

    /// All counts.
    pub fn counts(&self) -> Counts {
        let sum = |of: fn(&Shard) -> &AtomicU64| {
            self.shards
                .iter()
                .map(|shard| of(shard).load(Relaxed))
                .sum()
        };
        let status = |code: usize| {
            self.shards
                .iter()
                .map(|shard| shard.statuses[code].load(Relaxed))
                .sum()
        };
        let counted = |of: &dyn Fn(usize) -> u64| {
            let counts =
                (0..STATUSES).map(|code| (u16::try_from(code).unwrap_or_default(), of(code)));
            counts.filter(|(_, count)| *count > 0).collect()
        };
        Counts {
            web: sum(|shard| &shard.web),
            websocket: sum(|shard| &shard.websocket),
            lookups: sum(|shard| &shard.lookups),
            lookup_nanos: sum(|shard| &shard.lookup_nanos),
            proxied: counted(&status),
            api: counted(&|code| self.api[code].load(Relaxed)),
            route_get: self.route_get.load(Relaxed),
            route_add: self.route_add.load(Relaxed),
            route_delete: self.route_delete.load(Relaxed),
            updates: self.updates.load(Relaxed),
            updating_nanos: self.updating_nanos.load(Relaxed),
        }
    }

    fn shard(&self) -> &Shard {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static MINE: Cell<usize> = Cell::new(NEXT.fetch_add(1, Relaxed) % SHARDS);
        }
        &self.shards[MINE.with(Cell::get)]
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_count_together() {
        let metrics = Metrics::default();
        std::thread::scope(|scope| {
            for _ in 0..2 * SHARDS {
                scope.spawn(|| {
                    for _ in 0..100 {
                        metrics.routed(false, Some(Duration::from_nanos(3)));
                        metrics.answered(StatusCode::OK);
                    }
                    metrics.routed(true, None);
                    metrics.answered(StatusCode::SWITCHING_PROTOCOLS);
                });
            }
        });
        metrics.route_added(Duration::from_nanos(5));
        let counts = metrics.counts();
        assert_eq!(
            (
                counts.web,
                counts.websocket,
                counts.lookups,
                counts.lookup_nanos
            ),
            (1600, 16, 1600, 4800)
        );
        assert_eq!(counts.proxied, [(101, 16), (200, 1600)]);
        assert_eq!(
            (counts.route_add, counts.updates, counts.updating_nanos),
            (1, 1, 5)
        );
    }
}
