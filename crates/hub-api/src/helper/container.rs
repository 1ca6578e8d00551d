//! Containers in place of plain units, as the helper's own file has them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What the containers of users' servers are. Which account, home, socket and limits one has is the helper's to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// The image. It must be there: nothing is pulled when a server starts.
    pub image: String,
    /// The engine's network that they are in.
    pub network: String,
    /// The single-user server's program in the image, and what comes before it; a profile's `program` takes the last
    /// one's place.
    pub command: Vec<String>,
    /// Paths of this machine that are seen in them and cannot be changed; one that is not there is left out.
    #[serde(default)]
    pub read_only: Vec<PathBuf>,
    /// Variables beside those that the hub sets.
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
}
