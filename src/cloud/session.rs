//! A session with one cloud: who we are there, and every call's way out and back.

use std::sync::Arc;

use openstack::session::Session;
use openstack::{EndpointFilters, InterfaceType};
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::OnceCell;
use url::Url;

use super::catalog::{self, Choice};
use super::keystone::{Keystone, Plugin, Token};
use super::retry::Safety;
use super::transport::{Answer, Call, Transport};
use super::{CloudConfig, CloudError, Reference, Service, fault};
use crate::event::Observer;

/// One cloud, as one project of one user sees it. Cheap to clone; clones share token, connections and counter.
#[derive(Clone)]
pub struct Cloud {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    config: Arc<CloudConfig>,
    pub(super) transport: Arc<Transport>,
    pub(super) keystone: Arc<Keystone>,
    session: Session,
    first: Arc<Token>,
    project: Reference,
    choice: Choice,
    /// Minor parts of the least and the greatest compute microversion, once the cloud would not take ours.
    pub(super) compute_range: OnceCell<(u16, u16)>,
}

/// A request to a service. The path is relative to the service's versioned endpoint.
pub(super) struct Request<'a> {
    pub(super) act: &'a str,
    pub(super) service: Service,
    pub(super) method: Method,
    pub(super) path: &'a [&'a str],
    pub(super) query: &'a [(String, String)],
    pub(super) body: Option<Value>,
    pub(super) safety: Safety,
    /// Minor part of the microversion wanted, where the service has them.
    pub(super) minor: Option<u16>,
}

