//! One life of a server, from the request for it to its end.

use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tokio::sync::watch;

use super::failure::Failure;
use super::progress::{Log, Progress};
use super::state::{Event, State};
use crate::spawner::{ServerKey, Started, Target};

/// Where a life stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Phase {
    pub(super) state: State,
    /// How it ended, if not as its owner wished.
    pub(super) failure: Option<Failure>,
}

/// One life. A start after an end is another one.
pub(super) struct Life {
    pub(super) key: ServerKey,
    phase: watch::Sender<Phase>,
    log: watch::Sender<Log>,
    /// Set when a start is to be given up.
    leave: watch::Sender<bool>,
    place: Mutex<Place>,
}

/// Where a server is, as far as is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    pub(super) target: Option<Target>,
    /// The spawner's own.
    pub(super) state: Value,
    /// What it said of its version when it first answered.
    pub(super) version: Option<String>,
}

impl Life {
    /// A life that was just requested.
    pub(super) fn requested(key: ServerKey) -> Self {
        Self::new(
            key,
            State::Spawning,
            vec![Progress::requested()],
            Place::default(),
        )
    }

    /// A life from before the hub's restart.
    pub(super) fn found(key: ServerKey, place: Place) -> Self {
        Self::new(key, State::Checking, Vec::new(), place)
    }

    /// A life that is as good as over, and of which nothing is left.
    pub(super) fn leaving(key: ServerKey) -> Self {
        Self::new(key, State::Stopping, Vec::new(), Place::default())
    }

    fn new(key: ServerKey, state: State, log: Log, place: Place) -> Self {
        let phase = Phase {
            state,
            failure: None,
        };
        Self {
            key,
            phase: watch::Sender::new(phase),
            log: watch::Sender::new(log),
            leave: watch::Sender::new(false),
            place: Mutex::new(place),
        }
    }

    pub(super) fn phase(&self) -> Phase {
        self.phase.borrow().clone()
    }

    pub(super) fn state(&self) -> State {
        self.phase.borrow().state
    }

    /// Takes a step if it is possible now; says whether it was. A life that ends says how.
    pub(super) fn step(&self, event: Event, failure: Option<Failure>) -> bool {
        self.phase
            .send_if_modified(|phase| match phase.state.after(event) {
                Some(state) => {
                    phase.state = state;
                    if failure.is_some() {
                        phase.failure = failure;
                    }
                    true
                }
                None => false,
            })
    }

    /// Waits until the state is another than `state`.
    pub(super) async fn past(&self, state: State) -> Phase {
        let mut phase = self.phase.subscribe();
        match phase.wait_for(|phase| phase.state != state).await {
            Ok(phase) => phase.clone(),
            // The sender is a field of `self`.
            Err(_) => self.phase(),
        }
    }

    /// Waits until nothing of it is left.
    pub(super) async fn ended(&self) {
        let mut phase = self.phase.subscribe();
        // The sender is a field of `self`, so the wait cannot fail.
        let _ended = phase.wait_for(|phase| !phase.state.is_active()).await;
    }

    pub(super) fn tell(&self, event: Progress) {
        self.log.send_modify(|log| log.push(event));
    }

    pub(super) fn log(&self) -> watch::Receiver<Log> {
        self.log.subscribe()
    }

    /// Whether its start was told to have failed.
    pub(super) fn failed_to_start(&self) -> bool {
        self.log.borrow().last().is_some_and(|event| event.failed)
    }

    /// Asks a start to be given up.
    pub(super) fn leave(&self) {
        self.leave.send_replace(true);
    }

    /// Waits until the start is to be given up.
    pub(super) async fn left(&self) {
        let mut leave = self.leave.subscribe();
        // The sender is a field of `self`, so the wait cannot fail.
        let _asked = leave.wait_for(|asked| *asked).await;
    }

    pub(super) fn place(&self) -> Place {
        self.place
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn target(&self) -> Option<Target> {
        self.place().target
    }

    pub(super) fn started(&self, started: &Started) {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        place.target = Some(started.target.clone());
        place.state = started.state.clone();
    }

    pub(super) fn answered(&self, version: Option<String>) {
        self.place
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .version = version;
    }
}
