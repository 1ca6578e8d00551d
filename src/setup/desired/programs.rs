//! The programs on the host and the units that run them.

use super::files::SECRETS;
use super::{Unit, Venv};
use crate::setup::names::{HUB_ENVIRONMENT, HUB_PORT, NOTEBOOK_ENVIRONMENT, STAMP};
use crate::spec::model::Spec;

/// Packages of Debian and its descendants. Other families are not tried yet.
pub(super) const DEBIAN_PACKAGES: &[&str] = &[
    "ca-certificates",
    "nftables",
    "openssh-server",
    "python3",
    "python3-venv",
    "sudo",
    "unattended-upgrades",
];

const UNITS: &str = "/etc/systemd/system";

pub(super) fn venvs(spec: &Spec) -> Vec<Venv> {
    let lines = |lines: &[String]| lines.iter().map(|line| format!("{line}\n")).collect();
    let hub = &spec.hub.version;
    let lab = &spec.environment.jupyterlab;
    let pin = |name: &str, version: &str| (name.to_owned(), version.to_owned());
    let mut notebook = vec![
        format!("jupyterhub=={hub}"),
        format!("jupyterlab=={lab}"),
        "notebook".to_owned(),
        "ipywidgets".to_owned(),
        "pip".to_owned(),
    ];
    notebook.extend(spec.environment.packages.iter().cloned());
    vec![
        Venv {
            folder: HUB_ENVIRONMENT,
            what: "JupyterHub",
            lane: "hub",
            warm: &[],
            user_site: false,
            requirements: lines(&[
                format!("jupyterhub=={hub}"),
                "jupyterhub-systemdspawner>=1.0.2,<2".to_owned(),
                "jupyterhub-idle-culler>=1.4,<3".to_owned(),
            ]),
            pins: vec![pin("jupyterhub", hub)],
            links: Vec::new(),
        },
        Venv {
            folder: NOTEBOOK_ENVIRONMENT,
            what: "JupyterLab",
            lane: "notebook",
            warm: &[
                "jupyterhub.singleuser.app",
                "jupyterhub.singleuser.extension",
                "jupyterlab.labhubapp",
                "notebook.app",
                "jupyter_lsp.serverextension",
                "jupyter_server_terminals.app",
                "nbconvert.exporters",
                "ipykernel.kernelapp",
                "ipykernel.ipkernel",
                "ipywidgets",
                "matplotlib_inline.backend_inline",
            ],
            user_site: true,
            requirements: lines(&notebook),
            pins: vec![pin("jupyterhub", hub), pin("jupyterlab", lab)],
            links: Vec::new(),
        },
    ]
}

/// Of the system, of the proxy, and of the hub, in the order in which they start.
pub(super) fn units(proxy: Vec<Unit>) -> Vec<Unit> {
    let owned = |paths: &[&str]| paths.iter().map(ToString::to_string).collect();
    let mut units = vec![
        Unit {
            name: "hubctl-metadata.service",
            reads: owned(&[
                "/etc/hubctl/metadata.nft",
                "/etc/systemd/system/hubctl-metadata.service",
            ]),
            enable: true,
            verb: "restart",
            ready: Vec::new(),
            early: true,
        },
        Unit {
            name: "systemd-journald.service",
            reads: owned(&["/etc/systemd/journald.conf.d/50-hubctl.conf"]),
            enable: false,
            verb: "restart",
            ready: Vec::new(),
            early: true,
        },
        Unit {
            name: "jupyter.slice",
            reads: owned(&[&format!("{UNITS}/jupyter.slice")]),
            enable: false,
            verb: "",
            ready: Vec::new(),
            early: false,
        },
    ];
    units.extend(proxy);
    units.push(Unit {
        name: "jupyterhub.service",
        reads: owned(&[
            &format!("{UNITS}/jupyterhub.service"),
            "/etc/jupyterhub/jupyterhub_config.py",
            &format!("{SECRETS}/proxy-token"),
            &format!("{SECRETS}/cookie-secret"),
            &format!("{SECRETS}/api-token"),
            &format!("{HUB_ENVIRONMENT}/{STAMP}"),
        ]),
        enable: true,
        verb: "restart",
        ready: vec![
            format!("http://127.0.0.1:{HUB_PORT}/hub/health"),
            "https://127.0.0.1:443/hub/login".to_owned(),
        ],
        early: false,
    });
    units
}
