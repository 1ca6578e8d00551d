//! Texts and pictures of the pages.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Texts and pictures of the pages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pages {
    /// The name in the header and the title; empty: `Notebook hub`.
    pub title: Option<String>,
    /// A banner on every page, as plain text.
    pub announcement: Option<String>,
    /// A text above the login form.
    pub login_text: Option<String>,
    /// A picture in place of the logo (SVG or PNG).
    pub logo_file: Option<PathBuf>,
    /// Whom to write to when something fails: an e-mail address or a URL.
    pub contact: Option<String>,
    /// Whether a login leads to the home page, not to the server (starting it).
    #[serde(default)]
    pub home_first: bool,
}
