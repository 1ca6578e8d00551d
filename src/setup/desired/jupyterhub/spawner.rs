//! What starts JupyterHub's single-user servers: what each kind of spawner needs on the server.

use tera::Context;

use crate::setup::desired::containers::{self, ImageSource};
use crate::setup::desired::files::text_file;
use crate::setup::desired::{ManagedFile, Part, Site, Unit};
use crate::setup::{SetupError, template};
use crate::spec::model::{SpawnerKind, Spec};
use crate::spec::size;

const SUDOERS: &str = "/etc/sudoers.d/hubctl-sudospawner";

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

const NOTEBOOK: &[&str] = &["/opt/notebook/bin/jupyterhub-singleuser"];

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
    let Some(containers) = containers::containers(spec)? else {
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
    context.insert("containers_hub_url", &containers.hub_url());
    context.insert("host_environment", &host);
    context.insert(
        "containers_see",
        &serde_json::json!(containers.sees())
            .to_string()
            .replace(',', ", "),
    );
    context.insert(
        "memory_bytes",
        &size::seat_memory(&spec.limits, site.memory_mb).bytes,
    );
    let engine = containers::engine(&context)?;
    Ok(Spawner {
        lines: template::render("jupyterhub/spawner-docker.py", &context)?,
        singleuser: containers.command(),
        imports_os: true,
        package: Some("dockerspawner>=14,<15"),
        packages: engine.packages,
        files: engine.files,
        units: engine.units,
    })
}
