//! Networks, names and who may connect.

use super::Checks;
use crate::spec::model::{FloatingIpChoice, Source, TlsKind};

impl Checks<'_> {
    pub(super) fn network(&mut self) {
        let network = &self.spec.network;
        if !self.sound(&["network", "server.floating_ip"]) {
            return;
        }
        if network.name.is_some() {
            for (path, given) in [
                ("network.cidr", network.cidr.is_some()),
                ("network.dns", !network.dns.is_empty()),
            ] {
                if given {
                    self.problem(
                        path,
                        "is for a network of our own, but `network.name` names an existing one",
                        "remove one of the two",
                    );
                }
            }
        } else if self.spec.server.floating_ip == FloatingIpChoice::None && network.cidr.is_some() {
            self.problem(
                "server.floating_ip",
                "is `none`, but nothing else leads into a network of our own (`network.cidr`)",
                "use `auto`, or give the provider network in `network.name`",
            );
        }
        if self.spec.server.floating_ip == FloatingIpChoice::None && network.external.is_some() {
            self.warning(
                "network.external",
                "has no use while `server.floating_ip` is `none`",
                "a provider network goes into `network.name`",
            );
        }
    }

    pub(super) fn dns(&mut self) {
        if !self.sound(&["domain", "dns"]) {
            return;
        }
        let Some(domain) = &self.spec.domain else {
            if self.spec.dns.wait {
                self.problem(
                    "dns.wait",
                    "has nothing to wait for: `domain` is not set",
                    "give the hub's DNS name in `domain`, or remove this line",
                );
            }
            if self.spec.dns.zone.is_some() {
                self.problem(
                    "dns.zone",
                    "has no use: `domain` is not set",
                    "give the hub's DNS name in `domain`, or remove this line",
                );
            }
            return;
        };
        let domain = domain.trim_end_matches('.');
        if let Some(zone) = &self.spec.dns.zone {
            let zone = zone.trim_end_matches('.');
            if domain != zone && !domain.ends_with(&format!(".{zone}")) {
                self.problem(
                    "dns.zone",
                    format!("does not contain `{domain}`, the hub's DNS name"),
                    "the zone is the end of the name: `example.org` for `hub.example.org`",
                );
            }
        }
    }

    pub(super) fn access(&mut self) {
        for (path, sources, what) in [
            (
                "access.ssh",
                &self.spec.access.ssh,
                "hubctl could not reach the server either",
            ),
            (
                "access.web",
                &self.spec.access.web,
                "nobody could open the hub, and hubctl could not check it",
            ),
        ] {
            if !self.sound(&[path]) {
                continue;
            }
            // Without TLS that is as it must be.
            let shut = path == "access.web" && self.spec.tls.kind == TlsKind::None;
            if sources.is_empty() && !shut {
                self.problem(
                    path,
                    format!("lets nobody in: {what}"),
                    "`[operator]` is the least",
                );
            }
            for (index, source) in sources.iter().enumerate() {
                if sources[..index].contains(source) {
                    self.warning(
                        &format!("{path}[{index}]"),
                        format!("`{source}` stands in the list already"),
                        "remove one of the two",
                    );
                }
            }
            let anywhere =
                |source: &Source| matches!(source, Source::Net(net) if net.prefix_len() == 0);
            if sources.iter().any(anywhere) && sources.contains(&Source::Operator) {
                self.warning(
                    path,
                    "lets everyone in; `operator` beside it changes nothing",
                    "remove one of the two",
                );
            }
        }
    }
}
