//! What can go wrong between here and the server.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::keys::Fingerprint;

/// Why the server could not be reached, trusted or used.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    #[error("connecting to {address}")]
    Connect {
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("{during} on {address}: no answer in time")]
    Timeout {
        address: SocketAddr,
        during: &'static str,
    },
    #[error("{during} on {address}")]
    Protocol {
        address: SocketAddr,
        during: &'static str,
        #[source]
        source: ssh2::Error,
    },
    #[error(
        "the host key of {address} is not the one of this deployment's server\n  expected {}\n  offered  {offered}",
        list(expected)
    )]
    WrongKey {
        address: SocketAddr,
        expected: Vec<Fingerprint>,
        offered: Fingerprint,
    },
    #[error("the host key of {address} is not known: {offered}")]
    UnknownKey {
        address: SocketAddr,
        offered: Fingerprint,
    },
    #[error("{address} lets {login} in with none of: {tried}")]
    LoginRefused {
        address: SocketAddr,
        login: String,
        tried: String,
    },
    #[error("no key to log in to {address} with: {} is not there and no agent serves one", wanted.display())]
    NoKey {
        address: SocketAddr,
        wanted: PathBuf,
    },
    #[error("waited {} s for SSH on {}; last seen: {state}", within.as_secs(), address.ip())]
    NeverUp {
        address: SocketAddr,
        login: String,
        state: String,
        within: Duration,
    },
    #[error("the connection to {address} was lost while {command} ran")]
    Lost {
        address: SocketAddr,
        command: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{command} said nothing for {} s on {address}", silence.as_secs())]
    Silent {
        address: SocketAddr,
        command: String,
        silence: Duration,
    },
    #[error("{command} ran longer than {} s on {address}", total.as_secs())]
    TooLong {
        address: SocketAddr,
        command: String,
        total: Duration,
    },
    #[error("{command} was ended by signal {signal}{}", tail(stderr))]
    Signal {
        command: String,
        signal: String,
        stderr: String,
    },
    #[error("{command} ended with status {status}{}", tail(stderr))]
    Failed {
        command: String,
        status: i32,
        stderr: String,
    },
    #[error("{action} {}", path.display())]
    KnownHosts {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the exchange was given up")]
    Cancelled,
    #[error("a thread of the SSH session panicked")]
    Internal,
}

fn list(fingerprints: &[Fingerprint]) -> String {
    let texts: Vec<_> = fingerprints.iter().map(ToString::to_string).collect();
    texts.join(" or ")
}

fn tail(stderr: &str) -> String {
    let text = stderr.trim();
    if text.is_empty() {
        String::new()
    } else {
        format!(": {text}")
    }
}

impl HostError {
    /// Whether a server that is still starting looks like this.
    pub fn heals(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. }
                | Self::Timeout { .. }
                | Self::Protocol { .. }
                | Self::LoginRefused { .. }
        )
    }

    /// The error in the words of somebody who waits.
    pub(super) fn looks_like(&self) -> String {
        match self {
            Self::Connect { source, .. } => match source.kind() {
                std::io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
                std::io::ErrorKind::TimedOut => "no answer".to_owned(),
                _ => source.to_string(),
            },
            Self::Timeout { .. } => "connected, no answer".to_owned(),
            Self::Protocol { during, source, .. } => format!("{during}: {}", source.message()),
            Self::LoginRefused { login, .. } => {
                format!("key not accepted for {login} yet (cloud-init places it)")
            }
            other => other.to_string(),
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Self::WrongKey { address, .. } => format!(
                "either {} now belongs to another server, or somebody sits in between. Nothing was sent. If the server \
                 was rebuilt outside of hubctl, compare with its console log (`openstack console log show`) and remove \
                 the entry from the deployment's known_hosts",
                address.ip()
            ),
            Self::UnknownKey { .. } => {
                "the cloud's console log names the server's host keys once it has booted; `ssh.host_key: \
                 trust-on-first-use` believes whatever answers"
                    .to_owned()
            }
            Self::LoginRefused { login, .. } | Self::NeverUp { login, state: _, .. }
                if self.is_about_login() =>
            {
                format!(
                    "is {login} the image's login (`server.login`)? was the server made with this deployment's key, or \
                     does `ssh.authorized_keys` name one your agent serves (`ssh-add -l`)?"
                )
            }
            Self::NeverUp { address, .. } => format!(
                "look at the server's console log; does its security group let your address reach port {}?",
                address.port()
            ),
            Self::NoKey { .. } => {
                "the key is in the state folder of the machine that provisioned; elsewhere, load a key that \
                 `ssh.authorized_keys` names into your agent"
                    .to_owned()
            }
            Self::Lost { .. }
            | Self::Silent { .. }
            | Self::TooLong { .. }
            | Self::Signal { .. } => {
                "run the same command again: it finishes what was begun".to_owned()
            }
            Self::Failed { stderr, .. } if stderr.contains("a password is required") => {
                "the login needs sudo without password, as cloud images set it up".to_owned()
            }
            Self::Failed { status: 127, .. } => {
                "the image lacks a program; images of Debian or Ubuntu with cloud-init have it"
                    .to_owned()
            }
            _ => return None,
        })
    }

    fn is_about_login(&self) -> bool {
        match self {
            Self::LoginRefused { .. } => true,
            Self::NeverUp { state, .. } => state.starts_with("key not accepted"),
            _ => false,
        }
    }
}
