//! hubd: a hub without privileges behind systemd's sockets, and the root helper it asks for what takes root.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use hub_api::helper;
use hub_api::hub::{self as hubd, SpawnerKind};
use tera::Context;

use super::containers::{Containers, containers, engine};
use super::files::text_file;
use super::hub::{self, Hub, RECHECK, UNITS, secret};
use super::proxy::{login_page, program, public_host};
use super::{ManagedFile, ManagedFolder, Part, Site, Unit, provider};
use crate::setup::hub::HubPlaces;
use crate::setup::names::{
    ADMINS_GROUP, HUB_HELPER, HUB_HELPER_SERVICE, HUB_HELPER_SOCKET, HUB_PORT, HUBD_ACCOUNT,
    HUBD_SERVICE, HUBD_SOCKETS, NOTEBOOK_ENVIRONMENT, SERVER_SOCKETS_MOUNT, STAMP, USERS_GROUP,
};
use crate::setup::{SetupError, template};
use crate::spec::model::{AuthenticatorKind, HubKind, Spec, TlsKind};
use crate::spec::size;

pub(super) const PROGRAMS: [&str; 2] = [HUBD_ACCOUNT, HUB_HELPER];

const CONFIGURATION: &str = "/etc/hubd/hubd.toml";
const SERVERS: &str = "/etc/systemd/system/jupyter@.service";
const TASKS: u32 = 1024;

pub(super) fn hub(spec: &Spec, site: &Site, context: &Context) -> Result<Hub, SetupError> {
    let places = HubPlaces::of(HubKind::Hubd);
    let containers = containers(spec)?;
    let mut hub = Hub {
        accounts: vec![HUBD_ACCOUNT],
        person: None,
        groups: vec![USERS_GROUP, ADMINS_GROUP],
        packages: Vec::new(),
        folders: folders(places),
        files: files(spec, site, context, places, containers.as_ref())?,
        units: units(spec, places),
        venv: None,
        servers: Some(vec![SERVERS.to_owned()]),
        page_first: containers.is_none(),
    };
    if containers.is_some() {
        let engine = engine(context)?;
        hub.packages.extend(engine.packages);
        hub.files.extend(engine.files);
        hub.units.splice(0..0, engine.units);
    }
    Ok(hub)
}

