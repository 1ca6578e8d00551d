//! The other way in, for tests: faults on demand, and what was asked. It is no part of OpenStack.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

pub mod fault;
pub mod routes;
pub mod service;
pub mod wire;

pub use fault::{Fault, Kind};
pub use service::Service;

/// A handle on a running sandbox; clones are of the same one.
#[derive(Clone, Default)]
pub struct Control(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    faults: Vec<Fault>,
    log: VecDeque<Entry>,
}

/// A request as it was answered. No headers, no bodies: no secrets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    pub service: Service,
    pub method: String,
    /// Below the service's version: `/servers/detail`.
    pub path: String,
    pub query: String,
    /// The status; 0 when the client got none.
    pub status: u16,
    pub request_id: String,
    /// The fault it met.
    pub fault: Option<&'static str>,
}

/// Entries kept.
const LOG: usize = 10_000;

impl Control {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Arms a fault.
    pub fn fault(&self, fault: Fault) {
        self.inner().faults.push(fault);
    }

    /// Disarms all faults.
    pub fn clear_faults(&self) {
        self.inner().faults.clear();
    }

    /// Faults still armed.
    pub fn faults(&self) -> Vec<Fault> {
        self.inner().faults.clone()
    }

    /// The requests so far, oldest first.
    pub fn requests(&self) -> Vec<Entry> {
        self.inner().log.iter().cloned().collect()
    }

    /// Forgets faults and requests.
    pub fn reset(&self) {
        *self.inner() = Inner::default();
    }

    /// What is to happen to a request; counts it.
    pub fn meet(&self, request: &fault::Asked<'_>) -> Vec<Kind> {
        let mut inner = self.inner();
        let kinds = inner
            .faults
            .iter_mut()
            .filter_map(|f| f.meet(request))
            .collect();
        inner.faults.retain(|f| f.count != Some(0));
        kinds
    }

    pub fn note(&self, entry: Entry) {
        let log = &mut self.inner().log;
        if log.len() == LOG {
            log.pop_front();
        }
        log.push_back(entry);
    }
}
