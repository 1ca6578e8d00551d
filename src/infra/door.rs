//! The way to the server as the cloud has it: the server runs, its address leads to it, its ports are open.

use std::collections::BTreeSet;

use super::inventory::Inventory;
use super::outcome::Outcome;
use super::problem::Problem;
use super::rule;
use crate::cloud::{CloudError, Port, RuleSpec, SecurityGroup};

const ALL: [u16; 3] = [22, 80, 443];

/// Whether the server runs; what was seen, or what is wrong.
pub fn server(inventory: &Inventory) -> Result<String, Problem> {
    let Some(server) = inventory.server() else {
        return Err(Problem::new(
            format!("{} has no server", inventory.name),
            "`hubctl provision` makes it",
        ));
    };
    match server.status.as_str() {
        "ACTIVE" => Ok(format!("{} is ACTIVE", server.name)),
        "ERROR" => {
            let error = CloudError::Fault {
                name: server.name.clone(),
                fault: server.fault.clone(),
            };
            Err(Problem::new(
                error.to_string(),
                error.hint().unwrap_or_default(),
            ))
        }
        status @ ("SHUTOFF" | "PAUSED" | "SUSPENDED" | "SHELVED" | "SHELVED_OFFLOADED") => {
            Err(Problem::new(
                format!("server {} is {status}", server.name),
                "`hubctl provision` starts it",
            ))
        }
        status => Err(Problem::new(
            format!("server {} is {status}", server.name),
            format!("`openstack server show {}` tells more", server.id),
        )),
    }
}

/// Whether the address that users know leads to the server. `known` is the one that it had.
pub fn address(inventory: &Inventory, known: Option<&str>) -> Result<String, Problem> {
    let server = inventory.server().map(|server| server.id.as_str());
    let ports: Vec<&Port> = inventory
        .around
        .ports
        .iter()
        .filter(|port| Some(port.device_id.as_str()) == server)
        .collect();
    let leads = |port: &Option<String>| {
        port.as_ref()
            .is_some_and(|id| ports.iter().any(|port| port.id == *id))
    };
    if let Some(stray) = inventory
        .floating_ips
        .iter()
        .find(|ip| !leads(&ip.port_id))
        .filter(|_| !inventory.floating_ips.iter().any(|ip| leads(&ip.port_id)))
    {
        let where_to = match &stray.port_id {
            Some(port) => format!("leads to another port ({port})"),
            None => "is attached to nothing".to_owned(),
        };
        return Err(Problem::new(
            format!("floating IP {} {where_to}", stray.floating_ip_address),
            "`hubctl provision` attaches it to the server again",
        ));
    }
    let Some(outcome) = Outcome::of(inventory) else {
        return Err(Problem::new(
            "the server has no address",
            "`hubctl provision` gives it one; `hubctl plan` shows what is missing",
        ));
    };
    let address = outcome.address.to_string();
    match known {
        Some(known) if known != address => Err(Problem::new(
            format!("the server is reached under {address} now, and was under {known}"),
            "`hubctl provision` puts the address back, or makes the hub's certificate for the new one",
        )),
        _ => Ok(address),
    }
}

/// What the packet filter of the server's port keeps out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    pub ports: BTreeSet<u16>,
    pub problem: Problem,
}

/// Whether the server's security groups let in what is wanted; without a wish, SSH and the web from anywhere at all.
pub fn security_group(
    inventory: &Inventory,
    wanted: Option<&BTreeSet<RuleSpec>>,
) -> Result<String, Closed> {
    let server = inventory.server().map(|server| server.id.as_str());
    let ports = &inventory.around.ports;
    let Some(port) = ports
        .iter()
        .find(|port| Some(port.device_id.as_str()) == server)
    else {
        return Err(closed(
            ALL,
            "the server has no port",
            "`hubctl plan` shows what is missing",
        ));
    };
    let unfiltered = inventory
        .around
        .networks
        .iter()
        .find(|network| network.id == port.network_id)
        .is_some_and(|network| network.port_security_enabled == Some(false));
    if unfiltered {
        return Ok("its network filters nothing".to_owned());
    }
    let groups: Vec<&SecurityGroup> = inventory
        .around
        .security_groups
        .iter()
        .filter(|group| port.security_groups.contains(&group.id))
        .collect();
    if groups.is_empty() {
        return Err(closed(
            ALL,
            "the server's port is in no security group: nothing gets in",
            "`hubctl provision` puts it into the deployment's",
        ));
    }
    let names: Vec<&str> = groups.iter().map(|group| group.name.as_str()).collect();
    let names = names.join(", ");
    let rules: Vec<RuleSpec> = groups
        .iter()
        .flat_map(|group| &group.security_group_rules)
        .map(|found| rule::normal(&found.rule))
        .filter(|rule| rule.direction == "ingress" && rule.remote_group_id.is_none())
        .collect();
    let missing: Vec<(u16, String)> = match wanted {
        Some(wanted) => wanted
            .iter()
            .filter(|wish| wish.direction == "ingress" && wish.protocol.as_deref() == Some("tcp"))
            .filter(|wish| !rules.iter().any(|rule| covers(rule, wish)))
            .map(|wish| (wish.port_range_min.unwrap_or_default(), rule::words(wish)))
            .collect(),
        None => ALL
            .into_iter()
            .filter(|port| !rules.iter().any(|rule| is_open(rule, *port)))
            .map(|port| (port, format!("tcp {port}")))
            .collect(),
    };
    if missing.is_empty() {
        return Ok(format!("{names} lets SSH and the web in"));
    }
    let words: Vec<&str> = missing.iter().map(|(_, words)| words.as_str()).collect();
    Err(closed(
        missing.iter().map(|(port, _)| *port),
        format!(
            "security group {names} does not let in {}",
            words.join(", ")
        ),
        "`hubctl provision` puts the rules back",
    ))
}

fn closed(ports: impl IntoIterator<Item = u16>, message: impl Into<String>, hint: &str) -> Closed {
    Closed {
        ports: ports.into_iter().collect(),
        problem: Problem::new(message, hint),
    }
}

fn is_open(rule: &RuleSpec, port: u16) -> bool {
    matches!(rule.protocol.as_deref(), None | Some("tcp"))
        && rule.port_range_min.is_none_or(|from| from <= port)
        && rule.port_range_max.is_none_or(|to| port <= to)
}

/// Whether all that a rule lets in, another does.
fn covers(rule: &RuleSpec, wish: &RuleSpec) -> bool {
    let from = match (&rule.remote_ip_prefix, &wish.remote_ip_prefix) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(has), Some(wanted)) => has.contains(wanted),
    };
    from && rule.ethertype == wish.ethertype
        && is_open(rule, wish.port_range_min.unwrap_or_default())
        && is_open(rule, wish.port_range_max.unwrap_or_default())
}
