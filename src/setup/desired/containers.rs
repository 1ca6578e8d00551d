//! Containers for notebooks: their engine, their network and their image, whichever hub starts them.

use sha2::{Digest, Sha256};
use tera::Context;

use super::files::text_file;
use super::{Content, ManagedFile, Part, Unit};
use crate::setup::names::{CONTAINERS_DEVICE, CONTAINERS_NETWORK, DOCKER_SERVICE, HUB_PORT};
use crate::setup::{SetupError, template};
use crate::spec::model::{SpawnerKind, Spec};

const DAEMON: &str = "/etc/docker/daemon.json";
/// What is built on the server is called so, with its content's hash behind it.
const BUILT: &str = "hubctl/notebook";
/// The next version of the empty image is another one.
const EMPTY: &str = "host-1";
/// In a container of the server's own programs, with the init of the engine's packages, which reaps what kernels leave.
const NOTEBOOK_WITH_INIT: &[&str] = &[
    "/usr/bin/tini",
    "--",
    "/opt/notebook/bin/jupyterhub-singleuser",
];
/// What containers see of this machine's own environment for notebooks.
pub(super) const HOST_ENVIRONMENT: [&str; 11] = [
    "/usr",
    "/opt/notebook",
    "/opt/conda",
    "/etc/passwd",
    "/etc/group",
    "/etc/ssl",
    "/etc/alternatives",
    "/etc/pip.conf",
    "/etc/fonts",
    "/etc/localtime",
    "/etc/R",
];
/// What they see of it with an image of its own: who their user is.
const IDENTITY: [&str; 2] = ["/etc/passwd", "/etc/group"];

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

impl Containers {
    /// Where the hub is reached from them.
    pub(super) fn hub_url(&self) -> String {
        format!("http://{}:{HUB_PORT}", self.gateway)
    }

    /// Whether the server's own environment is what they show.
    pub(super) fn shows_host_environment(&self) -> bool {
        self.source == ImageSource::Empty
    }

    /// The program of a user's server in the image, and what comes before it.
    pub(super) fn command(&self) -> &'static [&'static str] {
        if self.shows_host_environment() {
            NOTEBOOK_WITH_INIT
        } else {
            &["jupyterhub-singleuser"]
        }
    }

    /// What of this machine is seen in them and cannot be changed, where it is there.
    pub(super) fn sees(&self) -> &'static [&'static str] {
        if self.shows_host_environment() {
            &HOST_ENVIRONMENT
        } else {
            &IDENTITY
        }
    }
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

/// The address in their network of the one container that has one of its own.
pub(super) fn own_address(spec: &Spec) -> String {
    let second = spec.spawner.network.hosts().nth(1);
    second
        .map(|address| address.to_string())
        .unwrap_or_default()
}

/// The container engine of the distribution.
pub(super) struct Engine {
    pub(super) packages: Vec<&'static str>,
    pub(super) files: Vec<ManagedFile>,
    pub(super) units: Vec<Unit>,
}

impl Engine {
    /// Where there are no containers.
    pub(super) fn none() -> Self {
        Self {
            packages: Vec::new(),
            files: Vec::new(),
            units: Vec::new(),
        }
    }
}

pub(super) fn engine(context: &Context) -> Result<Engine, SetupError> {
    let daemon = template::render("docker/daemon.json", context)?;
    Ok(Engine {
        packages: vec!["docker.io", "tini"],
        files: vec![text_file(Part::System, DAEMON, daemon)],
        units: vec![Unit {
            name: DOCKER_SERVICE,
            reads: vec![DAEMON.to_owned()],
            enable: true,
            verb: "restart",
            ready: Vec::new(),
            early: true,
        }],
    })
}

/// What the spec asks for of containers; nothing where its spawner needs none. Reads the file that the image is made of.
pub(super) fn containers(spec: &Spec) -> Result<Option<Containers>, SetupError> {
    let asked = &spec.spawner;
    if asked.kind != SpawnerKind::Docker {
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
