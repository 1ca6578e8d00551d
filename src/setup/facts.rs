//! What was observed on the host.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The host as `templates/runner/observe.py` reports it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Last state of cloud-init: `done`, `error`, `absent`, `still running`.
    pub cloud_init: String,
    pub os: Os,
    pub arch: String,
    pub hostname: String,
    /// Runs in a container: no swap, no kernel of its own.
    pub container: bool,
    pub files: BTreeMap<String, Option<FileFacts>>,
    /// Installed versions of the packages asked about.
    pub packages: BTreeMap<String, Option<String>>,
    pub units: BTreeMap<String, UnitFacts>,
    /// How many servers of users run, by the unit of the hub that is asked about.
    pub servers: BTreeMap<String, u32>,
    pub accounts: BTreeMap<String, Option<AccountFacts>>,
    /// Members of the groups asked about.
    pub groups: BTreeMap<String, Option<Vec<String>>>,
    /// Accounts with sudo that can log in by key today.
    pub key_users: Vec<String>,
    /// Homes that others can look into.
    pub open_homes: Vec<String>,
    pub venvs: BTreeMap<String, Option<VenvFacts>>,
    pub npm: BTreeMap<String, Option<String>>,
    /// What the container engine has, where it was asked about and is there.
    pub containers: Option<ContainerFacts>,
    /// What sshd would do: lower case keyword to values.
    pub sshd: Option<BTreeMap<String, Vec<String>>>,
    /// Loaded tables of the packet filter, as `nft list table` prints them.
    pub nft: BTreeMap<String, Option<String>>,
    pub memory_kb: u64,
    pub swap_kb: u64,
    pub disk_free_mb: u64,
    /// The device of `/home`, where that is a file system of its own.
    pub home_mount: Option<String>,
    pub volume: Option<VolumeFacts>,
    pub timezone: String,
    pub reboot_required: bool,
    pub dpkg_interrupted: bool,
    pub ports: Vec<PortHolder>,
    /// What hubproxy says of itself, or `{"error": WHY}`.
    pub proxy: Option<serde_json::Value>,
    /// The process of a run that is at work now.
    pub busy: Option<i64>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Os {
    pub id: String,
    pub version: String,
    pub name: String,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FileFacts {
    /// `file`, `folder`, `link` or `other`.
    pub kind: String,
    pub owner: String,
    pub group: String,
    /// Four octal digits.
    pub mode: String,
    pub sha256: Option<String>,
    /// The content, where it is no secret.
    pub text: Option<String>,
    pub target: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct UnitFacts {
    pub load: String,
    pub active: String,
    pub sub: String,
    pub enabled: String,
    pub result: String,
    /// When its last start began, in seconds of the host's clock; 0 never.
    pub started: f64,
    /// When the newest thing it reads changed, and which that is.
    pub newest: f64,
    pub newest_path: String,
    /// Its unit file changed after systemd read it.
    pub needs_reload: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountFacts {
    pub uid: u32,
    pub home: String,
    pub shell: String,
    pub groups: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VenvFacts {
    pub python: String,
    /// Normalised names to versions.
    pub packages: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerFacts {
    /// The range of the network asked about; `None` where there is none, or it is on another device.
    pub network: Option<String>,
    /// Whether the image asked about is there.
    pub image: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeFacts {
    pub device: String,
    pub present: bool,
    /// Holds nothing at all: no file system, no partition table, no signature, zeros at its start.
    pub empty: bool,
    pub kind: Option<String>,
    pub uuid: Option<String>,
    /// Bytes of the device, and of the file system on it.
    pub size: u64,
    pub used: Option<u64>,
    pub mounted: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct PortHolder {
    pub port: u16,
    pub pid: u32,
    pub process: String,
    pub unit: Option<String>,
}
