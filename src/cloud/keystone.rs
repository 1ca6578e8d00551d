//! Keystone: credentials for a token, and the catalog that comes with it.
//!
//! The token call is ours and not `osauth`'s: its own authentication types know no ids of domains and no credentials
//! by name, drop the request id and Keystone's words, and never renew a token that was revoked. This one plugs into
//! its session as one more [`AuthType`](osauth::AuthType).

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Iso8601;
use tokio::sync::RwLock;
use url::Url;

use super::catalog::{self, Choice, Entry};
use super::config::{Auth, Domain, Scope, UserRef};
use super::model::null_is_default;
use super::retry::Safety;
use super::transport::{Answer, Call, Transport};
use super::{CloudConfig, CloudError, Reference, fault};
use crate::secret::Secret;

/// A token and what it opens.
pub(super) struct Token {
    pub(super) value: Secret,
    expires_at: Option<OffsetDateTime>,
    pub(super) project: Option<Reference>,
    pub(super) user: Reference,
    pub(super) catalog: Vec<Entry>,
}

impl Token {
    /// Whether it is good for at least another minute.
    fn is_fresh(&self) -> bool {
        self.expires_at
            .is_none_or(|at| at - OffsetDateTime::now_utc() > time::Duration::MINUTE)
    }
}

/// Who we are to one Keystone, and the token it gave us last.
pub(super) struct Keystone {
    config: Arc<CloudConfig>,
    transport: Arc<Transport>,
    url: Url,
    token: RwLock<Option<Arc<Token>>>,
}

impl Keystone {
    pub(super) fn new(
        config: Arc<CloudConfig>,
        transport: Arc<Transport>,
    ) -> Result<Self, CloudError> {
        let url = tokens_url(&config.auth_url).map_err(|message| CloudError::Config {
            message: format!("auth_url of cloud {}: {message}", config.name),
            hint: Some("it looks like https://cloud.example:5000/v3".to_owned()),
        })?;
        Ok(Self {
            config,
            transport,
            url,
            token: RwLock::new(None),
        })
    }

    /// A token that is good for now.
    pub(super) async fn token(&self) -> Result<Arc<Token>, CloudError> {
        if let Some(token) = &*self.token.read().await
            && token.is_fresh()
        {
            return Ok(token.clone());
        }
        self.renew(None).await
    }

    /// A token other than `spent`, which a service would not take. Of many that ask at once one makes the call.
    pub(super) async fn renew(&self, spent: Option<&Secret>) -> Result<Arc<Token>, CloudError> {
        let mut slot = self.token.write().await;
        if let Some(token) = &*slot
            && token.is_fresh()
            && spent != Some(&token.value)
        {
            return Ok(token.clone());
        }
        let token = Arc::new(self.authenticate().await?);
        *slot = Some(token.clone());
        Ok(token)
    }

    async fn authenticate(&self) -> Result<Token, CloudError> {
        let body = body(&self.config.auth);
        let act = format!("logging in to cloud {}", self.config.name);
        let answer = self
            .transport
            .send(&Call {
                act: &act,
                method: Method::POST,
                url: self.url.clone(),
                headers: Vec::new(),
                body: Some(&body),
                token: None,
                // A token more does no harm.
                safety: Safety::Repeat,
            })
            .await?;
        if !answer.status.is_success() {
            return Err(self.refused(&act, &answer));
        }
        read(&answer).map_err(|message| CloudError::Malformed {
            act,
            message: format!(
                "{} does not answer as Keystone does ({message}); is it the auth_url?",
                self.url
            ),
        })
    }

    fn refused(&self, act: &str, answer: &Answer) -> CloudError {
        let refusal = Box::new(answer.refusal(act));
        match refusal.status {
            401 => CloudError::Auth {
                hint: Some(self.config.explain_refusal(&refusal.message)),
                refusal,
            },
            // An application credential that is gone, a project or user of that id that is not there.
            404 if refusal.message.starts_with("Could not find") => CloudError::Auth {
                hint: Some(self.config.explain_refusal(&refusal.message)),
                refusal,
            },
            // Keystone says 400 to a document it does not take, 403 to an expired password or a locked account.
            403 => CloudError::Auth {
                hint: None,
                refusal,
            },
            300..=399 | 404 | 405 => CloudError::Config {
                message: format!("{refusal}; no Keystone answers at {}", self.url),
                hint: Some(format!(
                    "look at auth_url of cloud {}: {}",
                    self.config.name, self.config.auth_url
                )),
            },
            _ => fault::translate(*refusal),
        }
    }
}

