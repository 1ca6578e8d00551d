//! Who may log in.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Who may log in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Authenticator {
    /// Which authenticator.
    pub kind: AuthenticatorKind,
}

impl Default for Authenticator {
    fn default() -> Self {
        Self {
            kind: AuthenticatorKind::Pam,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuthenticatorKind {
    /// The server's own accounts.
    Pam,
}
