//! The path of a request as the table sees it: dot segments resolved, percent-decoded, in segments.

use std::borrow::Cow;

/// Why a path cannot be matched; the client is answered 400.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    #[error("percent-encoding in the path is broken: write `%25` for a percent sign")]
    Encoding,
    #[error("the path is not UTF-8 once it is percent-decoded")]
    Utf8,
}

/// The decoded segments of a path, in order.
///
/// Dot segments, encoded (`%2e`) or not, are resolved before decoding as the WHATWG URL standard has it, and a
/// backslash divides as a slash does; `%2F` divides only after that. Empty segments inside count.
#[derive(Debug, PartialEq, Eq)]
pub struct Segments<'a> {
    parts: Parts<'a>,
}

#[derive(Debug, PartialEq, Eq)]
enum Parts<'a> {
    /// Nothing to resolve and nothing to decode: the path itself, without its leading slash.
    Plain(&'a str),
    Resolved(Vec<Cow<'a, str>>),
}

impl<'a> Segments<'a> {
    /// Parses the path of a URL as it came, without its query.
    pub fn parse(path: &'a str) -> Result<Self, PathError> {
        let mut encoded = false;
        let mut dots = false;
        let mut before = 0;
        for &byte in path.as_bytes() {
            match byte {
                b'%' => encoded = true,
                b'.' if before == b'/' => dots = true,
                b'\\' => dots = true,
                _ => {}
            }
            before = byte;
        }
        let path = path.strip_prefix('/').unwrap_or(path);
        if !encoded && !dots {
            return Ok(Self {
                parts: Parts::Plain(path),
            });
        }

        let mut raw: Vec<&str> = Vec::new();
        let mut ends_in_dots = false;
        for segment in path.split(['/', '\\']) {
            let dots = dot_segment(segment);
            ends_in_dots = dots.is_some();
            match dots {
                Some(1) => {}
                Some(_) => {
                    raw.pop();
                }
                None => raw.push(segment),
            }
        }
        // What dots at the end lead to is a folder: `/a/b/..` is `/a/`.
        if ends_in_dots {
            raw.push("");
        }
        let mut resolved = Vec::with_capacity(raw.len());
        for segment in raw {
            match decode(segment)? {
                Cow::Borrowed(plain) => resolved.push(Cow::Borrowed(plain)),
                Cow::Owned(decoded) if decoded.contains('/') => {
                    resolved.extend(decoded.split('/').map(|part| Cow::Owned(part.to_owned())));
                }
                decoded => resolved.push(decoded),
            }
        }
        Ok(Self {
            parts: Parts::Resolved(resolved),
        })
    }

    /// Calls `step` with each segment until it answers false.
    pub(super) fn walk(&self, mut step: impl FnMut(&str) -> bool) {
        match &self.parts {
            Parts::Plain(path) => {
                for segment in path.split('/') {
                    if !step(segment) {
                        return;
                    }
                }
            }
            Parts::Resolved(segments) => {
                for segment in segments {
                    if !step(segment) {
                        return;
                    }
                }
            }
        }
    }
}

/// How many dots a dot segment has, `%2e` counted as one.
fn dot_segment(segment: &str) -> Option<usize> {
    let mut rest = segment.as_bytes();
    let mut dots = 0;
    while !rest.is_empty() {
        rest = match rest {
            [b'.', rest @ ..] | [b'%', b'2', b'e' | b'E', rest @ ..] => rest,
            _ => return None,
        };
        dots += 1;
    }
    (dots == 1 || dots == 2).then_some(dots)
}

/// Percent-decodes, refusing what `percent_encoding` would let stand.
pub fn decode(text: &str) -> Result<Cow<'_, str>, PathError> {
    if !text.contains('%') {
        return Ok(Cow::Borrowed(text));
    }
    let bytes = text.as_bytes();
    let well_formed = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'%')
        .all(|(at, _)| {
            bytes.get(at + 1).is_some_and(u8::is_ascii_hexdigit)
                && bytes.get(at + 2).is_some_and(u8::is_ascii_hexdigit)
        });
    if !well_formed {
        return Err(PathError::Encoding);
    }
    percent_encoding::percent_decode_str(text)
        .decode_utf8()
        .map_err(|_| PathError::Utf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(path: &str) -> Result<Vec<String>, PathError> {
        let mut all = Vec::new();
        Segments::parse(path)?.walk(|segment| {
            all.push(segment.to_owned());
            true
        });
        Ok(all)
    }

    #[test]
    fn dots_are_resolved_before_decoding_and_slashes_found_after() {
        for (path, expected) in [
            ("/", &[""][..]),
            ("/a/b", &["a", "b"]),
            ("/a/b/", &["a", "b", ""]),
            ("/a//b", &["a", "", "b"]),
            ("//a/b", &["", "a", "b"]),
            ("/a/./b", &["a", "b"]),
            ("/a/x/../b", &["a", "b"]),
            ("/a/x/%2e%2E/b", &["a", "b"]),
            ("/a/.%2e/b", &["b"]),
            ("/../../a", &["a"]),
            ("/a\\..\\b", &["b"]),
            ("/a%2Fb/x", &["a", "b", "x"]),
            ("/a/..%2Fb", &["a", "..", "b"]),
            ("/user/foo%20bar", &["user", "foo bar"]),
            ("/user/%C3%A9", &["user", "é"]),
            ("/...", &["..."]),
            ("/.hidden", &[".hidden"]),
        ] {
            assert_eq!(segments(path).unwrap(), expected, "{path}");
        }
    }

    #[test]
    fn broken_encoding_is_an_error_wherever_it_stands() {
        for path in ["/%", "/a/%2", "/%ZZ/b", "/a/b/c/%G0"] {
            assert_eq!(segments(path), Err(PathError::Encoding), "{path}");
        }
        for path in ["/%FF", "/a/%C3/b", "/%C3/%A9"] {
            assert_eq!(segments(path), Err(PathError::Utf8), "{path}");
        }
    }
}
