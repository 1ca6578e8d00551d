//! The way back in: servers that ran before the hub was restarted.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::failure::Failure;
use super::life::{Life, Place};
use super::progress::Progress;
use super::refusal::log_name;
use super::state::Event;
use super::{Inner, Servers, address, probe, register};
use crate::spawner::{SpawnError, Status};
use crate::store::StoreError;

/// Servers looked at at once.
const AT_ONCE: usize = 32;
/// How long the spawner's engine is waited for between two tries.
const AGAIN: Duration = Duration::from_secs(2);

impl Servers {
    /// Finds the servers that the store says ran, and looks after each in the background. They are pending ("check")
    /// from when this returns, so nobody starts a second one. Says how many there are.
    pub async fn adopt(&self) -> Result<usize, StoreError> {
        let remembered = register::remembered(&self.0.store).await?;
        let count = remembered.len();
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        for (key, target, state) in remembered {
            let place = Place {
                target,
                state,
                version: None,
            };
            let life = Arc::new(Life::found(key.clone(), place));
            self.0.lives().insert(key, life.clone());
            let (inner, permits) = (self.0.clone(), permits.clone());
            tokio::spawn(async move {
                // The semaphore is never closed.
                let _permit = permits.acquire().await;
                inner.take_in(&life).await;
            });
        }
        Ok(count)
    }
}

impl Inner {
    async fn take_in(&self, life: &Arc<Life>) {
        let result = tokio::select! {
            biased;
            () = life.left() => Err(Failure::Cancelled),
            result = self.see_it_run(life) => result,
        };
        match result {
            Ok(()) if life.step(Event::Up, None) => {
                life.tell(Progress::ready(&address::prefix(
                    &self.address.base,
                    &life.key,
                )));
                tracing::info!(server = log_name(&life.key), "adopted");
                self.check_due.notify_one();
            }
            Ok(()) | Err(Failure::Cancelled) => {
                self.clear_away(life).await;
                life.step(Event::Gone, None);
            }
            Err(failure) => {
                tracing::warn!(server = log_name(&life.key), %failure, "it ended while the hub was away");
                self.clear_away(life).await;
                life.step(Event::Failed, Some(failure));
            }
        }
    }

    /// Returns when the server is seen to run. An engine that does not answer is no reason to end anything.
    async fn see_it_run(&self, life: &Arc<Life>) -> Result<(), Failure> {
        let place = life.place();
        // The hub ended in the middle of a start: nobody knows where this one is.
        let Some(target) = &place.target else {
            return Err(Failure::Broken {
                doing: "starting the server before the hub was restarted",
            });
        };
        let prefix = address::prefix(&self.address.base, &life.key);
        loop {
            match self.spawner.poll(&life.key, &place.state).await {
                Ok(Status::Running) => break,
                Ok(Status::Ended(ending)) => return Err(Failure::Ended(ending)),
                Err(SpawnError::Refused { message }) => return Err(Failure::Refused(message)),
                Err(error) => {
                    tracing::warn!(server = log_name(&life.key), %error, "looking whether it runs");
                }
            }
            if let Ok(answer) = probe::ask(target, &prefix).await {
                life.answered(answer.version);
                return Ok(());
            }
            tokio::time::sleep(AGAIN).await;
        }
        // One that is too busy to answer keeps its kernels: the proxy says so to who asks.
        if self.wait_until_it_answers(life).await.is_err() {
            tracing::warn!(
                server = log_name(&life.key),
                "it runs and does not answer; kept"
            );
        }
        Ok(())
    }
}