fn folders(places: &HubPlaces) -> Vec<ManagedFolder> {
    [
        ("/etc/hubd", "root", "0755"),
        ("/etc/hubd/tls", "root", "0755"),
        ("/etc/hubd/secrets", places.account, places.secrets_mode),
        ("/etc/hub-helper", "root", "0755"),
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

fn files(
    spec: &Spec,
    site: &Site,
    context: &Context,
    places: &HubPlaces,
    containers: Option<&Containers>,
) -> Result<Vec<ManagedFile>, SetupError> {
    let mut context = context.clone();
    let environment = environment(spec);
    let memory_mb = size::seat_memory(&spec.limits, site.memory_mb).bytes >> 20;
    let cpu_percent = spec.limits.cpu.map(percent);
    context.insert("memory_mb", &memory_mb);
    context.insert("user_groups", &[USERS_GROUP, ADMINS_GROUP]);
    context.insert("refused_groups", &Vec::<String>::new());
    let made = spec.authenticator.kind != AuthenticatorKind::Pam;
    context.insert("accounts_group", &made.then_some(USERS_GROUP));
    context.insert("environment_names", &environment.keys().collect::<Vec<_>>());
    context.insert("default_profile", "seat");
    context.insert(
        "profiles",
        &serde_json::json!([
            {"slug": "seat", "memory_mb": memory_mb, "cpu_percent": cpu_percent, "tasks": TASKS, "program": null}
        ]),
    );
    context.insert("hubd_program", &program(HUBD_ACCOUNT));
    context.insert("container", &containers.map(container).transpose()?);
    let mut files = Vec::new();
    let mut add = |path: &str, template, context: &Context| {
        let text = template::render(template, context)?;
        files.push(text_file(Part::Hub, path, text));
        Ok::<_, SetupError>(())
    };
    let servers = match containers {
        None => "hubd/jupyter@.service",
        Some(_) => "hubd/jupyter-container@.service",
    };
    for (path, template) in [
        ("/etc/pam.d/hubd", "hubd/pam"),
        (RECHECK, "jupyterhub/recheck-routes.py"),
        (&format!("{UNITS}/jupyter.slice"), "hubd/jupyter.slice"),
        (
            &format!("{UNITS}/{SERVER_SOCKETS_MOUNT}"),
            "hubd/run-jupyter.mount",
        ),
        (SERVERS, servers),
        (hub_api::helper::CONFIGURATION, "hubd/helper.toml"),
        (
            &format!("{UNITS}/{HUB_HELPER_SERVICE}"),
            "hubd/hub-helper.service",
        ),
        (
            &format!("{UNITS}/{HUB_HELPER_SOCKET}"),
            "hubd/hub-helper.socket",
        ),
        (&format!("{UNITS}/{HUBD_SERVICE}"), "hubd/hubd.service"),
    ] {
        add(path, template, &context)?;
    }
    let listen = listen(containers);
    for (unit, name, what) in HUBD_SOCKETS {
        let listen = match name {
            "public" => listen.public.to_string().replacen("unix:", "", 1),
            _ => listen.internal.bind.to_string(),
        };
        context.insert("socket_name", name);
        context.insert("socket_what", what);
        context.insert("socket_listen", &listen);
        add(&format!("{UNITS}/{unit}"), "hubd/hubd.socket", &context)?;
    }
    files.push(text_file(
        Part::Hub,
        CONFIGURATION,
        configuration(spec, site, places, environment, containers)?,
    ));
    for (name, content) in [
        ("proxy-token", Some(&site.proxy_token)),
        ("api-token", Some(&site.api_token)),
        (provider::SECRET, site.oauth_client_secret.as_ref()),
    ] {
        files.extend(content.map(|content| secret(places, name, content)));
    }
    Ok(files)
}

fn units(spec: &Spec, places: &HubPlaces) -> Vec<Unit> {
    let unit = |name, reads| Unit {
        name,
        reads,
        enable: true,
        verb: "restart",
        ready: Vec::new(),
        early: false,
    };
    let mut units = vec![
        hub::sockets_mount(),
        // The helper itself runs while it is asked. It ends with its socket, and begins anew.
        unit(
            HUB_HELPER_SOCKET,
            vec![
                format!("{UNITS}/{HUB_HELPER_SOCKET}"),
                format!("{UNITS}/{HUB_HELPER_SERVICE}"),
                hub_api::helper::CONFIGURATION.to_owned(),
                program(HUB_HELPER),
            ],
        ),
    ];
    let mut reads = vec![
        format!("{UNITS}/{HUBD_SERVICE}"),
        CONFIGURATION.to_owned(),
        places.secret("proxy-token"),
        places.secret("api-token"),
        program(HUBD_ACCOUNT),
    ];
    if spec.authenticator.kind != AuthenticatorKind::Pam {
        reads.push(places.secret(provider::SECRET));
    }
    for (name, _, _) in HUBD_SOCKETS {
        let file = format!("{UNITS}/{name}");
        units.push(unit(name, vec![file.clone()]));
        reads.push(file);
    }
    units.push(Unit {
        ready: vec![
            format!("http://127.0.0.1:{HUB_PORT}/hub/health"),
            login_page(spec),
        ],
        ..unit(HUBD_SERVICE, reads)
    });
    units
}

/// What a server's environment gets beside what hub and unit set.
fn environment(spec: &Spec) -> BTreeMap<String, String> {
    let index = spec.host.pip_index_url.clone();
    index
        .map(|index| ("PIP_INDEX_URL".to_owned(), index))
        .into_iter()
        .collect()
}

/// Where it listens. Users' containers reach it from their network, for which the packet filter keeps this port.
fn listen(containers: Option<&Containers>) -> hubd::Listen {
    let mut listen = hubd::Listen::default();
    if let Some(containers) = containers {
        listen.internal.bind.set_ip(Ipv4Addr::UNSPECIFIED.into());
        listen.internal.url = Some(containers.hub_url());
    }
    listen
}

/// What the helper starts in place of plain units, as a part of its file.
fn container(containers: &Containers) -> Result<String, SetupError> {
    let words = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    let mut environment = BTreeMap::from([
        ("LANG".to_owned(), "C.UTF-8".to_owned()),
        // Of the container alone; the path of a home may be too long for a socket.
        ("JUPYTER_RUNTIME_DIR".to_owned(), "/tmp/jupyter".to_owned()),
    ]);
    if containers.shows_host_environment() {
        let path = "/opt/notebook/bin:/usr/local/bin:/usr/bin:/bin";
        environment.insert("PATH".to_owned(), path.to_owned());
    }
    let container = helper::Container {
        image: containers.image.clone(),
        network: containers.network.to_owned(),
        command: words(containers.command()),
        read_only: containers.sees().iter().map(Into::into).collect(),
        environment,
    };
    let text = toml::to_string(&BTreeMap::from([("container", container)]))
        .map_err(|error| SetupError::Configuration(error.to_string()))?;
    Ok(text.trim_end().to_owned())
}

/// So many CPUs in whole percent of one, as the helper's file has them.
fn percent(cpus: f64) -> String {
    format!("{:.0}", (cpus * 100.0).max(1.0))
}

/// `hubd.toml`, by the types it is read with.
fn configuration(
    spec: &Spec,
    site: &Site,
    places: &HubPlaces,
    environment: BTreeMap<String, String>,
    containers: Option<&Containers>,
) -> Result<String, SetupError> {
    let timeout = u64::from(spec.spawner.start_timeout);
    let idle = u64::from(spec.hub.cull_after_minutes) * 60;
    let provider = provider::provider(spec, places);
    let file = hubd::Hub {
        public_url: (spec.tls.kind != TlsKind::None)
            .then(|| format!("https://{}", public_host(site))),
        version: spec.hub.version.clone(),
        listen: listen(containers),
        proxy: hubd::Proxy {
            token_file: Some(places.secret("proxy-token").into()),
            ..hubd::Proxy::default()
        },
        auth: hubd::Auth {
            // Whom the helper lets in: members of its groups. A provider's people are let in by name or group.
            allow_all: provider.is_none(),
            allowed_users: spec.authenticator.allowed_users.clone(),
            admin_users: spec.hub.admins.clone(),
            pam: provider.is_none().then(|| hubd::Pam {
                helper: None,
                admin_groups: vec![ADMINS_GROUP.to_owned()],
            }),
            oauth: provider.into_iter().collect(),
            ..hubd::Auth::default()
        },
        spawn: hubd::Spawn {
            kind: SpawnerKind::Systemd,
            start_timeout: timeout,
            http_timeout: timeout,
            default_url: spec.spawner.default_url.clone(),
            environment,
            ..hubd::Spawn::default()
        },
        notebooks: hubd::Notebooks {
            // Containers are there before the hub.
            ready: containers
                .is_none()
                .then(|| format!("{NOTEBOOK_ENVIRONMENT}/{STAMP}").into()),
            ..hubd::Notebooks::default()
        },
        cull: hubd::Cull {
            enabled: idle > 0,
            idle,
            ..hubd::Cull::default()
        },
        roles: vec![hubd::Role {
            name: "hubctl".to_owned(),
            scopes: Some(
                [
                    "list:users",
                    "read:users",
                    "delete:users",
                    "read:servers",
                    "delete:servers",
                    "proxy",
                    "read:hub",
                ]
                .map(str::to_owned)
                .to_vec(),
            ),
            services: Some(vec!["hubctl".to_owned()]),
            ..hubd::Role::default()
        }],
        services: vec![hubd::Service {
            name: "hubctl".to_owned(),
            admin: false,
            url: None,
            api_token_file: Some(places.api_token.into()),
            command: Vec::new(),
            cwd: None,
            environment: BTreeMap::new(),
            user: None,
            oauth_client_id: None,
            oauth_redirect_uri: None,
            oauth_client_allowed_scopes: Vec::new(),
            oauth_no_confirm: false,
            info: serde_json::Map::new(),
            display: false,
        }],
        ..hubd::Hub::default()
    };
    let text =
        toml::to_string(&file).map_err(|error| SetupError::Configuration(error.to_string()))?;
    Ok(format!(
        "# Written by hubctl; changes made here are undone by its next run.\n{text}"
    ))
}
