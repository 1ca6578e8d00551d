//! The proxy: what each kind of it puts on the server, and what the other kinds left there.

mod chp;
mod hubproxy;
mod none;

use std::net::IpAddr;

use tera::Context;

use super::files::{secret_file, text_file};
use super::{ManagedFile, ManagedFolder, Npm, Part, Site, StatusPlace, Unit, Venv};
use crate::setup::SetupError;
use crate::setup::hub::HubPlaces;
use crate::setup::names::{
    HUBPROXY_ACCOUNT, HUBPROXY_SERVICE, PROGRAMS, PROXY_API_PORT, PROXY_SERVICE,
};
use crate::spec::model::{ProxyKind, Spec};

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
        _ => Vec::new(),
    }
}

/// The unit of the proxy.
pub(super) fn unit(kind: ProxyKind) -> &'static str {
    match kind {
        ProxyKind::Chp => PROXY_SERVICE,
        ProxyKind::Hubproxy => HUBPROXY_SERVICE,
        _ => PROXY_SERVICE,
    }
}

/// The URL of its API, as JupyterHub is told it, and where a socket unit listens for it.
pub(in crate::setup) fn api(kind: ProxyKind, unix: bool) -> (String, String) {
    let folder = match kind {
        ProxyKind::Chp => "jupyterhub-proxy",
        ProxyKind::Hubproxy => "hubproxy",
        _ => "jupyterhub-proxy",
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
        ProxyKind::Chp => chp::chp(spec, site, context, files),
        ProxyKind::Hubproxy => {
            let api = api(ProxyKind::Hubproxy, unix).1;
            files.extend(hubproxy::own_files(spec, site, context, &api, hub_url)?);
            Ok(hubproxy::own(spec, files, &api))
        }
        ProxyKind::None => Ok(none::none(files)),
        kind => Err(SetupError::Configuration(format!(
            "proxy.kind {} is not there yet",
            kind.word()
        ))),
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