/// Where tokens are made: `auth_url` comes with and without its version.
fn tokens_url(auth_url: &str) -> Result<Url, String> {
    let mut url = Url::parse(auth_url.trim()).map_err(|error| format!("{auth_url}: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(format!("{auth_url} is not an HTTP address"));
    }
    let mut segments: Vec<String> = url
        .path_segments()
        .into_iter()
        .flatten()
        .filter(|segment| !segment.is_empty())
        .map(str::to_owned)
        .collect();
    if segments.len() >= 2 && segments[segments.len() - 2..] == ["auth", "tokens"] {
        segments.truncate(segments.len() - 2);
    }
    if segments
        .last()
        .is_some_and(|last| matches!(last.as_str(), "v3" | "v2.0"))
    {
        segments.pop();
    }
    segments.extend(["v3", "auth", "tokens"].map(str::to_owned));
    url.set_path(&segments.join("/"));
    url.set_query(None);
    Ok(url)
}

/// The document that asks for a token.
fn body(auth: &Auth) -> Value {
    let domain = |domain: &Domain| match domain {
        Domain::Id(id) => json!({ "id": id }),
        Domain::Name(name) => json!({ "name": name }),
    };
    let user = |user: &UserRef| match user {
        UserRef::Id(id) => json!({ "id": id }),
        UserRef::Name { name, domain: of } => json!({ "name": name, "domain": domain(of) }),
    };
    let (identity, scope) = match auth {
        Auth::Password {
            user: who,
            password,
            scope,
        } => {
            let mut who = user(who);
            who["password"] = json!(password.reveal());
            (
                json!({ "methods": ["password"], "password": { "user": who } }),
                scope.as_ref(),
            )
        }
        Auth::Token { token, scope } => (
            json!({ "methods": ["token"], "token": { "id": token.reveal() } }),
            scope.as_ref(),
        ),
        Auth::ApplicationCredential { id, secret } => (
            json!({ "methods": ["application_credential"],
                "application_credential": { "id": id, "secret": secret.reveal() } }),
            None,
        ),
        Auth::NamedApplicationCredential {
            name,
            user: who,
            secret,
        } => (
            json!({ "methods": ["application_credential"],
                "application_credential": { "name": name, "user": user(who), "secret": secret.reveal() } }),
            None,
        ),
    };
    let mut auth = json!({ "identity": identity });
    match scope {
        Some(Scope::ProjectId(id)) => auth["scope"] = json!({ "project": { "id": id } }),
        Some(Scope::ProjectName { name, domain: of }) => {
            auth["scope"] = json!({ "project": { "name": name, "domain": domain(of) } });
        }
        Some(Scope::Trust(id)) => auth["scope"] = json!({ "OS-TRUST:trust": { "id": id } }),
        None => {}
    }
    json!({ "auth": auth })
}

fn read(answer: &Answer) -> Result<Token, String> {
    #[derive(Deserialize)]
    struct Root {
        token: Body,
    }
    #[derive(Deserialize)]
    struct Body {
        #[serde(default)]
        expires_at: Option<String>,
        #[serde(default)]
        project: Option<Reference>,
        user: Reference,
        #[serde(default, deserialize_with = "null_is_default")]
        catalog: Vec<Entry>,
    }
    let value = answer
        .headers
        .get("x-subject-token")
        .and_then(|value| value.to_str().ok())
        .ok_or("no X-Subject-Token in it")?;
    let root: Root = serde_json::from_str(&answer.body).map_err(|error| error.to_string())?;
    Ok(Token {
        value: Secret::new(value),
        expires_at: root
            .token
            .expires_at
            .and_then(|at| OffsetDateTime::parse(&at, &Iso8601::DEFAULT).ok()),
        project: root.token.project,
        user: root.token.user,
        catalog: root.token.catalog,
    })
}

impl fmt::Debug for Keystone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keystone({})", self.url)
    }
}

/// What `osauth`'s session holds: it and the `openstack` crate work with our token, and are counted.
#[derive(Debug, Clone)]
pub(super) struct Plugin(pub(super) Arc<Keystone>);

