//! Credentials as every OpenStack client takes them: `clouds.yaml` and its siblings, and the `OS_*` variables.
//!
//! The rules are those of openstacksdk's loader: which files, in which order, what lies beneath what. Where it would
//! take something silently that cannot be meant, this says so instead.

mod choose;
mod entry;
mod files;
mod layers;
mod load;
mod login;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use super::catalog::{self, Choice};
use super::keystone::Token;
use super::{CloudError, Service};
use crate::secret::Secret;

pub use super::retry::Limits;

/// Where configuration files are looked for.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// The current folder.
    pub cwd: PathBuf,
    /// `$HOME`.
    pub home: Option<PathBuf>,
    /// `$XDG_CONFIG_HOME`; without it `~/.config`.
    pub xdg_config_home: Option<PathBuf>,
    /// `/etc/openstack`; another folder in tests.
    pub system: PathBuf,
}

impl Places {
    /// The usual ones, as the environment names them.
    pub fn usual(env: &BTreeMap<String, String>, cwd: PathBuf) -> Self {
        let folder = |name: &str| {
            env.get(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        Self {
            cwd,
            home: folder("HOME"),
            xdg_config_home: folder("XDG_CONFIG_HOME"),
            system: PathBuf::from("/etc/openstack"),
        }
    }
}

/// How to reach one cloud, and as whom.
#[derive(Debug, Clone)]
pub struct CloudConfig {
    /// The entry's name: of `clouds.yaml`, or `envvars`.
    pub name: String,
    /// Where the credentials are from, in words: a file, or the `OS_*` variables.
    pub source: String,
    pub auth_url: String,
    pub auth: Auth,
    pub region: Option<String>,
    /// `public`, `internal`, `admin`; the best first.
    pub interfaces: Vec<String>,
    /// Whether TLS certificates are checked. `false`: anyone on the way can read and change everything.
    pub verify: bool,
    /// Networks the entry says something about.
    pub networks: Vec<ConfiguredNetwork>,
    /// Time limits of calls. `api_timeout` is `limits.attempt`.
    pub limits: Limits,
    /// Things worth telling about how the credentials were put together.
    pub notes: Vec<String>,
    pub(super) ca: Vec<u8>,
    pub(super) identity: Option<Secret>,
    pub(super) overrides: BTreeMap<String, String>,
    pub(super) force_ipv4: bool,
    /// `OS_*` variables beside it that play no part.
    pub(super) unused: Vec<String>,
}

/// What an entry's `networks:` says of a network.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConfiguredNetwork {
    pub name: String,
    /// Leads outside: floating IPs come from it, or servers in it are reachable.
    pub routes_externally: bool,
    /// Where floating IPs lead to.
    pub nat_destination: bool,
    /// Where servers go by default.
    pub default_interface: bool,
}

/// As whom.
#[derive(Debug, Clone, PartialEq)]
pub enum Auth {
    Password {
        user: UserRef,
        password: Secret,
        scope: Option<Scope>,
    },
    Token {
        token: Secret,
        scope: Option<Scope>,
    },
    /// It brings its user, project and roles; no scope may be asked for.
    ApplicationCredential {
        id: String,
        secret: Secret,
    },
    NamedApplicationCredential {
        name: String,
        user: UserRef,
        secret: Secret,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserRef {
    Id(String),
    Name { name: String, domain: Domain },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Domain {
    Id(String),
    Name(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    ProjectId(String),
    ProjectName { name: String, domain: Domain },
    Trust(String),
}

impl CloudConfig {
    /// Puts the credentials together. `os_cloud` is `--os-cloud`, or the spec's `cloud` where neither that nor
    /// `OS_CLOUD` is given.
    pub fn load(
        env: &BTreeMap<String, String>,
        places: &Places,
        os_cloud: Option<&str>,
    ) -> Result<Self, CloudError> {
        load::load(env, places, os_cloud)
    }

    pub(super) fn http_client(&self) -> Result<reqwest::ClientBuilder, CloudError> {
        let broken = |what: &str, error: reqwest::Error| {
            let trouble = super::reach::read(&error);
            CloudError::Config {
                message: format!(
                    "{what} of cloud {} is not understood: {}",
                    self.name, trouble.reason
                ),
                hint: Some("it must be in PEM form".to_owned()),
            }
        };
        let mut builder = reqwest::Client::builder().use_rustls_tls();
        if !self.ca.is_empty() {
            let authorities = reqwest::Certificate::from_pem_bundle(&self.ca)
                .map_err(|error| broken("cacert", error))?;
            if authorities.is_empty() {
                return Err(CloudError::Config {
                    message: format!("cacert of cloud {} holds no certificate", self.name),
                    hint: Some("it must hold at least one -----BEGIN CERTIFICATE-----".to_owned()),
                });
            }
            for authority in authorities {
                builder = builder.add_root_certificate(authority);
            }
        }
        if let Some(identity) = &self.identity {
            let identity = reqwest::Identity::from_pem(identity.reveal().as_bytes())
                .map_err(|error| broken("cert and key", error))?;
            builder = builder.identity(identity);
        }
        if !self.verify {
            builder = builder.danger_accept_invalid_certs(true);
        }
        if self.force_ipv4 {
            builder = builder.local_address(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        }
        Ok(builder)
    }

    /// `compute_endpoint_override` and its like.
    pub(super) fn endpoint_override(&self, service: Service) -> Option<&str> {
        let names: &[&str] = match service {
            Service::Compute => &["compute"],
            Service::Image => &["image"],
            Service::Network => &["network"],
            Service::BlockStorage => &["block_storage", "volumev3", "volume"],
            Service::Dns => &["dns"],
        };
        names
            .iter()
            .find_map(|name| self.overrides.get(*name))
            .map(String::as_str)
    }

    /// Region and interface to look for in the catalog.
    pub(super) fn endpoint_choice(&self, token: &Token) -> Result<Choice, CloudError> {
        let compute = Service::Compute.types();
        let regions = catalog::regions(&token.catalog, compute, &self.interfaces);
        let hint = |regions: &[String]| {
            Some(format!(
                "set region_name of cloud {} or OS_REGION_NAME to one of: {}",
                self.name,
                regions.join(", ")
            ))
        };
        let region = match (&self.region, regions.as_slice()) {
            (Some(region), known) if !known.is_empty() && !known.contains(region) => {
                return Err(CloudError::Config {
                    message: format!(
                        "cloud {} has no region {region}{}",
                        self.name,
                        entry::did_you_mean(region, known)
                    ),
                    hint: hint(known),
                });
            }
            (Some(region), _) => Some(region.clone()),
            (None, [_, _, ..]) => {
                return Err(CloudError::Config {
                    message: format!("cloud {} has several regions", self.name),
                    hint: hint(&regions),
                });
            }
            (None, _) => None,
        };
        Ok(Choice {
            region,
            interfaces: self.interfaces.clone(),
        })
    }

    pub(super) fn no_project(&self) -> CloudError {
        CloudError::Config {
            message: format!(
                "the credentials of cloud {} ({}) name no project",
                self.name, self.source
            ),
            hint: Some(
                "set project_name or project_id; `openstack project list` tells them".to_owned(),
            ),
        }
    }

    /// What to do when Keystone says no.
    pub(super) fn explain_refusal(&self, message: &str) -> String {
        let mut advice = if message.contains("cannot request a scope") {
            "application credentials bring their own project: unset OS_PROJECT_ID, OS_PROJECT_NAME and the domains, \
             they are from another login"
                .to_owned()
        } else {
            match &self.auth {
                Auth::ApplicationCredential { .. } | Auth::NamedApplicationCredential { .. } => {
                    format!(
                        "the application credential in {} may have expired or been deleted; make a new one with \
                         `openstack application credential create`, or in the dashboard",
                        self.source
                    )
                }
                Auth::Password { user, scope, .. } => format!(
                    "user {}{} or the password in {} is wrong, or the user has no role in the project",
                    words_of_user(user),
                    scope.as_ref().map(words_of_scope).unwrap_or_default(),
                    self.source
                ),
                Auth::Token { .. } => format!(
                    "the token in {} has expired or belongs to another cloud; `openstack token issue` gives a new one",
                    self.source
                ),
            }
        };
        if !self.unused.is_empty() {
            advice += &format!(
                "; set in the environment, and not used: {}",
                self.unused.join(", ")
            );
        }
        advice
    }
}

fn words_of_domain(domain: &Domain) -> &str {
    match domain {
        Domain::Id(text) | Domain::Name(text) => text,
    }
}

fn words_of_user(user: &UserRef) -> String {
    match user {
        UserRef::Id(id) => id.clone(),
        UserRef::Name { name, domain } => format!("{name} of domain {}", words_of_domain(domain)),
    }
}

fn words_of_scope(scope: &Scope) -> String {
    match scope {
        Scope::ProjectId(id) => format!(", project {id}"),
        Scope::ProjectName { name, domain } => {
            format!(", project {name} of domain {}", words_of_domain(domain))
        }
        Scope::Trust(id) => format!(", trust {id}"),
    }
}
