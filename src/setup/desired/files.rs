//! The files on the host: those that are ours, and lines in those of the distribution.

use tera::Context;

use super::{Content, Edit, EditKind, ManagedFile, Part, Site};
use crate::secret::Secret;
use crate::setup::{SetupError, template};
use crate::spec::model::{SpawnerKind, Spec};

pub(super) const CA_FILE: &str = "/usr/local/share/ca-certificates/hubctl.crt";
/// The packet filter of users' containers.
pub(super) const CONTAINERS: &str = "/etc/hubctl/containers.nft";
pub(super) const APT_PROXY: &str = "/etc/apt/apt.conf.d/80hubctl-proxy";
pub(super) const UNATTENDED: &str = "/etc/apt/apt.conf.d/52hubctl-unattended-upgrades";

pub(super) fn files(spec: &Spec, context: &Context) -> Result<Vec<ManagedFile>, SetupError> {
    let mut files = Vec::new();
    if let Some(path) = &spec.host.ca_bundle {
        let text = std::fs::read_to_string(path).map_err(|source| SetupError::Read {
            path: path.clone(),
            source,
        })?;
        files.push(text_file(Part::Downloads, CA_FILE, text));
    }
    let mut add = |part, path: &str, template: &'static str| {
        files.push(text_file(part, path, template::render(template, context)?));
        Ok::<_, SetupError>(())
    };
    if spec.host.http_proxy.is_some() {
        add(Part::Downloads, APT_PROXY, "system/apt-proxy.conf")?;
    }
    if spec.host.unattended_upgrades {
        add(Part::System, UNATTENDED, "system/unattended-upgrades.conf")?;
    }
    if spec.spawner.kind == SpawnerKind::Docker {
        add(Part::System, CONTAINERS, "docker/containers.nft")?;
    }
    for (part, path, template) in [
        (
            Part::System,
            "/etc/needrestart/conf.d/50-hubctl.conf",
            "system/needrestart.conf",
        ),
        (
            Part::System,
            "/etc/systemd/journald.conf.d/50-hubctl.conf",
            "system/journald.conf",
        ),
        (Part::System, "/etc/cron.allow", "system/cron.allow"),
        (Part::System, "/etc/at.allow", "system/cron.allow"),
        (
            Part::System,
            "/etc/polkit-1/rules.d/00-hubctl.rules",
            "system/polkit.rules",
        ),
        (
            Part::System,
            "/etc/hubctl/metadata.nft",
            "system/metadata.nft",
        ),
        (
            Part::System,
            "/etc/systemd/system/hubctl-metadata.service",
            "system/hubctl-metadata.service",
        ),
    ] {
        add(part, path, template)?;
    }
    Ok(files)
}

pub(super) fn text_file(part: Part, path: &str, text: String) -> ManagedFile {
    ManagedFile {
        part,
        path: path.to_owned(),
        content: Content::Text(text),
        owner: "root",
        group: "root",
        mode: "0644",
    }
}

pub(super) fn secret_file(path: &str, secret: Secret) -> ManagedFile {
    ManagedFile {
        part: Part::Hub,
        path: path.to_owned(),
        content: Content::Secret(secret),
        owner: "root",
        group: "root",
        mode: "0600",
    }
}

pub(super) fn edits(site: &Site) -> Vec<Edit> {
    let edit = |path: &str, kind, why| Edit {
        path: path.to_owned(),
        owner: "root".to_owned(),
        mode: "0644",
        kind,
        why,
    };
    let setting = |key, line| EditKind::Setting { key, line };
    vec![
        edit(
            "/etc/hosts",
            EditKind::HostName(site.hostname.clone()),
            "the server knows its own name",
        ),
        edit(
            "/etc/adduser.conf",
            setting("DIR_MODE", "DIR_MODE=0700"),
            "new homes are private",
        ),
        edit(
            "/etc/login.defs",
            setting("HOME_MODE", "HOME_MODE\t0700"),
            "new homes are private",
        ),
        Edit {
            path: authorized_keys(&site.login),
            owner: site.login.clone(),
            mode: "0600",
            kind: EditKind::Block(site.operator_keys.clone()),
            why: "further operators",
        },
    ]
}

fn authorized_keys(login: &str) -> String {
    if login == "root" {
        "/root/.ssh/authorized_keys".to_owned()
    } else {
        format!("/home/{login}/.ssh/authorized_keys")
    }
}
