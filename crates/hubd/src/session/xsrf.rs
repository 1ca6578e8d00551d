//! XSRF: which requests must carry the token, and which token is theirs (JupyterHub's rules since 4.1).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderMap, Method};
use subtle::ConstantTimeEq;

use super::cookie::{self, XSRF};
use super::key::Key;

/// Whom a token is for: it passes for nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearer<'a> {
    /// A visitor who is not logged in, told by address and browser.
    Anonymous {
        /// The client's address, as the proxy says.
        address: &'a str,
        /// The `User-Agent` header.
        agent: &'a str,
    },
    /// Somebody logged in, in one session.
    Session {
        /// The session's id.
        session_id: &'a str,
        /// The user's name.
        user: &'a str,
    },
}

/// Why a request was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum XsrfError {
    /// No cookie of ours that is signed for this session.
    #[error(
        "'_xsrf' cookie is missing or belongs to another session: reload the page and try again"
    )]
    Cookie,
    /// No token beside the cookie.
    #[error("'_xsrf' argument missing from the request: reload the page and try again")]
    Missing,
    /// Another token than the cookie's.
    #[error("XSRF cookie does not match the '_xsrf' argument: reload the page and try again")]
    Mismatch,
}

/// Signs and checks XSRF tokens.
#[derive(Debug, Clone)]
pub struct Xsrf(Key);

impl Xsrf {
    /// With its own key, made from the hub's.
    pub fn new(key: &Key) -> Self {
        Self(key.purpose("xsrf"))
    }

    /// A new token for that bearer.
    pub fn token(&self, bearer: Bearer<'_>) -> String {
        let nonce: [u8; 12] = rand::random();
        let signature = self.sign(&nonce, bearer);
        format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(nonce),
            URL_SAFE_NO_PAD.encode(signature)
        )
    }

    /// Whether the token was signed for that bearer.
    pub fn is_valid(&self, token: &str, bearer: Bearer<'_>) -> bool {
        let decoded = token
            .split_once('.')
            .and_then(|(nonce, signature)| Some((decode(nonce)?, decode(signature)?)));
        decoded.is_some_and(|(nonce, signature)| {
            self.sign(&nonce, bearer).ct_eq(&signature[..]).into()
        })
    }

    /// The first of the request's `_xsrf` cookies that was signed for that bearer; others may lie on other paths.
    pub fn cookie<'h>(&self, headers: &'h HeaderMap, bearer: Bearer<'_>) -> Option<&'h str> {
        cookie::values(headers, XSRF).find(|value| self.is_valid(value, bearer))
    }

    /// Checks the token that a request sent beside its cookie.
    pub fn check(
        &self,
        headers: &HeaderMap,
        sent: Option<&str>,
        bearer: Bearer<'_>,
    ) -> Result<(), XsrfError> {
        let cookie = self.cookie(headers, bearer).ok_or(XsrfError::Cookie)?;
        let sent = sent
            .filter(|sent| !sent.is_empty())
            .ok_or(XsrfError::Missing)?;
        if bool::from(cookie.as_bytes().ct_eq(sent.as_bytes())) {
            Ok(())
        } else {
            Err(XsrfError::Mismatch)
        }
    }

    fn sign(&self, nonce: &[u8], bearer: Bearer<'_>) -> [u8; 32] {
        match bearer {
            Bearer::Anonymous { address, agent } => {
                self.0
                    .sign(&[b"anonymous", nonce, address.as_bytes(), agent.as_bytes()])
            }
            Bearer::Session { session_id, user } => {
                self.0
                    .sign(&[b"session", nonce, session_id.as_bytes(), user.as_bytes()])
            }
        }
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// The token a request carries: header `X-XSRFToken` or `X-CSRFToken`, or `_xsrf` of the query; a form's is the
/// caller's to read.
pub fn sent<'r>(
    headers: &'r HeaderMap,
    query: Option<&'r str>,
) -> Option<std::borrow::Cow<'r, str>> {
    let header = ["x-xsrftoken", "x-csrftoken"]
        .into_iter()
        .find_map(|name| headers.get(name)?.to_str().ok())
        .filter(|value| !value.is_empty());
    match header {
        Some(value) => Some(value.into()),
        None => url::form_urlencoded::parse(query?.as_bytes())
            .find(|(key, value)| key == XSRF && !value.is_empty())
            .map(|(_, value)| value),
    }
}

/// Whether a request that is authenticated by cookie must carry the token. (One with a valid token in `Authorization`
/// never must.)
pub fn is_needed(method: &Method, headers: &HeaderMap) -> bool {
    let get = |name: &str| {
        headers
            .get(name)
            .map(|value| value.to_str().unwrap_or("invalid").to_ascii_lowercase())
    };
    let reads = matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS);
    match get("sec-fetch-mode").as_deref() {
        Some("websocket") => false,
        None | Some("navigate") => !reads,
        Some("no-cors") => {
            !(*method == Method::GET && get("sec-fetch-site").as_deref() == Some("same-origin"))
        }
        Some(_) => true,
    }
}

/// Whether a request is a browser's navigation (or says nothing): only those are given cookies.
pub fn is_navigation(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-mode")
        .is_none_or(|mode| mode == "navigate")
}

#[cfg(test)]
mod tests {
    use http::header::COOKIE;

    use super::*;

