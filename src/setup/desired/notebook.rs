//! One person's notebook server: no hub, no users, a unit of its own.

use tera::Context;

use super::containers::{self, Containers, Engine, ImageSource};
use super::files::text_file;
use super::hub::{Hub, UNITS, secret};
use super::proxy::public_host;
use super::{ManagedFile, ManagedFolder, Part, Site, Unit};
use crate::setup::hub::HubPlaces;
use crate::setup::names::{
    NOTEBOOK_ACCOUNT, NOTEBOOK_ENVIRONMENT, NOTEBOOK_SERVICE, RUN_NOTEBOOK, STAMP,
};
use crate::setup::{SetupError, template};
use crate::spec::model::{HubKind, Limits, ProxyKind, SpawnerKind, Spec, TlsKind};
use crate::spec::size;

const CONFIGURATION: &str = "/etc/notebook/jupyter_server_config.py";
/// The container's name.
const CONTAINER: &str = "notebook";
/// What the server keeps of its own.
const STATE: &str = "/var/lib/notebook";

pub(super) fn hub(spec: &Spec, site: &Site, context: &Context) -> Result<Hub, SetupError> {
    let places = HubPlaces::of(HubKind::Notebook);
    let unit = format!("{UNITS}/{NOTEBOOK_SERVICE}");
    let containers = containers::containers(spec)?;
    let mut context = variables(spec, site, context, places);
    let hash = site.password_hash.as_ref().ok_or_else(|| {
        SetupError::Configuration("a notebook server without a password".to_owned())
    })?;
    let mut reads = vec![
        unit.clone(),
        CONFIGURATION.to_owned(),
        places.secret("password-hash"),
        places.certificate(),
        places.key(),
    ];
    if containers.is_none() || spec.shows_host_environment() {
        reads.push(format!("{NOTEBOOK_ENVIRONMENT}/{STAMP}"));
    }
    let mut files = vec![
        ManagedFile {
            group: places.account,
            mode: "0640",
            ..text_file(
                Part::Hub,
                CONFIGURATION,
                template::render("notebook/jupyter_server_config.py", &context)?,
            )
        },
        secret(places, "password-hash", hash),
    ];
    let mut folders = folders(places);
    let (of_unit, engine) = match &containers {
        Some(containers) => {
            of_container(spec, containers, &mut context);
            files.push(ManagedFile {
                mode: "0755",
                ..text_file(
                    Part::Hub,
                    RUN_NOTEBOOK,
                    template::render("notebook/run-notebook", &context)?,
                )
            });
            reads.push(RUN_NOTEBOOK.to_owned());
            folders.push(ManagedFolder {
                path: STATE,
                owner: NOTEBOOK_ACCOUNT,
                group: NOTEBOOK_ACCOUNT,
                mode: "0700",
            });
            (
                "notebook/notebook-container.service",
                containers::engine(&context)?,
            )
        }
        None => ("notebook/notebook.service", Engine::none()),
    };
    let text = template::render(of_unit, &context)?;
    files.insert(0, text_file(Part::Hub, &unit, text));
    files.extend(engine.files);
    let mut units = engine.units;
    units.push(Unit {
        name: NOTEBOOK_SERVICE,
        reads,
        enable: true,
        verb: "restart",
        ready: vec![format!("{}{}api", url(spec), spec.hub.base_path())],
        early: false,
    });
    Ok(Hub {
        accounts: Vec::new(),
        person: Some(NOTEBOOK_ACCOUNT),
        groups: Vec::new(),
        packages: engine.packages,
        folders,
        files,
        units,
        venv: None,
        servers: None,
        page_first: false,
    })
}

/// Where this machine reaches it, without a slash at its end.
pub(super) fn url(spec: &Spec) -> String {
    let scheme = match spec.tls.kind {
        TlsKind::None => "http",
        _ => "https",
    };
    let host = match spec.spawner.kind {
        SpawnerKind::Docker => containers::own_address(spec),
        _ => "127.0.0.1".to_owned(),
    };
    format!("{scheme}://{host}:{}", spec.hub.port)
}

/// What its container is made with.
fn of_container(spec: &Spec, containers: &Containers, context: &mut Context) {
    let environment: Vec<String> = spec
        .host
        .pip_index_url
        .iter()
        .map(|index| quoted(&format!("PIP_INDEX_URL={index}")))
        .collect();
    context.insert("container", CONTAINER);
    context.insert("container_address", &containers::own_address(spec));
    context.insert("container_environment", &environment);
    context.insert("containers_network", containers.network);
    context.insert("configuration_file", CONFIGURATION);
    context.insert("run_file", RUN_NOTEBOOK);
    context.insert("image", &quoted(&containers.image));
    context.insert(
        "host_environment",
        &(containers.source == ImageSource::Empty),
    );
    context.insert("seen", &containers::HOST_ENVIRONMENT.join(" "));
    context.insert("cpus", &spec.limits.cpu);
}

/// As one word of a shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn folders(places: &HubPlaces) -> Vec<ManagedFolder> {
    [
        ("/etc/notebook", "root", "0755"),
        ("/etc/notebook/tls", "root", "0755"),
        ("/etc/notebook/secrets", places.account, places.secrets_mode),
        ("/var/lib/hubctl", "root", "0755"),
        ("/var/cache/hubctl", "root", "0700"),
    ]
    .map(|(path, group, mode)| ManagedFolder {
        path,
        owner: "root",
        group,
        mode,
    })
    .to_vec()
}

fn variables(spec: &Spec, site: &Site, context: &Context, places: &HubPlaces) -> Context {
    let mut context = context.clone();
    let json = |text: &str| serde_json::Value::from(text).to_string();
    let front = spec.proxy.kind != ProxyKind::None;
    let mut origin = format!("https://{}", public_host(site));
    if !front && spec.hub.port != 443 {
        origin.push_str(&format!(":{}", spec.hub.port));
    }
    // It is one person's, whatever number of seats the spec speaks of.
    let limits = Limits {
        seats: 1,
        ..spec.limits.clone()
    };
    let base = spec.hub.base_path();
    context.insert("front", &front);
    context.insert("contained", &(spec.spawner.kind == SpawnerKind::Docker));
    context.insert("tls", &(spec.tls.kind != TlsKind::None));
    context.insert("notebook_account", NOTEBOOK_ACCOUNT);
    context.insert("notebook_port", &spec.hub.port);
    context.insert("certificate_file", &places.certificate());
    context.insert("key_file", &places.key());
    context.insert("password_file", &places.secret("password-hash"));
    context.insert("base_path", &json(&base));
    context.insert(
        "default_url",
        &json(&format!(
            "/{}",
            spec.spawner.default_url.trim_start_matches('/')
        )),
    );
    context.insert("origin", &json(&origin));
    context.insert(
        "memory_mb",
        &(size::seat_memory(&limits, site.memory_mb).bytes >> 20),
    );
    context.insert(
        "cpu_quota",
        &spec.limits.cpu.map(|cpus| format!("{:.0}", cpus * 100.0)),
    );
    let environment: Vec<String> = spec
        .host
        .pip_index_url
        .iter()
        .map(|index| format!("PIP_INDEX_URL={}", index.replace('%', "%%")))
        .collect();
    context.insert("unit_environment", &environment);
    context
}
