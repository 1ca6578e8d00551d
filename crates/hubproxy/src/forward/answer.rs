//! The head of a target's answer.

use std::mem::MaybeUninit;

use bytes::BytesMut;
use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use hyper::ext::ReasonPhrase;

use super::chunked::Chunked;
use super::request::is_hop_by_hop;

/// A head is at most so long and has at most so many headers.
pub(super) const HEAD_BYTES: usize = 64 * 1024;
const HEADERS: usize = 128;

/// Why an answer cannot be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadAnswer {
    #[error("the target's answer is no HTTP/1.1 response: {0}")]
    Parse(httparse::Error),
    #[error("the target's answer has a header that is none")]
    Header,
    #[error("the target's answer does not say clearly where its body ends")]
    Framing,
    #[error("the head of the target's answer is longer than {HEAD_BYTES} bytes")]
    Long,
    #[error("the target switched protocols without being asked")]
    Upgrade,
}

/// Where the body of an answer ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    Length(u64),
    Chunked(Chunked),
    /// At the connection's end.
    Close,
}

/// The head of an answer, its hop-by-hop headers taken off.
#[derive(Debug)]
pub(super) struct Head {
    pub status: StatusCode,
    /// The words after the status, where they are not the usual ones.
    pub reason: Option<ReasonPhrase>,
    pub headers: HeaderMap,
    pub framing: Framing,
    /// Whether the connection may be used again.
    pub keep_alive: bool,
}

#[derive(Clone, Copy, Default)]
struct Span {
    name: (usize, usize),
    value: (usize, usize),
}

fn span(of: &[u8], within: &[u8]) -> (usize, usize) {
    let start = of.as_ptr().addr() - within.as_ptr().addr();
    (start, start + of.len())
}

impl Head {
    /// Takes a whole head off the front of `input`; `None` while there is none. `headers` is a map to fill.
    ///
    /// Informational answers are dropped, save for the 101 that `upgrade` asks for, whose headers are all kept.
    pub(super) fn take(
        input: &mut BytesMut,
        method: &Method,
        upgrade: bool,
        headers: &mut HeaderMap,
    ) -> Result<Option<Self>, BadAnswer> {
        loop {
            if input.is_empty() {
                return Ok(None);
            }
            let mut spans = [Span::default(); HEADERS];
            let (status, reason, minor, length, count) = {
                let mut parsed = [const { MaybeUninit::uninit() }; HEADERS];
                let mut response = httparse::Response::new(&mut []);
                let bytes = &**input;
                let config = httparse::ParserConfig::default();
                match config.parse_response_with_uninit_headers(&mut response, bytes, &mut parsed) {
                    Ok(httparse::Status::Complete(length)) => {
                        for (span_of, header) in spans.iter_mut().zip(response.headers.iter()) {
                            *span_of = Span {
                                name: span(header.name.as_bytes(), bytes),
                                value: span(header.value, bytes),
                            };
                        }
                        let status = response
                            .code
                            .and_then(|code| StatusCode::from_u16(code).ok());
                        let status = status.ok_or(BadAnswer::Parse(httparse::Error::Status))?;
                        let reason = response.reason.filter(|reason| {
                            !reason.is_empty() && Some(*reason) != status.canonical_reason()
                        });
                        (
                            status,
                            reason
                                .and_then(|reason| ReasonPhrase::try_from(reason.as_bytes()).ok()),
                            response.version.unwrap_or(0),
                            length,
                            response.headers.len(),
                        )
                    }
                    Ok(httparse::Status::Partial) if input.len() > HEAD_BYTES => {
                        return Err(BadAnswer::Long);
                    }
                    Ok(httparse::Status::Partial) => return Ok(None),
                    Err(error) => return Err(BadAnswer::Parse(error)),
                }
            };
            let head = input.split_to(length).freeze();
            let switches = status == StatusCode::SWITCHING_PROTOCOLS;
            if switches && !upgrade {
                return Err(BadAnswer::Upgrade);
            }
            if status.is_informational() && !switches {
                continue;
            }

            headers.clear();
            headers.reserve(count + 2);
            let mut body = Declared::default();
            for span in &spans[..count] {
                let name = HeaderName::from_bytes(&head[span.name.0..span.name.1])
                    .map_err(|_| BadAnswer::Header)?;
                let value = head.slice(span.value.0..span.value.1);
                let value = HeaderValue::from_maybe_shared(value).map_err(|_| BadAnswer::Header)?;
                body.note(&name, &value)?;
                if !is_hop_by_hop(&name) || switches {
                    headers.append(name, value);
                }
            }
            for name in body.nominated.drain(..) {
                if !switches {
                    headers.remove(name);
                }
            }
            let framing = body.framing(status, method, minor)?;
            let keep_alive =
                framing != Framing::Close && !body.close && (minor == 1 || body.keep_alive);
            return Ok(Some(Self {
                status,
                reason,
                headers: std::mem::take(headers),
                framing,
                keep_alive,
            }));
        }
    }
}

/// What the headers say of the body and the connection.
#[derive(Default)]
struct Declared {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep_alive: bool,
    /// Headers that `Connection` names.
    nominated: Vec<HeaderName>,
}

