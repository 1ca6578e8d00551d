//! Who gets in: key pair, security group, floating IP, DNS records.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use super::super::desired::{Desired, FloatingIpWish, RecordWish};
use super::super::inventory::Inventory;
use super::super::key_pair::is_same_key;
use super::super::plan::{Change, Kind, Verb, Work};
use super::super::problem::Problem;
use super::super::rule;
use super::super::survey::is_global;
use super::{Diff, current_floating_ip};
use crate::cloud::Recordset;

impl Diff<'_> {
    pub(super) fn key_pair(&mut self) {
        let due = self.desired.server_due.is_some();
        match (&self.desired.public_key, &self.inventory.key_pair) {
            (Some(key), None) => {
                self.create(
                    Kind::KeyPair,
                    "",
                    Work::ImportKeyPair {
                        public_key: key.clone(),
                    },
                );
            }
            (Some(key), Some(pair)) if !is_same_key(key, &pair.public_key) => {
                if due {
                    self.problems.add(Problem::new(
                        format!("key pair {} is there with another key ({})", pair.name, pair.fingerprint),
                        format!(
                            "if no one uses it: `openstack keypair delete {}`; else give the deployment another name",
                            pair.name
                        ),
                    ));
                } else {
                    self.notes.push(format!(
                        "key pair {} holds another machine's key ({})",
                        pair.name, pair.fingerprint
                    ));
                }
            }
            (None, None) if due => self.problems.add(Problem::new(
                "there is no SSH key to make the server with",
                "run `hubctl provision` here: it makes one",
            )),
            _ => {}
        }
    }

    pub(super) fn security_group(&mut self) {
        let wanted = &self.desired.rules;
        let Some(group) = self.inventory.security_groups.first() else {
            let mut change = Change::new(
                Verb::Create,
                Kind::SecurityGroup,
                self.name.clone(),
                Work::CreateGroup {
                    rules: wanted.iter().cloned().collect(),
                },
            );
            change.details = rule::summary(wanted);
            self.changes.push(change);
            return;
        };
        let mut has = BTreeSet::new();
        let (mut remove, mut details) = (Vec::new(), Vec::new());
        for rule in &group.security_group_rules {
            let normal = rule::normal(&rule.rule);
            // The same rule in two spellings is one too many.
            if !wanted.contains(&normal) || !has.insert(normal) {
                remove.push(rule.id.clone());
                details.push(format!("- {}", rule::words(&rule.rule)));
            }
        }
        let add: Vec<_> = wanted.difference(&has).cloned().collect();
        if add.is_empty() && remove.is_empty() {
            return;
        }
        let mut change = Change::new(
            Verb::Update,
            Kind::SecurityGroup,
            group.name.clone(),
            Work::ChangeRules {
                group: group.id.clone(),
                add: add.clone(),
                remove,
            },
        );
        change.details = add
            .iter()
            .map(|rule| format!("+ {}", rule::words(rule)))
            .chain(details)
            .collect();
        self.changes.push(change);
    }

    pub(super) fn floating_ip(&mut self) {
        let inventory = self.inventory;
        let current = current_floating_ip(self.desired, inventory);
        match (&self.desired.floating_ip, current) {
            (
                FloatingIpWish::Own {
                    external: Some(external),
                    ..
                },
                None,
            ) => self.changes.push(Change::new(
                Verb::Create,
                Kind::FloatingIp,
                format!("from {}", external.name),
                Work::AllocateFloatingIp,
            )),
            (FloatingIpWish::Reused { id, address, .. }, _) => self.update(
                Kind::FloatingIp,
                format!("{address} is taken into use"),
                Work::ClaimFloatingIp { id: id.clone() },
            ),
            (_, Some(ip)) => {
                let port = inventory.ports.first();
                if port.is_none_or(|port| ip.port_id.as_ref() != Some(&port.id)) {
                    self.update(
                        Kind::FloatingIp,
                        format!("{} leads to the server", ip.floating_ip_address),
                        Work::AssociateFloatingIp,
                    );
                }
            }
            _ => {}
        }
    }

    pub(super) fn records(&mut self) {
        let desired = self.desired;
        for (index, wish) in desired.records.iter().enumerate() {
            let address = known_address(desired, self.inventory, wish);
            let told = address.map_or_else(
                || "the server's address".to_owned(),
                |address| address.to_string(),
            );
            let words = format!("{} {}", wish.name, wish.kind);
            let same = |set: &&Recordset| set.name == wish.name && set.kind == wish.kind;
            let work = Work::CreateRecord { record: index };
            if let Some(set) = self.inventory.recordsets.iter().find(same) {
                if address.is_none_or(|address| set.records != [address.to_string()]) {
                    let work = Work::SetRecord {
                        record: index,
                        id: set.id.clone(),
                    };
                    self.changes.push(
                        Change::new(Verb::Update, Kind::Record, words.clone(), work)
                            .detail(format!("{words} {} -> {told}", set.records.join(", "))),
                    );
                }
            } else if let Some(foreign) = self.inventory.around.recordsets.iter().find(same) {
                if address.is_none_or(|address| foreign.records != [address.to_string()]) {
                    self.problems.add(Problem::new(
                        format!(
                            "{words} is there already ({}), and not ours",
                            foreign.records.join(", ")
                        ),
                        format!(
                            "`openstack recordset delete {} {}`, or name another `domain`",
                            wish.zone_id, wish.name
                        ),
                    ));
                }
            } else {
                self.changes
                    .push(Change::new(Verb::Create, Kind::Record, words, work).detail(told));
            }
        }
        let wanted = |set: &Recordset| {
            desired
                .records
                .iter()
                .any(|wish| wish.name == set.name && wish.kind == set.kind)
        };
        for set in self.inventory.recordsets.iter().filter(|set| !wanted(set)) {
            self.changes.push(
                Change::new(
                    Verb::Delete,
                    Kind::Record,
                    format!("{} {}", set.name, set.kind),
                    Work::Delete { id: set.id.clone() },
                )
                .because("the domain is another"),
            );
        }
    }
}

/// The address that a record has to lead to, as far as it is known before anything is made.
fn known_address(desired: &Desired, inventory: &Inventory, wish: &RecordWish) -> Option<IpAddr> {
    let port = inventory.ports.first();
    if wish.kind == "AAAA" {
        return port?
            .fixed_ips
            .iter()
            .map(|fixed| fixed.ip_address)
            .find(|address| matches!(address, IpAddr::V6(address) if is_global(*address)));
    }
    let floating: Option<Ipv4Addr> = match &desired.floating_ip {
        FloatingIpWish::Reused { address, .. } => Some(*address),
        _ => current_floating_ip(desired, inventory).map(|ip| ip.floating_ip_address),
    };
    match desired.floating_ip {
        FloatingIpWish::None => port?
            .fixed_ips
            .iter()
            .map(|fixed| fixed.ip_address)
            .find(IpAddr::is_ipv4),
        _ => floating.map(IpAddr::V4),
    }
}
