//! The head of a request as its target gets it.

use http::header::{CONNECTION, CONTENT_LENGTH, COOKIE, EXPECT, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::answer::content_length;
use super::options::Options;
use super::request::{has_token, is_hop_by_hop, without_port};
use super::url;
use crate::routes::{Route, Target};

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const FORWARDED: HeaderName = HeaderName::from_static("forwarded");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");
const SCHEME: HeaderName = HeaderName::from_static("x-scheme");

/// How a request's body goes to the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sends {
    Nothing,
    /// So many bytes, as the client declared.
    Length(u64),
    Chunked,
}

/// How a request's body is to go to the target. `ends` says that there is none.
pub(super) fn sends(parts: &Parts, ends: bool) -> Sends {
    if ends {
        return Sends::Nothing;
    }
    let declared = parts.headers.get(CONTENT_LENGTH).and_then(content_length);
    declared.map_or(Sends::Chunked, Sends::Length)
}

/// A request on its way to its target.
pub(super) struct Onward<'a> {
    pub parts: &'a Parts,
    pub route: &'a Route,
    pub target: &'a Target,
    pub options: &'a Options,
    /// The client's address; empty where it has none.
    pub address: &'a str,
    /// Whether it came over TLS.
    pub tls: bool,
    pub websocket: bool,
    pub sends: Sends,
}

