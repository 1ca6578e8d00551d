//! hubproxy: its unit behind systemd's sockets, and its configuration by the types it is read with.

use std::path::PathBuf;

use hub_api::proxy as hubproxy;
use tera::Context;

use super::super::files::{secret_file, text_file};
use super::super::hub::UNITS;
use super::super::{Content, ManagedFile, ManagedFolder, Part, Site, StatusPlace, Unit};
use super::backend::Backend;
use super::{Door, Proxy, program};
use crate::release::Program;
use crate::secret::Secret;
use crate::setup::hub::HubPlaces;
use crate::setup::names::{HUBPROXY_ACCOUNT, HUBPROXY_SERVICE, HUBPROXY_SOCKETS};
use crate::setup::{SetupError, template};
use crate::spec::model::{HubKind, Spec, TlsKind};

const CONFIGURATION: &str = "/etc/hubproxy/hubproxy.toml";
const TOKEN: &str = "/etc/hubproxy/api-token";
const DIRECTORY_CA: &str = "/etc/hubproxy/directory-ca.pem";

/// The sockets that systemd holds for it here.
fn sockets(door: Door) -> Vec<(&'static str, &'static str, &'static str)> {
    HUBPROXY_SOCKETS
        .into_iter()
        .filter(|(_, name, _)| door == Door::Public || *name != "https")
        .collect()
}

pub(super) fn hubproxy(
    spec: &Spec,
    site: &Site,
    context: &Context,
    door: Door,
    api: &str,
    hub_url: &str,
) -> Result<Proxy, SetupError> {
    let mut units: Vec<Unit> = sockets(door)
        .iter()
        .map(|(name, _, _)| Unit {
            name,
            reads: vec![format!("{UNITS}/{name}")],
            enable: true,
            verb: "restart",
            ready: Vec::new(),
            early: false,
        })
        .collect();
    // Certificates are not among it: the proxy reads them again when they change.
    let mut reads = vec![
        format!("{UNITS}/{HUBPROXY_SERVICE}"),
        CONFIGURATION.to_owned(),
        TOKEN.to_owned(),
        program(HUBPROXY_ACCOUNT),
    ];
    reads.extend(
        spec.tls
            .directory_ca
            .iter()
            .map(|_| DIRECTORY_CA.to_owned()),
    );
    let backend = (spec.hub.kind == HubKind::Notebook).then(|| Backend::of(spec, site));
    if backend.as_ref().is_some_and(|next| next.own_authority) {
        reads.push(HubPlaces::of_hub(&spec.hub).authority());
    }
    reads.extend(units.iter().flat_map(|socket| socket.reads.clone()));
    units.push(Unit {
        name: HUBPROXY_SERVICE,
        reads,
        enable: true,
        verb: "restart",
        ready: vec![door.ready()],
        early: false,
    });
    let places = HubPlaces::of_hub(&spec.hub);
    // With JupyterHub the other kind's account too: its group is that of the users' sockets, whoever serves them.
    let mut accounts = vec![HUBPROXY_ACCOUNT];
    if spec.hub.kind == HubKind::Jupyterhub {
        accounts.insert(0, places.sockets_group);
    }
    let mut proxy = Proxy {
        accounts,
        folders: vec![ManagedFolder {
            path: "/etc/hubproxy",
            owner: "root",
            group: "root",
            mode: "0755",
        }],
        files: files(spec, site, context, door, api, hub_url, backend.as_ref())?,
        units,
        status: Some(StatusPlace {
            listen: api.to_owned(),
            token: TOKEN.to_owned(),
        }),
        ..Proxy::default()
    };
    if spec.tls.directory_ca.is_none() {
        proxy.absent.push(DIRECTORY_CA.to_owned());
    }
    if door != Door::Public {
        proxy.retired.push(HUBPROXY_SOCKETS[1].0);
    }
    Ok(proxy)
}

