//! The proxy: what each kind of it puts on the server, and what the other kinds left there.

mod backend;
mod chp;
mod front;
mod hubproxy;
mod traces;
mod traefik;

use std::net::IpAddr;

use tera::Context;

pub(super) use self::traefik::HUB_PACKAGES as TRAEFIK_HUB_PACKAGES;
use super::files::{secret_file, text_file};
use super::{Download, ManagedFile, ManagedFolder, Npm, Part, Site, StatusPlace, Unit, Venv};
use crate::setup::hub::HubPlaces;
use crate::setup::names::{
    FRONT_PORT, HUBPROXY_ACCOUNT, HUBPROXY_SERVICE, PROGRAMS, PROXY_API_PORT, PROXY_SERVICE,
    TRAEFIK_SERVICE, TRAEFIK_SOCKETS,
};
use crate::setup::{SetupError, template};
use crate::spec::model::{HubKind, ProxyKind, Spec, TlsKind};

/// All that belongs to the proxy.
#[derive(Default)]
pub(super) struct Proxy {
    pub(super) accounts: Vec<&'static str>,
    /// Packages of the distribution.
    pub(super) packages: Vec<&'static str>,
    pub(super) folders: Vec<ManagedFolder>,
    pub(super) files: Vec<ManagedFile>,
    pub(super) units: Vec<Unit>,
    pub(super) venv: Option<Venv>,
    pub(super) npm: Option<Npm>,
    pub(super) download: Option<Download>,
    pub(super) status: Option<StatusPlace>,
    /// Units of the other kinds.
    pub(super) retired: Vec<&'static str>,
    /// Files and folders of the other kinds.
    pub(super) absent: Vec<String>,
}

/// Where a proxy that the hub tells its routes listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Door {
    /// On the server's own ports, with TLS.
    Public,
    /// Behind a front that speaks TLS: on a port of the loopback device that no user can take.
    Behind,
    /// On the server's own port of the loopback device, without TLS: nobody else can reach it.
    Loopback,
}

impl Door {
    fn of(spec: &Spec) -> Self {
        if spec.proxy.kind.is_front() {
            Self::Behind
        } else if spec.tls.kind == TlsKind::None {
            Self::Loopback
        } else {
            Self::Public
        }
    }

    /// The port of plain HTTP on the loopback device, where that is all.
    pub(super) const fn loopback(self) -> Option<u16> {
        match self {
            Self::Public => None,
            Self::Behind => Some(FRONT_PORT),
            Self::Loopback => Some(80),
        }
    }

    /// What answers when it is up.
    fn ready(self) -> String {
        match self.loopback() {
            Some(port) => format!("http://127.0.0.1:{port}/?any"),
            None => "https://127.0.0.1:443/?any".to_owned(),
        }
    }
}

/// The proxy that the hub tells its routes: the chosen one, or the one behind a front. None before a notebook server.
pub(super) fn inner(spec: &Spec) -> Option<ProxyKind> {
    match (spec.proxy.kind, spec.hub.kind) {
        (ProxyKind::None, _) => None,
        (kind, HubKind::Notebook) if kind.is_front() => None,
        (kind, HubKind::Jupyterhub) if kind.is_front() => Some(ProxyKind::Chp),
        (kind, HubKind::Hubd) if kind.is_front() => Some(ProxyKind::Hubproxy),
        (kind, _) => Some(kind),
    }
}

/// Names of our own programs that the proxy needs on the server.
pub(super) fn programs(spec: &Spec) -> Vec<&'static str> {
    match inner(spec) {
        Some(ProxyKind::Hubproxy) => vec![HUBPROXY_ACCOUNT],
        _ => Vec::new(),
    }
}

/// The unit that the hub starts after.
pub(super) fn unit(spec: &Spec) -> &'static str {
    match inner(spec) {
        Some(ProxyKind::Hubproxy) => HUBPROXY_SERVICE,
        Some(ProxyKind::Traefik) => TRAEFIK_SERVICE,
        _ => PROXY_SERVICE,
    }
}

/// The URL of its API, as JupyterHub is told it, and where it listens for it.
pub(super) fn api(spec: &Spec, unix: bool) -> (String, String) {
    api_of(inner(spec), unix)
}

