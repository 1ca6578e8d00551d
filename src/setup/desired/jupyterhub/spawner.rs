//! What starts JupyterHub's single-user servers: what each kind of spawner needs on the server.

use sha2::{Digest, Sha256};
use tera::Context;

use crate::setup::desired::files::text_file;
use crate::setup::desired::{Content, ManagedFile, Part, Site, Unit};
use crate::setup::names::{CONTAINERS_DEVICE, CONTAINERS_NETWORK, HUB_PORT};
use crate::setup::{SetupError, template};
use crate::spec::model::{HubKind, SpawnerKind, Spec};
use crate::spec::size;

const SUDOERS: &str = "/etc/sudoers.d/hubctl-sudospawner";
const DAEMON: &str = "/etc/docker/daemon.json";
/// What is built on the server is called so, with its content's hash behind it.
const BUILT: &str = "hubctl/notebook";
/// The next version of the empty image is another one.
const EMPTY: &str = "host-1";

/// All that belongs to the spawner.
pub(super) struct Spawner {
    /// Of JupyterHub's configuration.
    pub(super) lines: String,
    /// The program of a user's server and what comes before it.
    pub(super) singleuser: &'static [&'static str],
    /// Whether the lines use `os`.
    pub(super) imports_os: bool,
    /// A requirement of the hub's environment.
    pub(super) package: Option<&'static str>,
    pub(super) packages: Vec<&'static str>,
    pub(super) files: Vec<ManagedFile>,
    pub(super) units: Vec<Unit>,
}

/// The network and the image of users' containers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Containers {
    pub network: &'static str,
    pub device: &'static str,
    /// Of the network, in CIDR form.
    pub subnet: String,
    pub gateway: String,
    pub image: String,
    pub source: ImageSource,
}

/// Where the image comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ImageSource {
    /// From its registry.
    Pulled,
    /// Mount points and nothing else: the server's own programs are seen in it.
    Empty,
    /// Built by this Dockerfile.
    Dockerfile(Content),
    /// From `docker save`.
    Archive(Content),
}

const NOTEBOOK: &[&str] = &["/opt/notebook/bin/jupyterhub-singleuser"];
/// In a container of the server's own programs, with the init of the engine's packages, which reaps what kernels leave.
const NOTEBOOK_WITH_INIT: &[&str] = &[
    "/usr/bin/tini",
    "--",
    "/opt/notebook/bin/jupyterhub-singleuser",
];

pub(super) fn spawner(spec: &Spec, site: &Site, context: &Context) -> Result<Spawner, SetupError> {
    let lines = |template| template::render(template, context);
    let plain = |lines| Spawner {
        lines,
        singleuser: NOTEBOOK,
        imports_os: false,
        package: Some("jupyterhub-systemdspawner>=1.0.2,<2"),
        packages: Vec::new(),
        files: Vec::new(),
        units: Vec::new(),
    };
    match spec.spawner.kind {
        SpawnerKind::Systemd => Ok(plain(lines("jupyterhub/spawner-systemd.py")?)),
        SpawnerKind::Local => Ok(plain(lines("jupyterhub/spawner-local.py")?)),
        SpawnerKind::Sudo => sudo(plain(lines("jupyterhub/spawner-sudo.py")?), context),
        SpawnerKind::Docker => docker(spec, site, context),
    }
}

fn sudo(plain: Spawner, context: &Context) -> Result<Spawner, SetupError> {
    let text = template::render("jupyterhub/sudoers", context)?;
    let file = ManagedFile {
        mode: "0440",
        ..text_file(Part::Hub, SUDOERS, text)
    };
    Ok(Spawner {
        package: Some("sudospawner>=1.0,<2"),
        files: vec![file],
        ..plain
    })
}

fn docker(spec: &Spec, site: &Site, context: &Context) -> Result<Spawner, SetupError> {
    let mut context = context.clone();
    let json = |text: &str| serde_json::Value::from(text).to_string();
    let Some(containers) = containers(spec)? else {
        return Err(SetupError::Configuration(
            "a spawner of containers without containers".to_owned(),
        ));
    };
    let host = containers.source == ImageSource::Empty;
    context.insert("image", &json(&containers.image));
    context.insert(
        "pull_policy",
        if containers.source == ImageSource::Pulled {
            "ifnotpresent"
        } else {
            "never"
        },
    );
    context.insert("containers_network", containers.network);
    context.insert(
        "containers_hub_url",
        &format!("http://{}:{HUB_PORT}", containers.gateway),
    );
    context.insert("host_environment", &host);
    context.insert(
        "memory_bytes",
        &size::seat_memory(&spec.limits, site.memory_mb).bytes,
    );
    let daemon = ManagedFile {
        part: Part::System,
        ..text_file(
            Part::System,
            DAEMON,
            template::render("jupyterhub/daemon.json", &context)?,
        )
    };
    Ok(Spawner {
        lines: template::render("jupyterhub/spawner-docker.py", &context)?,
        singleuser: if host {
            NOTEBOOK_WITH_INIT
        } else {
            &["jupyterhub-singleuser"]
        },
        imports_os: host,
        package: Some("dockerspawner>=14,<15"),
        packages: vec!["docker.io", "tini"],
        files: vec![daemon],
        units: vec![Unit {
            name: "docker.service",
            reads: vec![DAEMON.to_owned()],
            enable: true,
            verb: "restart",
            ready: Vec::new(),
            early: true,
        }],
    })
}

/// What the spec asks for of containers; nothing where its spawner needs none. Reads the file that the image is made of.
pub(in crate::setup::desired) fn containers(spec: &Spec) -> Result<Option<Containers>, SetupError> {
    let asked = &spec.spawner;
    if asked.kind != SpawnerKind::Docker || spec.hub.kind == HubKind::Notebook {
        return Ok(None);
    }
    let (image, source) = match (&asked.source, &asked.image) {
        (Some(path), named) => {
            let bytes = std::fs::read(path).map_err(|source| SetupError::Read {
                path: path.clone(),
                source,
            })?;
            let hash: String = Sha256::digest(&bytes)
                .iter()
                .take(6)
                .map(|byte| format!("{byte:02x}"))
                .collect();
            let name = named.as_deref().unwrap_or(BUILT);
            let source = match String::from_utf8(bytes) {
                Ok(text) if !text.contains('\0') => ImageSource::Dockerfile(Content::Text(text)),
                Ok(text) => ImageSource::Archive(Content::Bytes(text.into_bytes())),
                Err(error) => ImageSource::Archive(Content::Bytes(error.into_bytes())),
            };
            (format!("{}:{hash}", untagged(name)), source)
        }
        (None, Some(image)) => (image.clone(), ImageSource::Pulled),
        (None, None) => (format!("{BUILT}:{EMPTY}"), ImageSource::Empty),
    };
    let first = asked.network.hosts().next();
    Ok(Some(Containers {
        network: CONTAINERS_NETWORK,
        device: CONTAINERS_DEVICE,
        subnet: asked.network.trunc().to_string(),
        gateway: first.map(|address| address.to_string()).unwrap_or_default(),
        image,
        source,
    }))
}

/// A name without the tag behind it. A colon before the last slash is a registry's port.
fn untagged(name: &str) -> &str {
    match name.rsplit_once(':') {
        Some((before, after)) if !after.contains('/') => before,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_taken_off_and_a_port_is_not() {
        assert_eq!(untagged("class:3"), "class");
        assert_eq!(
            untagged("registry.example.org:5000/class"),
            "registry.example.org:5000/class"
        );
        assert_eq!(
            untagged("registry.example.org:5000/class:3"),
            "registry.example.org:5000/class"
        );
    }
}
