//! Where a browser goes after login: only to a page of this hub.

use url::Url;

/// What stands in for the hub's own origin while a path is looked at.
const ORIGIN: &str = "http://hub.invalid";
/// Longer ones are not followed; every browser sends shorter ones.
const LONGEST: usize = 8192;

/// The path to go to if `next` is one on this host under `base` (which begins and ends with `/`), as a browser would
/// understand it: percent-encoded, dot segments resolved. `None` for whatever might lead elsewhere.
///
/// Browsers read `\` as `/`, drop tabs and line ends, trim spaces and controls, and take `//host` for another host: all
/// of these are refused before anything is parsed, and what the parser made of the rest is looked at once more.
pub fn safe(next: &str, base: &str) -> Option<String> {
    let suspect = |c: char| c == '\\' || c.is_control() || c.is_whitespace();
    if next.len() > LONGEST
        || !next.starts_with('/')
        || next.starts_with("//")
        || next.contains(suspect)
    {
        return None;
    }
    let origin = Url::parse(ORIGIN).ok()?;
    let url = origin.join(next).ok()?;
    if url.origin() != origin.origin() || !url.username().is_empty() || url.password().is_some() {
        return None;
    }
    let path = &url[url::Position::BeforePath..];
    (path.starts_with(base) && !path.starts_with("//")).then(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_pages_of_this_hub_are_followed() {
        for (next, base, expected) in [
            ("/hub/home", "/", Some("/hub/home")),
            (
                "/hub/spawn?x=1&y=%2F#frag",
                "/",
                Some("/hub/spawn?x=1&y=%2F#frag"),
            ),
            (
                "/user/alice/lab/tree/a%20b",
                "/",
                Some("/user/alice/lab/tree/a%20b"),
            ),
            ("/user/j%C3%BCrgen/", "/", Some("/user/j%C3%BCrgen/")),
            ("/user/jürgen/", "/", Some("/user/j%C3%BCrgen/")),
            (
                "/hub/api/oauth2/authorize?redirect_uri=https%3A%2F%2Fx",
                "/",
                Some("/hub/api/oauth2/authorize?redirect_uri=https%3A%2F%2Fx"),
            ),
            (
                "/hub/login?next=//evil.example",
                "/",
                Some("/hub/login?next=//evil.example"),
            ),
            ("/jupyter/hub/home", "/jupyter/", Some("/jupyter/hub/home")),
            ("/%5c%5cevil.example", "/", Some("/%5c%5cevil.example")),
            ("/%2F%2Fevil.example", "/", Some("/%2F%2Fevil.example")),
            // Another application's page on the same host.
            ("/other/", "/jupyter/", None),
            ("/jupyter/../other/", "/jupyter/", None),
            ("/jupyter/%2e%2e/other/", "/jupyter/", None),
            ("/jupyterx/hub/", "/jupyter/", None),
            // Other hosts.
            ("", "/", None),
            ("home", "/", None),
            ("https://evil.example/hub/home", "/", None),
            ("http:/evil.example", "/", None),
            ("javascript:alert(1)", "/", None),
            ("data:text/html,x", "/", None),
            ("//evil.example/hub/home", "/", None),
            ("///evil.example", "/", None),
            ("////evil.example", "/", None),
            ("/\\evil.example", "/", None),
            ("\\\\evil.example", "/", None),
            ("\\/evil.example", "/", None),
            ("/hub\\..\\..\\evil", "/", None),
            // What a parser makes of dot segments must not begin with two slashes either.
            ("/.//evil.example", "/", None),
            ("/..//evil.example", "/", None),
            ("/%2e//evil.example", "/", None),
            ("/x/..//evil.example", "/", None),
            // Browsers drop these characters before they look.
            ("/\t/evil.example", "/", None),
            ("/\n/evil.example", "/", None),
            ("/\r\n/evil.example", "/", None),
            ("\t//evil.example", "/", None),
            (" //evil.example", "/", None),
            ("/hub/home\r\nSet-Cookie: a=b", "/", None),
            ("/hub/\u{0}", "/", None),
            ("/hub/\u{85}", "/", None),
            ("/hub/\u{2028}", "/", None),
            ("@evil.example", "/", None),
        ] {
            assert_eq!(
                safe(next, base).as_deref(),
                expected,
                "{next:?} under {base}"
            );
        }
        assert_eq!(safe(&format!("/{}", "a".repeat(LONGEST)), "/"), None);
    }

    proptest! {
        /// Whatever is sent: a browser that follows the answer stays on the host it is on.
        #[test]
        fn never_leads_to_another_host(next in "[/\\\\.@:?#a%2eFf5c \t\n-]{0,24}") {
            if let Some(path) = safe(&next, "/") {
                let here = Url::parse("https://hub.example/hub/login").unwrap();
                let there = here.join(&path).unwrap();
                prop_assert_eq!(there.origin(), here.origin());
                prop_assert!(http::HeaderValue::from_str(&path).is_ok());
            }
        }
    }
}