    const ALICE: Bearer<'static> = Bearer::Session {
        session_id: "s1",
        user: "alice",
    };

    #[test]
    fn a_token_is_one_bearers_only() {
        let xsrf = Xsrf::new(&Key::generate());
        let token = xsrf.token(ALICE);
        assert!(xsrf.is_valid(&token, ALICE));
        for other in [
            Bearer::Session {
                session_id: "s2",
                user: "alice",
            },
            Bearer::Session {
                session_id: "s1",
                user: "bob",
            },
            Bearer::Session {
                session_id: "s1a",
                user: "lice",
            },
            Bearer::Anonymous {
                address: "s1",
                agent: "alice",
            },
        ] {
            assert!(!xsrf.is_valid(&token, other), "{other:?}");
        }
        assert!(
            !Xsrf::new(&Key::generate()).is_valid(&token, ALICE),
            "another hub's key"
        );
        let (nonce, signature) = token.split_once('.').unwrap();
        for broken in [
            "",
            ".",
            "x",
            nonce,
            signature,
            &format!("{nonce}."),
            &format!(".{signature}"),
            "é.é",
        ] {
            assert!(!xsrf.is_valid(broken, ALICE), "{broken}");
        }
    }

    #[test]
    fn an_anonymous_token_is_bound_to_address_and_browser() {
        let xsrf = Xsrf::new(&Key::generate());
        let one = Bearer::Anonymous {
            address: "192.0.2.1",
            agent: "Firefox",
        };
        let token = xsrf.token(one);
        assert!(xsrf.is_valid(&token, one));
        assert!(!xsrf.is_valid(
            &token,
            Bearer::Anonymous {
                address: "192.0.2.2",
                agent: "Firefox"
            }
        ));
        assert!(!xsrf.is_valid(
            &token,
            Bearer::Anonymous {
                address: "192.0.2.1",
                agent: "Chromium"
            }
        ));
    }

    #[test]
    fn which_requests_need_it() {
        for (method, mode, site, needed) in [
            ("GET", None, None, false),
            ("HEAD", None, None, false),
            ("OPTIONS", None, None, false),
            ("POST", None, None, true),
            ("DELETE", None, None, true),
            ("GET", Some("navigate"), Some("cross-site"), false),
            ("HEAD", Some("navigate"), Some("none"), false),
            ("POST", Some("navigate"), Some("same-origin"), true),
            ("GET", Some("cors"), Some("same-origin"), true),
            ("GET", Some("same-origin"), Some("same-origin"), true),
            ("GET", Some("nonsense"), None, true),
            ("GET", Some("no-cors"), Some("same-origin"), false),
            ("GET", Some("no-cors"), Some("same-site"), true),
            ("GET", Some("no-cors"), Some("cross-site"), true),
            ("GET", Some("no-cors"), None, true),
            ("POST", Some("no-cors"), Some("same-origin"), true),
            ("GET", Some("websocket"), Some("same-origin"), false),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(mode) = mode {
                headers.insert("sec-fetch-mode", mode.parse().unwrap());
            }
            if let Some(site) = site {
                headers.insert("sec-fetch-site", site.parse().unwrap());
            }
            let method: Method = method.parse().unwrap();
            assert_eq!(
                is_needed(&method, &headers),
                needed,
                "{method} {mode:?} {site:?}"
            );
        }
    }

    #[test]
    fn the_first_valid_of_several_cookies_counts() {
        let xsrf = Xsrf::new(&Key::generate());
        let (mine, newer) = (xsrf.token(ALICE), xsrf.token(ALICE));
        let tossed = xsrf.token(Bearer::Session {
            session_id: "mallory's",
            user: "mallory",
        });
        let with = |cookies: &[&str]| {
            let line = cookies
                .iter()
                .map(|value| format!("_xsrf={value}"))
                .collect::<Vec<_>>()
                .join("; ");
            HeaderMap::from_iter([(COOKIE, line.parse().unwrap())])
        };
        for (cookies, sent, expected) in [
            (vec![&mine[..]], Some(&mine[..]), Ok(())),
            (vec![&tossed, &mine], Some(&mine), Ok(())),
            (vec!["2|abc|single-user's", &mine], Some(&mine), Ok(())),
            (
                vec![&tossed, &mine],
                Some(&tossed),
                Err(XsrfError::Mismatch),
            ),
            (vec![&mine, &newer], Some(&newer), Err(XsrfError::Mismatch)),
            (vec![&tossed], Some(&tossed), Err(XsrfError::Cookie)),
            (vec![], Some(&mine), Err(XsrfError::Cookie)),
            (vec![""], Some(""), Err(XsrfError::Cookie)),
            (vec![&mine], None, Err(XsrfError::Missing)),
            (vec![&mine], Some(""), Err(XsrfError::Missing)),
        ] {
            assert_eq!(
                xsrf.check(&with(&cookies), sent, ALICE),
                expected,
                "{cookies:?} {sent:?}"
            );
        }
    }

    #[test]
    fn where_a_request_carries_it() {
        let header = |name: &'static str| {
            HeaderMap::from_iter([(name.parse().unwrap(), "h".parse().unwrap())])
        };
        for (headers, query, expected) in [
            (header("x-xsrftoken"), None, Some("h")),
            (header("x-csrftoken"), Some("_xsrf=q"), Some("h")),
            (HeaderMap::new(), Some("a=b&_xsrf=q%2E1"), Some("q.1")),
            (HeaderMap::new(), Some("_xsrf="), None),
            (HeaderMap::new(), None, None),
            (header("authorization"), None, None),
        ] {
            assert_eq!(sent(&headers, query).as_deref(), expected);
        }
    }
}
