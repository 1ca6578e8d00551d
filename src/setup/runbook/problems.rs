//! What hubctl will not decide about.

use super::Runbook;
use crate::setup::desired::Content;
use crate::setup::distribution::Distribution;
use crate::setup::names::{
    APACHE_CONFIGURATION, APACHE_SERVICE, HUBPROXY_SERVICE, HUBPROXY_SOCKETS, NGINX_CONFIGURATION,
    NGINX_SERVICE, NOTEBOOK_SERVICE, PROXY_SERVICE, TRAEFIK_SERVICE,
};
use crate::setup::plan::Problem;

/// Below this much free disk an installation is not begun.
const DISK_NEEDED_MB: u64 = 2048;

impl Runbook<'_> {
    pub(in crate::setup) fn look_for_problems(&mut self) {
        let os = &self.facts.os;
        if !os.id.is_empty() && !Distribution::is_family(&os.id) {
            self.plan.problems.push(Problem {
                message: format!("the server runs {}, which hubctl cannot set up", os.name),
                hint: Some(format!(
                    "name an image in `server.image` with one of {}",
                    Distribution::list()
                )),
            });
        }
        let sockets = HUBPROXY_SOCKETS
            .iter()
            .map(|(name, _, _)| *name)
            .chain(["traefik-http.socket", "traefik-https.socket"])
            .any(|name| {
                let unit = self.facts.units.get(name);
                unit.is_some_and(|unit| unit.active == "active")
            });
        for holder in &self.facts.ports {
            let ours = match holder.unit.as_deref() {
                Some(PROXY_SERVICE | HUBPROXY_SERVICE | TRAEFIK_SERVICE | NOTEBOOK_SERVICE) => true,
                // The distribution's, once they are set up by us. One that serves something else is not ours to change.
                Some(NGINX_SERVICE) => self.file_facts(NGINX_CONFIGURATION).is_some(),
                Some(APACHE_SERVICE) => self.file_facts(APACHE_CONFIGURATION).is_some(),
                // systemd itself, for the proxy.
                _ => sockets && holder.pid == 1,
            };
            if !ours {
                let unit = holder.unit.as_deref().unwrap_or("no unit");
                self.plan.problems.push(Problem {
                    message: format!(
                        "port {} is taken by {} (process {}, {unit})",
                        holder.port, holder.process, holder.pid
                    ),
                    hint: Some(format!(
                        "stop it on the server: `sudo systemctl disable --now {unit}`; the hub needs ports 80 and 443"
                    )),
                });
            }
        }
        if let Some(name) = self.desired.person
            && let Some(Some(found)) = self.facts.accounts.get(name)
        {
            let mighty = ["sudo", "adm", "docker", "lxd", "disk", "wheel"];
            let group = found
                .groups
                .iter()
                .find(|group| mighty.contains(&group.as_str()));
            if found.uid < 1000 || group.is_some() {
                self.plan.problems.push(Problem {
                    message: format!(
                        "the account {name} of the notebook server is on the server already, and {}",
                        group.map_or_else(
                            || "is one of the system's".to_owned(),
                            |group| format!("a member of {group}")
                        )
                    ),
                    hint: Some("whoever computes in notebooks must not be root: use a fresh server, or take the group from it".to_owned()),
                });
            }
        }
        if let Some(download) = &self.desired.download
            && !self.facts.arch.is_empty()
            && !download.archives.contains_key(&self.facts.arch)
        {
            self.plan.problems.push(Problem {
                message: format!(
                    "{} has no release here for the server's processor, {}",
                    download.what, self.facts.arch
                ),
                hint: Some("choose another `proxy.kind`".to_owned()),
            });
        }
        for file in &self.desired.files {
            if let Content::Program(program) = &file.content
                && !self.facts.arch.is_empty()
                && program.machine != self.facts.arch
            {
                self.plan.problems.push(Problem {
                    message: format!(
                        "the server's processor is {}, and {} is built for {}",
                        self.facts.arch,
                        program.found.display(),
                        program.machine
                    ),
                    hint: Some(format!(
                        "name one built for {} in `release.source` (a folder, or a release's archive)",
                        self.facts.arch
                    )),
                });
            }
        }
        if let Some(volume) = &self.facts.volume {
            if !volume.present {
                self.plan.problems.push(Problem {
                    message: format!("the data volume {} is not on the server", volume.device),
                    hint: Some(
                        "is it attached? `openstack server volume list` shows it".to_owned(),
                    ),
                });
            } else if !volume.empty && volume.kind.as_deref() != Some("ext4") {
                self.plan.problems.push(Problem {
                    message: format!(
                        "the data volume {} holds something else than homes ({}); it is not formatted",
                        volume.device,
                        volume.kind.as_deref().unwrap_or("not a file system")
                    ),
                    hint: Some("use another volume, or empty this one yourself: `sudo wipefs --all`".to_owned()),
                });
            }
            if let Some(other) = self
                .facts
                .home_mount
                .as_ref()
                .filter(|_| !self.volume_is_home())
            {
                self.plan.problems.push(Problem {
                    message: format!("/home is a file system of its own already ({other})"),
                    hint: Some("leave `volume` out of hub.yaml, or unmount it".to_owned()),
                });
            }
        }
        let installed = self.facts.venvs.values().any(Option::is_some);
        if !installed && self.facts.disk_free_mb < DISK_NEEDED_MB {
            self.plan.problems.push(Problem {
                message: format!(
                    "{} MB are free on the server's disk; the hub needs {DISK_NEEDED_MB}",
                    self.facts.disk_free_mb
                ),
                hint: Some("`server.boot_volume` gives the server a larger disk".to_owned()),
            });
        }
    }

    pub(super) fn volume_is_home(&self) -> bool {
        self.facts
            .volume
            .as_ref()
            .is_some_and(|volume| volume.mounted.iter().any(|place| place == "/home"))
    }
}
