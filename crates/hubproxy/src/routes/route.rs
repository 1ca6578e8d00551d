//! One route: its target, what was posted with it, when it was last used.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Map, Value};

use super::target::{Target, TargetError};

/// A route of the table.
#[derive(Debug)]
pub struct Route {
    /// The path it was added under, decoded, without a trailing slash; `/` for the root.
    pub path: Box<str>,
    /// Where it leads. A text that is no target is kept, as `configurable-http-proxy` does, and answered 500.
    pub target: Result<Target, TargetError>,
    /// The fields as posted, as JSON text: a tenth of what a parsed map takes.
    posted: Box<str>,
    last_activity: AtomicI64,
}

impl Route {
    pub(super) fn new(
        path: Box<str>,
        target: Result<Target, TargetError>,
        data: Map<String, Value>,
    ) -> Self {
        let posted = Value::Object(data).to_string().into_boxed_str();
        Self {
            path,
            target,
            posted,
            last_activity: AtomicI64::new(now_ms()),
        }
    }

    /// The fields as they were posted, `target` among them, `last_activity` not.
    pub fn fields(&self) -> Map<String, Value> {
        // It was a map when it was stored.
        serde_json::from_str(&self.posted).unwrap_or_default()
    }

    /// The fields as posted, as the text of a JSON object.
    pub fn posted(&self) -> &str {
        &self.posted
    }

    /// When the route was last used, in milliseconds since 1970.
    pub fn last_activity_ms(&self) -> i64 {
        self.last_activity.load(Ordering::Relaxed)
    }

    /// Notes a use of the route now.
    pub fn touch(&self) {
        self.touch_at(now_ms());
    }

    /// Notes a use of the route at a time in milliseconds since 1970; never moves backwards.
    pub fn touch_at(&self, ms: i64) {
        self.last_activity.fetch_max(ms, Ordering::Relaxed);
    }

    /// Sets the time of last use, as when a saved table is read back.
    pub fn set_last_activity_ms(&self, ms: i64) {
        self.last_activity.store(ms, Ordering::Relaxed);
    }
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
