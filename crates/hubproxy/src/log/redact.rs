//! URLs without the secrets in them.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

/// What stands in a secret's place.
const REDACTED: &str = "***";

/// Query parameters that hold secrets: tokens, OAuth's code and state, XSRF tokens, signatures.
const SECRET: &[&str] = &[
    "token",
    "access_token",
    "refresh_token",
    "id_token",
    "auth_token",
    "api_token",
    "api_key",
    "apikey",
    "code",
    "code_verifier",
    "state",
    "_xsrf",
    "password",
    "passwd",
    "secret",
    "client_secret",
    "session",
    "session_id",
    "sig",
    "signature",
    "jwt",
    "ticket",
];

/// A path with its query, secrets replaced. A parameter whose value is itself a URL (`next=/x?token=…`) is looked into.
pub(super) fn redact(path_and_query: &str) -> Cow<'_, str> {
    let Some((path, query)) = path_and_query.split_once('?') else {
        return Cow::Borrowed(path_and_query);
    };
    let mut redacted = false;
    let parts: Vec<Cow<'_, str>> = query
        .split(['&', ';'])
        .map(|part| match part.split_once('=') {
            Some((name, value))
                if !value.is_empty() && (is_secret(name) || holds_secret(value)) =>
            {
                redacted = true;
                Cow::Owned(format!("{name}={REDACTED}"))
            }
            _ => Cow::Borrowed(part),
        })
        .collect();
    if redacted {
        Cow::Owned(format!("{path}?{}", parts.join("&")))
    } else {
        Cow::Borrowed(path_and_query)
    }
}

fn is_secret(name: &str) -> bool {
    let name = percent_decode_str(name)
        .decode_utf8_lossy()
        .to_ascii_lowercase()
        .replace('-', "_");
    SECRET.contains(&name.as_str()) || name.ends_with("_token") || name.ends_with("password")
}

/// Whether a value is a URL with a secret in its query, encoded as often as it may be.
fn holds_secret(value: &str) -> bool {
    let mut value = Cow::Borrowed(value);
    for _ in 0..4 {
        if let Some((_, query)) = value.split_once('?')
            && query.split(['&', ';', '#']).any(|part| {
                part.split_once('=')
                    .is_some_and(|(name, _)| is_secret(name))
            })
        {
            return true;
        }
        let decoded = percent_decode_str(&value).decode_utf8_lossy().into_owned();
        if decoded == value {
            return false;
        }
        value = Cow::Owned(decoded);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_go_and_the_rest_stays() {
        for (url, expected) in [
            ("/lab?token=abc&x=1", "/lab?token=***&x=1"),
            (
                "/hub/oauth_callback?code=1&state=2",
                "/hub/oauth_callback?code=***&state=***",
            ),
            ("/api?_xsrf=2%7Cabc", "/api?_xsrf=***"),
            ("/a?Access-Token=z", "/a?Access-Token=***"),
            ("/a?%74oken=z", "/a?%74oken=***"),
            (
                "/hub/login?next=%2Flab%3Ftoken%3Dabc",
                "/hub/login?next=***",
            ),
            (
                "/hub/login?next=%252Flab%253Ftoken%253Dabc",
                "/hub/login?next=***",
            ),
            (
                "/hub/login?next=%2Flab%3Fx%3D1",
                "/hub/login?next=%2Flab%3Fx%3D1",
            ),
            ("/a?x=1;token=2", "/a?x=1&token=***"),
            ("/token/x?status=1&tokens=2", "/token/x?status=1&tokens=2"),
            ("/a?token=", "/a?token="),
            ("/a?token", "/a?token"),
            ("/plain", "/plain"),
        ] {
            assert_eq!(redact(url), expected, "{url}");
        }
    }
}
