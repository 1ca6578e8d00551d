//! What differs between the deployment as it should be and as it is. Pure: talks to nothing.

mod access;
mod network;
mod server;
mod surplus;

use super::desired::{Desired, FloatingIpWish};
use super::inventory::Inventory;
use super::plan::{Change, Kind, Verb, Work};
use super::problem::Problems;
use super::tag;
use crate::cloud::FloatingIp;

/// Compares, and lists the changes in the order they are told.
pub(super) fn diff(
    desired: &Desired,
    inventory: &Inventory,
    problems: &mut Problems,
    notes: &mut Vec<String>,
) -> Vec<Change> {
    let mut diff = Diff {
        desired,
        inventory,
        problems,
        notes,
        name: tag::name(&desired.name),
        changes: Vec::new(),
    };
    diff.key_pair();
    diff.security_group();
    diff.network();
    diff.port();
    diff.volume();
    diff.floating_ip();
    diff.server();
    diff.attachments();
    diff.records();
    diff.surplus();
    diff.expiry();
    diff.tags();
    diff.changes
}

struct Diff<'a> {
    desired: &'a Desired,
    inventory: &'a Inventory,
    problems: &'a mut Problems,
    notes: &'a mut Vec<String>,
    name: String,
    changes: Vec<Change>,
}

impl Diff<'_> {
    fn create(&mut self, kind: Kind, details: &str, work: Work) {
        let mut change = Change::new(Verb::Create, kind, self.name.clone(), work);
        if !details.is_empty() {
            change = change.detail(details);
        }
        self.changes.push(change);
    }

    fn update(&mut self, kind: Kind, detail: impl Into<String>, work: Work) {
        self.changes
            .push(Change::new(Verb::Update, kind, self.name.clone(), work).detail(detail));
    }
}

/// The floating IP that the deployment has and keeps.
pub(in crate::infra) fn current_floating_ip<'a>(
    desired: &Desired,
    inventory: &'a Inventory,
) -> Option<&'a FloatingIp> {
    match &desired.floating_ip {
        FloatingIpWish::None | FloatingIpWish::Reused { .. } => None,
        FloatingIpWish::Own { address: None, .. } => inventory.floating_ips.first(),
        FloatingIpWish::Own {
            address: Some(address),
            ..
        } => inventory
            .floating_ips
            .iter()
            .find(|ip| ip.floating_ip_address == *address),
    }
}