fn files(
    spec: &Spec,
    site: &Site,
    context: &Context,
    door: Door,
    api: &str,
    hub_url: &str,
    backend: Option<&Backend>,
) -> Result<Vec<ManagedFile>, SetupError> {
    let mut context = context.clone();
    // One that no hub tells its routes has a single one, by its configuration.
    context.insert("told_routes", &backend.is_none());
    let sockets = sockets(door);
    let names: Vec<&str> = sockets.iter().map(|(unit, _, _)| *unit).collect();
    context.insert("proxy_sockets", &names.join(" "));
    context.insert("hubproxy_account", HUBPROXY_ACCOUNT);
    context.insert("hubproxy_program", &program(HUBPROXY_ACCOUNT));
    let mut files = vec![text_file(
        Part::Hub,
        &format!("{UNITS}/{HUBPROXY_SERVICE}"),
        template::render("hubproxy/hubproxy.service", &context)?,
    )];
    for (unit, name, what) in sockets {
        let listen = match (name, door.loopback()) {
            ("http", Some(port)) => format!("127.0.0.1:{port}"),
            ("http", None) => "80".to_owned(),
            ("https", _) => "443".to_owned(),
            _ => api.to_owned(),
        };
        context.insert("socket_name", name);
        context.insert("socket_what", what);
        context.insert("socket_listen", &[listen]);
        files.push(text_file(
            Part::Hub,
            &format!("{UNITS}/{unit}"),
            template::render("hubproxy/hubproxy.socket", &context)?,
        ));
    }
    files.push(text_file(
        Part::Hub,
        CONFIGURATION,
        configuration(spec, site, door, api, hub_url, backend)?,
    ));
    let mut token = secret_file(
        TOKEN,
        Secret::new(format!("{}\n", site.proxy_token.reveal())),
    );
    (token.group, token.mode) = (HUBPROXY_ACCOUNT, "0640");
    files.push(token);
    if let Some(path) = &spec.tls.directory_ca {
        let text = std::fs::read_to_string(path).map_err(|source| SetupError::Read {
            path: path.clone(),
            source,
        })?;
        files.push(text_file(Part::Hub, DIRECTORY_CA, text));
    }
    files.extend(site.programs.iter().map(executable));
    Ok(files)
}

fn executable(found: &Program) -> ManagedFile {
    ManagedFile {
        part: Part::Hub,
        path: program(&found.name),
        content: Content::Program(found.clone()),
        owner: "root",
        group: "root",
        mode: "0755",
    }
}

