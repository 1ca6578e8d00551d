//! A user's browser: cookies, forms and redirects of a hub, from login to logout.

use std::sync::Arc;
use std::time::Duration;

use reqwest::cookie::{CookieStore, Jar};
use reqwest::{Method, StatusCode, header};
use serde::Deserialize;
use url::Url;

use super::Endpoint;
use super::fault::{Fault, message, said};
use crate::event::{Event, Observer};
use crate::secret::Secret;
use crate::wait::{Probe, Wait, WaitError};

/// A browser that one user uses.
pub struct Browser {
    endpoint: Endpoint,
    client: reqwest::Client,
    jar: Arc<Jar>,
    user: String,
    /// Where the user's server is: `user/NAME/`, or nothing.
    server: String,
}

/// A page as it was found at the end of all redirects.
struct Page {
    url: Url,
    status: StatusCode,
    body: String,
}

impl Browser {
    /// Logs in with name and password.
    pub async fn login(endpoint: &Endpoint, user: &str, password: &Secret) -> Result<Self, Fault> {
        let jar = Arc::new(Jar::default());
        let browser = Self {
            endpoint: endpoint.clone(),
            client: endpoint.client(Some(Arc::clone(&jar)))?,
            jar,
            user: user.to_owned(),
            server: format!("user/{user}/"),
        };
        let form = browser.visit(endpoint.at("hub/login")).await?;
        if !form.status.is_success() {
            return Err(form.fault("the login page"));
        }
        if !form.body.contains("name=\"password\"") {
            return Err(Fault::new(
                format!("{} asks for no password", form.url),
                "this hub logs users in elsewhere: a check can only go as far as its login page",
            ));
        }
        let mut url = endpoint.at("hub/login");
        url.query_pairs_mut()
            .append_pair("next", endpoint.at("hub/home").path());
        let xsrf = browser.cookie(&url, "_xsrf").unwrap_or_default();
        let response = browser
            .client
            .post(url)
            .header(
                header::ORIGIN,
                endpoint.url().origin().ascii_serialization(),
            )
            .form(&[
                ("username", user),
                ("password", password.reveal()),
                ("_xsrf", &xsrf),
            ])
            .send()
            .await
            .map_err(|error| Fault::http("logging in", &error))?;
        let status = response.status();
        if status.is_redirection() {
            return Ok(browser);
        }
        let body = response.text().await.unwrap_or_default();
        Err(match status {
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED | StatusCode::OK => Fault::new(
                why_not_in(&body)
                    .unwrap_or_else(|| format!("{user} is not let in (HTTP {status})")),
                "`hubctl list-users` shows who has an account; `hubctl logs hub` why one was not let in",
            ),
            _ => Fault::plain(match said(&body, "<h1") {
                Some(said) => format!("{said} (HTTP {status})"),
                None => format!("HTTP {status}"),
            }),
        })
    }

    /// Whether the hub has people log in elsewhere, at a provider: its login page leads away, or asks for no password.
    /// One that cannot be seen is not taken for that.
    pub async fn logs_in_elsewhere(endpoint: &Endpoint) -> bool {
        let page = endpoint.at("hub/login");
        let Ok(client) = endpoint.client(None) else {
            return false;
        };
        let Ok(response) = client.get(page.clone()).send().await else {
            return false;
        };
        if response.status().is_redirection() {
            let target = response.headers().get(header::LOCATION);
            let target = target
                .and_then(|value| value.to_str().ok())
                .and_then(|target| page.join(target).ok());
            return target.is_some_and(|target| target.path() != page.path());
        }
        response.status().is_success()
            && response
                .text()
                .await
                .is_ok_and(|body| !body.contains("name=\"password\""))
    }

    /// Logs in to one person's notebook server.
    pub async fn login_to_notebook(endpoint: &Endpoint, password: &Secret) -> Result<Self, Fault> {
        let jar = Arc::new(Jar::default());
        let browser = Self {
            endpoint: endpoint.clone(),
            client: endpoint.client(Some(Arc::clone(&jar)))?,
            jar,
            user: "notebook".to_owned(),
            server: String::new(),
        };
        let form = browser.visit(endpoint.at("login")).await?;
        if !form.status.is_success() || !form.body.contains("name=\"password\"") {
            return Err(form.fault("the login page"));
        }
        let url = endpoint.at("login");
        let xsrf = browser.cookie(&url, "_xsrf").unwrap_or_default();
        let response = browser
            .client
            .post(url)
            .header(
                header::ORIGIN,
                endpoint.url().origin().ascii_serialization(),
            )
            .form(&[("password", password.reveal()), ("_xsrf", &xsrf)])
            .send()
            .await
            .map_err(|error| Fault::http("logging in", &error))?;
        match response.status() {
            status if status.is_redirection() => Ok(browser),
            StatusCode::UNAUTHORIZED => Err(Fault::new(
                "the password is not let in",
                "`hubctl provision` sets the one of the credentials file",
            )),
            status => Err(Fault::plain(format!("HTTP {status}"))),
        }
    }

