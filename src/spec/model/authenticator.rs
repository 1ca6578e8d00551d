//! Who may log in.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::format;

/// Who may log in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Authenticator {
    /// Which authenticator.
    pub kind: AuthenticatorKind,
    /// With all but `pam`: the client's id, as the provider has it.
    pub client_id: Option<String>,
    /// With all but `pam`: file here with the client's secret.
    #[schemars(with = "Option<format::LocalFile>")]
    pub client_secret_file: Option<PathBuf>,
    /// With all but `pam`: variable of hubctl's environment with the client's secret, in place of the file.
    pub client_secret_env: Option<String>,
    /// With `oidc`: the provider's address. With `github` and `gitlab`: the address of an installation of one's own.
    #[schemars(with = "Option<format::WebAddress>")]
    pub issuer: Option<String>,
    /// With `oidc`: the claim that users are called after.
    pub username_claim: String,
    /// With all but `pam`: who may log in, by the provider's names.
    pub allowed_users: Vec<String>,
    /// With `github`: members of these organisations (or `organisation:team`) may log in. With `gitlab` and `oidc`: of
    /// these groups.
    pub allowed_groups: Vec<String>,
    /// With `google`: people with an address in these domains may log in.
    #[schemars(with = "Vec<format::Domain>")]
    pub allowed_domains: Vec<String>,
}

impl Default for Authenticator {
    fn default() -> Self {
        Self {
            kind: AuthenticatorKind::Pam,
            client_id: None,
            client_secret_file: None,
            client_secret_env: None,
            issuer: None,
            username_claim: "preferred_username".to_owned(),
            allowed_users: Vec::new(),
            allowed_groups: Vec::new(),
            allowed_domains: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum AuthenticatorKind {
    /// The server's own accounts.
    Pam,
    /// GitHub's, or a GitHub Enterprise's.
    Github,
    /// gitlab.com's, or a GitLab's of one's own.
    Gitlab,
    /// Google's accounts.
    Google,
    /// Those of any provider that speaks OpenID Connect.
    Oidc,
}

impl AuthenticatorKind {
    /// Each of them, as the documentation lists them.
    pub const ALL: [Self; 5] = [
        Self::Pam,
        Self::Github,
        Self::Gitlab,
        Self::Google,
        Self::Oidc,
    ];

    /// As it is written in `hub.yaml`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pam => "pam",
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Google => "google",
            Self::Oidc => "oidc",
        }
    }
}
