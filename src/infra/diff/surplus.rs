//! What is one too many, and tags that are missing.

use super::super::desired::FloatingIpWish;
use super::super::plan::{Change, Kind, Verb, Work};
use super::super::tag;
use super::{Diff, current_floating_ip};

impl Diff<'_> {
    /// More of a kind than is in use: what a create repeated elsewhere, or two runs at once, left.
    pub(super) fn surplus(&mut self) {
        let inventory = self.inventory;
        let mut delete = |kind: Kind, id: &str, name: String, why: &str| {
            let work = Work::Delete { id: id.to_owned() };
            self.changes
                .push(Change::new(Verb::Delete, kind, name, work).because(why));
        };
        const SECOND: &str = "one too many";
        for server in inventory.servers.iter().skip(1) {
            delete(Kind::Server, &server.id, server.id.clone(), SECOND);
        }
        for port in inventory.ports.iter().skip(1) {
            delete(Kind::Port, &port.id, port.id.clone(), SECOND);
        }
        for group in inventory.security_groups.iter().skip(1) {
            delete(Kind::SecurityGroup, &group.id, group.id.clone(), SECOND);
        }
        let current = current_floating_ip(self.desired, inventory).map(|ip| ip.id.clone());
        if self.desired.network.is_some() {
            let why = if self.desired.floating_ip == FloatingIpWish::None {
                "none is asked for"
            } else {
                SECOND
            };
            for ip in inventory
                .floating_ips
                .iter()
                .filter(|ip| Some(&ip.id) != current.as_ref())
            {
                delete(
                    Kind::FloatingIp,
                    &ip.id,
                    ip.floating_ip_address.to_string(),
                    why,
                );
            }
        }
        // Networks and routers that are one too many hold each other; destroy knows their order and takes them along.
    }

    /// Finishes the tagging that a killed run did not come to. A cloud without tags shows none anywhere, and there
    /// the description is the mark; so tags are only made good where others are seen, or while something changes.
    pub(super) fn tags(&mut self) {
        let inventory = self.inventory;
        let name = &inventory.name;
        let of: Vec<(Kind, &str, &[String])> = inventory
            .security_groups
            .iter()
            .map(|x| (Kind::SecurityGroup, x.id.as_str(), &x.tags[..]))
            .chain(
                inventory
                    .networks
                    .iter()
                    .map(|x| (Kind::Network, x.id.as_str(), &x.tags[..])),
            )
            .chain(
                inventory
                    .subnets
                    .iter()
                    .map(|x| (Kind::Subnet, x.id.as_str(), &x.tags[..])),
            )
            .chain(
                inventory
                    .routers
                    .iter()
                    .map(|x| (Kind::Router, x.id.as_str(), &x.tags[..])),
            )
            .chain(
                inventory
                    .ports
                    .iter()
                    .map(|x| (Kind::Port, x.id.as_str(), &x.tags[..])),
            )
            .chain(
                inventory
                    .floating_ips
                    .iter()
                    .map(|x| (Kind::FloatingIp, x.id.as_str(), &x.tags[..])),
            )
            .collect();
        let seen = of.iter().any(|(_, _, tags)| !tags.is_empty());
        if !seen && self.changes.is_empty() {
            return;
        }
        for (kind, id, tags) in of {
            let going = self.changes.iter().any(|change| {
                change.resource == kind && change.work == Work::Delete { id: id.to_owned() }
            });
            if tag::is_tagged(tags, name) || going {
                continue;
            }
            let mut all = tag::without_ours(tags);
            all.extend(tag::tags(name));
            self.update(
                kind,
                format!("+ tag {}", tag::description(name)),
                Work::Tag {
                    id: id.to_owned(),
                    tags: all,
                },
            );
        }
    }
}