/// `hubproxy.toml`, by the types it is read with.
fn configuration(
    spec: &Spec,
    site: &Site,
    door: Door,
    api: &str,
    hub_url: &str,
    backend: Option<&Backend>,
) -> Result<String, SetupError> {
    let listen = |text: &str| {
        text.parse::<hubproxy::Listen>()
            .map_err(|error| SetupError::Configuration(error.to_string()))
    };
    let day = 24 * 3600;
    let public = door == Door::Public;
    let file = hubproxy::File {
        // What a hub told it is not asked for anew at its next start.
        state_file: backend
            .is_none()
            .then(|| PathBuf::from("/var/lib/hubproxy/routes.json")),
        default_target: backend.map(|next| next.url.clone()),
        drain_seconds: Some(u64::from(spec.proxy.drain_seconds)),
        http: Some(hubproxy::Http {
            listen: vec![match door.loopback() {
                Some(port) => listen(&format!("127.0.0.1:{port}"))?,
                None => listen("[::]:80")?,
            }],
            redirect: Some(door == Door::Public),
            redirect_port: None,
        }),
        https: public.then_some(hubproxy::Https {
            listen: vec![listen("[::]:443")?],
            min_version: hubproxy::MinVersion::Tls12,
            http2: true,
            hsts: (spec.proxy.hsts_days > 0).then(|| hubproxy::Hsts {
                max_age_seconds: u64::from(spec.proxy.hsts_days) * day,
                include_subdomains: false,
                preload: false,
            }),
            client_certificates: hubproxy::ClientCertificates::Off,
            client_ca: None,
        }),
        tls: public.then(|| tls(spec, site)),
        api: Some(hubproxy::Api {
            listen: listen(&if api.starts_with('/') {
                format!("unix:{api}")
            } else {
                api.to_owned()
            })?,
            socket_mode: None,
            token_file: Some(PathBuf::from(TOKEN)),
            tls: None,
            client_certificates: hubproxy::ClientCertificates::Off,
            client_ca: None,
        }),
        access_log: if spec.proxy.access_log {
            hubproxy::AccessLog::Stdout
        } else {
            hubproxy::AccessLog::Off
        },
        limits: match door {
            // Everybody comes from the front's address.
            Door::Behind => hubproxy::Limits {
                connections_per_address: 0,
                login_per_minute: 0,
                ..limits(spec, backend)
            },
            Door::Public | Door::Loopback => limits(spec, backend),
        },
        forward: hubproxy::Forward {
            trust_forwarded: door == Door::Behind,
            // Without: the system's.
            ca: backend
                .filter(|next| next.own_authority)
                .and_then(|next| next.authority.as_ref())
                .map(PathBuf::from),
            server_name: backend
                .filter(|next| next.authority.is_some())
                .map(|next| next.name.clone()),
            ..hubproxy::Forward::default()
        },
        error_pages: hubproxy::ErrorPages {
            target: backend.is_none().then(|| format!("{hub_url}/hub/error")),
            path: None,
        },
        ..hubproxy::File::default()
    };
    let text =
        toml::to_string(&file).map_err(|error| SetupError::Configuration(error.to_string()))?;
    Ok(format!(
        "# Written by hubctl; changes made here are undone by its next run.\n{text}"
    ))
}

fn tls(spec: &Spec, site: &Site) -> hubproxy::Tls {
    let places = HubPlaces::of_hub(&spec.hub);
    if !spec.tls.is_acme() {
        return hubproxy::Tls {
            files: vec![hubproxy::KeyPair {
                certificate: PathBuf::from(places.certificate()),
                key: PathBuf::from(places.key()),
                key_passphrase_file: None,
            }],
            acme: None,
        };
    }
    let name = match (&spec.tls.kind, &site.domain) {
        (TlsKind::Acme, Some(domain)) => domain.trim_end_matches('.').to_lowercase(),
        _ => site.public_address.to_string(),
    };
    hubproxy::Tls {
        files: Vec::new(),
        acme: Some(hubproxy::Acme {
            names: vec![name],
            storage: PathBuf::from("/var/lib/hubproxy/acme"),
            directory: spec.tls.directory.clone(),
            staging: spec.tls.staging,
            contact: spec.tls.email.iter().cloned().collect(),
            profile: None,
            challenge: hubproxy::Challenge::Http01,
            directory_ca: spec
                .tls
                .directory_ca
                .as_ref()
                .map(|_| PathBuf::from(DIRECTORY_CA)),
        }),
    }
}

/// A whole class may sit behind one address.
fn limits(spec: &Spec, backend: Option<&Backend>) -> hubproxy::Limits {
    let asked = &spec.proxy.limits;
    let seats = spec.limits.seats;
    let defaults = hubproxy::Limits::default();
    let count = |asked: Option<u32>| asked.and_then(|asked| usize::try_from(asked).ok());
    let for_a_class = usize::try_from(40 * seats).unwrap_or(usize::MAX);
    hubproxy::Limits {
        connections: count(asked.connections).unwrap_or(defaults.connections),
        connections_per_address: count(asked.connections_per_address)
            .unwrap_or_else(|| defaults.connections_per_address.max(for_a_class)),
        login_per_minute: asked
            .login_per_minute
            .unwrap_or_else(|| defaults.login_per_minute.max(3 * seats)),
        login_burst: defaults.login_burst.max(2 * seats),
        login_path: backend.map_or(defaults.login_path.clone(), |next| {
            format!("{}login", next.base)
        }),
        body_bytes: asked.upload_mib.map_or(0, |mib| u64::from(mib) << 20),
        ..defaults
    }
}