impl Onward<'_> {
    /// Writes the head of the request.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.parts.method.as_str().as_bytes());
        out.push(b' ');
        url::write(out, self.parts, self.route, self.target, self.options);
        out.extend_from_slice(b" HTTP/1.1\r\n");

        let custom = |name: &HeaderName| {
            self.options
                .custom_headers
                .iter()
                .any(|(custom, _)| custom == name)
        };
        let host = self.parts.headers.get(HOST);
        if !custom(&HOST) {
            let value = match host {
                _ if self.options.change_origin => self.target.authority.as_bytes(),
                Some(host) => host.as_bytes(),
                // An HTTP/1.0 client may have none; HTTP/1.1 must have one.
                None => self.target.authority.as_bytes(),
            };
            header(out, b"host", value);
        }
        // Mostly `keep-alive` alone, which nominates nothing.
        let nominates = self
            .parts
            .headers
            .get_all(CONNECTION)
            .iter()
            .any(|value| value != "keep-alive");
        let mut cookies = false;
        for (name, value) in &self.parts.headers {
            match *name {
                HOST | CONTENT_LENGTH | EXPECT => continue,
                COOKIE => {
                    // HTTP/2 may send them apart (RFC 9113, 8.2.3); HTTP/1.1 has one header.
                    if !cookies && !custom(name) {
                        cookies = true;
                        write_joined(out, &self.parts.headers, name, b"; ");
                    }
                    continue;
                }
                _ => {}
            }
            if is_hop_by_hop(name)
                || (self.options.x_forward && is_forwarded(name))
                || (!self.options.trust_forwarded && is_claim(name))
                || custom(name)
                || (nominates && has_token(&self.parts.headers, &CONNECTION, name.as_str()))
            {
                continue;
            }
            header(out, name.as_str().as_bytes(), value.as_bytes());
        }
        if self.options.x_forward {
            self.write_forwarded(out, host, &custom);
        }
        for (name, value) in &self.options.custom_headers {
            // These say where the request ends, and that is not the operator's to say.
            if is_hop_by_hop(name) || *name == CONTENT_LENGTH {
                continue;
            }
            header(out, name.as_str().as_bytes(), value.as_bytes());
        }
        match self.sends {
            Sends::Length(length) => {
                header(out, b"content-length", length.to_string().as_bytes());
            }
            Sends::Chunked => header(out, b"transfer-encoding", b"chunked"),
            Sends::Nothing => {
                let declared = self.parts.headers.contains_key(CONTENT_LENGTH)
                    || self.parts.headers.contains_key(TRANSFER_ENCODING);
                if declared || matches!(self.parts.method, Method::DELETE | Method::OPTIONS) {
                    header(out, b"content-length", b"0");
                }
            }
        }
        if self.websocket {
            header(out, b"connection", b"Upgrade");
            header(out, b"upgrade", b"websocket");
        }
        out.extend_from_slice(b"\r\n");
    }

    fn write_forwarded(
        &self,
        out: &mut Vec<u8>,
        host: Option<&HeaderValue>,
        custom: &impl Fn(&HeaderName) -> bool,
    ) {
        let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
        let port = host[without_port(host).len()..]
            .strip_prefix(':')
            .filter(|port| !port.is_empty());
        let port = port.unwrap_or(if self.tls { "443" } else { "80" });
        let proto = match (self.websocket, self.tls) {
            (false, false) => "http",
            (false, true) => "https",
            (true, false) => "ws",
            (true, true) => "wss",
        };
        for (name, value) in [
            (FORWARDED_FOR, self.address),
            (FORWARDED_PORT, port),
            (FORWARDED_PROTO, proto),
        ] {
            if custom(&name) {
                continue;
            }
            let keeps = self.options.trust_forwarded && self.parts.headers.contains_key(&name);
            if !keeps {
                if !value.is_empty() {
                    header(out, name.as_str().as_bytes(), value.as_bytes());
                }
                continue;
            }
            write_joined(out, &self.parts.headers, &name, b", ");
            if !value.is_empty() {
                out.truncate(out.len() - 2);
                out.push(b',');
                out.extend_from_slice(value.as_bytes());
                out.extend_from_slice(b"\r\n");
            }
        }
        if !custom(&FORWARDED_HOST) {
            if self.options.trust_forwarded && self.parts.headers.contains_key(FORWARDED_HOST) {
                write_joined(out, &self.parts.headers, &FORWARDED_HOST, b", ");
            } else if !self.websocket && !host.is_empty() {
                header(out, FORWARDED_HOST.as_str().as_bytes(), host.as_bytes());
            }
        }
    }
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

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    struct Case {
        request: http::request::Builder,
        options: Options,
        target: &'static str,
        route: &'static str,
        tls: bool,
        websocket: bool,
        sends: Sends,
    }

    impl Default for Case {
        fn default() -> Self {
            Self {
                request: get("/user/ada/lab?a=%20b"),
                options: Options::default(),
                target: "http://127.0.0.1:8888",
                route: "/user/ada",
                tls: false,
                websocket: false,
                sends: Sends::Nothing,
            }
        }
    }

    fn get(url: &str) -> http::request::Builder {
        Request::get(url).header("host", "hub.example")
    }

    impl Case {
        fn write(self) -> String {
            let (parts, ()) = self.request.body(()).unwrap().into_parts();
            let table = crate::routes::Table::new();
            let mut data = serde_json::Map::new();
            data.insert("target".to_owned(), self.target.into());
            let route = table.insert(self.route, data).unwrap();
            let mut out = Vec::new();
            let onward = Onward {
                parts: &parts,
                route: &route,
                target: route.target.as_ref().unwrap(),
                options: &self.options,
                address: "192.0.2.1",
                tls: self.tls,
                websocket: self.websocket,
                sends: self.sends,
            };
            onward.write(&mut out);
            let text = String::from_utf8(out).unwrap();
            text.strip_suffix("\r\n\r\n").unwrap().replace("\r\n", "\n")
        }
    }

    const FORWARDED_HERE: &str = "x-forwarded-for: 192.0.2.1\nx-forwarded-port: 80\nx-forwarded-proto: http\nx-forwarded-host: hub.example";

    #[test]
    fn a_plain_request_keeps_its_url_its_host_and_its_headers() {
        let request = get("/user/ada/lab?a=%20b")
            .header("sec-fetch-mode", "cors")
            .header("cookie", "a=b; c=d");
        let written = Case {
            request,
            ..Case::default()
        }
        .write();
        assert_eq!(
            written,
            format!(
                "GET /user/ada/lab?a=%20b HTTP/1.1\nhost: hub.example\nsec-fetch-mode: cors\ncookie: a=b; c=d\n{FORWARDED_HERE}"
            )
        );
    }

    #[test]
    fn what_the_client_says_of_itself_is_appended_to_or_replaced() {
        let request = || {
            get("/")
                .header("x-forwarded-for", "198.51.100.7")
                .header("x-forwarded-for", "198.51.100.8")
                .header("x-forwarded-proto", "https")
                .header("x-forwarded-port", "443")
                .header("x-forwarded-host", "other.example")
                .header("x-forwarded-prefix", "/p")
                .header("x-real-ip", "198.51.100.9")
                .header("forwarded", "for=198.51.100.9")
        };
        let appended = Case {
            request: request(),
            ..Case::default()
        }
        .write();
        for line in [
            "x-forwarded-for: 198.51.100.7, 198.51.100.8,192.0.2.1",
            "x-forwarded-proto: https,http",
            "x-forwarded-port: 443,80",
            "x-forwarded-host: other.example",
            "x-forwarded-prefix: /p",
            "x-real-ip: 198.51.100.9",
        ] {
            assert!(
                appended.lines().any(|one| one == line),
                "{line} is not in {appended}"
            );
        }
        let options = Options {
            trust_forwarded: false,
            ..Options::default()
        };
        let replaced = Case {
            request: request(),
            options,
            ..Case::default()
        }
        .write();
        assert_eq!(
            replaced,
            format!("GET / HTTP/1.1\nhost: hub.example\n{FORWARDED_HERE}")
        );
        let options = Options {
            x_forward: false,
            ..Options::default()
        };
        let untouched = Case {
            request: request(),
            options,
            ..Case::default()
        }
        .write();
        assert!(
            untouched.contains("x-forwarded-for: 198.51.100.7\nx-forwarded-for: 198.51.100.8\n"),
            "{untouched}"
        );
        assert!(!untouched.contains("192.0.2.1"), "{untouched}");
    }

    #[test]
    fn a_websocket_says_ws_and_no_forwarded_host() {
        let request = Request::get("/ws")
            .header("host", "hub.example:99")
            .header("connection", "Upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-key", "k");
        let written = Case {
            request,
            tls: true,
            websocket: true,
            ..Case::default()
        }
        .write();
        assert_eq!(
            written,
            "GET /ws HTTP/1.1\nhost: hub.example:99\nsec-websocket-key: k\nx-forwarded-for: 192.0.2.1\n\
             x-forwarded-port: 99\nx-forwarded-proto: wss\nconnection: Upgrade\nupgrade: websocket"
        );
    }

    #[test]
    fn headers_of_the_connection_stay_behind() {
        let request = get("/")
            .header("connection", "close, X-Mine")
            .header("keep-alive", "timeout=5")
            .header("te", "trailers")
            .header("trailer", "X-T")
            .header("upgrade", "h2c")
            .header("proxy-connection", "keep-alive")
            .header("expect", "100-continue")
            .header("x-mine", "1")
            .header("cookie", "a=1")
            .header("cookie", "b=2");
        let written = Case {
            request,
            ..Case::default()
        }
        .write();
        assert_eq!(
            written,
            format!("GET / HTTP/1.1\nhost: hub.example\ncookie: a=1; b=2\n{FORWARDED_HERE}")
        );
    }

    #[test]
    fn the_body_is_framed_one_way() {
        let head = |method: &str, length: Option<&str>, sends| {
            let mut request = Request::builder()
                .method(method)
                .uri("/")
                .header("host", "h");
            if let Some(length) = length {
                request = request.header("content-length", length);
            }
            let options = Options {
                x_forward: false,
                ..Options::default()
            };
            Case {
                request,
                options,
                sends,
                ..Case::default()
            }
            .write()
        };
        assert_eq!(head("GET", None, Sends::Nothing), "GET / HTTP/1.1\nhost: h");
        assert_eq!(
            head("DELETE", None, Sends::Nothing),
            "DELETE / HTTP/1.1\nhost: h\ncontent-length: 0"
        );
        assert_eq!(
            head("OPTIONS", None, Sends::Nothing),
            "OPTIONS / HTTP/1.1\nhost: h\ncontent-length: 0"
        );
        assert_eq!(
            head("POST", Some("0"), Sends::Nothing),
            "POST / HTTP/1.1\nhost: h\ncontent-length: 0"
        );
        assert_eq!(
            head("POST", Some("5"), Sends::Length(5)),
            "POST / HTTP/1.1\nhost: h\ncontent-length: 5"
        );
        assert_eq!(
            head("PUT", None, Sends::Chunked),
            "PUT / HTTP/1.1\nhost: h\ntransfer-encoding: chunked"
        );
    }

    #[test]
    fn the_operators_headers_win_but_do_not_frame() {
        let header = |name: &'static str, value| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_static(value),
            )
        };
        let options = Options {
            custom_headers: vec![
                header("host", "x"),
                header("x-forwarded-proto", "https"),
                header("content-length", "7"),
            ],
            ..Options::default()
        };
        let written = Case {
            options,
            ..Case::default()
        }
        .write();
        assert_eq!(
            written,
            "GET /user/ada/lab?a=%20b HTTP/1.1\nx-forwarded-for: 192.0.2.1\nx-forwarded-port: 80\n\
             x-forwarded-host: hub.example\nhost: x\nx-forwarded-proto: https"
        );
    }
}
