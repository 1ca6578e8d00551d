//! What a kind of hub goes together with.

use super::Checks;
use crate::spec::combination::refusals;
use crate::spec::model::{HubKind, TlsKind};

impl Checks<'_> {
    /// Kinds that go together, by the one table of them.
    pub(super) fn combination(&mut self) {
        let spec = self.spec;
        for refusal in refusals(
            spec.hub.kind,
            spec.proxy.kind,
            spec.spawner.kind,
            spec.authenticator.kind,
            spec.tls.kind,
        ) {
            // What is no kind at all is said already, and stands for the default here.
            if self.sound(&[
                "hub.kind",
                "proxy.kind",
                "spawner.kind",
                "authenticator.kind",
                "tls.kind",
            ]) {
                self.problem(refusal.path, refusal.reason, refusal.hint);
            }
        }
    }

    /// Without TLS nobody but the server itself may reach the hub.
    pub(super) fn plain(&mut self) {
        if self.spec.tls.kind == TlsKind::None
            && self.sound(&["tls.kind", "access.web"])
            && !self.spec.access.web.is_empty()
        {
            self.problem(
                "tls.kind",
                "is `none`, and others than the server itself can reach the hub: passwords would be sent in the clear",
                "set `access.web: []` and reach it by `hubctl tunnel`, or leave `tls.kind` out",
            );
        }
    }

    /// nginx and Apache know what is behind them by a name, which a certificate for an address has only from hubctl.
    pub(super) fn second_hop(&mut self) {
        let spec = self.spec;
        if spec.hub.kind == HubKind::Notebook
            && spec.proxy.kind.is_front()
            && spec.tls.kind == TlsKind::Own
            && spec.domain.is_none()
            && self.sound(&["hub.kind", "proxy.kind", "tls.kind", "domain"])
        {
            self.problem(
                "tls.kind",
                format!(
                    "is `own` without a `domain`: {} checks the notebook server's certificate, and compares names alone",
                    spec.proxy.kind.word()
                ),
                "give the DNS name in `domain`, or set `proxy.kind: hubproxy`, or leave `tls.kind` out",
            );
        }
    }

    /// hubd's further choices.
    pub(super) fn hub_kind(&mut self) {
        if self.spec.hub.kind != HubKind::Hubd || !self.sound(&["hub.kind"]) {
            return;
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
