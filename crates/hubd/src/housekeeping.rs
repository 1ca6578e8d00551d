//! What is done from time to time: activity is written, what expired is forgotten, room is kept for the next start.

use std::sync::Arc;
use std::time::Duration;

use crate::app::Hub;
use crate::store::{StoreError, oauth, session, token};

/// How often activity is written, and changes by other programs (`hubd user`) are noticed.
const FLUSH: Duration = Duration::from_secs(1);
/// How often what expired is forgotten.
const SWEEP: Duration = Duration::from_secs(600);
/// How often room on the disk is looked for where there was none at the start.
const ROOM: Duration = Duration::from_secs(5);

/// Runs until it is dropped.
pub async fn run(hub: Arc<Hub>) {
    let mut flush = tokio::time::interval(FLUSH);
    flush.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut sweep = tokio::time::interval(SWEEP);
    let mut room = tokio::time::interval(ROOM);
    room.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let (act, done) = tokio::select! {
            _ = flush.tick() => ("writing activity", keep_up(&hub).await),
            _ = sweep.tick() => ("forgetting what expired", forget_expired(&hub).await),
            _ = room.tick() => ("looking for room on the disk", use_room(&hub).await),
        };
        if let Err(error) = done {
            tracing::error!(%error, "{act}");
        }
    }
}

async fn keep_up(hub: &Hub) -> Result<(), StoreError> {
    let written = hub.store.flush_activity().await;
    // Whose rights `hubd user` took must not keep them because the disk is full.
    hub.store.notice_foreign_writes().await?;
    written
}

/// What waits for room on the disk. That there is still none was said at the start.
async fn use_room(hub: &Hub) -> Result<(), StoreError> {
    match hub.bring_people_in().await {
        Err(error) if error.is_full() => return Ok(()),
        Err(error) => tracing::error!(%error, "taking in what the configuration says of people"),
        Ok(()) => {}
    }
    hub.store.keep_room().await
}

async fn forget_expired(hub: &Hub) -> Result<(), StoreError> {
    let now = hub.clock.now();
    hub.store
        .note(move |connection| {
            token::delete_expired(connection, now)?;
            oauth::delete_expired(connection, now)?;
            session::delete_expired(connection, now)?;
            Ok(())
        })
        .await
}
