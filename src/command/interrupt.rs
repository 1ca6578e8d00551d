//! Ctrl-C and SIGTERM: stop at once, say what remains.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use super::Context;
use crate::ui::Exit;

/// How long the look at what remains may take.
const LOOK: Duration = Duration::from_secs(10);

/// Returns the name of the signal once one asks the run to stop.
pub(super) async fn requested() -> &'static str {
    let (Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
        signal(SignalKind::hangup()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
        _ = hangup.recv() => "SIGHUP",
    }
}

/// Says what of the deployment stands in the cloud now, and how to go on.
pub(super) async fn report(context: &Context, signal: &'static str) -> Exit {
    let remains = match tokio::time::timeout(LOOK, context.remains()).await {
        Ok(Ok(remains)) => remains,
        _ => None,
    };
    context.ui.interrupted(signal, remains.as_deref());
    Exit::Interrupted
}
