//! The data volume.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A data volume for the homes; it outlives the server and, with `destroy --keep-volume`, the deployment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Volume {
    /// Size in GiB. It can grow later, never shrink.
    #[schemars(range(min = 1, max = 65536))]
    pub size: u32,
    /// Volume type. Default: the cloud's.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
}
