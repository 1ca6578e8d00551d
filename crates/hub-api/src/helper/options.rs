//! The helper's own file, `/etc/hub-helper/helper.toml`: what the hub may ask for is written there by root alone.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::Container;

/// The helper's configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The hub's account: nobody else is answered.
    #[serde(default = "hub_account")]
    pub hub_account: String,
    /// The group that enters the folders of the servers' sockets: the proxy's, with the hub in it.
    #[serde(default = "proxy_group")]
    pub proxy_group: String,
    /// Users are members of one of these groups, or are refused. The hub is told which.
    pub user_groups: Vec<String>,
    /// Members of these are refused, beside those of `sudo`, `docker` and the like, which always are.
    #[serde(default)]
    pub refused_groups: Vec<String>,
    /// Accounts with a lower user or group id are refused; never below 1000.
    #[serde(default = "lowest_id")]
    pub lowest_id: u32,
    /// The service of PAM, a file in `/etc/pam.d`.
    #[serde(default = "pam_service")]
    pub pam_service: String,
    /// Variables the hub may set beside `JUPYTERHUB_*` and the like.
    #[serde(default)]
    pub environment: Vec<String>,
    /// The profile of servers for which none is named; one of `profiles`.
    pub default_profile: String,
    /// How accounts are made for people whom the hub knows by a provider; absent: none ever is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accounts: Option<Accounts>,
    /// Servers run in containers; absent: as units alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// What servers may be, by the slug of the hub's profile.
    pub profiles: BTreeMap<String, Profile>,
}

/// How accounts are made. They have no password, and no group but their own and this one: a login by SSH is nobody's
/// whom the door does not name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Accounts {
    /// The group they are put into; one of `user_groups`.
    pub group: String,
    /// The folder of their homes.
    #[serde(default = "homes")]
    pub homes: PathBuf,
    /// What a new home begins with.
    #[serde(default = "skeleton")]
    pub skeleton: PathBuf,
    /// The shell of their terminals.
    #[serde(default = "shell")]
    pub shell: PathBuf,
    /// What their names begin with, so that the hub can make no other; empty: anything.
    #[serde(default)]
    pub prefix: String,
}

/// What one server may use, and what it runs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Profile {
    /// Memory, in MiB.
    pub memory_mb: u64,
    /// Processors, in hundredths of one (150: one and a half); no limit where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<u32>,
    /// Processes and threads.
    #[serde(default = "tasks")]
    pub tasks: u32,
    /// The single-user server's program, where it is another than the template unit's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub program: Option<PathBuf>,
}

fn hub_account() -> String {
    "hubd".to_owned()
}

fn proxy_group() -> String {
    "hubproxy".to_owned()
}

fn homes() -> PathBuf {
    PathBuf::from("/home")
}

fn skeleton() -> PathBuf {
    PathBuf::from("/etc/skel")
}

fn shell() -> PathBuf {
    PathBuf::from("/bin/bash")
}

fn lowest_id() -> u32 {
    1000
}

fn pam_service() -> String {
    "hubd".to_owned()
}

fn tasks() -> u32 {
    1024
}
