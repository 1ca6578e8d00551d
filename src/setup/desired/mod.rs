//! What the host should look like: the spec and the site, worked out into files, packages, accounts and units.

mod containers;
mod files;
mod hub;
mod hubd;
mod jupyterhub;
mod notebook;
mod programs;
mod provider;
mod proxy;
mod variables;

use std::collections::BTreeMap;
use std::net::IpAddr;

use sha2::{Digest, Sha256};

pub use self::containers::{Containers, ImageSource};
use self::files::{APT_PROXY, CA_FILE, CONTAINERS, UNATTENDED, edits, files};
pub(in crate::setup) use self::programs::CONDA_LANE;
pub use self::programs::programs;
use self::programs::{AUTHORITIES, DEBIAN_PACKAGES, conda, notebook, rattler, units};
pub(in crate::setup) use self::proxy::api_of as proxy_api;
use self::variables::{context, speaks_unix};
use super::hub::HubPlaces;
use super::names::{HUB_PORT, RUN_NOTEBOOK, SSH_GROUP};
use super::{Lock, Locks, SetupError, template};
use crate::release::Program;
use crate::secret::Secret;
use crate::spec::model::{HubKind, ProxyKind, SpawnerKind, Spec};

/// What is known of the server and generated for it, beside the spec.
#[derive(Debug, Clone)]
pub struct Site {
    /// The address users reach the server under.
    pub public_address: IpAddr,
    pub domain: Option<String>,
    /// The operator's login, a sudo user.
    pub login: String,
    /// The server's name in `/etc/hosts`.
    pub hostname: String,
    /// Of the flavor.
    pub memory_mb: u64,
    pub vcpus: u64,
    /// Cinder id of the data volume for the homes.
    pub data_volume: Option<String>,
    /// Certificate and chain, PEM; empty where the proxy gets it by ACME.
    pub certificate_pem: String,
    pub key_pem: Secret,
    /// The deployment's own authority, PEM, where it signed the certificate.
    pub authority_pem: Option<String>,
    pub proxy_token: Secret,
    /// 32 random bytes in hexadecimal.
    pub cookie_secret: Secret,
    /// Token of the service `hubctl` at the hub's API: reads users, deletes users and stops servers.
    pub api_token: Secret,
    /// What the authenticator's provider knows this hub by.
    pub oauth_client_secret: Option<Secret>,
    /// Hash of the password of a notebook server, as Jupyter writes it.
    pub password_hash: Option<Secret>,
    /// Further public keys that may log in as the operator.
    pub operator_keys: Vec<String>,
    /// Our own programs for the server: those that [`programs`] names.
    pub programs: Vec<Program>,
    /// Which versions were installed before, here or on another server.
    pub locks: Locks,
}

/// When the system is brought up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Upgrade {
    Never,
    /// If it never was by us.
    Once,
    Now,
}

/// The whole host as it should be.
#[derive(Debug, Clone)]
pub struct Desired {
    pub login: String,
    pub hostname: String,
    pub upgrade: Upgrade,
    pub packages: Vec<String>,
    pub groups: Vec<&'static str>,
    pub accounts: Vec<&'static str>,
    /// An account with a home, for one person.
    pub person: Option<&'static str>,
    pub folders: Vec<ManagedFolder>,
    pub files: Vec<ManagedFile>,
    /// Files of the distribution in which single lines are set.
    pub edits: Vec<Edit>,
    /// Files of ours that must not be there with these choices.
    pub absent: Vec<String>,
    pub uv: Uv,
    pub venvs: Vec<Venv>,
    pub npm: Option<Npm>,
    pub download: Option<Download>,
    /// What comes from conda-forge.
    pub conda: Option<Conda>,
    /// The network and the image of users' containers.
    pub containers: Option<Containers>,
    /// Units that other choices left.
    pub retired: Vec<&'static str>,
    /// The ports that users reach, which nobody else may have.
    pub ports: Vec<u16>,
    /// Where the proxy says how it is, where it does.
    pub status: Option<StatusPlace>,
    pub units: Vec<Unit>,
    /// Whether the hub starts before what the notebooks run in is installed.
    pub page_first: bool,
    /// Packages that hub and proxy need before they start, where the others come later.
    pub page_packages: Vec<String>,
    pub hub: &'static HubPlaces,
    /// Kinds of hub that this one takes over from, where they are on the server.
    pub other_hubs: Vec<&'static HubPlaces>,
    pub ssh: SshDoor,
    /// Packet filter table to what its listing must say.
    pub nft_tables: BTreeMap<String, String>,
    /// The data volume's device.
    pub volume: Option<String>,
    pub swap_mb: Option<u64>,
    pub timezone: Option<String>,
    /// Environment of the downloads.
    pub environment: BTreeMap<String, String>,
}

/// The part of the runbook that brings a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Before anything is downloaded.
    Downloads,
    System,
    Hub,
}

#[derive(Debug, Clone)]
pub struct ManagedFile {
    pub part: Part,
    pub path: String,
    pub content: Content,
    pub owner: &'static str,
    pub group: &'static str,
    /// Four octal digits.
    pub mode: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    Text(String),
    Secret(Secret),
    Program(Program),
    /// An archive.
    Bytes(Vec<u8>),
}

