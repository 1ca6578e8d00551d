//! How much a seat may use.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How much a seat may use.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// People working at the same time. Sizes are checked against it.
    #[schemars(range(min = 1, max = 2000))]
    pub seats: u32,
    /// Memory of a single-user server: `512M`, `1G`, `1.5G`. Default: the flavor's memory, less what the system and
    /// the hub need, shared by the seats.
    pub memory: Option<Memory>,
    /// CPUs of a single-user server: `0.5`, `2`. Default: no limit below the server's.
    #[schemars(range(min = 0.05, max = 1024))]
    pub cpu: Option<f64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            seats: 10,
            memory: None,
            cpu: None,
        }
    }
}

/// An amount of memory, written `512M`, `1G` or `1.5G` (powers of 1024).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory {
    pub bytes: u64,
}
