//! What systemd is told: ready, reloading, stopping, alive.

use std::time::Duration;

use sd_notify::NotifyState;

/// The proxy serves.
pub(super) fn ready(status: &str) {
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

/// The configuration is read again; `ready` follows.
pub(super) fn reloading() {
    let mut states = vec![NotifyState::Reloading];
    states.extend(NotifyState::monotonic_usec_now().ok());
    tell(&states);
}

/// The end has begun, and may take so long.
pub(super) fn stopping(drain: Duration) {
    let more = u32::try_from((drain + Duration::from_secs(10)).as_micros()).unwrap_or(u32::MAX);
    tell(&[
        NotifyState::Stopping,
        NotifyState::ExtendTimeoutUsec(more),
        NotifyState::Status("draining: open requests may end"),
    ]);
}

/// Says that it is alive as often as systemd wants to hear it; never returns.
pub(super) async fn watchdog() {
    let Some(limit) = sd_notify::watchdog_enabled() else {
        return std::future::pending().await;
    };
    let mut tick = tokio::time::interval((limit / 2).max(Duration::from_millis(10)));
    loop {
        tick.tick().await;
        tell(&[NotifyState::Watchdog]);
    }
}

/// Without systemd, nobody listens.
fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!("telling systemd: {error}");
    }
}
