//! What runs single-user servers.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What runs single-user servers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Spawn {
    pub kind: SpawnerKind,
    /// Seconds a start may take.
    pub start_timeout: u64,
    /// Seconds until a started server must answer.
    pub http_timeout: u64,
    /// Seconds a request waits for a start before it answers "pending".
    pub slow_spawn_timeout: u64,
    /// Seconds between two looks whether a server still runs.
    pub poll_interval: u64,
    /// Starts at once, beyond which a start is refused with 429; 0: no limit.
    pub concurrent_spawn_limit: u32,
    /// Servers at once, beyond which a start is refused with 429; 0: no limit.
    pub active_server_limit: u32,
    /// The page a server opens, such as `/lab`.
    pub default_url: String,
    /// Environment beside what the hub sets.
    pub environment: BTreeMap<String, String>,
    /// What people choose from on the spawn form; the first is chosen for those who do not see the form. Empty: no form.
    pub profiles: Vec<Profile>,
    /// Seconds between two reports of activity.
    pub activity_interval: u64,
    pub systemd: Systemd,
    pub docker: Option<Docker>,
    pub process: Process,
}

impl Default for Spawn {
    fn default() -> Self {
        Self {
            kind: SpawnerKind::Systemd,
            start_timeout: 60,
            http_timeout: 30,
            slow_spawn_timeout: 10,
            poll_interval: 30,
            concurrent_spawn_limit: 100,
            active_server_limit: 0,
            default_url: "/lab".to_owned(),
            environment: BTreeMap::new(),
            profiles: Vec::new(),
            activity_interval: 300,
            systemd: Systemd::default(),
            docker: None,
            process: Process::default(),
        }
    }
}

/// Which engine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SpawnerKind {
    /// Units of this server, through the root helper.
    #[default]
    Systemd,
    /// Containers.
    Docker,
    /// Processes of the hub's own user: for development.
    Process,
}

/// An environment and size that people can choose.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Its name in `user_options`.
    pub slug: String,
    pub display_name: String,
    #[serde(default)]
    pub description: String,
    /// Memory in bytes; absent: the spawner's own limit.
    pub mem_limit: Option<u64>,
    /// CPUs; absent: the spawner's own limit.
    pub cpu_limit: Option<f64>,
    /// The image, for the docker spawner.
    pub image: Option<String>,
    /// Environment beside [`Spawn::environment`].
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    /// Groups whose members see it; empty: everybody.
    #[serde(default)]
    pub groups: Vec<String>,
}

/// Units of this server. Limits are in the root helper's own file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Systemd {
    /// The root helper's socket; absent: its usual place.
    pub helper: Option<PathBuf>,
}

/// Containers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Docker {
    /// The engine's socket.
    #[serde(default = "docker_socket")]
    pub socket: PathBuf,
    /// The image for those who choose none.
    pub image: String,
    /// The program and its arguments.
    #[serde(default = "command")]
    pub command: Vec<String>,
    /// The network the containers are in; absent: `hubd`, made where it is not there, in which they do not reach each other.
    pub network: Option<String>,
    /// The addresses of that network where it is made, such as `10.89.0.0/24`: the hub's `listen.internal` is on the first.
    pub subnet: Option<String>,
    /// The volume or folder of a home, `{username}` in it replaced by the escaped name.
    pub home: Option<String>,
    /// Where the home is in the container.
    #[serde(default = "mount")]
    pub mount: String,
    /// Memory in bytes; absent: no limit.
    pub mem_limit: Option<u64>,
    /// CPUs; absent: no limit.
    pub cpu_limit: Option<f64>,
    /// Processes and threads.
    #[serde(default = "pids_limit")]
    pub pids_limit: i64,
    /// Whether the engine's own init reaps what kernels leave.
    #[serde(default = "init")]
    pub init: bool,
    /// `always`, `missing` or `never`.
    #[serde(default)]
    pub pull: Pull,
}

/// When an image is fetched.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Pull {
    Always,
    #[default]
    Missing,
    Never,
}

fn command() -> Vec<String> {
    vec!["jupyterhub-singleuser".to_owned()]
}

fn mount() -> String {
    "/home/jovyan".to_owned()
}

fn pids_limit() -> i64 {
    1024
}

fn init() -> bool {
    true
}

fn docker_socket() -> PathBuf {
    PathBuf::from("/var/run/docker.sock")
}

/// Processes of the hub's own user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Process {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The folder of the homes, one each.
    pub homes: PathBuf,
    /// The folder of the servers' Unix sockets; absent: each listens on a loopback port, where anybody on this machine
    /// can be first.
    pub sockets: Option<PathBuf>,
}

impl Default for Process {
    fn default() -> Self {
        Self {
            command: vec!["jupyterhub-singleuser".to_owned()],
            homes: PathBuf::from("/var/lib/hubd/homes"),
            sockets: None,
        }
    }
}

/// Servers beside a user's default one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct NamedServers {
    /// Whether there may be any.
    pub allow: bool,
    /// How many a user may have; 0: no limit.
    pub limit: u32,
}

impl Default for NamedServers {
    fn default() -> Self {
        Self {
            allow: false,
            limit: 3,
        }
    }
}
