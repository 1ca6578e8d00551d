//! OAuth and OpenID Connect providers: a person is sent there, comes back with a code, and is known by its claims.

pub mod allow;
pub mod claims;
pub mod flow;
mod github;
mod oidc;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hub_api::hub::{Oauth, OauthKind};

use self::claims::{Person, Reading};
use self::flow::Flow;
use self::github::Github;
use self::oidc::Oidc;

/// How long a provider may take for one answer.
const WITHIN: Duration = Duration::from_secs(10);

/// What was being done at a provider, and why it did not work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{doing}: {cause}")]
pub struct ProviderError {
    doing: String,
    cause: String,
}

impl ProviderError {
    fn new(doing: &str, error: impl std::error::Error) -> Self {
        let mut cause = error.to_string();
        let mut next = error.source();
        while let Some(source) = next {
            cause.push_str(": ");
            cause.push_str(&source.to_string());
            next = source.source();
        }
        Self {
            doing: doing.to_owned(),
            cause,
        }
    }

    fn text(doing: &str, cause: &str) -> Self {
        Self {
            doing: doing.to_owned(),
            cause: cause.to_owned(),
        }
    }
}

/// Why a provider of the configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// An address is none.
    #[error("auth.oauth {id:?}: issuer {issuer:?}: {source}")]
    Address {
        /// The provider.
        id: String,
        /// What was given.
        issuer: String,
        /// What is wrong with it.
        source: url::ParseError,
    },
    /// An OpenID provider without issuer.
    #[error(
        "auth.oauth {0:?}: a provider of kind \"oidc\" needs its issuer, for example https://login.uni.example"
    )]
    NoIssuer(String),
    /// Two providers of one id, or an id that is no part of an address.
    #[error("auth.oauth {0:?}: an id is of a-z, 0-9 and '-', and no two providers share one")]
    Id(String),
    /// The secret cannot be read.
    #[error("auth.oauth {id:?}: reading {path}: {source}")]
    Secret {
        /// The provider.
        id: String,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The secret is open to others.
    #[error("auth.oauth {id:?}: {path} may be read by others (mode {mode:04o}): chmod 600 it")]
    Open {
        /// The provider.
        id: String,
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The client cannot be made.
    #[error("making the client of the providers: {0}")]
    Client(reqwest::Error),
}

/// Where to send a browser, and what to remember until it is back.
pub struct Departure {
    /// The provider's page.
    pub url: String,
    /// What comes back in the address.
    pub state: String,
    /// What comes back in the ID token.
    pub nonce: String,
    /// PKCE's verifier.
    pub verifier: String,
}

/// A provider of the configuration.
pub struct Provider {
    config: Oauth,
    engine: Engine,
}

enum Engine {
    Oidc(Box<Oidc>),
    Github(Box<Github>),
}

/// The text of a provider's button.
pub fn label(config: &Oauth) -> &str {
    config.label.as_deref().unwrap_or(match config.kind {
        OauthKind::Github => "GitHub",
        OauthKind::Gitlab => "GitLab",
        OauthKind::Google => "Google",
        OauthKind::Oidc => "single sign-on",
    })
}

/// The client for all providers. It follows no redirect: a provider's answer must not lead it into the hub's own network.
pub fn http_client() -> Result<reqwest::Client, SetupError> {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(WITHIN)
        .build()
        .map_err(SetupError::Client)
}

impl Provider {
    /// Reads the provider's secret; asks it nothing yet.
    pub fn new(config: &Oauth, http: reqwest::Client) -> Result<Self, SetupError> {
        let id = || config.id.clone();
        let secret = read_secret(&config.id, &config.client_secret_file)?;
        let issuer = match (config.kind, config.issuer.as_deref()) {
            (_, Some(issuer)) => Some(issuer),
            (OauthKind::Google, None) => Some("https://accounts.google.com"),
            (OauthKind::Gitlab, None) => Some("https://gitlab.com"),
            (OauthKind::Github, None) => None,
            (OauthKind::Oidc, None) => return Err(SetupError::NoIssuer(id())),
        };
        let scopes = config
            .scopes
            .clone()
            .unwrap_or_else(|| default_scopes(config));
        let address = |source| SetupError::Address {
            id: id(),
            issuer: issuer.unwrap_or_default().to_owned(),
            source,
        };
        let engine = match config.kind {
            OauthKind::Github => Engine::Github(Box::new(
                Github::new(issuer, &config.client_id, &secret, scopes, http).map_err(address)?,
            )),
            OauthKind::Oidc | OauthKind::Gitlab | OauthKind::Google => {
                let issuer = issuer.unwrap_or_default();
                Engine::Oidc(Box::new(
                    Oidc::new(issuer, &config.client_id, &secret, scopes, http).map_err(address)?,
                ))
            }
        };
        Ok(Self {
            config: config.clone(),
            engine,
        })
    }

    /// Its part of the configuration.
    pub fn config(&self) -> &Oauth {
        &self.config
    }

    /// The text of its button.
    pub fn label(&self) -> &str {
        label(&self.config)
    }

    /// The page to send the browser to; `callback` is the hub's own address to come back to.
    pub async fn depart(&self, callback: &str) -> Result<Departure, ProviderError> {
        match &self.engine {
            Engine::Oidc(oidc) => oidc.depart(callback).await,
            Engine::Github(github) => github.depart(callback),
        }
    }

    /// Who has come back with that code.
    pub async fn arrive(
        &self,
        code: &str,
        callback: &str,
        flow: &Flow,
    ) -> Result<Person, ProviderError> {
        match &self.engine {
            Engine::Oidc(oidc) => {
                let claims = oidc
                    .arrive(code, callback, &flow.nonce, &flow.verifier)
                    .await?;
                let reading = Reading {
                    username: self
                        .config
                        .username_claim
                        .as_deref()
                        .unwrap_or(default_claim(self.config.kind)),
                    groups: self
                        .config
                        .groups_claim
                        .as_deref()
                        .or(match self.config.kind {
                            OauthKind::Gitlab => Some("groups"),
                            _ => None,
                        }),
                };
                claims::person(&claims, &reading)
                    .map_err(|e| ProviderError::new("reading the claims", e))
            }
            Engine::Github(github) => github.arrive(code, callback, &flow.verifier).await,
        }
    }
}

fn default_claim(kind: OauthKind) -> &'static str {
    match kind {
        OauthKind::Google => "email",
        OauthKind::Gitlab => "nickname",
        OauthKind::Oidc | OauthKind::Github => "preferred_username",
    }
}

