//! What each kind of proxy leaves on a server, for the kinds that come after it.

use super::{Proxy, inner, program, sends_certificate, traefik};
use crate::setup::hub::HubPlaces;
use crate::setup::names::{
    APACHE_CONFIGURATION, APACHE_SERVICE, HUBPROXY_ACCOUNT, HUBPROXY_SERVICE, HUBPROXY_SOCKETS,
    NGINX_CONFIGURATION, NGINX_SERVICE, NODE_ENVIRONMENT, PROXY_FOLDER, PROXY_SERVICE,
    TRAEFIK_FOLDER, TRAEFIK_SERVICE, TRAEFIK_SOCKETS,
};
use crate::spec::model::{ProxyKind, Spec};

/// Adds to `proxy` what must go of the kinds that were not chosen. Certificates that a proxy was given by a directory
/// stay: they are asked for rarely.
pub(super) fn of_others(spec: &Spec, proxy: &mut Proxy) {
    let chosen = [inner(spec), Some(spec.proxy.kind)];
    for kind in ProxyKind::ALL {
        if !chosen.contains(&Some(kind)) {
            let (units, paths) = left_by(kind, HubPlaces::of_hub(&spec.hub));
            proxy.retired.extend(units);
            proxy.absent.extend(paths);
        }
    }
    // Where the proxy has its certificate from elsewhere, or none.
    if !sends_certificate(spec) {
        let places = HubPlaces::of_hub(&spec.hub);
        proxy.absent.extend([places.certificate(), places.key()]);
    }
}

/// Its units, sockets first: while one listens, the next visitor starts the service again. And its files.
fn left_by(kind: ProxyKind, places: &HubPlaces) -> (Vec<&'static str>, Vec<String>) {
    let owned = |paths: &[&str]| paths.iter().map(ToString::to_string).collect::<Vec<_>>();
    match kind {
        ProxyKind::Chp => (
            vec![PROXY_SERVICE],
            [
                owned(&[PROXY_FOLDER, NODE_ENVIRONMENT]),
                vec![places.secret("proxy.env")],
            ]
            .concat(),
        ),
        ProxyKind::Hubproxy => (
            HUBPROXY_SOCKETS
                .iter()
                .map(|(unit, _, _)| *unit)
                .chain([HUBPROXY_SERVICE])
                .collect(),
            vec!["/etc/hubproxy".to_owned(), program(HUBPROXY_ACCOUNT)],
        ),
        ProxyKind::Traefik => (
            TRAEFIK_SOCKETS
                .iter()
                .map(|(unit, _, _)| *unit)
                .chain([TRAEFIK_SERVICE])
                .collect(),
            owned(&["/etc/traefik", TRAEFIK_FOLDER, traefik::RULES]),
        ),
        // The package stays, and its own configuration: the distribution's server, which does not start any more.
        ProxyKind::Nginx => (
            vec![NGINX_SERVICE],
            owned(&[NGINX_CONFIGURATION, "/etc/systemd/system/nginx.service.d"]),
        ),
        ProxyKind::Apache => (
            vec![APACHE_SERVICE],
            owned(&[
                APACHE_CONFIGURATION,
                "/etc/systemd/system/apache2.service.d",
            ]),
        ),
        ProxyKind::None => (Vec::new(), Vec::new()),
    }
}
