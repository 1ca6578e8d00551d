//! Who may log in, and how.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Who may log in, and how. Several ways can be open at once. Nobody may log in whom no key allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// Everyone may log in who has an account of this server (`pam`) or a line in the password file. A provider's people
    /// are not meant: `oauth` has its own key.
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
    /// FOR TESTS: every name is let in.
    pub dummy: Option<Dummy>,
    /// Days after which a session ends.
    pub session_days: u32,
    /// Failed logins a minute that one address may go on with; six times as many at once, since a class sits behind one
    /// address. A single name is slowed down after three, from wherever, and never locked.
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

/// For tests: every name is let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dummy {
    /// Must be true: anyone who reaches the hub may then be anyone, admins too.
    pub dangerous: bool,
    /// The password of all of them; absent: any.
    #[serde(default)]
    pub password: Option<String>,
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
    /// Put before the claim to make the user name, so that nobody at this provider can be taken for somebody else.
    #[serde(default)]
    pub username_prefix: String,
    /// Taken off the claim, with the `@`, where it ends in it (`uni.example`).
    pub strip_domain: Option<String>,
    /// Everyone whom the provider knows may log in.
    #[serde(default)]
    pub allow_all: bool,
    /// Only who has an account of this server of the same name may log in.
    #[serde(default)]
    pub require_account: bool,
    /// Whoever logs in gets an account of this server of the same name, made by the root helper if its file allows it: for
    /// the systemd spawner.
    #[serde(default)]
    pub create_accounts: bool,
    #[serde(default)]
    pub allowed_groups: Vec<String>,
    #[serde(default)]
    pub admin_groups: Vec<String>,
    /// GitHub's organisations whose members may log in (its teams are groups: `organisation:team`).
    #[serde(default)]
    pub allowed_organizations: Vec<String>,
    /// Domains of verified e-mail addresses that may log in; at Google, Workspace domains (and `gmail.com`).
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
