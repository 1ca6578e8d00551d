//! Which network the server is on, and how it is reached from outside.

use super::desired::{FloatingIpWish, NetworkWish};
use super::inventory::Inventory;
use super::problem::{Problem, Problems, pick};
use super::tag;
use crate::cloud::{Network, Reference};
use crate::spec::{FloatingIpChoice, Spec};

/// Range of a network of our own where the spec names none.
const CIDR: &str = "10.42.0.0/24";

/// Chooses the network: the one in use, the one named, the project's only one, or one of our own.
pub(super) fn choose(
    spec: &Spec,
    inventory: &Inventory,
    problems: &mut Problems,
    notes: &mut Vec<String>,
) -> Option<NetworkWish> {
    let around = &inventory.around;
    let in_use = inventory
        .ports
        .first()
        .and_then(|port| around.network(&port.network_id));
    if let Some(network) = in_use {
        if let Some(wanted) = &spec.network.name
            && network.name != *wanted
            && network.id != *wanted
        {
            notes.push(format!(
                "the server is on network {}, the spec says {wanted}: it stays there until it is destroyed and provisioned anew",
                network.name
            ));
        }
        return wish(spec, inventory, network, problems, notes);
    }
    if let Some(wanted) = &spec.network.name {
        let network = problems.take(pick(
            "network.name",
            "network",
            wanted,
            &around.networks,
            |network| &network.id,
            |network| &network.name,
        ))?;
        return wish(spec, inventory, network, problems, notes);
    }
    if let Some(own) = inventory.networks.first() {
        return wish(spec, inventory, own, problems, notes);
    }
    let candidates: Vec<&Network> = around.project_networks().collect();
    let shared: Vec<&Network> = around
        .networks
        .iter()
        .filter(|network| network.shared && !network.external)
        .collect();
    // Where `clouds.yaml` says which network servers go on, that is it.
    let configured = candidates.iter().chain(&shared).find(|network| {
        around.is_configured(network, |entry| {
            entry.nat_destination || entry.default_interface
        })
    });
    if let Some(network) = configured {
        return wish(spec, inventory, network, problems, notes);
    }
    match candidates[..] {
        [only] => wish(spec, inventory, only, problems, notes),
        [] => {
            let external = around.networks.iter().any(|network| network.external);
            match shared[..] {
                // A cloud whose servers are put on a network of the provider's, with no floating IPs at all.
                [only] if !external => wish(spec, inventory, only, problems, notes),
                [_, ..] if !external => {
                    problems.add(which(&shared));
                    None
                }
                _ => own(spec, inventory, problems),
            }
        }
        _ => {
            problems.add(which(&candidates));
            None
        }
    }
}

fn which(networks: &[&Network]) -> Problem {
    let mut names: Vec<&str> = networks
        .iter()
        .map(|network| network.name.as_str())
        .collect();
    names.sort_unstable();
    Problem::new(
        format!(
            "the project has {} networks: {}",
            names.len(),
            names.join(", ")
        ),
        format!(
            "say which: `--set network.name={}`",
            names.first().unwrap_or(&"NAME")
        ),
    )
}

/// A wish for a network that is there; one with our mark is finished where its making was cut short.
fn wish(
    spec: &Spec,
    inventory: &Inventory,
    network: &Network,
    problems: &mut Problems,
    notes: &mut Vec<String>,
) -> Option<NetworkWish> {
    if inventory.networks.iter().any(|own| own.id == network.id) {
        return own(spec, inventory, problems);
    }
    let filtered = network.port_security_enabled != Some(false);
    if !filtered {
        notes.push(format!(
            "network {} has port security off: no security group filters what reaches the server",
            network.name
        ));
    }
    Some(NetworkWish::Existing {
        network: reference(network),
        filtered,
    })
}

fn own(spec: &Spec, inventory: &Inventory, problems: &mut Problems) -> Option<NetworkWish> {
    #[expect(clippy::expect_used, reason = "a constant")]
    let cidr = spec
        .network
        .cidr
        .unwrap_or_else(|| CIDR.parse().expect("a network"));
    // The gateway that the router has stays, whatever other external networks come and go.
    let gateway = inventory
        .routers
        .first()
        .and_then(|router| router.external_gateway_info.as_ref())
        .and_then(|gateway| inventory.around.network(&gateway.network_id))
        .map(reference);
    let external = match gateway {
        Some(external) => external,
        None => problems.take(external(spec, inventory))?,
    };
    Some(NetworkWish::Own {
        cidr,
        dns: spec.network.dns.clone(),
        external,
    })
}

/// The external network: the one named, or the only one.
fn external(spec: &Spec, inventory: &Inventory) -> Result<Reference, Problem> {
    let around = &inventory.around;
    let all: Vec<&Network> = inventory
        .around
        .networks
        .iter()
        .filter(|network| network.external)
        .collect();
    if let Some(wanted) = &spec.network.external {
        let found = pick(
            "network.external",
            "external network",
            wanted,
            all,
            |network| &network.id,
            |network| &network.name,
        );
        return found.map(reference);
    }
    let configured: Vec<&&Network> = all
        .iter()
        .filter(|network| around.is_configured(network, |entry| entry.routes_externally))
        .collect();
    if let [only] = configured[..] {
        return Ok(reference(only));
    }
    match all[..] {
        [only] => Ok(reference(only)),
        [] => Err(Problem::new(
            "this cloud shows no external network: nothing leads in or out",
            "name a network whose servers are reached without one: `--set network.name=NAME --set server.floating_ip=none`",
        )),
        _ => {
            let mut names: Vec<&str> = all.iter().map(|network| network.name.as_str()).collect();
            names.sort_unstable();
            Err(Problem::new(
                format!(
                    "there are {} external networks: {}",
                    names.len(),
                    names.join(", ")
                ),
                format!("say which: `--set network.external={}`", names[0]),
            ))
        }
    }
}

