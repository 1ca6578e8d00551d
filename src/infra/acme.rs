//! Whether a public certificate authority can reach the hub: it asks on port 80 of the name or address for a proof.
//!
//! That port 80 is open to everyone is a matter of the spec alone, and checked with it. A directory of the operator's own
//! (`tls.directory`) sees the network its own way; nothing is refused on its behalf.

use std::net::IpAddr;

use super::desired::{Desired, FloatingIpWish, NetworkWish};
use super::diff::current_floating_ip;
use super::inventory::Inventory;
use super::problem::Problem;
use super::survey::{is_global, is_public};
use crate::spec::{Spec, TlsKind};

const ELSE: &str = "use a public address, an ACME directory of your own (`tls.directory`), or `tls.kind: self-signed`";

/// What stands in the way of a certificate as far as the hub's address is known, or where it will come from.
pub(super) fn address_problem(
    spec: &Spec,
    desired: &Desired,
    inventory: &Inventory,
) -> Option<Problem> {
    if !spec.tls.is_acme() || spec.tls.directory.is_some() {
        return None;
    }
    let (what, addresses) = reached_by(desired, inventory);
    if addresses.is_empty() || addresses.iter().copied().any(is_reachable) {
        return None;
    }
    let shown: Vec<String> = addresses.iter().map(ToString::to_string).collect();
    Some(Problem::new(
        format!(
            "{what} ({}) cannot be reached from outside: no certificate authority gives a certificate (`tls.kind: {}`)",
            shown.join(", "),
            if spec.tls.kind == TlsKind::AcmeIp {
                "acme-ip"
            } else {
                "acme"
            }
        ),
        ELSE,
    ))
}

/// What the hub is reached by: addresses that are known, or the first ones of the ranges they will be of.
fn reached_by(desired: &Desired, inventory: &Inventory) -> (String, Vec<IpAddr>) {
    let around = &inventory.around;
    let ranges = |network: &str| -> Vec<IpAddr> {
        around
            .subnets
            .iter()
            .filter(|subnet| subnet.network_id == network)
            .map(|subnet| subnet.cidr.addr())
            .collect()
    };
    let own: Vec<IpAddr> = inventory
        .ports
        .first()
        .into_iter()
        .flat_map(|port| port.fixed_ips.iter().map(|fixed| fixed.ip_address))
        .collect();
    let v6 = own.iter().copied().filter(IpAddr::is_ipv6);
    if let FloatingIpWish::Reused { address, .. } = &desired.floating_ip {
        let all = [IpAddr::V4(*address)].into_iter().chain(v6).collect();
        return ("the floating IP".to_owned(), all);
    }
    if let Some(ip) = current_floating_ip(desired, inventory) {
        let all = [IpAddr::V4(ip.floating_ip_address)].into_iter().chain(v6);
        return ("the floating IP".to_owned(), all.collect());
    }
    match (&desired.floating_ip, &desired.network) {
        (
            FloatingIpWish::Own {
                external: Some(external),
                ..
            },
            _,
        ) => (
            format!("a floating IP of {}", external.name),
            ranges(&external.id),
        ),
        (_, _) if !own.is_empty() => ("the server's address".to_owned(), own),
        (_, Some(NetworkWish::Existing { network, .. })) => (
            format!("an address of {}", network.name),
            ranges(&network.id),
        ),
        _ => ("the server's address".to_owned(), Vec::new()),
    }
}

fn is_reachable(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public(address),
        IpAddr::V6(address) => is_global(address),
    }
}

/// What stands in the way of a certificate for a name: where it leads (`led`), against where the hub is.
pub fn name_problem(domain: &str, hub: &[IpAddr], led: &[IpAddr]) -> Option<Problem> {
    let list = |all: &[IpAddr]| {
        let shown: Vec<String> = all.iter().map(ToString::to_string).collect();
        shown.join(", ")
    };
    let strange: Vec<IpAddr> = led
        .iter()
        .copied()
        .filter(|address| !hub.contains(address))
        .collect();
    let message = if led.is_empty() {
        format!("{domain} leads nowhere yet: no certificate authority would find the hub under it")
    } else if strange.len() == led.len() {
        format!("{domain} leads to {}, not to the hub", list(led))
    } else if strange.is_empty() {
        return None;
    } else {
        format!(
            "{domain} leads to {} beside the hub: the certificate authority may ask there",
            list(&strange)
        )
    };
    let record = |address: &IpAddr| {
        let kind = if address.is_ipv4() { "A" } else { "AAAA" };
        format!("{domain}. {kind} {address}")
    };
    let records: Vec<String> = hub.iter().map(record).collect();
    Some(Problem::new(
        message,
        format!(
            "make this record, and no other of the name: {}; `--set dns.wait=true` waits for it",
            records.join(", ")
        ),
    ))
}
