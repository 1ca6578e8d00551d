//! hubctl's own programs for the server.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::format;

/// Where hubctl's own programs for the server are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Release {
    /// Folder here that holds them (`hubproxy`, `hubd`, `hub-helper`), built for the server's processor. Default: beside hubctl itself, or
    /// `../lib/hubctl` from there.
    #[schemars(with = "Option<format::LocalFolder>")]
    pub source: Option<PathBuf>,
}
