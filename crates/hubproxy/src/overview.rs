//! How the proxy is: what `/api/status` says, gathered from those who know.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use hub_api::proxy::{AcmeStatus, CertificateStatus, Status};
use tokio::sync::watch;

use crate::routes::Table;
use crate::tls::Store;

/// How many warnings are kept; the oldest go first.
const WARNINGS: usize = 16;

/// Knows whom to ask.
pub struct Overview {
    started: Instant,
    table: Arc<Table>,
    certificates: Option<Arc<Store>>,
    acme: Option<watch::Receiver<AcmeStatus>>,
    connections: Box<dyn Fn() -> u64 + Send + Sync>,
    draining: AtomicBool,
    warnings: Mutex<Vec<String>>,
}

impl Overview {
    /// `connections` counts the open connections of clients.
    pub fn new(
        table: Arc<Table>,
        certificates: Option<Arc<Store>>,
        acme: Option<watch::Receiver<AcmeStatus>>,
        connections: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        Self {
            started: Instant::now(),
            table,
            certificates,
            acme,
            connections: Box::new(connections),
            draining: AtomicBool::new(false),
            warnings: Mutex::new(Vec::new()),
        }
    }

    /// Adds something that an operator should look at.
    pub fn warn(&self, warning: String) {
        let mut warnings = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
        if warnings.len() > WARNINGS {
            warnings.remove(0);
        }
    }

    /// Takes back the warnings that begin with `prefix`: what they were about is right again.
    pub fn settle(&self, prefix: &str) {
        self.warnings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|warning| !warning.starts_with(prefix));
    }

    /// The end has begun.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Open connections of clients.
    pub fn connections(&self) -> u64 {
        (self.connections)()
    }

    /// The certificates in use.
    pub fn certificates(&self) -> Vec<CertificateStatus> {
        self.certificates
            .as_ref()
            .map(|store| store.status())
            .unwrap_or_default()
    }

    /// TLS handshakes that were answered with a certificate.
    pub fn handshakes(&self) -> u64 {
        self.certificates
            .as_ref()
            .map_or(0, |store| store.handshakes())
    }

    /// Routes in the table.
    pub fn routes(&self) -> u64 {
        self.table.list(None).len() as u64
    }

    /// All of it.
    pub fn status(&self) -> Status {
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: self.started.elapsed().as_secs(),
            routes: self.routes(),
            connections: self.connections(),
            draining: self.draining.load(Ordering::Relaxed),
            certificates: self.certificates(),
            acme: self.acme.as_ref().map(|acme| acme.borrow().clone()),
            warnings: self
                .warnings
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }
}
