//! nginx and Apache of the distribution: TLS in front of the hub's own proxy, or of a notebook server.

use tera::Context;

use super::super::files::text_file;
use super::super::hub::UNITS;
use super::super::{Part, Site, Unit};
use super::backend::Backend;
use super::{Proxy, inner, public_host, unit};
use crate::setup::hub::HubPlaces;
use crate::setup::names::{APACHE_SERVICE, NGINX_SERVICE, NOTEBOOK_SERVICE};
use crate::setup::{SetupError, template};
use crate::spec::model::{ProxyKind, Spec};

/// Connections at a time that a seat is reckoned with: WebSockets of kernels, terminals and collaboration, and files.
const CONNECTIONS_PER_SEAT: u32 = 24;

/// Puts the front before what is in `proxy` already.
pub(super) fn front(
    spec: &Spec,
    site: &Site,
    context: &Context,
    proxy: &mut Proxy,
) -> Result<(), SetupError> {
    let nginx = spec.proxy.kind == ProxyKind::Nginx;
    let places = HubPlaces::of_hub(&spec.hub);
    let backend = Backend::of(spec, site);
    let (service, package) = if nginx {
        (NGINX_SERVICE, "nginx")
    } else {
        (APACHE_SERVICE, "apache2")
    };
    let connections = CONNECTIONS_PER_SEAT * spec.limits.seats;
    let mut context = context.clone();
    context.insert("public_host", &public_host(site));
    context.insert("certificate", &places.certificate());
    context.insert("key", &places.key());
    context.insert("front_connections", &(2 * connections).max(4096));
    context.insert("front_processes", &connections.div_ceil(64).max(8));
    context.insert(
        "front_wants",
        match inner(spec) {
            Some(_) => unit(spec),
            None => NOTEBOOK_SERVICE,
        },
    );
    context.insert("backend", &backend);
    let configuration = format!("/etc/{package}/hubctl.conf");
    let drop_in = format!("{UNITS}/{service}.d/hubctl.conf");
    let (of_configuration, of_unit) = if nginx {
        ("nginx/hubctl.conf", "nginx/nginx.service")
    } else {
        ("apache/hubctl.conf", "apache/apache2.service")
    };
    for (path, template) in [(&configuration, of_configuration), (&drop_in, of_unit)] {
        proxy.files.push(text_file(
            Part::Hub,
            path,
            template::render(template, &context)?,
        ));
    }
    let mut reads = vec![configuration, drop_in, places.certificate(), places.key()];
    if backend.own_authority {
        reads.push(places.authority());
    }
    proxy.packages.push(package);
    proxy.units.push(Unit {
        name: service,
        reads,
        enable: true,
        verb: "restart",
        ready: vec!["https://127.0.0.1:443/?any".to_owned()],
        early: false,
    });
    Ok(())
}
