//! hubctl's own programs for the server.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use url::Url;

use super::super::format;

/// Where hubctl's own programs for the server are.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Release {
    /// Folder here that holds them (`hubproxy`, `hubd`, `hub-helper`), built for the server's processor, or the URL of a
    /// release's archive or of the `SHA256SUMS` beside it, of whose archives the one for this machine's processor is taken.
    /// Default: beside hubctl itself, or `../lib/hubctl` from there.
    pub source: Option<ReleaseSource>,
    /// SHA-256 of what is at the URL.
    #[schemars(with = "Option<format::Sha256>")]
    pub sha256: Option<String>,
}

/// A folder on this machine, or a URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseSource {
    Folder(PathBuf),
    Url(Url),
}
