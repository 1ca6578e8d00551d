//! What a server is made of.

mod cgroup;
mod command;
mod console;
mod disk;
mod image;
mod instance;
mod meminfo;
mod metadata;
pub mod namespaces;
mod network;
mod options;
mod process;
mod rules;
mod volume;

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use ipnet::{IpNet, Ipv4Net};

/// The base image in a cache, built where it is not there yet.
pub(crate) async fn image(cache: &Path) -> Result<PathBuf, MachineError> {
    image::prepare(cache).await
}

/// Why a machine could not be had. The text becomes the server's Nova `fault`.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct MachineError(pub String);

/// All that is known when a server boots.
#[derive(Debug, Clone)]
pub struct MachineSpec {
    /// The server's Nova id.
    pub id: String,
    /// The server's name; also its hostname.
    pub name: String,
    pub vcpus: u32,
    pub memory_mb: u64,
    /// The Neutron network's id. Fixed addresses are unique within one network only: machines of one network reach each
    /// other, machines of two never do, even where their subnets are the same.
    pub network: String,
    /// The fixed address with its subnet's prefix, and the subnet's gateway.
    pub address: Ipv4Addr,
    pub subnet: Ipv4Net,
    pub gateway: Ipv4Addr,
    /// The image's default login, a sudo user (`debian`).
    pub login: String,
    /// Public keys for that login.
    pub authorized_keys: Vec<String>,
    /// What cloud-init would have read (`#cloud-config` or a script), decoded.
    pub user_data: Option<Vec<u8>>,
    /// The document behind `http://169.254.169.254/openstack/latest/meta_data.json`.
    pub metadata: serde_json::Value,
    /// Root of the image: a directory tree made by `Machines::prepare`.
    pub image: PathBuf,
    /// Volumes attached from the start, as files of the host, each named by its volume's id (`<id>` or `<id>.raw`).
    pub volumes: Vec<PathBuf>,
}

/// One thing let in (or out). What no rule names is dropped, but for answers to what was let through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    pub direction: Direction,
    /// `tcp`, `udp`, `icmp`, …; `None` is any.
    pub protocol: Option<String>,
    pub ports: Option<(u16, u16)>,
    /// Where from (ingress) or where to (egress); `None` is anywhere.
    pub remote: Option<IpNet>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    Ingress,
    Egress,
}

/// The machines behind the servers. Every call is idempotent; nothing survives `sweep`.
#[async_trait]
pub trait Machines: Send + Sync {
    /// Starts a machine and returns once it runs (its SSH comes up a second or so later).
    async fn boot(&self, spec: &MachineSpec) -> Result<(), MachineError>;
    /// Starts a machine that was stopped, with the disk it had.
    async fn start(&self, id: &str) -> Result<(), MachineError>;
    async fn stop(&self, id: &str) -> Result<(), MachineError>;
    async fn reboot(&self, id: &str) -> Result<(), MachineError>;
    /// Ends a machine and removes its disk and every other trace.
    async fn delete(&self, id: &str) -> Result<(), MachineError>;
    /// Whether it runs: a machine that powered itself off does not.
    async fn is_running(&self, id: &str) -> bool;
    /// What the machine wrote to its console since it was made.
    async fn console(&self, id: &str) -> Result<String, MachineError>;
    /// Lets `floating` lead to the machine's fixed address; replaces where it led before.
    async fn bind(&self, floating: Ipv4Addr, id: &str) -> Result<(), MachineError>;
    async fn unbind(&self, floating: Ipv4Addr) -> Result<(), MachineError>;
    /// Replaces the whole rule set of a machine (its ports' security groups, flattened).
    async fn set_rules(&self, id: &str, rules: &[Rule]) -> Result<(), MachineError>;
    /// Gives a machine a block device over a file of the host, named as in [`MachineSpec::volumes`], and says how it is
    /// called inside (`/dev/vdb`). `/dev/disk/by-id/virtio-<first 20 characters of the volume's id>` leads there too.
    async fn attach(&self, id: &str, volume: &Path) -> Result<String, MachineError>;
    async fn detach(&self, id: &str, volume: &Path) -> Result<(), MachineError>;
    /// Removes whatever this or an earlier, killed sandbox left on this box.
    async fn sweep(&self) -> Result<(), MachineError>;
}
