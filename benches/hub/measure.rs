//! What one of many things that a hub does costs it.

use std::time::{Duration, Instant};

use crate::process;

/// Requests at once.
pub const AT_ONCE: usize = 8;

/// What one costs.
#[derive(Clone, Copy, Default)]
pub struct Cost {
    /// The hub's time on a CPU, in microseconds.
    pub cpu: f64,
    /// A second.
    pub rate: f64,
}

/// Counts from its start.
pub struct Meter {
    pid: u32,
    begun: Instant,
    before: Duration,
}

impl Meter {
    pub fn start(pid: u32) -> Self {
        Self {
            pid,
            begun: Instant::now(),
            before: process::cpu(pid),
        }
    }

    /// What each of so many has cost.
    pub fn stop(self, count: u32) -> Cost {
        let took = self.begun.elapsed();
        let used = process::cpu(self.pid).saturating_sub(self.before);
        Cost {
            cpu: used.as_secs_f64() * 1e6 / f64::from(count),
            rate: f64::from(count) / took.as_secs_f64(),
        }
    }
}
