//! What the notebooks run in, where it is installed while the hub is up already.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What the notebooks run in, where it is installed while the hub is up already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Notebooks {
    /// A file that appears when they can be started, and is missing while they are installed: pages say so, and starts
    /// wait for it. Absent: they always can.
    pub ready: Option<PathBuf>,
    /// Seconds a start waits for it before it fails and the API answers 503 with `Retry-After`; 0: it fails at once.
    pub install_timeout: u64,
}

impl Default for Notebooks {
    fn default() -> Self {
        Self {
            ready: None,
            install_timeout: 1800,
        }
    }
}
