//! The whole way from outside to a result, link by link: which holds, which is broken, what cannot be told for that.
//!
//! [`Chart`] is what was found. What is asked of whom is `hubctl doctor`'s; what an answer means is here, and in
//! [`health`](crate::health) for the hub itself.

pub mod host;
pub mod junit;

use serde::Serialize;

use crate::health::{self, Fault, Part};

/// The links in the order they are looked at.
pub const CHAIN: [Part; 18] = [
    Part::Cloud,
    Part::Server,
    Part::Address,
    Part::Dns,
    Part::SecurityGroup,
    Part::Connection,
    Part::Certificate,
    Part::Proxy,
    Part::Hub,
    Part::Ssh,
    Part::Host,
    Part::Login,
    Part::Spawn,
    Part::Notebook,
    Part::Kernel,
    Part::Compute,
    Part::Stop,
    Part::Logout,
];

/// What there is to say of a link.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    Holds {
        seen: String,
    },
    Broken {
        cause: String,
        /// What to do.
        hint: String,
        /// What the server says to it.
        log: Vec<String>,
    },
    /// It was not looked at, because of a link before it.
    Skipped {
        because: Part,
    },
    /// It cannot be tried from here.
    Untried {
        why: String,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Finding {
    pub part: Part,
    pub seconds: f64,
    #[serde(flatten)]
    pub state: State,
}

/// What was found of a deployment, in order.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Chart {
    /// The deployment.
    pub name: String,
    pub findings: Vec<Finding>,
}

impl Chart {
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            findings: Vec::new(),
        }
    }

    /// The broken link that stands in the way of one that needs these.
    pub fn blocked(&self, needs: &[Part]) -> Option<Part> {
        self.findings
            .iter()
            .filter(|finding| needs.contains(&finding.part))
            .find_map(|finding| match finding.state {
                State::Holds { .. } | State::Untried { .. } => None,
                State::Broken { .. } => Some(finding.part),
                State::Skipped { because } => Some(because),
            })
    }

    /// The first broken link.
    pub fn broken(&self) -> Option<&Finding> {
        self.findings
            .iter()
            .find(|finding| matches!(finding.state, State::Broken { .. }))
    }

    /// Whether there was a link that could not be tried.
    pub fn has_untried(&self) -> bool {
        self.findings
            .iter()
            .any(|finding| matches!(finding.state, State::Untried { .. }))
    }

    pub fn seconds(&self) -> f64 {
        self.findings.iter().map(|finding| finding.seconds).sum()
    }
}

impl Finding {
    pub fn holds(part: Part, seconds: f64, seen: impl Into<String>) -> Self {
        Self {
            part,
            seconds,
            state: State::Holds { seen: seen.into() },
        }
    }

    pub fn broken(
        part: Part,
        seconds: f64,
        cause: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            part,
            seconds,
            state: State::Broken {
                cause: cause.into(),
                hint: hint.into(),
                log: Vec::new(),
            },
        }
    }

    pub fn skipped(part: Part, because: Part) -> Self {
        Self {
            part,
            seconds: 0.0,
            state: State::Skipped { because },
        }
    }

    pub fn untried(part: Part, why: impl Into<String>) -> Self {
        Self {
            part,
            seconds: 0.0,
            state: State::Untried { why: why.into() },
        }
    }

    /// From a look at one link.
    pub fn of(part: Part, seconds: f64, looked: Result<String, Fault>) -> Self {
        match looked {
            Ok(seen) => Self::holds(part, seconds, seen),
            Err(fault) => {
                let hint = fault.hint.unwrap_or_default();
                Self::broken(part, seconds, fault.cause, hint)
            }
        }
    }

    /// As one line, and what belongs below it.
    pub fn lines(&self) -> Vec<String> {
        let name = self.part.name();
        match &self.state {
            State::Holds { seen } => {
                vec![format!(
                    "ok       {name:<15} {seen} ({:.1} s)",
                    self.seconds
                )]
            }
            State::Broken { cause, hint, log } => {
                let mut lines = Vec::new();
                for (at, line) in cause.lines().enumerate() {
                    lines.push(match at {
                        0 => format!("BROKEN   {name:<15} {line} ({:.1} s)", self.seconds),
                        _ => format!("{:25}{line}", ""),
                    });
                }
                lines.extend(log.iter().map(|line| format!("{:25}| {line}", "")));
                let hints = hint.lines().filter(|line| !line.is_empty());
                lines.extend(hints.map(|line| format!("{:25}hint: {line}", "")));
                lines
            }
            State::Skipped { because } => {
                vec![format!("skipped  {name:<15} needs {}", because.name())]
            }
            State::Untried { why } => vec![format!("untried  {name:<15} {why}")],
        }
    }
}

/// The links of a check of the hub, out of those asked for: what holds, what is broken, what was not reached.
pub fn findings(report: &health::Report, parts: &[Part]) -> Vec<Finding> {
    let broken = report.broken.as_ref();
    parts
        .iter()
        .filter_map(|part| {
            if let Some(link) = report.links.iter().find(|link| link.part == *part) {
                return Some(Finding::holds(*part, link.seconds, link.seen.clone()));
            }
            let broken = broken?;
            Some(if broken.part == *part {
                Finding::broken(
                    *part,
                    broken.seconds,
                    broken.cause.clone(),
                    broken.hint.clone(),
                )
            } else {
                Finding::skipped(*part, broken.part)
            })
        })
        .collect()
}

#[cfg(test)]
mod tests;
