//! What a kind of hub goes together with.

use super::Checks;
use crate::spec::model::{HubKind, ProxyKind, SpawnerKind};

impl Checks<'_> {
    /// hubd's choices. Others are not refused for their own sake: nothing would hold what the hub promises.
    pub(super) fn hub_kind(&mut self) {
        if self.spec.hub.kind != HubKind::Hubd || !self.sound(&["hub.kind"]) {
            return;
        }
        if self.sound(&["proxy.kind"]) && self.spec.proxy.kind != ProxyKind::Hubproxy {
            self.problem(
                "hub.kind",
                "is `hubd`, which goes with `hubproxy` alone: nothing else here lets a hub without privileges reach its routes",
                "set `proxy.kind: hubproxy`, or `profile: rust` for all of it",
            );
        }
        if self.sound(&["spawner.kind"]) && self.spec.spawner.kind != SpawnerKind::Systemd {
            self.problem(
                "spawner.kind",
                "is `local`: `hubd` has no privileges to start a process as another user with",
                "set `spawner.kind: systemd`",
            );
        }
        let major = self.spec.hub.version.split('.').next();
        if self.sound(&["hub.version"])
            && major.and_then(|major| major.parse::<u32>().ok()) < Some(6)
        {
            self.problem(
                "hub.version",
                "is of a single-user server before 6, which is not tried on the Unix sockets that `hubd` uses",
                "leave it out, or name a version from 6 on",
            );
        }
        if self.sound(&["hub.extra_config"]) && self.spec.hub.extra_config.is_some() {
            self.problem(
                "hub.extra_config",
                "is for JupyterHub's Python configuration, which `hubd` does not have",
                "remove it, or set `hub.kind: jupyterhub`",
            );
        }
    }
}