impl Cloud {
    /// Authenticates: one API call.
    pub async fn connect(
        config: CloudConfig,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, CloudError> {
        for note in &config.notes {
            observer.note(note.clone());
        }
        let config = Arc::new(config);
        let transport = Arc::new(Transport::new(config.clone(), observer)?);
        let keystone = Arc::new(Keystone::new(config.clone(), transport.clone())?);
        let first = keystone.token().await?;
        let project = first.project.clone().ok_or_else(|| config.no_project())?;
        let choice = config.endpoint_choice(&first)?;
        // The token is there already: this makes no call.
        let session =
            Session::new_with_client(transport.client().clone(), Plugin(keystone.clone()))
                .await
                .map_err(|error| CloudError::Malformed {
                    act: format!("logging in to cloud {}", config.name),
                    message: error.to_string(),
                })?
                .with_endpoint_filters(filters(&choice));
        Ok(Self {
            inner: Arc::new(Inner {
                config,
                transport,
                keystone,
                session,
                first,
                project,
                choice,
                compute_range: OnceCell::new(),
            }),
        })
    }

    /// How many HTTP requests were sent so far, repeats included.
    pub fn api_calls(&self) -> u64 {
        self.inner.transport.calls()
    }

    /// Whether the catalog has the service for our region and interface.
    pub fn has_service(&self, service: Service) -> bool {
        self.endpoint("", service).is_ok()
    }

    /// The entry's name: of `clouds.yaml`, or `envvars`.
    pub fn name(&self) -> &str {
        &self.inner.config.name
    }

    /// The project everything is made in.
    pub fn project(&self) -> Reference {
        self.inner.project.clone()
    }

    /// Who we are.
    pub fn user(&self) -> Reference {
        self.inner.first.user.clone()
    }

    pub fn region(&self) -> Option<&str> {
        self.inner.choice.region.as_deref()
    }

    /// What the configuration says of this cloud.
    pub fn config(&self) -> &CloudConfig {
        &self.inner.config
    }

    /// The `openstack` crate's view of the same session: same token, same connections, counted with ours. It has no
    /// retries and its errors no request id; for reads that this module has no call for.
    pub fn sdk(&self) -> openstack::Cloud {
        openstack::Cloud::from(self.inner.session.clone())
    }

    pub(super) fn observer(&self) -> &dyn Observer {
        self.inner.transport.observer()
    }

    /// The URL of a service, its version included.
    pub(super) fn endpoint(&self, act: &str, service: Service) -> Result<Url, CloudError> {
        let no_service = |message: String| CloudError::NoService {
            act: act.to_owned(),
            message: format!(
                "{} at cloud {}: {message}",
                service.words(),
                self.inner.config.name
            ),
        };
        let url = match self.inner.config.endpoint_override(service) {
            Some(url) => url,
            None => catalog::find(
                &self.inner.first.catalog,
                service.types(),
                &self.inner.choice,
            )
            .map_err(no_service)?,
        };
        catalog::base(service, url, &self.inner.project.id).map_err(no_service)
    }

    fn url(&self, request: &Request<'_>) -> Result<Url, CloudError> {
        let mut url = self.endpoint(request.act, request.service)?;
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(request.path);
        }
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(request.query);
        }
        Ok(url)
    }

    /// Sends a request; whatever is not a success is a translated error.
    pub(super) async fn send(&self, request: &Request<'_>) -> Result<Answer, CloudError> {
        let url = self.url(request)?;
        let answer = self.send_to(request, url).await?;
        if answer.status.is_success() {
            return Ok(answer);
        }
        Err(self.refused(request, &answer))
    }

    /// As [`send`](Self::send), and says whether it was sent more than once: what it asks for may have been done by an
    /// attempt whose answer was lost.
    pub(super) async fn send_twice(
        &self,
        request: &Request<'_>,
    ) -> (Result<Answer, CloudError>, bool) {
        let answer = match self.url(request) {
            Ok(url) => self.send_to(request, url).await,
            Err(error) => Err(error),
        };
        match answer {
            Ok(answer) if answer.status.is_success() => (Ok(answer), false),
            Ok(answer) => (Err(self.refused(request, &answer)), answer.repeated),
            Err(error) => (Err(error), false),
        }
    }

    fn refused(&self, request: &Request<'_>, answer: &Answer) -> CloudError {
        match fault::translate(answer.refusal(request.act)) {
            CloudError::Auth { refusal, .. } => CloudError::Auth {
                hint: Some(format!(
                    "a new token was taken and refused too: the credentials of cloud {} may have been revoked",
                    self.inner.config.name
                )),
                refusal,
            },
            error => error,
        }
    }

    async fn send_to(&self, request: &Request<'_>, url: Url) -> Result<Answer, CloudError> {
        let mut token = self.inner.keystone.token().await?;
        let mut renewed = false;
        let mut negotiated = false;
        loop {
            let answer = self
                .inner
                .transport
                .send(&Call {
                    act: request.act,
                    method: request.method.clone(),
                    url: url.clone(),
                    headers: self.microversion(request),
                    body: request.body.as_ref(),
                    token: Some(token.value.clone()),
                    safety: request.safety,
                })
                .await?;
            match answer.status.as_u16() {
                // Nothing was done: a token can be revoked or lost by its Keystone at any time.
                401 if !renewed => {
                    renewed = true;
                    token = self.inner.keystone.renew(Some(&token.value)).await?;
                }
                406 if !negotiated && request.service == Service::Compute => {
                    negotiated = true;
                    self.negotiate(request.act).await?;
                }
                _ => return Ok(answer),
            }
        }
    }

    /// Reads the record under `key` of the answer's document.
    pub(super) fn record<T: DeserializeOwned>(
        &self,
        act: &str,
        answer: &Answer,
        key: &str,
    ) -> Result<T, CloudError> {
        let malformed = |message: String| CloudError::Malformed {
            act: act.to_owned(),
            message: format!("the answer is not understood: {message}"),
        };
        let mut document: Value = serde_json::from_str(&answer.body).map_err(|_| {
            malformed(
                fault::read(&answer.body)
                    .message
                    .map_or("it is empty".to_owned(), |text| {
                        format!("it is no JSON: {text}")
                    }),
            )
        })?;
        // Some documents have no envelope.
        let record = if key.is_empty() {
            document
        } else {
            document
                .get_mut(key)
                .map(Value::take)
                .ok_or_else(|| malformed(format!("no {key} in it")))?
        };
        T::deserialize(record).map_err(|error| {
            malformed(if key.is_empty() {
                error.to_string()
            } else {
                format!("{key}: {error}")
            })
        })
    }

    /// One thing by id.
    pub(super) async fn fetch<T: DeserializeOwned>(
        &self,
        act: &str,
        service: Service,
        path: &[&str],
        key: &str,
    ) -> Result<T, CloudError> {
        let answer = self.send(&Request::get(act, service, path)).await?;
        self.record(act, &answer, key)
    }

    /// Deletes; what is gone already is gone.
    pub(super) async fn remove(
        &self,
        act: &str,
        service: Service,
        path: &[&str],
    ) -> Result<(), CloudError> {
        let outcome = self
            .send(&Request {
                method: Method::DELETE,
                ..Request::get(act, service, path)
            })
            .await;
        match outcome {
            Ok(_) | Err(CloudError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Creates; sent once unless it surely was not done.
    pub(super) async fn create<T: DeserializeOwned>(
        &self,
        act: &str,
        service: Service,
        path: &[&str],
        key: &str,
        body: Value,
    ) -> Result<T, CloudError> {
        let answer = self
            .send(&Request {
                method: Method::POST,
                body: Some(body),
                safety: Safety::Once,
                ..Request::get(act, service, path)
            })
            .await?;
        self.record(act, &answer, key)
    }

    /// Replaces; doing it twice is doing it once.
    pub(super) async fn put(
        &self,
        act: &str,
        service: Service,
        path: &[&str],
        body: Value,
    ) -> Result<Answer, CloudError> {
        self.send(&Request {
            method: Method::PUT,
            body: Some(body),
            ..Request::get(act, service, path)
        })
        .await
    }
}

impl<'a> Request<'a> {
    pub(super) fn get(act: &'a str, service: Service, path: &'a [&'a str]) -> Self {
        Self {
            act,
            service,
            method: Method::GET,
            path,
            query: &[],
            body: None,
            safety: Safety::Repeat,
            minor: None,
        }
    }
}

/// What is not there is `None`.
pub(super) fn found<T>(outcome: Result<T, CloudError>) -> Result<Option<T>, CloudError> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(CloudError::NotFound(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

fn filters(choice: &Choice) -> EndpointFilters {
    let mut filters = EndpointFilters::default();
    filters.region.clone_from(&choice.region);
    filters.interfaces = choice
        .interfaces
        .iter()
        .filter_map(|interface| interface.parse::<InterfaceType>().ok())
        .collect();
    filters
}
