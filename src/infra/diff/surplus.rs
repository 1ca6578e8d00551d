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

    /// From when on the deployment may be removed, on what says it in its metadata.
    pub(super) fn expiry(&mut self) {
        let inventory = self.inventory;
        let wanted = self.desired.expires.as_deref();
        let all = inventory
            .servers
            .iter()
            .take(1)
            .map(|x| (Kind::Server, &x.id, &x.metadata))
            .chain(
                inventory
                    .volumes
                    .iter()
                    .map(|x| (Kind::Volume, &x.id, &x.metadata)),
            );
        for (kind, id, metadata) in all {
            let is_made_anew = kind == Kind::Server && self.desired.server_due.is_some();
            if !says(tag::expires_of_metadata(metadata), wanted) && !is_made_anew {
                let work = Work::Expire {
                    id: id.clone(),
                    time: wanted.unwrap_or(tag::NEVER).to_owned(),
                };
                self.update(kind, expiry_words(wanted), work);
            }
        }
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
            let expires = self.desired.expires.as_deref();
            let is_tagged = tag::is_tagged(tags, name);
            if is_tagged && says(tag::expires_of_tags(tags), expires) || going {
                continue;
            }
            let mut all = tag::without_ours(tags);
            all.extend(tag::tags_until(name, expires));
            let words = if is_tagged {
                expiry_words(expires)
            } else {
                format!("+ tag {}", tag::description(name))
            };
            self.update(
                kind,
                words,
                Work::Tag {
                    id: id.to_owned(),
                    tags: all,
                },
            );
        }
    }
}

/// Whether what is found is what is wanted. No time is as good as that there will be none.
fn says(found: Option<&str>, wanted: Option<&str>) -> bool {
    found == wanted || (wanted.is_none() && found == Some(tag::NEVER))
}

fn expiry_words(expires: Option<&str>) -> String {
    match expires {
        Some(time) if time != tag::NEVER => format!("may be removed from {time} on"),
        _ => "stays until it is destroyed".to_owned(),
    }
}
