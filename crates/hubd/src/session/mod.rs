//! Who asks from a browser: sessions, cookies, XSRF.
//!
//! A session is a row of the store; the browser has its token in the login cookie on `{base}hub/`, and its public id in
//! `jupyterhub-session-id` on `{base}`, which servers and services read. What counts for the hub is the id in the store:
//! whoever tosses a cookie into a browser from another path changes nothing.

pub mod cookie;
pub mod key;
pub mod next;
pub mod origin;
pub mod xsrf;

use std::time::Duration;

use http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use http::request::Parts;

use self::cookie::{Cookie, LOGIN, SESSION_ID, XSRF};
use self::key::Key;
use self::origin::Origin;
use self::xsrf::{Bearer, Xsrf, XsrfError};
use crate::store::requester::Requester;
use crate::store::secret::{TokenHash, new_token};
use crate::store::session::{self, Session};
use crate::store::{Store, StoreError};

/// How long an anonymous visitor's XSRF token stays with the browser.
const ANONYMOUS: Duration = Duration::from_secs(3600);
/// How old the noted use of a session may be before it is noted again.
const RESOLUTION: Duration = Duration::from_secs(60);

/// Somebody whom a login cookie makes known.
#[derive(Debug, Clone)]
pub struct Known {
    /// Who, and what they may.
    pub requester: Requester,
    /// The session's public id.
    pub session_id: String,
}

impl Known {
    /// The name of the user.
    pub fn name(&self) -> &str {
        self.requester.name()
    }
}

