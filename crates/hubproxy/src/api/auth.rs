//! Who may call: `Authorization: token …`, as configurable-http-proxy reads it.

use http::HeaderMap;
use http::header::AUTHORIZATION;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

/// Whether a call with these headers is allowed. Without a token to compare with, every call is.
pub(super) fn is_authorized(headers: &HeaderMap, token: Option<&SecretString>) -> bool {
    let Some(expected) = token else { return true };
    let sent = headers
        .get(AUTHORIZATION)
        .map(|value| value.as_bytes())
        .and_then(sent_token)
        .unwrap_or_default();
    sent.ct_eq(expected.expose_secret().as_bytes()).into()
}

/// What follows the first `token` that is followed by blanks and something else: the other's `token\s+(\S+)`. In front
/// of it anything may stand, and so `mytoken x` sends `x`.
fn sent_token(header: &[u8]) -> Option<&[u8]> {
    const WORD: &[u8] = b"token";
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\x0b' | b'\x0c');
    let mut from = 0;
    while let Some(found) = header[from..]
        .windows(WORD.len())
        .position(|window| window == WORD)
    {
        let after = &header[from + found + WORD.len()..];
        let blanks = after.iter().take_while(|byte| is_blank(byte)).count();
        let rest = &after[blanks..];
        let length = rest.iter().take_while(|byte| !is_blank(byte)).count();
        if blanks > 0 && length > 0 {
            return Some(&rest[..length]);
        }
        from += found + WORD.len();
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_as_the_other_finds_it() {
        for (header, token) in [
            ("token tok", Some("tok")),
            ("token   tok", Some("tok")),
            ("token\ttok more", Some("tok")),
            ("foo token tok bar", Some("tok")),
            ("mytoken tok", Some("tok")),
            ("token token tok", Some("token")),
            ("token", None),
            ("token ", None),
            ("Token tok", None),
            ("Bearer tok", None),
            ("tokentoken x", Some("x")),
            ("", None),
        ] {
            assert_eq!(
                sent_token(header.as_bytes()),
                token.map(str::as_bytes),
                "{header:?}"
            );
        }
    }

    #[test]
    fn only_the_right_token_opens() {
        let headers = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, value.parse().unwrap());
            headers
        };
        let token = SecretString::from("s3cret");
        assert!(is_authorized(&headers("token s3cret"), Some(&token)));
        assert!(!is_authorized(&headers("token s3cre"), Some(&token)));
        assert!(!is_authorized(&headers("s3cret"), Some(&token)));
        assert!(!is_authorized(&HeaderMap::new(), Some(&token)));
        assert!(is_authorized(&HeaderMap::new(), None));
    }
}
