//! What a sandbox is started with.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::scenario::Scenario;

/// How to start a sandbox. The default is one for tests: any free loopback port, no machines, no waiting.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where `clouds.yaml`, certificates and volumes go; `None` is a temporary directory, removed at the end.
    pub state_dir: Option<PathBuf>,
    /// Whether the API is served over HTTPS, with a certificate authority made for it.
    pub tls: bool,
    /// What the cloud has.
    pub scenario: Scenario,
    /// How long things take.
    pub pace: Pace,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            state_dir: None,
            tls: false,
            scenario: Scenario::default(),
            pace: Pace::FAST,
        }
    }
}

/// How long asynchronous work takes.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Each step of a server's or a volume's life: scheduling, networking, deleting, …
    pub step: Duration,
    /// How long a token is good for.
    pub token: Duration,
}

impl Pace {
    /// For tests: every state is passed through, none is stayed in.
    pub const FAST: Self = Self {
        step: Duration::from_millis(15),
        token: Duration::from_secs(3600),
    };
    /// For people: one sees the states go by.
    pub const REAL: Self = Self {
        step: Duration::from_millis(300),
        token: Duration::from_secs(3600),
    };
}
