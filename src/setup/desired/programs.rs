//! The programs on the host and the units that run them.

use super::hub::UNITS;
use super::{Conda, Unit, Venv, hub, proxy};
use crate::setup::names::{CONDA_ENVIRONMENT, NOTEBOOK_ENVIRONMENT, RATTLER_ENVIRONMENT};
use crate::spec::model::{HubKind, SpawnerKind, Spec};

/// The package with the certificates of those whom all trust.
pub(super) const AUTHORITIES: &str = "ca-certificates";

/// Packages of Debian and its descendants. Other families are not tried yet.
pub(super) const DEBIAN_PACKAGES: &[&str] = &[
    AUTHORITIES,
    "nftables",
    "openssh-server",
    "python3",
    "python3-venv",
    "sudo",
    "unattended-upgrades",
];

/// In which conda's packages are installed, after what installs them.
pub(in crate::setup) const CONDA_LANE: &str = "conda";

/// Names of our own programs that the spec puts on the server.
pub fn programs(spec: &Spec) -> Vec<&'static str> {
    let mut names = proxy::programs(spec);
    names.extend(hub::programs(spec.hub.kind));
    names
}

/// What installs packages from a conda channel, where any are asked for and no other program for it is.
pub(super) fn rattler(spec: &Spec) -> Option<Venv> {
    let asked = &spec.environment;
    if asked.conda.is_empty() || asked.micromamba.is_some() {
        return None;
    }
    Some(Venv {
        folder: RATTLER_ENVIRONMENT,
        what: "the installer of conda's packages",
        lane: CONDA_LANE,
        warm: &[],
        user_site: false,
        // Its interface changes with the second number.
        requirements: "py-rattler>=0.28,<0.29\n".to_owned(),
        pins: Vec::new(),
        links: Vec::new(),
        lock: None,
    })
}

/// What comes from a conda channel, where anything does.
pub(super) fn conda(spec: &Spec) -> Option<Conda> {
    let asked = &spec.environment;
    if asked.conda.is_empty() {
        return None;
    }
    let mut packages = asked.conda.clone();
    packages.push("ipykernel".to_owned());
    Some(Conda {
        folder: CONDA_ENVIRONMENT,
        kernel: "/usr/local/share/jupyter/kernels/conda",
        requirements: packages.iter().map(|line| format!("{line}\n")).collect(),
        channel: asked.conda_channel.clone(),
        url: asked.micromamba.clone(),
        sha256: asked.micromamba_sha256.clone(),
        lock: None,
    })
}

/// What the notebooks run in.
pub(super) fn notebook(spec: &Spec) -> Venv {
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
    if spec.spawner.kind == SpawnerKind::Sudo && spec.hub.kind == HubKind::Jupyterhub {
        notebook.push("sudospawner>=1.0,<2".to_owned());
    }
    notebook.extend(spec.environment.packages.iter().cloned());
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
        lock: None,
    }
}

/// Of the system, of the proxy, and of the hub, in the order in which they start. The slice is read again with `servers`.
pub(super) fn units(servers: Option<Vec<String>>, proxy: Vec<Unit>, hub: Vec<Unit>) -> Vec<Unit> {
    let owned = |paths: &[&str]| paths.iter().map(ToString::to_string).collect();
    let mut units = vec![
        Unit {
            name: "hubctl-metadata.service",
            reads: owned(&[
                "/etc/hubctl/metadata.nft",
                "/etc/hubctl/containers.nft",
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
    ];
    units.extend(servers.map(|servers| Unit {
        name: "jupyter.slice",
        reads: [vec![format!("{UNITS}/jupyter.slice")], servers].concat(),
        enable: false,
        verb: "",
        ready: Vec::new(),
        early: false,
    }));
    units.extend(proxy);
    units.extend(hub);
    units
}
