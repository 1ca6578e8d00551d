//! What is done from time to time: activity is written, what expired is forgotten.

use std::sync::Arc;
use std::time::Duration;

use crate::app::Hub;
use crate::store::{StoreError, oauth, session, token};

/// How often activity is written, and changes by other programs (`hubd user`) are noticed.
const FLUSH: Duration = Duration::from_secs(1);
/// How often what expired is forgotten.
const SWEEP: Duration = Duration::from_secs(600);

/// Runs until it is dropped.
pub async fn run(hub: Arc<Hub>) {
    let mut flush = tokio::time::interval(FLUSH);
    flush.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut sweep = tokio::time::interval(SWEEP);
    loop {
        let (act, done) = tokio::select! {
            _ = flush.tick() => ("writing activity", keep_up(&hub).await),
            _ = sweep.tick() => ("forgetting what expired", forget_expired(&hub).await),
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
