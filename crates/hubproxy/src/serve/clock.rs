//! Where a connection stands in time: between requests, within a head, within an exchange.

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use tokio::time::Instant;

use super::limits::Limits;

const IDLE: u8 = 0;
const HEAD: u8 = 1;
const BUSY: u8 = 2;
/// Nothing was received yet.
const FRESH: u8 = 3;

/// What a connection has run out of time for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// The next request.
    KeepAlive,
    /// The rest of a request's head.
    Head,
    /// Any byte, within an exchange.
    Silence,
}

/// The clock of one connection. Its timer is armed lazily: a request costs two readings of the time and no timer.
#[derive(Debug)]
pub(crate) struct Clock {
    epoch: Instant,
    phase: AtomicU8,
    /// When the phase began, in milliseconds since `epoch`.
    since: AtomicU64,
    in_flight: AtomicU32,
    /// When bytes last went either way; kept only where the client's silence is limited.
    moved: AtomicU64,
    watches_silence: bool,
    /// HTTP/2 reads between requests too (pings), and heads cannot be told apart.
    multiplexed: AtomicBool,
}

impl Clock {
    pub(super) fn new(watches_silence: bool) -> Self {
        Self {
            epoch: Instant::now(),
            phase: AtomicU8::new(FRESH),
            since: AtomicU64::new(0),
            in_flight: AtomicU32::new(0),
            moved: AtomicU64::new(0),
            watches_silence,
            multiplexed: AtomicBool::new(false),
        }
    }

    pub(super) fn set_multiplexed(&self) {
        self.multiplexed.store(true, Relaxed);
        self.phase.store(IDLE, Relaxed);
        self.since.store(self.now(), Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Bytes went either way.
    pub(super) fn moved(&self) {
        if self.watches_silence {
            self.moved.store(self.now(), Relaxed);
        }
    }

    /// Bytes came from the client.
    pub(super) fn received(&self) {
        if matches!(self.phase.load(Relaxed), IDLE | FRESH) && !self.multiplexed.load(Relaxed) {
            self.since.store(self.now(), Relaxed);
            self.phase.store(HEAD, Relaxed);
        }
        self.moved();
    }

    /// Whether nothing was received yet.
    pub(super) fn is_fresh(&self) -> bool {
        self.phase.load(Relaxed) == FRESH
    }

    /// An exchange begins.
    pub(crate) fn begin(&self) {
        self.in_flight.fetch_add(1, Relaxed);
        self.phase.store(BUSY, Relaxed);
        self.moved();
    }

    /// An exchange ended.
    pub(crate) fn end(&self) {
        if self.in_flight.fetch_sub(1, Relaxed) == 1 {
            self.since.store(self.now(), Relaxed);
            self.phase.store(IDLE, Relaxed);
        }
    }

    /// When the connection is due to be ended if nothing changes, and why.
    pub(super) fn due(&self, limits: &Limits) -> Option<(Instant, Due)> {
        let since = Duration::from_millis(self.since.load(Relaxed));
        let (after, due) = match self.phase.load(Relaxed) {
            IDLE if self.multiplexed.load(Relaxed) => {
                // Browsers keep an HTTP/2 connection for a site; opening one costs a handshake.
                (
                    since + limits.keep_alive_timeout.max(Duration::from_secs(60)),
                    Due::KeepAlive,
                )
            }
            IDLE => (since + limits.keep_alive_timeout, Due::KeepAlive),
            FRESH => (since + limits.header_timeout, Due::KeepAlive),
            HEAD => (since + limits.header_timeout, Due::Head),
            _ => {
                let moved = Duration::from_millis(self.moved.load(Relaxed));
                (moved + limits.client_timeout?, Due::Silence)
            }
        };
        Some((self.epoch + after, due))
    }
}