    pub fn user(&self) -> &str {
        &self.user
    }

    /// Where the user's server is below the endpoint.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Starts the user's server, where it does not run, and waits until it is ready.
    pub async fn spawn(&self, within: Duration, observer: &dyn Observer) -> Result<(), Fault> {
        let path = format!("hub/api/users/{}/server", self.user);
        let (status, body) = self.api(Method::POST, &path).await?;
        match status {
            StatusCode::CREATED => return Ok(()),
            StatusCode::ACCEPTED => {}
            StatusCode::BAD_REQUEST if body.contains("already running") => return Ok(()),
            // Someone else asked a moment ago; its progress is ours.
            StatusCode::BAD_REQUEST if body.contains("pending") => {}
            StatusCode::TOO_MANY_REQUESTS => {
                return Err(Fault::new(
                    message(&body),
                    "many servers start at the same time: try again in a minute",
                ));
            }
            _ => return Err(Fault::plain(format!("{} (HTTP {status})", message(&body)))),
        }
        match tokio::time::timeout(within, self.progress(within, observer)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(Fault::plain(format!(
                "the server was not ready after {} s",
                within.as_secs()
            ))),
        }
    }

    /// Follows what the hub tells of a server's start.
    async fn progress(&self, within: Duration, observer: &dyn Observer) -> Result<(), Fault> {
        #[derive(Deserialize)]
        struct Progress {
            #[serde(default)]
            ready: bool,
            #[serde(default)]
            failed: bool,
            #[serde(default)]
            message: String,
        }
        let broke = |error| Fault::http("following the start", &error);
        let started = std::time::Instant::now();
        let url = self
            .endpoint
            .at(&format!("hub/api/users/{}/server/progress", self.user));
        let mut response = self
            .request(Method::GET, url)
            .header(header::ACCEPT, "text/event-stream")
            .send()
            .await
            .map_err(broke)?;
        if !response.status().is_success() {
            let status = response.status();
            let body = response.text().await.unwrap_or_default();
            return Err(Fault::plain(format!("{} (HTTP {status})", message(&body))));
        }
        let mut text = String::new();
        while let Some(bytes) = response.chunk().await.map_err(broke)? {
            text.push_str(&String::from_utf8_lossy(&bytes));
            while let Some((line, rest)) = text.split_once('\n') {
                let told = line
                    .trim()
                    .strip_prefix("data:")
                    .and_then(|json| serde_json::from_str::<Progress>(json).ok());
                text = rest.to_owned();
                let Some(told) = told else { continue };
                if told.failed {
                    return Err(Fault::plain(told.message));
                }
                if told.ready {
                    return Ok(());
                }
                observer.on(Event::Waiting {
                    what: format!("the server of {}", self.user),
                    state: told.message,
                    elapsed_seconds: started.elapsed().as_secs_f64(),
                    deadline_seconds: within.as_secs_f64(),
                });
            }
        }
        Err(Fault::plain(
            "the hub stopped telling of the start before its end".to_owned(),
        ))
    }

    /// Opens the user's server, which asks the hub who this is.
    pub async fn open(&self) -> Result<(), Fault> {
        let page = self
            .visit(self.endpoint.at(&format!("{}lab", self.server)))
            .await?;
        let within = self.endpoint.at(&self.server);
        if page.status.is_success()
            && page
                .url
                .path()
                .starts_with(&format!("{}lab", within.path()))
        {
            Ok(())
        } else {
            Err(page.fault("the page of the user's server"))
        }
    }

    /// The text of one of the hub's pages, such as `hub/home`.
    pub async fn read(&self, path: &str) -> Result<String, Fault> {
        let page = self.visit(self.endpoint.at(path)).await?;
        if page.status.is_success() {
            Ok(page.body)
        } else {
            Err(page.fault("the page"))
        }
    }

    /// Stops the user's server and waits until it is gone.
    pub async fn stop(&self, within: Duration, observer: &dyn Observer) -> Result<(), Fault> {
        let path = format!("hub/api/users/{}/server", self.user);
        let (status, body) = self.api(Method::DELETE, &path).await?;
        match status {
            StatusCode::NO_CONTENT | StatusCode::NOT_FOUND => return Ok(()),
            StatusCode::ACCEPTED => {}
            _ => return Err(Fault::plain(format!("{} (HTTP {status})", message(&body)))),
        }
        #[derive(Deserialize)]
        struct User {
            server: Option<String>,
            pending: Option<String>,
        }
        let wait = Wait::new(
            format!("the server of {} to stop", self.user),
            Duration::from_millis(500),
            within,
        );
        wait.until(observer, async || {
            let (status, body) = self
                .api(Method::GET, &format!("hub/api/users/{}", self.user))
                .await?;
            match serde_json::from_str::<User>(&body) {
                Ok(User {
                    server: None,
                    pending: None,
                }) => Ok(Probe::Ready(())),
                Ok(user) => Ok(Probe::Pending(
                    user.pending.unwrap_or_else(|| "running".to_owned()),
                )),
                Err(_) => Err(Fault::plain(format!("{} (HTTP {status})", message(&body)))),
            }
        })
        .await
        .map_err(|error| match error {
            WaitError::Failed(fault) => fault,
            deadline => Fault::plain(deadline.to_string()),
        })
    }

