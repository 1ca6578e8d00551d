//! What is told of each exchange goes into the metrics and the access log.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::StatusCode;

use super::{AccessLog, Metrics};
use crate::serve::{Exchange, Kind, Observer};

/// The observer of all exchanges.
pub struct Watcher {
    metrics: Arc<Metrics>,
    times_lookups: bool,
    access: ArcSwapOption<AccessLog>,
}

impl Watcher {
    /// Lookups are timed where somebody reads the metrics.
    pub fn new(metrics: Arc<Metrics>, times_lookups: bool, access: Option<AccessLog>) -> Self {
        Self {
            metrics,
            times_lookups,
            access: ArcSwapOption::from(access.map(Arc::new)),
        }
    }

    /// Opens the access log's file again.
    pub fn reopen(&self) {
        if let Some(access) = &*self.access.load() {
            access.reopen();
        }
    }

    /// Writes to another access log, or to none, from now on.
    pub fn set_access(&self, access: Option<AccessLog>) {
        self.access.store(access.map(Arc::new));
    }

    /// Ends the access log; what waits is written first.
    pub fn close(&self) {
        self.access.store(None);
    }
}

impl Observer for Watcher {
    fn detailed(&self) -> bool {
        self.access.load().is_some()
    }

    fn timed(&self) -> bool {
        self.times_lookups
    }

    fn routed(&self, kind: Kind, lookup: Option<Duration>) {
        self.metrics.routed(kind == Kind::WebSocket, lookup);
    }

    fn answered(&self, _kind: Kind, status: StatusCode) {
        self.metrics.answered(status);
    }

    fn finished(&self, exchange: &Exchange<'_>) {
        if let Some(access) = &*self.access.load() {
            access.note(exchange);
        }
    }
}
