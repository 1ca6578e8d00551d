//! The file in which the versions are kept that were installed.

use std::path::PathBuf;

use super::Deployment;
use crate::setup::{Lock, LockError};
use crate::spec::Spec;
use crate::state::State;

/// In the state folder, where the spec names no other place.
pub(in crate::command) const FILE: &str = "environment.lock";

/// Where the file is.
pub(super) fn place(spec: &Spec, state: &State) -> PathBuf {
    spec.environment
        .lock
        .clone()
        .unwrap_or_else(|| state.path(FILE))
}

impl Deployment<'_> {
    /// Keeps what was installed into folders. A run that only looks writes nothing.
    pub(super) fn keep(&mut self, installed: Vec<(String, Lock)>) -> Result<(), LockError> {
        let mut news = false;
        for (folder, lock) in installed {
            news |= self.locks.keep(&folder, lock);
        }
        if news && self.look.is_none() {
            // What is in the state folder is the operator's alone; a file beside the spec is for whoever shares that.
            let mode = match self.spec.environment.lock {
                Some(_) => 0o644,
                None => 0o600,
            };
            self.locks.save(&place(&self.spec, &self.state), mode)?;
        }
        Ok(())
    }
}
