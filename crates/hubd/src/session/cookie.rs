//! Cookies: all that a request carries of one name, and those the hub sets.

use std::time::Duration;

use http::header::{COOKIE, HeaderMap, HeaderValue};

/// The cookie that single-user servers and services read, too (JupyterHub's name, on the base path).
pub const SESSION_ID: &str = "jupyterhub-session-id";
/// The hub's own login cookie, on `{base}hub/` only: servers of other users never get to see it.
pub const LOGIN: &str = "jupyterhub-hub-login";
/// The XSRF token; a script must be able to read it.
pub const XSRF: &str = "_xsrf";

/// Every value of the cookies of that name, in the order sent. A browser sends several when cookies of one name lie on
/// several paths; the most specific path comes first, but a page of another user's server may have put one there.
pub fn values<'a>(headers: &'a HeaderMap, name: &'a str) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.split_once('='))
        .filter(move |(key, _)| key.trim() == name)
        .map(|(_, value)| value.trim().trim_matches('"'))
}

/// A cookie to set. Its value must be of cookie characters; all of the hub's are hexadecimal or base64url.
#[derive(Debug, Clone)]
pub struct Cookie<'a> {
    /// Its name, the prefix apart.
    pub name: &'a str,
    /// Its value; empty to clear it.
    pub value: &'a str,
    /// The path it lies on.
    pub path: &'a str,
    /// How long the browser keeps it; `None`: until it is closed.
    pub max_age: Option<Duration>,
    /// Whether scripts may not read it.
    pub http_only: bool,
    /// Whether it is for https only.
    pub secure: bool,
}

impl Cookie<'_> {
    /// The `Set-Cookie` header.
    pub fn header(&self) -> HeaderValue {
        let mut text = format!("{}={}; Path={}", self.name, self.value, self.path);
        if let Some(age) = self.max_age {
            text.push_str(&format!("; Max-Age={}", age.as_secs()));
        }
        if self.http_only {
            text.push_str("; HttpOnly");
        }
        if self.secure {
            text.push_str("; Secure");
        }
        text.push_str("; SameSite=Lax");
        HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }

    /// The `Set-Cookie` header that takes the cookie away.
    pub fn clearing(&self) -> HeaderValue {
        Cookie {
            value: "",
            max_age: Some(Duration::ZERO),
            ..self.clone()
        }
        .header()
    }
}

/// The name a login cookie goes by: over https with the `__Secure-` prefix, so that nobody on the network can plant one
/// over plain http. (`__Host-` would force `Path=/`, and every single-user server would receive the hub's login.)
pub fn login_name(secure: bool) -> &'static str {
    if secure {
        "__Secure-jupyterhub-hub-login"
    } else {
        LOGIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_values_of_a_name() {
        for (lines, name, expected) in [
            (vec!["_xsrf=a; _xsrf=b"], "_xsrf", vec!["a", "b"]),
            (vec!["_xsrf=a", "x=1; _xsrf=b"], "_xsrf", vec!["a", "b"]),
            (vec!["x_xsrf=a; _xsrfx=b"], "_xsrf", vec![]),
            (vec!["_xsrf = \"quoted\" ;"], "_xsrf", vec!["quoted"]),
            (vec!["_xsrf"], "_xsrf", vec![]),
            (vec![""], "_xsrf", vec![]),
            (vec!["a=b=c"], "a", vec!["b=c"]),
        ] {
            let mut headers = HeaderMap::new();
            for line in &lines {
                headers.append(COOKIE, line.parse().unwrap());
            }
            assert_eq!(
                values(&headers, name).collect::<Vec<_>>(),
                expected,
                "{lines:?}"
            );
        }
    }

    #[test]
    fn a_header_says_all_that_protects() {
        let cookie = Cookie {
            name: login_name(true),
            value: "v",
            path: "/hub/",
            max_age: Some(Duration::from_secs(60)),
            http_only: true,
            secure: true,
        };
        assert_eq!(
            cookie.header(),
            "__Secure-jupyterhub-hub-login=v; Path=/hub/; Max-Age=60; HttpOnly; Secure; SameSite=Lax"
        );
        assert_eq!(
            cookie.clearing(),
            "__Secure-jupyterhub-hub-login=; Path=/hub/; Max-Age=0; HttpOnly; Secure; SameSite=Lax"
        );
    }

    #[test]
    fn a_value_that_would_break_the_header_sets_nothing() {
        let cookie = Cookie {
            name: "a",
            value: "x\r\nEvil: 1",
            path: "/",
            max_age: None,
            http_only: true,
            secure: false,
        };
        assert_eq!(cookie.header(), "");
    }
}
