//! Redirects that name the target, rewritten to what the client asked (`--auto-rewrite`, `--protocol-rewrite`).

use http::header::LOCATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use url::Url;

use super::options::Options;
use crate::routes::Target;

/// Rewrites `Location` where it names the target's host.
pub(super) fn rewrite(
    status: StatusCode,
    headers: &mut HeaderMap,
    target: &Target,
    host: Option<&str>,
    options: &Options,
) {
    if (!options.auto_rewrite && options.protocol_rewrite.is_none())
        || !matches!(status.as_u16(), 201 | 301 | 302 | 303 | 307 | 308)
    {
        return;
    }
    let Some(location) = headers
        .get(LOCATION)
        .and_then(|location| location.to_str().ok())
    else {
        return;
    };
    let Ok(mut url) = Url::parse(location) else {
        return;
    };
    let authority = match (url.host_str(), url.port()) {
        (Some(name), Some(port)) => format!("{name}:{port}"),
        (Some(name), None) => name.to_owned(),
        (None, _) => return,
    };
    if authority != *target.authority {
        return;
    }
    if let Some(scheme) = &options.protocol_rewrite
        && url.set_scheme(scheme).is_err()
    {
        return;
    }
    if options.auto_rewrite
        && let Some(host) = host
    {
        let name = super::request::without_port(host);
        let port = host[name.len()..]
            .strip_prefix(':')
            .and_then(|port| port.parse().ok());
        if url.set_host(Some(name)).is_err() || url.set_port(port).is_err() {
            return;
        }
    }
    if let Ok(location) = HeaderValue::from_str(url.as_str()) {
        headers.insert(LOCATION, location);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rewritten(status: u16, location: &'static str, auto: bool, scheme: Option<&str>) -> String {
        let target = Target::parse("http://127.0.0.1:8081").unwrap();
        let options = Options {
            auto_rewrite: auto,
            protocol_rewrite: scheme.map(str::to_owned),
            ..Options::default()
        };
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, HeaderValue::from_static(location));
        rewrite(
            StatusCode::from_u16(status).unwrap(),
            &mut headers,
            &target,
            Some("hub.example:444"),
            &options,
        );
        headers[LOCATION].to_str().unwrap().to_owned()
    }

    #[test]
    fn only_redirects_to_the_target_are_rewritten() {
        for (status, location, auto, scheme, expected) in [
            (
                302,
                "http://127.0.0.1:8081/a?b#c",
                true,
                Some("https"),
                "https://hub.example:444/a?b#c",
            ),
            (
                302,
                "http://127.0.0.1:8081/a",
                true,
                None,
                "http://hub.example:444/a",
            ),
            (
                302,
                "http://127.0.0.1:8081/a",
                false,
                Some("https"),
                "https://127.0.0.1:8081/a",
            ),
            (
                302,
                "http://127.0.0.1:8081/a",
                false,
                None,
                "http://127.0.0.1:8081/a",
            ),
            (
                200,
                "http://127.0.0.1:8081/a",
                true,
                Some("https"),
                "http://127.0.0.1:8081/a",
            ),
            (
                302,
                "http://127.0.0.1:9/a",
                true,
                Some("https"),
                "http://127.0.0.1:9/a",
            ),
            (302, "/a", true, Some("https"), "/a"),
        ] {
            assert_eq!(
                rewritten(status, location, auto, scheme),
                expected,
                "{status} {location} {auto} {scheme:?}"
            );
        }
    }
}
