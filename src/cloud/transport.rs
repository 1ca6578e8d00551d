//! One HTTP call: sent with its deadline, repeated where that is safe, counted, and read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::{Method, StatusCode};
use serde_json::Value;
use time::OffsetDateTime;
use tokio::time::Instant;
use url::Url;

use super::retry::{self, Failure, Limits, Next, Safety};
use super::{CloudConfig, CloudError, Refusal, Unreached, fault, reach};
use crate::event::{Event, Observer};
use crate::secret::Secret;

/// A call as it goes out.
pub(super) struct Call<'a> {
    /// What it does: `creating server class`.
    pub(super) act: &'a str,
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Option<&'a Value>,
    pub(super) token: Option<Secret>,
    pub(super) safety: Safety,
}

/// A call as it came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: reqwest::header::HeaderMap,
    pub(super) body: String,
    /// It was sent more than once: what it should do may have been done by an earlier attempt.
    pub(super) repeated: bool,
}

impl Answer {
    /// The refusal in it.
    pub(super) fn refusal(&self, act: &str) -> Refusal {
        let said = fault::read(&self.body);
        let header = |name| {
            self.headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let message = if self.status.is_redirection() {
            header("location").map(|to| format!("the service has moved to {to}"))
        } else {
            said.message
        };
        Refusal {
            act: act.to_owned(),
            status: self.status.as_u16(),
            message: message.unwrap_or_else(|| {
                self.status
                    .canonical_reason()
                    .unwrap_or("no reason given")
                    .to_owned()
            }),
            kind: said.kind,
            request_id: header("x-openstack-request-id").or_else(|| header("x-compute-request-id")),
        }
    }
}

/// Sends calls.
pub(super) struct Transport {
    pooled: reqwest::Client,
    /// For what must not be sent twice: an idle connection that the other side closes at this very moment makes a
    /// request whose fate is unknown, so each of these gets a new one.
    fresh: OnceLock<reqwest::Client>,
    config: Arc<CloudConfig>,
    limits: Limits,
    calls: AtomicU64,
    observer: Arc<dyn Observer>,
}

impl Transport {
    pub(super) fn new(
        config: Arc<CloudConfig>,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, CloudError> {
        Ok(Self {
            // Shorter than servers keep idle connections (uwsgi and Apache: 5 s).
            pooled: build(&config, |client| {
                client.pool_idle_timeout(Duration::from_secs(3))
            })?,
            fresh: OnceLock::new(),
            limits: config.limits,
            config,
            calls: AtomicU64::new(0),
            observer,
        })
    }

    /// The client for what must not be sent twice. Most runs send nothing of the kind, and setting TLS up takes its
    /// time.
    fn fresh(&self) -> &reqwest::Client {
        self.fresh.get_or_init(|| {
            build(&self.config, |client| client.pool_max_idle_per_host(0))
                .unwrap_or_else(|_| self.pooled.clone())
        })
    }

    /// HTTP requests sent so far.
    pub(super) fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Counts a request that another client sends with our token.
    pub(super) fn count(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn client(&self) -> &reqwest::Client {
        &self.pooled
    }

    pub(super) fn observer(&self) -> &dyn Observer {
        &*self.observer
    }

    /// Sends a call until it is answered with anything but what repeating may heal.
    pub(super) async fn send(&self, call: &Call<'_>) -> Result<Answer, CloudError> {
        let started = Instant::now();
        let deadline = started + self.limits.total;
        let mut last = None;
        let mut attempt = 0;
        loop {
            attempt += 1;
            let outcome = tokio::time::timeout_at(deadline, self.attempt(call)).await;
            let failure = match &outcome {
                Ok(Ok(answer)) => {
                    let status = answer.status.as_u16();
                    if !matches!(status, 408 | 429 | 500..) {
                        let Ok(Ok(mut answer)) = outcome else {
                            unreachable!("matched above")
                        };
                        answer.repeated = attempt > 1;
                        return Ok(answer);
                    }
                    Failure::Status {
                        status,
                        retry_after: answer
                            .headers
                            .get("retry-after")
                            .and_then(|value| value.to_str().ok())
                            .and_then(|value| retry::retry_after(value, OffsetDateTime::now_utc())),
                    }
                }
                Ok(Err(trouble)) => Failure::Trouble(trouble),
                Err(_) => return Err(self.late(call, last)),
            };
            let state = describe(call.act, &outcome);
            let mut next =
                retry::next(call.safety, &failure, attempt, &self.limits, rand::random());
            if let Next::Again(pause) = next
                && Instant::now() + pause >= deadline
            {
                next = Next::GiveUp;
            }
            match next {
                Next::Again(pause) => {
                    self.observer.on(Event::Waiting {
                        what: call.act.to_owned(),
                        state: format!("{state}; asking again in {:.1} s", pause.as_secs_f64()),
                        elapsed_seconds: started.elapsed().as_secs_f64(),
                        deadline_seconds: self.limits.total.as_secs_f64(),
                    });
                    last = Some(state);
                    tokio::time::sleep(pause).await;
                }
                Next::Lost => {
                    return Err(CloudError::Lost {
                        act: call.act.to_owned(),
                        reason: state,
                    });
                }
                Next::GiveUp => {
                    return match outcome {
                        Ok(Ok(mut answer)) => {
                            answer.repeated = attempt > 1;
                            Ok(answer)
                        }
                        Ok(Err(trouble)) if trouble.timeout && trouble.why == Unreached::Other => {
                            Err(self.late(call, Some(trouble.reason)))
                        }
                        Ok(Err(trouble)) => Err(CloudError::Unreachable {
                            act: call.act.to_owned(),
                            host: host(&call.url),
                            why: trouble.why,
                            reason: trouble.reason,
                        }),
                        Err(_) => Err(self.late(call, last)),
                    };
                }
            }
        }
    }

    fn late(&self, call: &Call<'_>, last: Option<String>) -> CloudError {
        if call.safety == Safety::Once {
            return CloudError::Lost {
                act: call.act.to_owned(),
                reason: format!("no answer within {} s", self.limits.total.as_secs()),
            };
        }
        CloudError::Deadline {
            act: call.act.to_owned(),
            within: self.limits.total,
            last,
        }
    }

    async fn attempt(&self, call: &Call<'_>) -> Result<Answer, reach::Trouble> {
        let client = match call.safety {
            Safety::Repeat => &self.pooled,
            Safety::Once => self.fresh(),
        };
        let mut request = client
            .request(call.method.clone(), call.url.clone())
            .header("accept", "application/json");
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        if let Some(token) = &call.token {
            request = request.header("x-auth-token", sensitive(token));
        }
        if let Some(body) = call.body {
            request = request.json(body);
        }
        self.count();
        let answer = request.send().await.map_err(|error| reach::read(&error))?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        // The head is in; a body that breaks off is an answer lost.
        let body = answer.text().await.map_err(|error| reach::Trouble {
            before_sending: false,
            ..reach::read(&error)
        })?;
        Ok(Answer {
            status,
            headers,
            body,
            repeated: false,
        })
    }
}

fn build(
    config: &CloudConfig,
    pool: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> Result<reqwest::Client, CloudError> {
    pool(config.http_client()?)
        .connect_timeout(config.limits.connect)
        .timeout(config.limits.attempt)
        // A token must not follow a redirect to who knows where; an endpoint that moved is said.
        .redirect(reqwest::redirect::Policy::none())
        .user_agent(concat!("hubctl/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| CloudError::Config {
            message: format!(
                "setting up TLS for cloud {}: {}",
                config.name,
                reach::read(&error).reason
            ),
            hint: Some("look at cacert, cert and key of the cloud".to_owned()),
        })
}

/// A header value that is never logged.
fn sensitive(secret: &Secret) -> reqwest::header::HeaderValue {
    let mut value = reqwest::header::HeaderValue::from_str(secret.reveal())
        .unwrap_or_else(|_| reqwest::header::HeaderValue::from_static(""));
    value.set_sensitive(true);
    value
}

fn describe<E>(act: &str, outcome: &Result<Result<Answer, reach::Trouble>, E>) -> String {
    match outcome {
        Ok(Ok(answer)) => {
            let refusal = answer.refusal(act);
            let id = refusal
                .request_id
                .map(|id| format!(", request {id}"))
                .unwrap_or_default();
            format!("HTTP {}: {}{id}", refusal.status, refusal.message)
        }
        Ok(Err(trouble)) => trouble.reason.clone(),
        Err(_) => "no answer in time".to_owned(),
    }
}

/// Host and port, for messages.
pub(super) fn host(url: &Url) -> String {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => format!("{host}:{port}"),
        (Some(host), None) => host.to_owned(),
        _ => url.to_string(),
    }
}