fn reference(network: &Network) -> Reference {
    Reference {
        id: network.id.clone(),
        name: network.name.clone(),
    }
}

/// Chooses how the server is reached.
pub(super) fn floating_ip(
    spec: &Spec,
    inventory: &Inventory,
    network: &NetworkWish,
    problems: &mut Problems,
) -> FloatingIpWish {
    let around = &inventory.around;
    let existing = match network {
        NetworkWish::Own { .. } => None,
        NetworkWish::Existing { network, .. } => around.network(&network.id),
    };
    match spec.server.floating_ip {
        FloatingIpChoice::None => FloatingIpWish::None,
        FloatingIpChoice::Address(address) => reused(inventory, address, problems),
        FloatingIpChoice::Auto if !inventory.floating_ips.is_empty() => FloatingIpWish::Own {
            external: None,
            address: None,
        },
        FloatingIpChoice::Auto => {
            // Without external networks there are no floating IPs: a network of the provider's is all there is.
            let only_way = |network: &Network| {
                !around.networks.iter().any(|network| network.external) && !around.owns(network)
            };
            if existing.is_some_and(|network| around.is_direct(network) || only_way(network)) {
                return FloatingIpWish::None;
            }
            if let Some(network) = existing
                && around.has_v6_only(network)
            {
                problems.add(Problem::new(
                    format!("network {} has no IPv4: a floating IP cannot lead there", network.name),
                    "if servers on it are reached by their own address: `--set server.floating_ip=none`; else name another network",
                ));
                return FloatingIpWish::None;
            }
            let external = match network {
                NetworkWish::Own { external, .. } => Some(external.clone()),
                NetworkWish::Existing { .. } => {
                    problems.take(external_of(spec, inventory, existing))
                }
            };
            let Some(external) = external else {
                return FloatingIpWish::None;
            };
            if let Some(network) = existing
                && around.leads_to(network, &external.id) == Some(false)
            {
                problems.add(Problem::new(
                    format!("network {} has no router to {}: a floating IP cannot lead there", network.name, external.name),
                    format!(
                        "`openstack router create --external-gateway {} NAME` and `openstack router add subnet NAME SUBNET`, or name another network",
                        external.name
                    ),
                ));
            }
            FloatingIpWish::Own {
                external: Some(external),
                address: None,
            }
        }
    }
}

/// The external network of floating IPs for a network that is there: the one its router leads to, where that is seen.
fn external_of(
    spec: &Spec,
    inventory: &Inventory,
    network: Option<&Network>,
) -> Result<Reference, Problem> {
    let around = &inventory.around;
    if spec.network.external.is_none()
        && let Some(network) = network
        && let Some(led) = around.networks.iter().find(|external| {
            external.external && around.leads_to(network, &external.id) == Some(true)
        })
    {
        return Ok(reference(led));
    }
    external(spec, inventory).map_err(|problem| {
        if around.networks.iter().any(|network| network.external) {
            return problem;
        }
        Problem::new(
            "this cloud shows no external network to take a floating IP from",
            "if servers are reached without one: `--set server.floating_ip=none`",
        )
    })
}

/// A floating IP that the project has: ours already, or free to take.
fn reused(
    inventory: &Inventory,
    address: std::net::Ipv4Addr,
    problems: &mut Problems,
) -> FloatingIpWish {
    let around = &inventory.around;
    let Some(found) = around
        .floating_ips
        .iter()
        .find(|ip| ip.floating_ip_address == address)
    else {
        let free: Vec<String> = around
            .unattached()
            .map(|ip| ip.floating_ip_address.to_string())
            .collect();
        problems.add(Problem::new(
            format!("the project has no floating IP {address}"),
            if free.is_empty() {
                "`--set server.floating_ip=auto` takes a new one".to_owned()
            } else {
                format!(
                    "unattached: {}; `--set server.floating_ip=auto` takes a new one",
                    free.join(", ")
                )
            },
        ));
        return FloatingIpWish::None;
    };
    let holder = tag::of_description(&found.description).or_else(|| tag::of_tags(&found.tags));
    if let Some(holder) = holder.filter(|holder| *holder != inventory.name) {
        problems.add(Problem::new(
            format!("floating IP {address} belongs to the deployment {holder}"),
            "name another, or destroy that deployment first",
        ));
    } else if let Some(port) = &found.port_id
        && holder.is_none()
        && inventory.ports.first().is_none_or(|own| own.id != *port)
    {
        let server = around
            .ports
            .iter()
            .find(|other| other.id == *port)
            .and_then(|port| {
                around
                    .servers
                    .iter()
                    .find(|server| server.id == port.device_id)
            });
        problems.add(Problem::new(
            match server {
                Some(server) => format!("floating IP {address} leads to server {}", server.name),
                None => format!("floating IP {address} leads to port {port}"),
            },
            format!("name another, or free it: `openstack floating ip unset --port {address}`"),
        ));
    }
    if holder.is_some() {
        // Taken by an earlier run: the description keeps what it was.
        return FloatingIpWish::Own {
            external: None,
            address: Some(address),
        };
    }
    FloatingIpWish::Reused {
        id: found.id.clone(),
        address,
        description: tag::description_of_reused(&inventory.name, &found.description),
        tags: found
            .tags
            .iter()
            .cloned()
            .chain(tag::tags(&inventory.name))
            .collect(),
    }
}
