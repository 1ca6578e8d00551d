//! The templates, compiled in, and their rendering.

use tera::{Context, Tera};

use super::SetupError;

macro_rules! templates {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../templates/", $name, ".tera")))),*]
    };
}

const TEMPLATES: &[(&str, &str)] = templates![
    "apache/apache2.service",
    "apache/hubctl.conf",
    "chp/jupyterhub-proxy.service",
    "chp/jupyterhub_config.py",
    "docker/containers.nft",
    "docker/daemon.json",
    "hubd/helper.toml",
    "hubd/hub-helper.service",
    "hubd/hub-helper.socket",
    "hubd/hubd.service",
    "hubd/hubd.socket",
    "hubd/jupyter.slice",
    "hubd/jupyter-container@.service",
    "hubd/jupyter@.service",
    "hubd/pam",
    "hubd/run-jupyter.mount",
    "hubproxy/hubproxy.service",
    "hubproxy/hubproxy.socket",
    "jupyterhub/authenticator-oauth.py",
    "jupyterhub/authenticator-pam.py",
    "jupyterhub/jupyter.slice",
    "jupyterhub/jupyterhub.service",
    "jupyterhub/jupyterhub_config.py",
    "jupyterhub/pam",
    "jupyterhub/recheck-routes.py",
    "jupyterhub/spawner-docker.py",
    "jupyterhub/spawner-local.py",
    "jupyterhub/spawner-sudo.py",
    "jupyterhub/spawner-systemd.py",
    "jupyterhub/sudoers",
    "nginx/hubctl.conf",
    "nginx/nginx.service",
    "notebook/jupyter_server_config.py",
    "notebook/notebook-container.service",
    "notebook/notebook.service",
    "notebook/run-notebook",
    "system/apt-proxy.conf",
    "system/cron.allow",
    "system/hubctl-metadata.service",
    "system/journald.conf",
    "system/metadata.nft",
    "system/needrestart.conf",
    "system/polkit.rules",
    "system/sshd.conf",
    "system/unattended-upgrades.conf",
    "traefik/hubctl.toml",
    "traefik/jupyterhub_config.py",
    "traefik/traefik.service",
    "traefik/traefik.socket",
    "traefik/traefik.toml",
];

/// Reports what is on the host.
pub(super) const OBSERVE: &str = include_str!("../../templates/runner/observe.py");
/// Says how the host is.
pub(super) const VITALS: &str = include_str!("../../templates/runner/vitals.py");
/// Says what the proxy serves.
pub(super) const ROUTES: &str = include_str!("../../templates/runner/routes.py");
/// Makes an environment of conda's packages.
pub(super) const CONDA: &str = include_str!("../../templates/runner/conda.py");
/// Carries out a plan on the host: one program, of a file for each thing it is about.
pub const APPLY: &str = concat!(
    include_str!("../../templates/runner/apply/event.py"),
    include_str!("../../templates/runner/apply/peer.py"),
    include_str!("../../templates/runner/apply/command.py"),
    include_str!("../../templates/runner/apply/unit.py"),
    include_str!("../../templates/runner/apply/file.py"),
    include_str!("../../templates/runner/apply/package.py"),
    include_str!("../../templates/runner/apply/account.py"),
    include_str!("../../templates/runner/apply/environment.py"),
    include_str!("../../templates/runner/apply/conda.py"),
    include_str!("../../templates/runner/apply/lock.py"),
    include_str!("../../templates/runner/apply/download.py"),
    include_str!("../../templates/runner/apply/container.py"),
    include_str!("../../templates/runner/apply/takeover.py"),
    include_str!("../../templates/runner/apply/answer.py"),
    include_str!("../../templates/runner/apply/ssh.py"),
    include_str!("../../templates/runner/apply/disk.py"),
    include_str!("../../templates/runner/apply/run.py"),
);

/// Renders one template. A variable that is not given is an error.
pub(super) fn render(template: &'static str, context: &Context) -> Result<String, SetupError> {
    let wrong = |source| SetupError::Template {
        template,
        source: Box::new(source),
    };
    let mut tera = Tera::new();
    tera.autoescape_on(Vec::<&'static str>::new());
    let source = TEMPLATES
        .iter()
        .find_map(|(name, source)| (*name == template).then_some(*source))
        .unwrap_or_default();
    tera.add_raw_template(template, source).map_err(wrong)?;
    tera.render(template, context).map_err(wrong)
}