impl Declared {
    fn note(&mut self, name: &HeaderName, value: &HeaderValue) -> Result<(), BadAnswer> {
        match *name {
            CONTENT_LENGTH => {
                let length = content_length(value).ok_or(BadAnswer::Framing)?;
                if self.length.is_some_and(|before| before != length) {
                    return Err(BadAnswer::Framing);
                }
                self.length = Some(length);
            }
            TRANSFER_ENCODING => {
                if self.chunked || !value.as_bytes().eq_ignore_ascii_case(b"chunked") {
                    return Err(BadAnswer::Framing);
                }
                self.chunked = true;
            }
            CONNECTION => {
                for token in value
                    .as_bytes()
                    .split(|byte| *byte == b',')
                    .map(<[u8]>::trim_ascii)
                {
                    if token.eq_ignore_ascii_case(b"close") {
                        self.close = true;
                    } else if token.eq_ignore_ascii_case(b"keep-alive") {
                        self.keep_alive = true;
                    } else if let Ok(name) = HeaderName::from_bytes(token)
                        && name != CONTENT_LENGTH
                    {
                        self.nominated.push(name);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn framing(
        &self,
        status: StatusCode,
        method: &Method,
        minor: u8,
    ) -> Result<Framing, BadAnswer> {
        if self.chunked && (self.length.is_some() || minor == 0) {
            return Err(BadAnswer::Framing);
        }
        let bodiless = status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        Ok(if bodiless || *method == Method::HEAD {
            Framing::Length(0)
        } else if self.chunked {
            Framing::Chunked(Chunked::Size)
        } else {
            self.length.map_or(Framing::Close, Framing::Length)
        })
    }
}

/// A `Content-Length`: digits only.
pub(super) fn content_length(value: &HeaderValue) -> Option<u64> {
    let text = value.to_str().ok()?;
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()))
        .then(|| text.parse().ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(wire: &str, method: Method) -> Result<Option<Head>, BadAnswer> {
        Head::take(
            &mut BytesMut::from(wire),
            &method,
            false,
            &mut HeaderMap::new(),
        )
    }

    #[test]
    fn the_framing_is_what_the_headers_say() {
        let chunked = Framing::Chunked(Chunked::Size);
        for (method, head, framing, keep_alive) in [
            (
                Method::GET,
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                Framing::Length(5),
                true,
            ),
            (
                Method::HEAD,
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
                Framing::Length(0),
                true,
            ),
            (
                Method::GET,
                "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
                Framing::Length(0),
                true,
            ),
            (
                Method::GET,
                "HTTP/1.1 204\r\n\r\n",
                Framing::Length(0),
                true,
            ),
            (
                Method::GET,
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n",
                chunked,
                true,
            ),
            (
                Method::GET,
                "HTTP/1.1 200 OK\r\nConnection: x, CLOSE\r\nContent-Length: 0\r\n\r\n",
                Framing::Length(0),
                false,
            ),
            (
                Method::GET,
                "HTTP/1.1 200 OK\r\n\r\n",
                Framing::Close,
                false,
            ),
            (
                Method::GET,
                "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n",
                Framing::Length(1),
                false,
            ),
            (
                Method::GET,
                "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n",
                Framing::Length(1),
                true,
            ),
        ] {
            let parsed = take(head, method).unwrap().unwrap();
            assert_eq!(
                (parsed.framing, parsed.keep_alive),
                (framing, keep_alive),
                "{head}"
            );
        }
    }

    #[test]
    fn an_answer_that_could_be_read_two_ways_is_refused() {
        for head in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        ] {
            assert_eq!(
                take(head, Method::GET).unwrap_err(),
                BadAnswer::Framing,
                "{head}"
            );
        }
        assert_eq!(
            take("HTTP/1.1 101 Switching\r\n\r\n", Method::GET).unwrap_err(),
            BadAnswer::Upgrade
        );
        assert!(matches!(
            take("SSH-2.0-OpenSSH\r\n", Method::GET),
            Err(BadAnswer::Parse(_))
        ));
        assert!(matches!(
            take("HTTP/1.1 200 OK\r\nA : b\r\n\r\n", Method::GET),
            Err(BadAnswer::Parse(_))
        ));
        assert!(matches!(
            take("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", Method::GET),
            Err(BadAnswer::Parse(_))
        ));
        let long = format!("HTTP/1.1 200 OK\r\nA: {}", "x".repeat(HEAD_BYTES));
        assert_eq!(take(&long, Method::GET).unwrap_err(), BadAnswer::Long);
    }

    #[test]
    fn headers_of_the_connection_stay_behind() {
        let head = "HTTP/1.1 200 OK\r\nServer: x\r\nConnection: keep-alive, X-Private\r\nKeep-Alive: timeout=5\r\n\
                    X-Private: 1\r\nUpgrade: h2c\r\nContent-Length: 0\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\n";
        let head = take(head, Method::GET).unwrap().unwrap();
        let mut names: Vec<&str> = head.headers.iter().map(|(name, _)| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(
            names,
            ["content-length", "server", "set-cookie", "set-cookie"]
        );
    }
}
