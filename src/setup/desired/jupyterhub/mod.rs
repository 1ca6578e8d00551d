//! Stock JupyterHub: a virtual environment of its own, and a unit of root's or of an account of its own.

mod authenticator;
mod spawner;

use tera::Context;

use super::files::text_file;
use super::hub::{self, Hub, RECHECK, UNITS, secret};
use super::proxy::login_page;
use super::{ManagedFolder, Part, Site, Unit, Venv};
use crate::setup::hub::HubPlaces;
use crate::setup::names::{
    ADMINS_GROUP, CULLER_ACCOUNT, HUB_ENVIRONMENT, HUB_PORT, JUPYTERHUB_SERVICE,
    SERVER_SOCKETS_MOUNT, STAMP, USERS_GROUP,
};
use crate::setup::{SetupError, template};
use crate::spec::model::{HubUser, Spec};

const CONFIGURATION: &str = "/etc/jupyterhub/jupyterhub_config.py";

pub(super) fn hub(spec: &Spec, site: &Site, context: &Context) -> Result<Hub, SetupError> {
    let places = HubPlaces::of_hub(&spec.hub);
    let authenticator = authenticator::authenticator(spec, site, context, places)?;
    let spawner = spawner::spawner(spec, site, context)?;
    let mut context = context.clone();
    context.insert("authenticator_lines", authenticator.lines.trim_end());
    context.insert("spawner_lines", spawner.lines.trim_end());
    context.insert(
        "singleuser",
        &serde_json::Value::from(spawner.singleuser)
            .to_string()
            .replace(',', ", "),
    );
    context.insert("imports_os", &spawner.imports_os);
    // A hub that makes accounts writes the system's files and makes homes.
    let (system, home) = if authenticator.makes_accounts {
        ("yes", "no")
    } else {
        ("full", "read-only")
    };
    context.insert("protect_system", system);
    context.insert("protect_home", home);

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
            template::render(template, &context)?,
        ));
    }
    // `hub.extra_config` may hold a secret of the operator's.
    for file in &mut files {
        if file.path == CONFIGURATION {
            (file.owner, file.group, file.mode) = (places.account, places.account, "0600");
        }
    }
    files.extend(spawner.files);
    let mut reads = vec![
        format!("{UNITS}/{JUPYTERHUB_SERVICE}"),
        CONFIGURATION.to_owned(),
    ];
    for (name, content) in [
        ("proxy-token", Some(&site.proxy_token)),
        ("cookie-secret", Some(&site.cookie_secret)),
        ("api-token", Some(&site.api_token)),
        ("oauth-client-secret", authenticator.secret.as_ref()),
    ] {
        let Some(content) = content else { continue };
        files.push(secret(places, name, content));
        reads.push(places.secret(name));
    }
    reads.push(format!("{HUB_ENVIRONMENT}/{STAMP}"));
    let root = spec.hub.user == HubUser::Root;
    let mut units = spawner.units;
    units.push(hub::sockets_mount());
    units.push(Unit {
        name: JUPYTERHUB_SERVICE,
        reads,
        enable: true,
        verb: "restart",
        ready: vec![
            format!("http://127.0.0.1:{HUB_PORT}/hub/health"),
            login_page(spec),
        ],
        early: false,
    });
    Ok(Hub {
        accounts: vec![if root { CULLER_ACCOUNT } else { places.account }],
        person: None,
        groups: vec![USERS_GROUP, ADMINS_GROUP],
        packages: spawner.packages,
        folders: folders(places),
        files,
        units,
        venv: Some(venv(spec, &[spawner.package, authenticator.package])),
        servers: Some(Vec::new()),
        page_first: false,
    })
}

fn venv(spec: &Spec, further: &[Option<&'static str>]) -> Venv {
    let hub = &spec.hub.version;
    let jupyterhub = format!("jupyterhub=={hub}");
    let mut requirements = vec![jupyterhub.as_str()];
    requirements.extend(further.iter().flatten());
    requirements.push("jupyterhub-idle-culler>=1.4,<3");
    Venv {
        folder: HUB_ENVIRONMENT,
        what: "JupyterHub",
        lane: "hub",
        warm: &[],
        user_site: false,
        requirements: requirements
            .iter()
            .map(|line| format!("{line}\n"))
            .collect(),
        pins: vec![("jupyterhub".to_owned(), hub.clone())],
        links: Vec::new(),
    }
}

fn folders(places: &HubPlaces) -> Vec<ManagedFolder> {
    // The folders stay root's: a hub that was taken over must not be able to lead root's next write elsewhere.
    let folder = |path, owner, group, mode| ManagedFolder {
        path,
        owner,
        group,
        mode,
    };
    let account = places.account;
    vec![
        folder("/etc/jupyterhub", "root", "root", "0755"),
        folder("/etc/jupyterhub/tls", "root", "root", "0755"),
        folder(
            "/etc/jupyterhub/secrets",
            "root",
            account,
            places.secrets_mode,
        ),
        folder("/var/lib/hubctl", "root", "root", "0755"),
        folder("/var/cache/hubctl", "root", "root", "0700"),
        folder("/var/lib/jupyterhub", account, account, "0700"),
    ]
}
