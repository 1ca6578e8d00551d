//! Checks from outside, as a user: TLS, proxy, hub, login, spawn, a kernel that computes.
//!
//! A check goes along a chain of [`Link`]s and stops at the first that is [`Broken`], which says where to look.
//! [`light`] changes nothing and takes milliseconds; [`full`] does what a user does, as a [`Synthetic`] user.

mod browser;
mod endpoint;
mod fault;
mod full;
mod kernel;
mod light;
mod synthetic;
mod terminal;

use std::future::Future;
use std::time::{Duration, Instant};

use serde::Serialize;

pub use browser::Browser;
pub use endpoint::{Endpoint, EndpointError, Trust};
pub use fault::Fault;
pub use full::{full, full_notebook};
pub use kernel::Kernel;
pub use light::light;
pub use synthetic::{Checking, Synthetic, synthetic};
pub use terminal::Terminal;

use crate::event::{Event, Observer};

/// One link of the way from a user to a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// The cloud's API lets us in.
    Cloud,
    /// The server runs.
    Server,
    /// The address leads to it.
    Address,
    /// The domain leads to the address.
    Dns,
    /// The packet filter lets users in.
    SecurityGroup,
    /// The address takes connections.
    Connection,
    /// The certificate is trusted, for this name, and not at its end.
    Certificate,
    /// Whatever listens there answers HTTP.
    Proxy,
    /// The hub behind it answers.
    Hub,
    /// The operator gets onto the server.
    Ssh,
    /// The server has room for users' servers.
    Host,
    Login,
    /// The user's server starts.
    Spawn,
    /// It lets the user in and shows its page.
    Notebook,
    /// A kernel starts.
    Kernel,
    /// It computes.
    Compute,
    /// The user's server stops.
    Stop,
    Logout,
}

impl Part {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cloud => "cloud",
            Self::Server => "server",
            Self::Address => "address",
            Self::Dns => "dns",
            Self::SecurityGroup => "security-group",
            Self::Connection => "connection",
            Self::Certificate => "certificate",
            Self::Proxy => "proxy",
            Self::Hub => "hub",
            Self::Ssh => "ssh",
            Self::Host => "host",
            Self::Login => "login",
            Self::Spawn => "spawn",
            Self::Notebook => "notebook",
            Self::Kernel => "kernel",
            Self::Compute => "compute",
            Self::Stop => "stop",
            Self::Logout => "logout",
        }
    }
}

/// A link that holds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Link {
    pub part: Part,
    pub seconds: f64,
    /// What was seen: `JupyterHub 6.1.1`, `valid until 2027-11-22`.
    pub seen: String,
}

/// The link that does not.
#[derive(Debug, Clone, PartialEq, Serialize, thiserror::Error)]
#[error("{}: {cause}", part.name())]
pub struct Broken {
    pub part: Part,
    pub seconds: f64,
    pub cause: String,
    /// Where to look, or what to do.
    pub hint: String,
}

/// What a check found, in the order it was looked at.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    pub links: Vec<Link>,
    pub broken: Option<Broken>,
    /// The time of the certificate: from, until.
    #[serde(with = "time::serde::rfc3339::option")]
    pub since: Option<time::OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub expires: Option<time::OffsetDateTime>,
    pub hub_version: Option<String>,
}

impl Report {
    pub fn is_healthy(&self) -> bool {
        self.broken.is_none()
    }

    /// The report, or what is broken.
    pub fn healthy(self) -> Result<Self, Broken> {
        match self.broken {
            Some(broken) => Err(broken),
            None => Ok(self),
        }
    }

    pub fn seconds(&self) -> f64 {
        let broken = self.broken.as_ref().map_or(0.0, |broken| broken.seconds);
        self.links.iter().map(|link| link.seconds).sum::<f64>() + broken
    }
}

/// A check under way: times each link and gives up at its deadline.
struct Check<'a> {
    report: Report,
    observer: &'a dyn Observer,
}

impl<'a> Check<'a> {
    fn new(observer: &'a dyn Observer) -> Self {
        Self {
            report: Report::default(),
            observer,
        }
    }

    /// Looks at one link; what it gives and what was seen, or `None` where it is broken.
    async fn link<T>(
        &mut self,
        part: Part,
        within: Duration,
        look: impl Future<Output = Result<(T, String), Fault>>,
    ) -> Option<T> {
        let name = format!("check {}", part.name());
        self.observer.on(Event::StepStarted { name: name.clone() });
        let started = Instant::now();
        let outcome = tokio::time::timeout(within, look)
            .await
            .unwrap_or_else(|_| {
                Err(Fault::new(
                    format!("no end after {} s", within.as_secs()),
                    look_at(part),
                ))
            });
        let seconds = started.elapsed().as_secs_f64();
        match outcome {
            Ok((value, seen)) => {
                self.report.links.push(Link {
                    part,
                    seconds,
                    seen,
                });
                self.observer.on(Event::StepFinished {
                    name,
                    changed: false,
                    seconds,
                });
                Some(value)
            }
            Err(fault) => {
                self.report.broken = Some(Broken {
                    part,
                    seconds,
                    hint: fault.hint.unwrap_or_else(|| look_at(part).to_owned()),
                    cause: fault.cause,
                });
                None
            }
        }
    }
}

/// Where the cause of a broken link is usually found.
const fn look_at(part: Part) -> &'static str {
    match part {
        Part::Cloud | Part::Server | Part::Address | Part::Dns | Part::SecurityGroup => {
            "`hubctl plan` shows what differs in the cloud"
        }
        Part::Ssh | Part::Host => "`hubctl ssh` opens a shell on the server",
        Part::Connection => {
            "look at the security group (`hubctl plan`) and at the proxy (`hubctl logs proxy`)"
        }
        Part::Certificate => "`hubctl provision` renews the certificate",
        Part::Proxy => "`hubctl logs proxy` shows what the proxy says",
        Part::Hub | Part::Login | Part::Logout => "`hubctl logs hub` shows what the hub says",
        Part::Spawn | Part::Notebook | Part::Stop => {
            "`hubctl logs hub` shows what the hub says, `hubctl logs USER` what the user's server says"
        }
        Part::Kernel | Part::Compute => {
            "`hubctl logs USER` shows what the user's server says; memory may be short (`limits.memory`)"
        }
    }
}

#[cfg(test)]
mod tests;
