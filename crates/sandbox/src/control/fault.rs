//! Faults on demand.

use serde::{Deserialize, Serialize};

use super::Service;

/// Something that is to go wrong, and with which requests. What is not said matches all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    #[serde(flatten)]
    pub kind: Kind,
    #[serde(default)]
    pub service: Option<Service>,
    #[serde(default)]
    pub method: Option<String>,
    /// Below the service's version, `*` for anything: `/servers/*/action`.
    #[serde(default)]
    pub path: Option<String>,
    /// A text the body has in it: `os-getConsoleOutput`.
    #[serde(default)]
    pub body: Option<String>,
    /// Matching requests to let through first.
    #[serde(default)]
    pub skip: u32,
    /// How often it strikes; none is always.
    #[serde(default = "once")]
    pub count: Option<u32>,
}

#[expect(clippy::unnecessary_wraps, reason = "serde wants the field's type")]
fn once() -> Option<u32> {
    Some(1)
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// The answer is late.
    Latency { ms: u64 },
    /// The service says no, in its own shape, and does nothing.
    Status {
        status: u16,
        #[serde(default)]
        retry_after: Option<u32>,
        #[serde(default)]
        message: Option<String>,
    },
    /// A load balancer before the service answers with a page of HTML.
    LoadBalancer { status: u16 },
    /// The connection is reset before anything is done.
    Reset,
    /// The work is done, then the connection is reset.
    LoseAnswer,
    /// The connection ends after so many bytes of the answer.
    Cut { after: u64 },
    /// The quota of a resource is used up, in the service's own shape.
    Quota { resource: String },
    /// The server made by this request ends in ERROR with this fault.
    ServerError { code: u16, message: String },
    /// Nothing gets through to port 22 of the server made by this request.
    SshNeverUp,
}

impl Kind {
    pub fn name(&self) -> &'static str {
        match self {
            Self::Latency { .. } => "latency",
            Self::Status { .. } => "status",
            Self::LoadBalancer { .. } => "load_balancer",
            Self::Reset => "reset",
            Self::LoseAnswer => "lose_answer",
            Self::Cut { .. } => "cut",
            Self::Quota { .. } => "quota",
            Self::ServerError { .. } => "server_error",
            Self::SshNeverUp => "ssh_never_up",
        }
    }
}

/// A request, as far as faults look at it.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    pub service: Service,
    pub method: &'a str,
    pub path: &'a str,
    pub body: &'a [u8],
}

impl Fault {
    /// A fault that strikes the next request, whichever it is.
    pub fn new(kind: Kind) -> Self {
        Self {
            kind,
            service: None,
            method: None,
            path: None,
            body: None,
            skip: 0,
            count: once(),
        }
    }

    /// Restricts it to requests like this one.
    pub fn on(mut self, service: Service, method: &str, path: &str) -> Self {
        self.service = Some(service);
        self.method = Some(method.to_owned());
        self.path = Some(path.to_owned());
        self
    }

    /// Restricts it to requests with this text in their body.
    pub fn with_body(mut self, text: &str) -> Self {
        self.body = Some(text.to_owned());
        self
    }

    /// Lets so many matching requests through first.
    pub fn skip(mut self, skip: u32) -> Self {
        self.skip = skip;
        self
    }

    /// Strikes so often.
    pub fn times(mut self, count: u32) -> Self {
        self.count = Some(count);
        self
    }

    /// Strikes always.
    pub fn always(mut self) -> Self {
        self.count = None;
        self
    }

    /// The next server ends in ERROR with this fault.
    pub fn server_error(code: u16, message: &str) -> Self {
        Self::new(Kind::ServerError {
            code,
            message: message.to_owned(),
        })
        .on(Service::Compute, "POST", "/servers")
    }

    /// The next server's SSH never comes up.
    pub fn ssh_never_up() -> Self {
        Self::new(Kind::SshNeverUp).on(Service::Compute, "POST", "/servers")
    }

    /// The cloud serves no console log.
    pub fn console_refused() -> Self {
        let refusal = "Policy doesn't allow os_compute_api:os-console-output to be performed.";
        Self::new(Kind::Status {
            status: 403,
            retry_after: None,
            message: Some(refusal.to_owned()),
        })
        .on(Service::Compute, "POST", "/servers/*/action")
        .with_body("os-getConsoleOutput")
        .always()
    }

    fn matches(&self, asked: &Asked<'_>) -> bool {
        self.service.is_none_or(|s| s == asked.service)
            && self
                .method
                .as_ref()
                .is_none_or(|m| m.eq_ignore_ascii_case(asked.method))
            && self.path.as_ref().is_none_or(|p| glob(p, asked.path))
            && self
                .body
                .as_ref()
                .is_none_or(|b| String::from_utf8_lossy(asked.body).contains(b))
    }

    /// Whether it strikes this request; counts.
    pub fn meet(&mut self, asked: &Asked<'_>) -> Option<Kind> {
        if self.count == Some(0) || !self.matches(asked) {
            return None;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return None;
        }
        self.count = self.count.map(|c| c - 1);
        Some(self.kind.clone())
    }
}

/// Whether a text fits a pattern in which `*` is anything.
fn glob(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((start, rest)) => text.strip_prefix(start).is_some_and(|text| {
            (0..=text.len())
                .filter(|n| text.is_char_boundary(*n))
                .any(|n| glob(rest, &text[n..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_waits_its_turn_and_is_used_up() {
        let asked = Asked {
            service: Service::Compute,
            method: "POST",
            path: "/servers/1/action",
            body: b"{\"reboot\":1}",
        };
        let mut fault = Fault::new(Kind::Reset)
            .on(Service::Compute, "post", "/servers/*/action")
            .skip(1)
            .times(2);
        let met: Vec<bool> = (0..4).map(|_| fault.meet(&asked).is_some()).collect();
        assert_eq!(met, [false, true, true, false]);
        assert!(Fault::console_refused().meet(&asked).is_none());
        assert!(
            Fault::new(Kind::Reset)
                .on(Service::Network, "POST", "*")
                .meet(&asked)
                .is_none()
        );
        assert!(Fault::new(Kind::Reset).meet(&asked).is_some());
    }

    #[test]
    fn a_fault_is_read_from_json() {
        let fault: Fault = serde_json::from_str(
            r#"{"kind":"status","status":429,"retry_after":2,"service":"network","count":null}"#,
        )
        .unwrap();
        let kind = Kind::Status {
            status: 429,
            retry_after: Some(2),
            message: None,
        };
        assert_eq!(
            fault,
            Fault {
                service: Some(Service::Network),
                ..Fault::new(kind).always()
            }
        );
        let once: Fault = serde_json::from_str(r#"{"kind":"reset"}"#).unwrap();
        assert_eq!(once.count, Some(1));
    }
}
