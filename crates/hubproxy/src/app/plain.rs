//! What is answered before the routes are asked: ACME's HTTP-01, and the redirect to HTTPS.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST, LOCATION};
use http::request::Parts;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;

use crate::forward::Intercept;
use crate::tls::acme::Tokens;

/// Answers over plain HTTP what must not reach a target.
pub(super) struct Plain {
    /// The answers to HTTP-01.
    pub tokens: Arc<Tokens>,
    /// The port that the rest is redirected to; none: it is served.
    pub redirect: Option<u16>,
}

impl Intercept for Plain {
    fn intercept(&self, request: &Parts, tls: bool) -> Option<Response<Full<Bytes>>> {
        if let Some(token) = request
            .uri
            .path()
            .strip_prefix("/.well-known/acme-challenge/")
            && let Some(answer) = self.tokens.get(token)
        {
            let mut response = Response::new(Full::from(answer));
            response.headers_mut().insert(
                CONTENT_TYPE,
                HeaderValue::from_static("application/octet-stream"),
            );
            return Some(response);
        }
        let port = self.redirect.filter(|_| !tls)?;
        Some(redirect(request, port))
    }
}

fn redirect(request: &Parts, port: u16) -> Response<Full<Bytes>> {
    let host = request.uri.host().or_else(|| {
        let host = request.headers.get(HOST)?.to_str().ok()?;
        // The port goes; the colons of an IPv6 address in brackets stay.
        let end = host
            .rfind(']')
            .map_or_else(|| host.find(':'), |end| Some(end + 1));
        Some(end.map_or(host, |end| &host[..end]))
    });
    let location = host.filter(|host| is_host(host)).and_then(|host| {
        let port = if port == 443 {
            String::new()
        } else {
            format!(":{port}")
        };
        let path = request
            .uri
            .path_and_query()
            .map_or("/", |path| path.as_str());
        HeaderValue::try_from(format!("https://{host}{port}{path}")).ok()
    });
    let Some(location) = location else {
        let text = format!(
            "This server speaks HTTPS only, on port {port}, and the request names no host to send it to.\n"
        );
        return answer(StatusCode::BAD_REQUEST, text);
    };
    let mut response = answer(StatusCode::MOVED_PERMANENTLY, String::new());
    response.headers_mut().insert(LOCATION, location);
    response
}

/// Whether it can stand in a URL and lead nowhere else.
fn is_host(host: &str) -> bool {
    let is_part = |byte: u8| {
        byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_' | b':' | b'[' | b']')
    };
    !host.is_empty() && host.bytes().all(is_part)
}

fn answer(status: StatusCode, text: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("text/plain; charset=utf-8"),
    );
    response
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn ask(url: &str, host: Option<&str>, port: u16) -> (u16, Option<String>) {
        let mut request = Request::builder().uri(url);
        if let Some(host) = host {
            request = request.header(HOST, host);
        }
        let plain = Plain {
            tokens: Arc::default(),
            redirect: Some(port),
        };
        let response = plain
            .intercept(&request.body(()).unwrap().into_parts().0, false)
            .unwrap();
        let location = response
            .headers()
            .get(LOCATION)
            .map(|value| value.to_str().unwrap().to_owned());
        (response.status().as_u16(), location)
    }

    #[test]
    fn requests_are_sent_to_the_same_url_over_https() {
        for (url, host, port, location) in [
            (
                "/user/ada?x=%20",
                Some("hub.example.org"),
                443,
                "https://hub.example.org/user/ada?x=%20",
            ),
            (
                "/",
                Some("hub.example.org:8080"),
                8443,
                "https://hub.example.org:8443/",
            ),
            (
                "/",
                Some("[2001:db8::1]:80"),
                8443,
                "https://[2001:db8::1]:8443/",
            ),
            (
                "//evil.example/",
                Some("hub.example.org"),
                443,
                "https://hub.example.org//evil.example/",
            ),
            (
                "http://hub.example.org/x",
                None,
                443,
                "https://hub.example.org/x",
            ),
        ] {
            assert_eq!(
                ask(url, host, port),
                (301, Some(location.to_owned())),
                "{url} {host:?}"
            );
        }
        for host in [None, Some(""), Some("a b"), Some("a/b"), Some("a@b")] {
            assert_eq!(ask("/", host, 443), (400, None), "{host:?}");
        }
    }

    #[test]
    fn a_challenge_is_answered_either_way_and_https_is_served() {
        let tokens = Arc::new(Tokens::default());
        tokens.set("abc", "abc.thumb");
        let plain = Plain {
            tokens,
            redirect: Some(443),
        };
        let ask = |path: &str, tls: bool| {
            plain.intercept(
                &Request::builder()
                    .uri(path)
                    .body(())
                    .unwrap()
                    .into_parts()
                    .0,
                tls,
            )
        };
        assert_eq!(
            ask("/.well-known/acme-challenge/abc", false)
                .unwrap()
                .status(),
            200
        );
        assert_eq!(
            ask("/.well-known/acme-challenge/abc", true)
                .unwrap()
                .status(),
            200
        );
        assert_eq!(
            ask("/.well-known/acme-challenge/other", false)
                .unwrap()
                .status(),
            400
        );
        assert!(ask("/.well-known/acme-challenge/other", true).is_none());
        assert!(ask("/", true).is_none());
    }
}
