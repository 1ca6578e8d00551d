//! Why a connection did not come to be, or broke: `reqwest` says "error sending request", its sources say why.

use std::error::Error as _;
use std::io;

use super::Unreached;

/// What a transport error was.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    /// The request was not sent, so nothing can have come of it.
    pub(super) before_sending: bool,
    pub(super) why: Unreached,
    /// The innermost cause, in one line.
    pub(super) reason: String,
    pub(super) timeout: bool,
}

/// Reads a transport error through its chain of sources.
pub(super) fn read(error: &reqwest::Error) -> Trouble {
    let mut words = Vec::new();
    let mut kind = None;
    let mut source = error.source();
    while let Some(cause) = source {
        words.push(cause.to_string());
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            kind = Some(io.kind());
            // An io::Error that wraps another hides it from `source`.
            if let Some(inner) = io.get_ref() {
                words.push(inner.to_string());
            }
        }
        source = cause.source();
    }
    let all = words.join(": ");
    let why = classify(&all, kind);
    let timeout = error.is_timeout() || kind == Some(io::ErrorKind::TimedOut);
    let reason = words
        .last()
        .map_or_else(|| error.to_string(), |last| plain(last, why));
    Trouble {
        before_sending: error.is_connect() || error.is_builder(),
        why,
        reason: if timeout && why == Unreached::Other {
            "no answer in time".to_owned()
        } else {
            reason
        },
        timeout,
    }
}

fn classify(all: &str, kind: Option<io::ErrorKind>) -> Unreached {
    let lower = all.to_ascii_lowercase();
    let has = |word: &str| lower.contains(word);
    if has("dns error") || has("failed to lookup address") || has("name or service not known") {
        return Unreached::Name;
    }
    if has("unknownissuer") || has("self-signed") || has("selfsigned") || has("caused by unknown") {
        return Unreached::Untrusted;
    }
    if has("invalid peer certificate") || has("certificate expired") || has("notvalidforname") {
        return Unreached::Certificate;
    }
    if has("corrupt message")
        || has("invalidcontenttype")
        || has("received fatal alert")
        || has("invalid http")
        || has("invalid status-line")
        || has("message is not valid")
    {
        return Unreached::Protocol;
    }
    match kind {
        Some(io::ErrorKind::ConnectionRefused) => Unreached::Refused,
        Some(
            io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::TimedOut
            | io::ErrorKind::AddrNotAvailable,
        ) => Unreached::NoRoute,
        _ => Unreached::Other,
    }
}

fn plain(last: &str, why: Unreached) -> String {
    match why {
        Unreached::Name => "its name cannot be resolved".to_owned(),
        Unreached::Refused => "connection refused".to_owned(),
        Unreached::Untrusted => {
            "its certificate is signed by an authority this machine does not trust".to_owned()
        }
        // A certificate for another name: rustls lists what it is for.
        Unreached::Certificate | Unreached::Protocol | Unreached::NoRoute | Unreached::Other => {
            last.trim_start_matches("invalid peer certificate: ")
                .to_owned()
        }
    }
}