/// What the lists of the configuration need to be answered, and no more.
fn default_scopes(config: &Oauth) -> Vec<String> {
    let by_group = !config.allowed_groups.is_empty()
        || !config.admin_groups.is_empty()
        || !config.allowed_organizations.is_empty()
        || config.groups_claim.is_some();
    let by_domain = !config.allowed_domains.is_empty();
    let scopes = match config.kind {
        OauthKind::Github => vec![
            "read:user",
            if by_group { "read:org" } else { "" },
            if by_domain { "user:email" } else { "" },
        ],
        OauthKind::Oidc | OauthKind::Gitlab | OauthKind::Google => {
            vec!["openid", "profile", "email"]
        }
    };
    scopes
        .into_iter()
        .filter(|scope| !scope.is_empty())
        .map(str::to_owned)
        .collect()
}

fn read_secret(id: &str, path: &Path) -> Result<String, SetupError> {
    let io = |source| SetupError::Secret {
        id: id.to_owned(),
        path: path.to_owned(),
        source,
    };
    let mode = std::fs::metadata(path).map_err(io)?.mode() & 0o7777;
    if mode & 0o007 != 0 {
        return Err(SetupError::Open {
            id: id.to_owned(),
            path: path.to_owned(),
            mode,
        });
    }
    std::fs::read_to_string(path)
        .map(|text| text.trim().to_owned())
        .map_err(io)
}