impl Content {
    /// The content itself, for the one place that sends it.
    pub(in crate::setup) fn reveal(&self) -> &[u8] {
        match self {
            Self::Text(text) => text.as_bytes(),
            Self::Secret(secret) => secret.reveal().as_bytes(),
            Self::Program(program) => program.content(),
            Self::Bytes(bytes) => bytes,
        }
    }

    /// Of the content, in hexadecimal.
    pub fn sha256(&self) -> String {
        if let Self::Program(program) = self {
            return program.sha256().to_owned();
        }
        Sha256::digest(self.reveal())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManagedFolder {
    pub path: &'static str,
    pub owner: &'static str,
    pub group: &'static str,
    pub mode: &'static str,
}

/// Where hubproxy answers `GET /api/status`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusPlace {
    /// A socket's path, or an address with a port.
    pub listen: String,
    /// File with the token.
    pub token: String,
}

/// A line that a file of the distribution must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    pub path: String,
    pub owner: String,
    pub mode: &'static str,
    pub kind: EditKind,
    pub why: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EditKind {
    /// A line of `/etc/hosts` that names this host.
    HostName(String),
    /// A setting: the first line with this key becomes this line.
    Setting {
        key: &'static str,
        line: &'static str,
    },
    /// Lines between two marks of ours.
    Block(Vec<String>),
}

/// The Python package installer, bootstrapped by the distribution's pip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uv {
    pub folder: &'static str,
    pub requirement: String,
    pub index: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Venv {
    pub folder: &'static str,
    pub what: &'static str,
    /// Installed side by side with those of other lanes.
    pub lane: &'static str,
    /// Modules that users' servers load: compiled before the first one starts.
    pub warm: &'static [&'static str],
    /// Users can add packages of their own (`pip install`), into their homes.
    pub user_site: bool,
    /// Requirements, one a line; also the stamp left in the folder.
    pub requirements: String,
    /// Versions that must be there: normalised name and version.
    pub pins: Vec<(String, String)>,
    /// Pattern of what was installed, and the link to it.
    pub links: Vec<(String, String)>,
    /// The versions that these requirements were installed in before.
    pub lock: Option<Lock>,
}

/// An environment of packages from a conda channel, with a kernel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conda {
    pub folder: &'static str,
    /// Where Jupyter finds the kernel.
    pub kernel: &'static str,
    /// One a line; also the stamp left in the folder.
    pub requirements: String,
    /// Where they are from.
    pub channel: String,
    /// Of an archive with `micromamba`, where that installs them.
    pub url: Option<String>,
    pub sha256: Option<String>,
    /// The packages that these requirements were installed in before.
    pub lock: Option<Lock>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Npm {
    pub lane: &'static str,
    pub folder: &'static str,
    pub package: &'static str,
    pub version: String,
    pub registry: Option<String>,
}

/// A program from an archive that its project releases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Download {
    pub lane: &'static str,
    pub what: &'static str,
    /// Holds the program in `bin`, and what archive it is from.
    pub folder: &'static str,
    /// The program's name in the archive.
    pub member: &'static str,
    /// By processor, as `uname -m` names it.
    pub archives: BTreeMap<String, Archive>,
}

/// An archive (`.tar.gz`), and what it must be.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Archive {
    pub url: String,
    /// In hexadecimal.
    pub sha256: String,
}

impl Download {
    /// The file in the folder that says which archive was taken.
    pub const STAMP: &'static str = "hubctl-release.txt";

    /// What that file holds, for a processor.
    pub fn stamp(&self, machine: &str) -> Option<String> {
        let archive = self.archives.get(machine)?;
        Some(format!("{}  {}\n", archive.sha256, archive.url))
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    pub name: &'static str,
    /// What it reads when it starts.
    pub reads: Vec<String>,
    pub enable: bool,
    /// What makes it read again: `restart`, `reload`; empty where `daemon-reload` is enough.
    pub verb: &'static str,
    /// URLs that answer when it is up.
    pub ready: Vec<String>,
    /// Part of the system rather than the hub: comes early.
    pub early: bool,
}

/// Who may log in by SSH, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshDoor {
    pub path: &'static str,
    pub content: String,
    pub unit: &'static str,
    /// Lines that `sshd -T` must print.
    pub expect: Vec<String>,
}

