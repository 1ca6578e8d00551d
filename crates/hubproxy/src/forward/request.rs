//! A client's request: what is refused of it and what it asks for.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};

use super::answer::content_length;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// How long `Connection` may be. Each header is looked for in it: a long one would cost its length a hundred times.
const CONNECTION_BYTES: usize = 1024;

/// Headers that concern one connection alone.
pub(super) fn is_hop_by_hop(name: &HeaderName) -> bool {
    matches!(
        *name,
        CONNECTION | TRANSFER_ENCODING | TE | TRAILER | UPGRADE
    ) || *name == KEEP_ALIVE
        || *name == PROXY_CONNECTION
}

/// Refuses what no target should have to judge; says how, and brings the request into origin form.
///
/// The effective host is left in `Host` alone, whatever form it came in.
pub(super) fn check(parts: &mut Parts) -> Result<(), StatusCode> {
    match parts.method {
        // Neither a tunnel nor an echo of cookies is offered.
        Method::CONNECT | Method::TRACE => return Err(StatusCode::METHOD_NOT_ALLOWED),
        _ => {}
    }
    if let Some(authority) = parts.uri.authority() {
        // Absolute form, or HTTP/2. It outranks `Host` (RFC 9112, 3.2.2). A bare authority is for CONNECT alone.
        if !matches!(parts.uri.scheme_str(), Some("http" | "https")) {
            return Err(StatusCode::BAD_REQUEST);
        }
        if authority.as_str().contains('@') {
            return Err(StatusCode::BAD_REQUEST);
        }
        let host =
            HeaderValue::from_str(authority.as_str()).map_err(|_| StatusCode::BAD_REQUEST)?;
        parts.headers.insert(HOST, host);
        let path = parts.uri.path_and_query().cloned();
        parts.uri = path.map_or_else(http::Uri::default, http::Uri::from);
    }
    let mut hosts = parts.headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_host(host.as_bytes()) => {}
        (None, None) if parts.version == Version::HTTP_10 => {}
        _ => return Err(StatusCode::BAD_REQUEST),
    }
    let connection: usize = parts
        .headers
        .get_all(CONNECTION)
        .iter()
        .map(HeaderValue::len)
        .sum();
    if connection > CONNECTION_BYTES {
        return Err(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    }
    let mut lengths = parts.headers.get_all(CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => {}
        (Some(length), None) if content_length(length).is_some() => {}
        _ => return Err(StatusCode::BAD_REQUEST),
    }
    let mut encodings = parts.headers.get_all(TRANSFER_ENCODING).iter();
    match (encodings.next(), encodings.next()) {
        (None, _) => {}
        (Some(encoding), None) if encoding.as_bytes().eq_ignore_ascii_case(b"chunked") => {}
        _ => return Err(StatusCode::NOT_IMPLEMENTED),
    }
    let is_of_the_server = parts.method == Method::OPTIONS && parts.uri.path() == "*";
    if !parts.uri.path().starts_with('/') && !is_of_the_server {
        return Err(StatusCode::BAD_REQUEST);
    }
    Ok(())
}

/// Whether this may be a `Host`. An empty one is the client's right (RFC 9110, 7.2).
fn is_host(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else {
        return false;
    };
    let name = without_port(host);
    let port = &host[name.len()..];
    let name = match name.strip_prefix('[') {
        Some(address) => match address.strip_suffix(']') {
            Some(address) => return is_port(port) && address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => return false,
        },
        None => name,
    };
    is_port(port)
        && name
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._~%!$&'()*+;=".contains(&byte))
}

fn is_port(port: &str) -> bool {
    port.is_empty()
        || (port.starts_with(':')
            && port.len() <= 6
            && port[1..].bytes().all(|byte| byte.is_ascii_digit()))
}

/// A host without its port.
pub(super) fn without_port(host: &str) -> &str {
    let after_address = host.rfind(']').map_or(0, |at| at + 1);
    host[after_address..]
        .find(':')
        .map_or(host, |at| &host[..after_address + at])
}

/// Whether a header holds a token in its comma-separated list.
pub(super) fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    headers.get_all(name).iter().any(|value| {
        value
            .as_bytes()
            .split(|byte| *byte == b',')
            .any(|one| one.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
    })
}

/// Whether a WebSocket is asked for. Other upgrades are not offered: their requests are ordinary ones.
pub(super) fn asks_for_websocket(parts: &Parts) -> bool {
    parts.version == Version::HTTP_11
        && parts.method == Method::GET
        && parts.headers.contains_key(UPGRADE)
        && has_token(&parts.headers, &UPGRADE, "websocket")
        && has_token(&parts.headers, &CONNECTION, "upgrade")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_told_from_its_port() {
        for (host, name) in [
            ("hub.example", "hub.example"),
            ("hub.example:99", "hub.example"),
            ("hub.example:", "hub.example"),
            ("[::1]", "[::1]"),
            ("[::1]:99", "[::1]"),
            ("", ""),
        ] {
            assert_eq!(without_port(host), name);
        }
    }
}