pub(in crate::setup) fn api_of(kind: Option<ProxyKind>, unix: bool) -> (String, String) {
    let folder = match kind {
        Some(ProxyKind::Hubproxy) => Some("hubproxy"),
        // It listens on addresses alone.
        Some(ProxyKind::Traefik) => None,
        _ => Some("jupyterhub-proxy"),
    };
    match folder.filter(|_| unix) {
        Some(folder) => (
            format!("http+unix://%2Frun%2F{folder}%2Fapi.sock"),
            format!("/run/{folder}/api.sock"),
        ),
        None => (
            format!("http://127.0.0.1:{PROXY_API_PORT}"),
            format!("127.0.0.1:{PROXY_API_PORT}"),
        ),
    }
}

/// The hub's login page, as this machine reaches it through the proxy.
pub(super) fn login_page(spec: &Spec) -> String {
    if Door::of(spec) == Door::Loopback {
        "http://127.0.0.1:80/hub/login".to_owned()
    } else {
        "https://127.0.0.1:443/hub/login".to_owned()
    }
}

/// What the templates of hub and proxy are told.
pub(super) fn variables(spec: &Spec, context: &mut Context) -> Result<(), SetupError> {
    let traefik = inner(spec) == Some(ProxyKind::Traefik);
    let requires: Vec<&str> = match inner(spec) {
        Some(ProxyKind::Traefik) => TRAEFIK_SOCKETS.iter().map(|(unit, _, _)| *unit).collect(),
        _ => Vec::new(),
    };
    context.insert("proxy_requires", &requires.join(" "));
    // Traefik reaches users' servers by addresses alone.
    context.insert("ways", &traefik);
    context.insert("drain_seconds", &spec.proxy.drain_seconds);
    context.insert("access_log", &spec.proxy.access_log);
    context.insert(
        "hsts_seconds",
        &(u64::from(spec.proxy.hsts_days) * 24 * 3600),
    );
    context.insert("upload_mib", &spec.proxy.limits.upload_mib.unwrap_or(0));
    context.insert("rules_folder", traefik::RULES);
    let settings = if traefik {
        "traefik/jupyterhub_config.py"
    } else {
        "chp/jupyterhub_config.py"
    };
    let settings = template::render(settings, context)?;
    context.insert("proxy_settings", settings.trim_end());
    Ok(())
}

pub(super) fn proxy(
    spec: &Spec,
    site: &Site,
    context: &Context,
    unix: bool,
    hub_url: &str,
) -> Result<Proxy, SetupError> {
    let door = Door::of(spec);
    let mut proxy = match inner(spec) {
        Some(ProxyKind::Hubproxy) => {
            hubproxy::hubproxy(spec, site, context, door, &api(spec, unix).1, hub_url)?
        }
        Some(ProxyKind::Traefik) => traefik::traefik(spec, site, context)?,
        Some(_) => chp::chp(spec, site, context, door)?,
        None => Proxy::default(),
    };
    if spec.proxy.kind.is_front() {
        front::front(spec, site, context, &mut proxy)?;
    }
    let mut files = certificate_files(spec, site);
    match backend::authority(spec, site)? {
        Some(file) => files.push(file),
        None if spec.hub.kind == HubKind::Notebook => {
            proxy.absent.push(HubPlaces::of_hub(&spec.hub).authority());
        }
        None => {}
    }
    files.append(&mut proxy.files);
    proxy.files = files;
    traces::of_others(spec, &mut proxy);
    Ok(proxy)
}

/// Whether a certificate is sent: where nothing speaks TLS none is, nor where the proxy gets its own; but a notebook
/// server behind that one has a certificate all the same.
fn sends_certificate(spec: &Spec) -> bool {
    match spec.tls.kind {
        TlsKind::SelfSigned | TlsKind::Own => true,
        TlsKind::Acme | TlsKind::AcmeIp => spec.hub.kind == HubKind::Notebook,
        TlsKind::None => false,
    }
}

fn certificate_files(spec: &Spec, site: &Site) -> Vec<ManagedFile> {
    if !sends_certificate(spec) {
        return Vec::new();
    }
    let places = HubPlaces::of_hub(&spec.hub);
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
