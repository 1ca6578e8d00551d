//! Who may log in, and how.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Who may log in, and how. Several ways can be open at once. Nobody may log in whom no key allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// Everyone whom an authenticator knows may log in.
    pub allow_all: bool,
    /// Users who are already in the hub (added by an admin) may log in.
    pub allow_existing_users: bool,
    /// Users who may log in.
    pub allowed_users: Vec<String>,
    /// Users who may log in and are admins.
    pub admin_users: Vec<String>,
    /// Users who may never log in.
    pub blocked_users: Vec<String>,
    /// Accounts of this server, through the root helper.
    pub pam: Option<Pam>,
    /// A file of names and password hashes.
    pub password_file: Option<PasswordFile>,
    /// OAuth and OpenID Connect providers, each a button on the login page.
    pub oauth: Vec<Oauth>,
    /// FOR TESTS: every name is let in, with this password (any if it is empty).
    pub dummy: Option<String>,
    /// Days after which a session ends.
    pub session_days: u32,
    /// Failed logins of a name or an address within a minute before they are delayed and refused.
    pub failures_per_minute: u32,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            allow_all: false,
            allow_existing_users: false,
            allowed_users: Vec::new(),
            admin_users: Vec::new(),
            blocked_users: Vec::new(),
            pam: None,
            password_file: None,
            oauth: Vec::new(),
            dummy: None,
            session_days: 14,
            failures_per_minute: 10,
        }
    }
}

/// Accounts of this server.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Pam {
    /// The root helper's socket; absent: its usual place.
    pub helper: Option<PathBuf>,
    /// Members of these groups of the server are admins of the hub.
    pub admin_groups: Vec<String>,
}

/// A file of names and password hashes (Argon2id), which the hub writes when people change theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordFile {
    /// The file.
    pub path: PathBuf,
    /// The shortest password a person may choose.
    #[serde(default = "ten")]
    pub minimum_length: usize,
}

fn ten() -> usize {
    10
}

/// A provider that says who someone is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Oauth {
    /// Its part of the address: `oauth_login/{id}`. Lower case letters, digits and hyphens.
    pub id: String,
    /// What it is.
    pub kind: OauthKind,
    /// The text of its button; absent: the kind's name.
    pub label: Option<String>,
    pub client_id: String,
    /// The file with the client secret.
    pub client_secret_file: PathBuf,
    /// The issuer of an OpenID provider, or the address of an own GitHub Enterprise or GitLab.
    pub issuer: Option<String>,
    /// Scopes asked for; absent: what the kind needs.
    pub scopes: Option<Vec<String>>,
    /// The claim that becomes the user name; absent: the kind's usual one.
    pub username_claim: Option<String>,
    /// The claim with the groups, which then become the hub's groups.
    pub groups_claim: Option<String>,
    #[serde(default)]
    pub allowed_groups: Vec<String>,
    #[serde(default)]
    pub admin_groups: Vec<String>,
    /// Organisations (GitHub) or groups (GitLab) whose members may log in.
    #[serde(default)]
    pub allowed_organizations: Vec<String>,
    /// Domains of verified e-mail addresses (or Google Workspace domains) that may log in.
    #[serde(default)]
    pub allowed_domains: Vec<String>,
}

/// What kind of provider it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OauthKind {
    Github,
    Gitlab,
    Google,
    Oidc,
}
