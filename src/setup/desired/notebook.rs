//! One person's notebook server: no hub, no users, a unit of its own.

use tera::Context;

use super::files::text_file;
use super::hub::{Hub, UNITS, secret};
use super::proxy::public_host;
use super::{ManagedFile, ManagedFolder, Part, Site, Unit};
use crate::setup::hub::HubPlaces;
use crate::setup::names::{NOTEBOOK_ACCOUNT, NOTEBOOK_ENVIRONMENT, NOTEBOOK_SERVICE, STAMP};
use crate::setup::{SetupError, template};
use crate::spec::model::{HubKind, Limits, ProxyKind, Spec};
use crate::spec::size;

const CONFIGURATION: &str = "/etc/notebook/jupyter_server_config.py";

pub(super) fn hub(spec: &Spec, site: &Site, context: &Context) -> Result<Hub, SetupError> {
    let places = HubPlaces::of(HubKind::Notebook);
    let unit = format!("{UNITS}/{NOTEBOOK_SERVICE}");
    let context = variables(spec, site, context, places);
    let hash = site.password_hash.as_ref().ok_or_else(|| {
        SetupError::Configuration("a notebook server without a password".to_owned())
    })?;
    let files = vec![
        text_file(
            Part::Hub,
            &unit,
            template::render("notebook/notebook.service", &context)?,
        ),
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
    Ok(Hub {
        accounts: Vec::new(),
        person: Some(NOTEBOOK_ACCOUNT),
        groups: Vec::new(),
        packages: Vec::new(),
        folders: folders(places),
        files,
        units: vec![Unit {
            name: NOTEBOOK_SERVICE,
            reads: vec![
                unit,
                CONFIGURATION.to_owned(),
                places.secret("password-hash"),
                places.certificate(),
                places.key(),
                format!("{NOTEBOOK_ENVIRONMENT}/{STAMP}"),
            ],
            enable: true,
            verb: "restart",
            ready: vec![format!(
                "https://127.0.0.1:{}{}api",
                spec.hub.port,
                spec.hub.base_path()
            )],
            early: false,
        }],
        venv: None,
        servers: None,
        page_first: false,
    })
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
