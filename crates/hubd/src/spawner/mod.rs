//! Spawners: what runs single-user servers. The seam is narrow so that another engine fits behind it.

pub mod docker;
pub mod helper;
pub mod process;
pub mod systemd;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use hub_api::hub::{Profile, Spawn, SpawnerKind};

/// One single-user server: its owner's name and its own name, "" for the default one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ServerKey {
    pub user: String,
    pub name: String,
}

/// Where the proxy and the hub reach a single-user server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A Unix socket (`http+unix://%2Fpath` to the proxy).
    Unix(PathBuf),
    Tcp(SocketAddr),
}

/// All a spawner needs to start one server.
#[derive(Clone)]
pub struct Launch {
    pub key: ServerKey,
    /// The environment, the server's API token in it: never to be put on a command line or in a log.
    pub environment: BTreeMap<String, String>,
    /// What the user chose from what the operator offers, if anything is offered.
    pub profile: Option<Profile>,
    /// How long the start may take.
    pub within: Duration,
}

/// A server whose process runs; whether it answers is the hub's to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Started {
    pub target: Target,
    /// What the spawner needs to find it again after a restart of the hub; kept in the store as `state`.
    pub state: serde_json::Value,
}

/// Whether a server runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    Running,
    Ended(Ending),
}

/// How a server ended, in words its owner can use.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ending {
    /// The exit status, if it exited.
    pub code: Option<i32>,
    /// Whether it was killed for using more memory than it may.
    pub out_of_memory: bool,
    /// Its last lines, already free of secrets.
    pub last_lines: Vec<String>,
}

/// Why a spawner could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// For the owner to read.
    #[error("{message}")]
    Refused { message: String },
    /// The engine behind the spawner did not answer or broke; for the log.
    #[error("{doing}: {cause}")]
    Engine { doing: String, cause: String },
    /// The time given was not enough.
    #[error("{doing} took longer than {} s", within.as_secs())]
    Late { doing: String, within: Duration },
}

/// What runs single-user servers.
#[async_trait]
pub trait Spawner: Send + Sync {
    /// Where the server of this launch will listen, known before it starts: the hub puts it in the environment.
    /// For a Unix socket the single-user server is given `--ServerApp.sock` by the spawner.
    async fn prepare(&self, key: &ServerKey) -> Result<Target, SpawnError>;
    /// Starts it at the target that `prepare` named; a leftover of the same key is ended first.
    async fn start(&self, launch: &Launch, target: &Target) -> Result<Started, SpawnError>;
    /// Looks whether it runs.
    async fn poll(&self, key: &ServerKey, state: &serde_json::Value) -> Result<Status, SpawnError>;
    /// How many processes of a server that runs were killed for want of memory since it started, as far as can be told.
    async fn memory_kills(&self, key: &ServerKey) -> u64 {
        let _untold = key;
        0
    }
    /// Ends it, politely first; returns when it is gone.
    async fn stop(&self, key: &ServerKey, state: &serde_json::Value) -> Result<(), SpawnError>;
}

/// The spawner that the configuration names.
///
/// # Errors
/// Where its engine's address makes no sense. Whether it answers is seen at the first start.
pub fn from_configuration(spawn: &Spawn) -> Result<Arc<dyn Spawner>, SpawnError> {
    Ok(match spawn.kind {
        SpawnerKind::Systemd => Arc::new(systemd::Systemd::new(&spawn.systemd)),
        SpawnerKind::Docker => {
            let docker = spawn.docker.as_ref().ok_or_else(|| SpawnError::Engine {
                doing: "choosing the spawner".to_owned(),
                cause: "[spawn.docker] is missing".to_owned(),
            })?;
            Arc::new(docker::Docker::new(docker)?)
        }
        SpawnerKind::Process => Arc::new(process::Process::new(&spawn.process)),
    })
}