/// Why a request with a login cookie is not answered.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// It does not carry the token that it must.
    #[error(transparent)]
    Xsrf(#[from] XsrfError),
    /// A form of another site can send what is not JSON.
    #[error("a request by cookie to the API must have Content-Type application/json")]
    ContentType,
    /// The store could not be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Sessions of browsers.
#[derive(Debug, Clone)]
pub struct Sessions {
    base: String,
    hub: String,
    lifetime: Duration,
    public_is_https: bool,
    xsrf: Xsrf,
}

impl Sessions {
    /// `base` has a slash at both ends; `public_url` is the configured one; `key` the hub's.
    pub fn new(base: &str, public_url: Option<&str>, days: u32, key: &Key) -> Self {
        Self {
            base: base.to_owned(),
            hub: format!("{base}hub/"),
            lifetime: Duration::from_secs(u64::from(days) * 24 * 3600),
            public_is_https: public_url.is_some_and(|url| url.starts_with("https:")),
            xsrf: Xsrf::new(key),
        }
    }

    /// How long a session lasts; tokens that servers get for their visitors last as long.
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Who the request's login cookie makes known; XSRF is not looked at.
    ///
    /// Only one login cookie can be on the hub's path; one on another path was put there by somebody else's page, to have
    /// the visitor act as him. Of two sessions neither is believed; the next login ends both.
    pub async fn known(
        &self,
        store: &Store,
        headers: &HeaderMap,
        origin: &Origin,
    ) -> Result<Option<Known>, StoreError> {
        let hashes: Vec<TokenHash> = self
            .login_values(headers, origin)
            .map(TokenHash::of)
            .take(8)
            .collect();
        if hashes.is_empty() {
            return Ok(None);
        }
        let now = store.clock().now();
        let mut found = store
            .read(move |connection| {
                let mut found: Vec<Session> = Vec::new();
                for hash in &hashes {
                    if let Some(session) = session::find(connection, hash, now)?
                        && !found.contains(&session)
                    {
                        found.push(session);
                    }
                }
                Ok::<_, StoreError>(found)
            })
            .await?;
        if found.len() > 1 {
            tracing::warn!(address = %origin.address, "a browser sent the login cookies of two sessions");
            return Ok(None);
        }
        let Some(session) = found.pop() else {
            return Ok(None);
        };
        let session_id = session.session_id;
        let requester = store
            .requester_by_user(session.user_id, Some(session_id.clone()))
            .await?;
        let Some(requester) = requester else {
            return Ok(None);
        };
        if now.since(session.last_activity) >= RESOLUTION {
            let id = session_id.clone();
            let noted = store
                .note(move |connection| session::note_activity(connection, &id, now))
                .await;
            if let Err(error) = noted {
                tracing::warn!(%error, "noting that a session is in use");
            }
            store.note_user_activity(session.user_id);
        }
        Ok(Some(Known {
            requester,
            session_id,
        }))
    }

    /// For the API: who asks by cookie, if the request is one that the user meant.
    pub async fn api_requester(
        &self,
        store: &Store,
        parts: &Parts,
    ) -> Result<Option<Requester>, SessionError> {
        let origin = Origin::of(parts);
        let Some(known) = self.known(store, &parts.headers, &origin).await? else {
            return Ok(None);
        };
        if xsrf::is_needed(&parts.method, &parts.headers) {
            let sent = xsrf::sent(&parts.headers, parts.uri.query());
            self.xsrf
                .check(&parts.headers, sent.as_deref(), bearer(&known))?;
        }
        if parts.method == http::Method::POST && !is_json_or_none(&parts.headers) {
            return Err(SessionError::ContentType);
        }
        Ok(Some(known.requester))
    }

    /// Checks the token of a form.
    pub fn check_form(
        &self,
        headers: &HeaderMap,
        origin: &Origin,
        known: Option<&Known>,
        sent: Option<&str>,
    ) -> Result<(), XsrfError> {
        // No form of another site is ever meant, whatever it carries.
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        if matches!(site, Some(b"cross-site" | b"same-site")) {
            return Err(XsrfError::Mismatch);
        }
        let agent = agent(headers);
        let address = origin.address.to_string();
        let bearer = known.map_or(
            Bearer::Anonymous {
                address: &address,
                agent: &agent,
            },
            bearer,
        );
        self.xsrf.check(headers, sent, bearer)
    }

    /// The XSRF token for the forms of a page, and the cookie to set with it if the browser has none that is good.
    pub fn form_token(
        &self,
        headers: &HeaderMap,
        origin: &Origin,
        known: Option<&Known>,
    ) -> (String, Option<HeaderValue>) {
        let agent = agent(headers);
        let address = origin.address.to_string();
        let bearer = known.map_or(
            Bearer::Anonymous {
                address: &address,
                agent: &agent,
            },
            bearer,
        );
        if let Some(token) = self.xsrf.cookie(headers, bearer) {
            return (token.to_owned(), None);
        }
        let token = self.xsrf.token(bearer);
        let max_age = known.is_none().then_some(ANONYMOUS);
        let set = xsrf::is_navigation(headers)
            .then(|| self.xsrf_cookie(&token, max_age, origin).header());
        (token, set)
    }

    /// Begins a session of a user: new ids, whatever cookies the browser came with, whose own session here ends. The
    /// cookies to set.
    pub async fn begin(
        &self,
        store: &Store,
        headers: &HeaderMap,
        origin: &Origin,
        user_id: i64,
        user: &str,
    ) -> Result<Vec<HeaderValue>, StoreError> {
        let token = new_token();
        let hash = TokenHash::of(&token);
        let session_id = new_token()[..32].to_owned();
        let now = store.clock().now();
        let session = Session {
            user_id,
            session_id: session_id.clone(),
            created: now,
            last_activity: now,
            expires_at: now.after(self.lifetime),
        };
        let old: Vec<TokenHash> = self
            .login_values(headers, origin)
            .map(TokenHash::of)
            .take(8)
            .collect();
        store
            .write(move |connection| {
                for hash in &old {
                    if let Some(before) = session::find(connection, hash, now)? {
                        session::end(connection, &before.session_id)?;
                    }
                }
                session::create(connection, &hash, &session)
            })
            .await?;
        store.note_user_activity(user_id);
        let xsrf = self.xsrf.token(Bearer::Session {
            session_id: &session_id,
            user,
        });
        Ok(vec![
            self.session_cookie(&session_id, origin).header(),
            self.login_cookie(&token, origin).header(),
            self.xsrf_cookie(&xsrf, None, origin).header(),
        ])
    }

    /// Ends a session with all tokens that were issued in it. The cookies that take it from the browser.
    pub async fn end(
        &self,
        store: &Store,
        known: Option<&Known>,
        origin: &Origin,
    ) -> Result<Vec<HeaderValue>, StoreError> {
        if let Some(known) = known {
            let id = known.session_id.clone();
            store
                .write(move |connection| session::end(connection, &id))
                .await?;
        }
        Ok(vec![
            self.session_cookie("", origin).clearing(),
            self.login_cookie("", origin).clearing(),
            self.xsrf_cookie("", None, origin).clearing(),
        ])
    }

    /// Whether cookies of this request are for https only.
    pub fn is_secure(&self, origin: &Origin) -> bool {
        self.public_is_https || origin.is_https
    }

    fn login_values<'a>(
        &self,
        headers: &'a HeaderMap,
        origin: &Origin,
    ) -> impl Iterator<Item = &'a str> {
        cookie::values(headers, cookie::login_name(self.is_secure(origin)))
            .filter(|value| !value.is_empty())
    }

    fn session_cookie<'a>(&'a self, value: &'a str, origin: &Origin) -> Cookie<'a> {
        Cookie {
            name: SESSION_ID,
            value,
            path: &self.base,
            max_age: Some(self.lifetime),
            http_only: true,
            secure: self.is_secure(origin),
        }
    }

    fn login_cookie<'a>(&'a self, value: &'a str, origin: &Origin) -> Cookie<'a> {
        let secure = self.is_secure(origin);
        let name = if secure {
            cookie::login_name(true)
        } else {
            LOGIN
        };
        Cookie {
            name,
            value,
            path: &self.hub,
            max_age: Some(self.lifetime),
            http_only: true,
            secure,
        }
    }

    fn xsrf_cookie<'a>(
        &'a self,
        value: &'a str,
        max_age: Option<Duration>,
        origin: &Origin,
    ) -> Cookie<'a> {
        Cookie {
            name: XSRF,
            value,
            path: &self.hub,
            max_age,
            http_only: false,
            secure: self.is_secure(origin),
        }
    }
}

fn bearer(known: &Known) -> Bearer<'_> {
    Bearer::Session {
        session_id: &known.session_id,
        user: known.name(),
    }
}

fn agent(headers: &HeaderMap) -> String {
    let agent = headers.get(http::header::USER_AGENT);
    agent.map_or_else(String::new, |agent| {
        String::from_utf8_lossy(agent.as_bytes()).into_owned()
    })
}

/// Forms of other sites can post some content types without being asked whether they may; JSON is none of them.
fn is_json_or_none(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(CONTENT_TYPE) else {
        return true;
    };
    let kind = kind.to_str().unwrap_or("invalid");
    kind.split(';')
        .next()
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_comes_by_cookie() {
        for (kind, fits) in [
            (None, true),
            (Some("application/json"), true),
            (Some("Application/JSON; charset=utf-8"), true),
            (Some("text/plain"), false),
            (Some("application/x-www-form-urlencoded"), false),
            (
                Some("multipart/form-data; boundary=application/json"),
                false,
            ),
            (Some("application/json-patch+json"), false),
            (Some("text/plain; application/json"), false),
            (Some(""), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(kind) = kind {
                headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            }
            assert_eq!(is_json_or_none(&headers), fits, "{kind:?}");
        }
    }
}