impl Plugin {
    fn error(error: CloudError) -> osauth::Error {
        let kind = match &error {
            CloudError::Auth { .. } => osauth::ErrorKind::AuthenticationFailed,
            CloudError::NoService { .. } => osauth::ErrorKind::EndpointNotFound,
            _ => osauth::ErrorKind::InternalServerError,
        };
        osauth::Error::new(kind, error.to_string())
    }
}

#[async_trait]
impl osauth::AuthType for Plugin {
    async fn authenticate(
        &self,
        _: &reqwest::Client,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::RequestBuilder, osauth::Error> {
        let token = self.0.token().await.map_err(Self::error)?;
        self.0.transport.count();
        Ok(request.header("x-auth-token", token.value.reveal()))
    }

    async fn get_endpoint(
        &self,
        _: &reqwest::Client,
        service_type: &str,
        filters: &osauth::EndpointFilters,
    ) -> Result<Url, osauth::Error> {
        let token = self.0.token().await.map_err(Self::error)?;
        let choice = Choice {
            region: filters.region.clone(),
            interfaces: filters.interfaces.iter().map(ToString::to_string).collect(),
        };
        // Every name the service goes by, whichever of them is asked for.
        let service = super::Service::ALL
            .into_iter()
            .find(|service| service.types().contains(&service_type));
        let asked = [service_type];
        let types = service.map_or(&asked[..], |service| service.types());
        let missing = |message| osauth::Error::new(osauth::ErrorKind::EndpointNotFound, message);
        let url = catalog::find(&token.catalog, types, &choice).map_err(missing)?;
        Url::parse(url).map_err(|error| missing(format!("{url}: {error}")))
    }

    async fn refresh(&self, _: &reqwest::Client) -> Result<(), osauth::Error> {
        self.0.token().await.map(drop).map_err(Self::error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn auth_urls_come_in_many_forms() {
        for (url, expected) in [
            ("https://k:5000", "https://k:5000/v3/auth/tokens"),
            ("https://k:5000/", "https://k:5000/v3/auth/tokens"),
            ("https://k:5000/v3", "https://k:5000/v3/auth/tokens"),
            ("https://k:5000/v3/", "https://k:5000/v3/auth/tokens"),
            ("https://k:5000/v2.0", "https://k:5000/v3/auth/tokens"),
            ("https://k/identity", "https://k/identity/v3/auth/tokens"),
            (
                " https://k/identity/v3/auth/tokens ",
                "https://k/identity/v3/auth/tokens",
            ),
        ] {
            assert_eq!(tokens_url(url).unwrap().as_str(), expected);
        }
        for url in ["", "cloud.example", "cloud.example:5000/v3", "file:///v3"] {
            assert!(tokens_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn each_kind_of_credentials_has_its_document() {
        let named = |name: &str| UserRef::Name {
            name: name.into(),
            domain: Domain::Name("Users".into()),
        };
        for (auth, expected) in [
            (
                Auth::Password {
                    user: named("ada"),
                    password: Secret::new("p"),
                    scope: Some(Scope::ProjectName {
                        name: "class".into(),
                        domain: Domain::Id("default".into()),
                    }),
                },
                json!({"auth": {
                    "identity": {"methods": ["password"], "password": {"user":
                        {"name": "ada", "domain": {"name": "Users"}, "password": "p"}}},
                    "scope": {"project": {"name": "class", "domain": {"id": "default"}}}}}),
            ),
            (
                Auth::Token {
                    token: Secret::new("t"),
                    scope: Some(Scope::ProjectId("p1".into())),
                },
                json!({"auth": {"identity": {"methods": ["token"], "token": {"id": "t"}},
                    "scope": {"project": {"id": "p1"}}}}),
            ),
            (
                Auth::ApplicationCredential {
                    id: "a".into(),
                    secret: Secret::new("s"),
                },
                json!({"auth": {"identity": {"methods": ["application_credential"],
                    "application_credential": {"id": "a", "secret": "s"}}}}),
            ),
            (
                Auth::NamedApplicationCredential {
                    name: "a".into(),
                    user: UserRef::Id("u1".into()),
                    secret: Secret::new("s"),
                },
                json!({"auth": {"identity": {"methods": ["application_credential"],
                    "application_credential": {"name": "a", "user": {"id": "u1"}, "secret": "s"}}}}),
            ),
        ] {
            assert_eq!(body(&auth), expected);
        }
    }
}