    /// Logs out; the hub forgets the session and its tokens.
    pub async fn logout(&self) -> Result<(), Fault> {
        let out = if self.server.is_empty() {
            "logout"
        } else {
            "hub/logout"
        };
        let page = self.visit(self.endpoint.at(out)).await?;
        if page.status.is_success() {
            Ok(())
        } else {
            Err(page.fault("logging out"))
        }
    }

    /// Calls an API as the page's own scripts do.
    pub(super) async fn api(
        &self,
        method: Method,
        path: &str,
    ) -> Result<(StatusCode, String), Fault> {
        let body = if method == Method::POST { "{}" } else { "" };
        self.api_with(method, path, body.to_owned()).await
    }

    /// The same with a body of JSON.
    pub(super) async fn api_with(
        &self,
        method: Method,
        path: &str,
        body: String,
    ) -> Result<(StatusCode, String), Fault> {
        let what = format!("{method} /{path}");
        let broke = |error| Fault::http(&what, &error);
        let mut request = self.request(method.clone(), self.endpoint.at(path));
        if method != Method::GET {
            request = request
                .header(header::CONTENT_TYPE, "application/json")
                .body(body);
        }
        let response = request.send().await.map_err(broke)?;
        let status = response.status();
        Ok((status, response.text().await.map_err(broke)?))
    }

    fn request(&self, method: Method, url: Url) -> reqwest::RequestBuilder {
        let xsrf = self.cookie(&url, "_xsrf").unwrap_or_default();
        self.client
            .request(method, url)
            .header("X-XSRFToken", xsrf)
            .header("Sec-Fetch-Mode", "cors")
            .header("Sec-Fetch-Site", "same-origin")
    }

    /// Goes to a page, through all redirects, as long as they stay with this hub.
    async fn visit(&self, url: Url) -> Result<Page, Fault> {
        let mut url = url;
        for _ in 0..20 {
            let response = self
                .client
                .get(url.clone())
                .header(header::ACCEPT, "text/html,application/xhtml+xml")
                .header("Sec-Fetch-Mode", "navigate")
                .header("Sec-Fetch-Site", "same-origin")
                .header("Sec-Fetch-Dest", "document")
                .send()
                .await
                .map_err(|error| Fault::http(url.path(), &error))?;
            let status = response.status();
            if !status.is_redirection() {
                return Ok(Page {
                    status,
                    body: response
                        .text()
                        .await
                        .map_err(|error| Fault::http(url.path(), &error))?,
                    url,
                });
            }
            let next = response
                .headers()
                .get(header::LOCATION)
                .and_then(|value| value.to_str().ok())
                .and_then(|target| url.join(target).ok())
                .ok_or_else(|| Fault::plain(format!("{} leads nowhere", url.path())))?;
            if next.origin() != self.endpoint.url().origin() {
                return Err(Fault::new(
                    format!(
                        "{} leads away from the hub, to {}",
                        url.path(),
                        next.origin().ascii_serialization()
                    ),
                    "the hub's public URL may be set to another name than the one it is reached under",
                ));
            }
            url = next;
        }
        Err(Fault::plain(format!("{} leads in circles", url.path())))
    }

    /// All cookies for `url`, as a browser would send them.
    pub(super) fn cookies(&self, url: &Url) -> Option<header::HeaderValue> {
        self.jar.cookies(url)
    }

    fn cookie(&self, url: &Url, name: &str) -> Option<String> {
        let all = self.cookies(url)?;
        all.to_str().ok()?.split("; ").find_map(|pair| {
            pair.split_once('=')
                .filter(|(key, _)| *key == name)
                .map(|(_, value)| value.trim_matches('"').to_owned())
        })
    }
}

/// What the login page says to a login that failed: JupyterHub's, or hubd's, which has a heading before it.
fn why_not_in(page: &str) -> Option<String> {
    said(page, "login_error").or_else(|| {
        let at = page.find("id=\"login-error\"")?;
        said(page.get(at..)?, "</strong")
    })
}

impl Page {
    fn fault(&self, what: &str) -> Fault {
        let said = said(&self.body, "error")
            .map(|said| format!(": {said}"))
            .unwrap_or_default();
        Fault::plain(format!(
            "{what} ({}) is HTTP {}{said}",
            self.url.path(),
            self.status
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_hubs_say_why_one_is_not_let_in() {
        for (page, why) in [
            (
                "<p class=\"login_error\">\n  Invalid username or password\n</p>",
                Some("Invalid username or password"),
            ),
            (
                "<strong>x</strong><p role=\"alert\" id=\"login-error\"><strong>Not logged in.</strong> Not right.</p>",
                Some("Not right."),
            ),
            ("<h1>Another page</h1>", None),
        ] {
            assert_eq!(why_not_in(page).as_deref(), why);
        }
    }
}
