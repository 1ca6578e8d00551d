//! A client's request: what is refused of it, and the head that goes to the target.

use std::borrow::Cow;

use http::header::{
    CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};

use super::options::Options;
use crate::routes::{Route, Target};
use crate::serve::Client;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const SCHEME: HeaderName = HeaderName::from_static("x-scheme");

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
        // Absolute form, or HTTP/2. It outranks `Host` (RFC 9112, 3.2.2).
        if !parts
            .uri
            .scheme_str()
            .is_none_or(|scheme| scheme == "http" || scheme == "https")
        {
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
    let mut encodings = parts.headers.get_all(TRANSFER_ENCODING).iter();
    match (encodings.next(), encodings.next()) {
        (None, _) => {}
        (Some(encoding), None) if encoding.as_bytes().eq_ignore_ascii_case(b"chunked") => {}
        _ => return Err(StatusCode::NOT_IMPLEMENTED),
    }
    if !parts.uri.path().starts_with('/')
        && !(parts.method == Method::OPTIONS && parts.uri.path() == "*")
    {
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
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
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

/// How a request's body goes to the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sends {
    Nothing,
    /// So many bytes, as the client declared.
    Length,
    Chunked,
}

/// How a request's body is to go to the target. `ends` says that there is none.
pub(super) fn sends(parts: &Parts, ends: bool) -> Sends {
    if ends {
        Sends::Nothing
    } else if parts.headers.contains_key(CONTENT_LENGTH) {
        Sends::Length
    } else {
        Sends::Chunked
    }
}

/// Writes the head of a request for its target.
pub(super) fn write_head(
    out: &mut Vec<u8>,
    parts: &Parts,
    route: &Route,
    target: &Target,
    options: &Options,
    client: &Client,
    websocket: bool,
    sends: Sends,
) {
    out.extend_from_slice(parts.method.as_str().as_bytes());
    out.push(b' ');
    write_url(out, parts, route, target, options);
    out.extend_from_slice(b" HTTP/1.1\r\n");

    let custom = |name: &HeaderName| {
        options
            .custom_headers
            .iter()
            .any(|(custom, _)| custom == name)
    };
    let host = parts.headers.get(HOST);
    if !custom(&HOST) {
        let value = match host {
            _ if options.change_origin => target.authority.as_bytes(),
            Some(host) => host.as_bytes(),
            None => b"",
        };
        header(out, b"host", value);
    }
    let nominated = parts.headers.contains_key(CONNECTION);
    let mut cookies = false;
    for (name, value) in &parts.headers {
        match *name {
            HOST | CONTENT_LENGTH | EXPECT => continue,
            COOKIE => {
                // HTTP/2 may send them apart (RFC 9113, 8.2.3); HTTP/1.1 has one header.
                if !cookies && !custom(name) {
                    cookies = true;
                    write_joined(out, &parts.headers, name, b"; ");
                }
                continue;
            }
            _ => {}
        }
        if is_hop_by_hop(name)
            || (options.x_forward && is_forwarded(name))
            || (!options.trust_forwarded && is_claim(name))
            || custom(name)
            || (nominated && has_token(&parts.headers, &CONNECTION, name.as_str()))
        {
            continue;
        }
        header(out, name.as_str().as_bytes(), value.as_bytes());
    }
    if options.x_forward {
        write_forwarded(
            out,
            &parts.headers,
            host,
            options,
            client,
            websocket,
            &custom,
        );
    }
    for (name, value) in &options.custom_headers {
        header(out, name.as_str().as_bytes(), value.as_bytes());
    }
    match sends {
        Sends::Length => {
            if let Some(length) = parts.headers.get(CONTENT_LENGTH) {
                header(out, b"content-length", length.as_bytes());
            }
        }
        Sends::Chunked => header(out, b"transfer-encoding", b"chunked"),
        Sends::Nothing => {
            let declared = parts.headers.contains_key(CONTENT_LENGTH)
                || parts.headers.contains_key(TRANSFER_ENCODING);
            if declared || matches!(parts.method, Method::DELETE | Method::OPTIONS) {
                header(out, b"content-length", b"0");
            }
        }
    }
    if websocket {
        header(out, b"connection", b"Upgrade");
        header(out, b"upgrade", b"websocket");
    }
    out.extend_from_slice(b"\r\n");
}

fn header(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn write_joined(out: &mut Vec<u8>, headers: &HeaderMap, name: &HeaderName, separator: &[u8]) {
    out.extend_from_slice(name.as_str().as_bytes());
    out.extend_from_slice(b": ");
    for (at, value) in headers.get_all(name).iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(separator);
        }
        out.extend_from_slice(value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// The headers that are appended to.
fn is_forwarded(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-forwarded-")
        && (*name == FORWARDED_FOR
            || *name == FORWARDED_PORT
            || *name == FORWARDED_PROTO
            || *name == FORWARDED_HOST)
}

/// Everything by which a client could claim to be another, where that is not trusted.
fn is_claim(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-forwarded-")
        || *name == FORWARDED
        || *name == REAL_IP
        || *name == SCHEME
}

fn write_forwarded(
    out: &mut Vec<u8>,
    headers: &HeaderMap,
    host: Option<&HeaderValue>,
    options: &Options,
    client: &Client,
    websocket: bool,
    custom: &impl Fn(&HeaderName) -> bool,
) {
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let port = host[without_port(host).len()..]
        .strip_prefix(':')
        .filter(|port| !port.is_empty());
    let port = port.unwrap_or(if client.tls { "443" } else { "80" });
    let proto = match (websocket, client.tls) {
        (false, false) => "http",
        (false, true) => "https",
        (true, false) => "ws",
        (true, true) => "wss",
    };
    for (name, value) in [
        (FORWARDED_FOR, &*client.address_text),
        (FORWARDED_PORT, port),
        (FORWARDED_PROTO, proto),
    ] {
        if custom(&name) {
            continue;
        }
        let keeps = options.trust_forwarded && headers.contains_key(&name);
        if !keeps {
            if !value.is_empty() {
                header(out, name.as_str().as_bytes(), value.as_bytes());
            }
            continue;
        }
        write_joined(out, headers, &name, b", ");
        if !value.is_empty() {
            out.truncate(out.len() - 2);
            out.push(b',');
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
    if !custom(&FORWARDED_HOST) {
        if options.trust_forwarded && headers.contains_key(FORWARDED_HOST) {
            write_joined(out, headers, &FORWARDED_HOST, b", ");
        } else if !websocket && !host.is_empty() {
            header(out, FORWARDED_HOST.as_str().as_bytes(), host.as_bytes());
        }
    }
}

fn write_url(out: &mut Vec<u8>, parts: &Parts, route: &Route, target: &Target, options: &Options) {
    let whole = parts
        .uri
        .path_and_query()
        .map_or("/", http::uri::PathAndQuery::as_str);
    if options.prepend_path {
        out.extend_from_slice(target.path.as_bytes());
    }
    let rest: Cow<'_, str> = if options.include_prefix {
        Cow::Borrowed(whole)
    } else {
        let path = &*route.path;
        let prefix = if options.host_routing {
            // The first segment is the host.
            path.get(1..)
                .and_then(|path| path.find('/'))
                .map_or("", |at| &path[at + 1..])
        } else {
            path
        };
        without_prefix(whole, prefix)
    };
    if !rest.starts_with('/') {
        out.push(b'/');
    }
    out.extend_from_slice(rest.as_bytes());
}

/// Takes a route's path off a URL, whose encoding may differ from it. The URL stays whole where its dot segments hide
/// the path.
fn without_prefix<'a>(url: &'a str, prefix: &str) -> Cow<'a, str> {
    if prefix.is_empty() || prefix == "/" {
        return Cow::Borrowed(url);
    }
    let path = url.split('?').next().unwrap_or_default();
    let ends = path
        .match_indices(['/', '\\'])
        .map(|(at, _)| at)
        .chain([path.len()]);
    for end in ends {
        if crate::routes::decode(&path[..end]).is_ok_and(|decoded| decoded == prefix) {
            return Cow::Borrowed(&url[end..]);
        }
    }
    Cow::Borrowed(url)
}
