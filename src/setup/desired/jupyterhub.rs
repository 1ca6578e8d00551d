//! Stock JupyterHub: a virtual environment of its own, and a unit of root's.

use tera::Context;

use super::files::text_file;
use super::hub::{self, Hub, RECHECK, UNITS, secret};
use super::{ManagedFolder, Part, Site, Unit, Venv};
use crate::setup::hub::HubPlaces;
use crate::setup::names::{
    CULLER_ACCOUNT, HUB_ENVIRONMENT, HUB_PORT, JUPYTERHUB_SERVICE, SERVER_SOCKETS_MOUNT, STAMP,
};
use crate::setup::{SetupError, template};
use crate::spec::model::{HubKind, Spec};

const CONFIGURATION: &str = "/etc/jupyterhub/jupyterhub_config.py";

pub(super) fn hub(spec: &Spec, site: &Site, context: &Context) -> Result<Hub, SetupError> {
    let places = HubPlaces::of(HubKind::Jupyterhub);
    let mut files = Vec::new();
    for (path, template) in [
        ("/etc/pam.d/jupyterhub", "jupyterhub/pam"),
        (RECHECK, "jupyterhub/recheck-routes.py"),
        (
            &format!("{UNITS}/{SERVER_SOCKETS_MOUNT}"),
            "hubd/run-jupyter.mount",
        ),
        (
            &format!("{UNITS}/jupyter.slice"),
            "jupyterhub/jupyter.slice",
        ),
        (
            &format!("{UNITS}/{JUPYTERHUB_SERVICE}"),
            "jupyterhub/jupyterhub.service",
        ),
        (CONFIGURATION, "jupyterhub/jupyterhub_config.py"),
    ] {
        files.push(text_file(
            Part::Hub,
            path,
            template::render(template, context)?,
        ));
    }
    // `hub.extra_config` may hold a secret of the operator's.
    for file in &mut files {
        if file.path == CONFIGURATION {
            file.mode = "0600";
        }
    }
    for (name, content) in [
        ("proxy-token", &site.proxy_token),
        ("cookie-secret", &site.cookie_secret),
        ("api-token", &site.api_token),
    ] {
        files.push(secret(places, name, content));
    }
    let hub = &spec.hub.version;
    Ok(Hub {
        accounts: vec![CULLER_ACCOUNT],
        folders: folders(),
        files,
        units: vec![
            hub::sockets_mount(),
            Unit {
                name: JUPYTERHUB_SERVICE,
                reads: vec![
                    format!("{UNITS}/{JUPYTERHUB_SERVICE}"),
                    CONFIGURATION.to_owned(),
                    places.secret("proxy-token"),
                    places.secret("cookie-secret"),
                    places.secret("api-token"),
                    format!("{HUB_ENVIRONMENT}/{STAMP}"),
                ],
                enable: true,
                verb: "restart",
                ready: vec![
                    format!("http://127.0.0.1:{HUB_PORT}/hub/health"),
                    "https://127.0.0.1:443/hub/login".to_owned(),
                ],
                early: false,
            },
        ],
        venv: Some(Venv {
            folder: HUB_ENVIRONMENT,
            what: "JupyterHub",
            lane: "hub",
            warm: &[],
            user_site: false,
            requirements: [
                &format!("jupyterhub=={hub}"),
                "jupyterhub-systemdspawner>=1.0.2,<2",
                "jupyterhub-idle-culler>=1.4,<3",
            ]
            .map(|line| format!("{line}\n"))
            .concat(),
            pins: vec![("jupyterhub".to_owned(), hub.clone())],
            links: Vec::new(),
        }),
        servers: Vec::new(),
        page_first: false,
    })
}

fn folders() -> Vec<ManagedFolder> {
    [
        ("/etc/jupyterhub", "0755"),
        ("/etc/jupyterhub/tls", "0755"),
        ("/etc/jupyterhub/secrets", "0700"),
        ("/var/lib/hubctl", "0755"),
        ("/var/cache/hubctl", "0700"),
        ("/var/lib/jupyterhub", "0700"),
    ]
    .map(|(path, mode)| ManagedFolder {
        path,
        owner: "root",
        group: "root",
        mode,
    })
    .to_vec()
}