/// What the spec asks for on this server. Reads the files the spec names (`host.ca_bundle`), talks to nothing.
pub fn desired(spec: &Spec, site: &Site) -> Result<Desired, SetupError> {
    let context = context(spec, site)?;
    let unix = speaks_unix(&spec.hub);
    let hub_url = format!("http://127.0.0.1:{HUB_PORT}");
    let proxy = proxy::proxy(spec, site, &context, unix, &hub_url)?;
    let hub = hub::hub(spec, site, &context)?;
    let mut files = files(spec, &context)?;
    files.extend(hub.files);
    files.extend(proxy.files);
    let mut folders = hub.folders;
    folders.extend(proxy.folders);
    let mut accounts = proxy.accounts;
    accounts.extend(hub.accounts);
    let mut venvs: Vec<Venv> = hub.venv.into_iter().collect();
    if proxy::inner(spec) == Some(ProxyKind::Traefik) {
        for venv in &mut venvs {
            for package in proxy::TRAEFIK_HUB_PACKAGES {
                venv.requirements.push_str(&format!("{package}\n"));
            }
        }
    }
    // Images of the operator's own bring their own.
    if spec.spawner.kind != SpawnerKind::Docker || spec.shows_host_environment() {
        venvs.push(notebook(spec));
    }
    venvs.extend(proxy.venv);
    venvs.extend(rattler(spec));
    for venv in &mut venvs {
        venv.lock = site.locks.of(venv.folder, &venv.requirements).cloned();
    }
    let mut conda = conda(spec);
    if let Some(conda) = &mut conda {
        conda.lock = site.locks.of(conda.folder, &conda.requirements).cloned();
    }
    let places = HubPlaces::of_hub(&spec.hub);
    let door = SshDoor {
        path: "/etc/ssh/sshd_config.d/00-hubctl.conf",
        content: template::render("system/sshd.conf", &context)?,
        unit: "ssh.service",
        expect: vec![
            "passwordauthentication no".to_owned(),
            "kbdinteractiveauthentication no".to_owned(),
            format!("allowgroups {SSH_GROUP}"),
        ],
    };
    let other_hubs: Vec<_> = HubPlaces::all()
        .into_iter()
        .filter(|other| other.service != places.service)
        .collect();
    let containers = containers::containers(spec)?;
    let mut absent = proxy.absent;
    for other in &other_hubs {
        absent.extend(other.own.iter().map(ToString::to_string));
    }
    if spec.hub.kind == HubKind::Notebook && containers.is_none() {
        absent.push(RUN_NOTEBOOK.to_owned());
    }
    for (path, wanted) in [
        (CA_FILE, spec.host.ca_bundle.is_some()),
        (APT_PROXY, spec.host.http_proxy.is_some()),
        (UNATTENDED, spec.host.unattended_upgrades),
        (CONTAINERS, containers.is_some()),
    ] {
        if !wanted {
            absent.push(path.to_owned());
        }
    }
    let page_packages = if hub.page_first {
        let needed = hub.packages.iter().chain(&proxy.packages);
        let needed = std::iter::once(&AUTHORITIES).chain(needed);
        needed.map(ToString::to_string).collect()
    } else {
        Vec::new()
    };
    let mut packages: Vec<String> = DEBIAN_PACKAGES.iter().map(ToString::to_string).collect();
    if spec.environment.r {
        packages.push("r-cran-irkernel".to_owned());
    }
    packages.extend(hub.packages.iter().map(ToString::to_string));
    packages.extend(proxy.packages.iter().map(ToString::to_string));
    packages.extend(spec.host.packages.iter().cloned());
    packages.sort();
    packages.dedup();
    let mut environment = BTreeMap::new();
    if let Some(proxy) = &spec.host.http_proxy {
        for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"] {
            environment.insert(name.to_owned(), proxy.clone());
        }
        environment.insert("no_proxy".to_owned(), "localhost,127.0.0.1,::1".to_owned());
    }
    let mut nft_tables = BTreeMap::new();
    for (table, template, wanted) in [
        ("inet hubctl", "system/metadata.nft", true),
        (
            "inet hubctl_containers",
            "docker/containers.nft",
            containers.is_some(),
        ),
    ] {
        if wanted {
            let text = template::render(template, &context)?;
            let begin = text.rfind(&format!("table {table} {{")).unwrap_or(0);
            nft_tables.insert(table.to_owned(), text[begin..].to_owned());
        }
    }
    Ok(Desired {
        login: site.login.clone(),
        hostname: site.hostname.clone(),
        upgrade: if spec.host.upgrade {
            Upgrade::Once
        } else {
            Upgrade::Never
        },
        packages,
        groups: [hub.groups, vec![SSH_GROUP]].concat(),
        accounts,
        person: hub.person,
        folders,
        files,
        edits: edits(site),
        absent,
        uv: Uv {
            folder: super::names::UV_ENVIRONMENT,
            requirement: "uv>=0.8".to_owned(),
            index: spec.host.pip_index_url.clone(),
        },
        venvs,
        npm: proxy.npm,
        download: proxy.download,
        conda,
        containers,
        retired: proxy.retired,
        ports: spec.web_ports(),
        status: proxy.status,
        units: units(hub.servers, proxy.units, hub.units),
        page_first: hub.page_first,
        page_packages,
        other_hubs,
        hub: places,
        ssh: door,
        nft_tables,
        volume: site
            .data_volume
            .as_ref()
            .map(|id| format!("/dev/disk/by-id/virtio-{}", &id[..id.len().min(20)])),
        swap_mb: (site.memory_mb < 1800).then_some(1024),
        timezone: spec.host.timezone.clone(),
        environment,
    })
}
