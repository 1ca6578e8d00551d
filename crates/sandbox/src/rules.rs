//! Security groups, flattened into what a machine lets through.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::api::State;
use crate::api::neutron::rule::GroupRule;
use crate::api::nova::server::Server;
use crate::machine::{Direction, Rule};

/// The rules of a server: those of its ports' groups, members of a remote group as single addresses.
pub fn of(state: &State, server: &Server) -> Vec<Rule> {
    let net = &state.network;
    let mut rules = Vec::new();
    for port in net
        .ports
        .iter()
        .filter(|p| server.nics.iter().any(|n| n.id == p.std.id))
    {
        if !port.port_security {
            rules.extend([Direction::Ingress, Direction::Egress].map(|d| any(d, None)));
            continue;
        }
        for rule in net
            .rules
            .iter()
            .filter(|r| port.security_groups.contains(&r.group_id))
        {
            rules.extend(flat(state, rule));
        }
    }
    if server.fate.ssh_never_up {
        rules = rules.into_iter().flat_map(without_ssh).collect();
    }
    rules.dedup();
    rules
}

fn any(direction: Direction, remote: Option<IpNet>) -> Rule {
    Rule {
        direction,
        protocol: None,
        ports: None,
        remote,
    }
}

fn flat(state: &State, rule: &GroupRule) -> Vec<Rule> {
    let one = |remote: Option<IpNet>| Rule {
        direction: if rule.ingress {
            Direction::Ingress
        } else {
            Direction::Egress
        },
        protocol: rule.protocol.as_deref().map(word),
        ports: ports(rule),
        remote,
    };
    match (&rule.remote_group_id, rule.remote) {
        (Some(group), _) => {
            let members = state
                .network
                .ports
                .iter()
                .filter(|p| p.security_groups.contains(group));
            let addresses = members.flat_map(|p| &p.fixed_ips).map(|ip| ip.address);
            addresses
                .filter(|a| a.is_ipv4() == rule.v4)
                .map(|a: IpAddr| one(Some(a.into())))
                .collect()
        }
        (None, Some(remote)) => vec![one(Some(remote.trunc()))],
        // Anywhere, but of its own kind only: a rule for IPv6 opens nothing for IPv4.
        (None, None) => vec![one(Some(everywhere(rule.v4)))],
    }
}

fn everywhere(v4: bool) -> IpNet {
    use std::net::{Ipv4Addr, Ipv6Addr};
    let address: IpAddr = if v4 {
        Ipv4Addr::UNSPECIFIED.into()
    } else {
        Ipv6Addr::UNSPECIFIED.into()
    };
    IpNet::new(address, 0).unwrap_or_else(|_| address.into())
}

/// Numbers of protocols as words, where machines know one.
fn word(protocol: &str) -> String {
    match protocol {
        "1" => "icmp",
        "6" => "tcp",
        "17" => "udp",
        "58" | "icmpv6" => "ipv6-icmp",
        other => other,
    }
    .to_owned()
}

/// ICMP's type and code are no ports.
fn ports(rule: &GroupRule) -> Option<(u16, u16)> {
    match word(rule.protocol.as_deref()?).as_str() {
        "tcp" | "udp" | "sctp" | "dccp" => Some((rule.port_min?, rule.port_max?)),
        _ => None,
    }
}

/// A rule with port 22 cut out.
fn without_ssh(rule: Rule) -> Vec<Rule> {
    let with = |protocol: &str, ports| Rule {
        protocol: Some(protocol.to_owned()),
        ports,
        ..rule.clone()
    };
    if rule.direction == Direction::Egress {
        return vec![rule];
    }
    match (rule.protocol.as_deref(), rule.ports) {
        (None, _) => {
            let others = ["udp", "icmp"].map(|p| with(p, None));
            [with("tcp", Some((1, 21))), with("tcp", Some((23, 65535)))]
                .into_iter()
                .chain(others)
                .collect()
        }
        (Some("tcp"), ports) => {
            let (from, to) = ports.unwrap_or((1, 65535));
            let below = (from < 22).then(|| with("tcp", Some((from, to.min(21)))));
            let above = (to > 22).then(|| with("tcp", Some((from.max(23), to))));
            below.into_iter().chain(above).collect()
        }
        _ => vec![rule],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn port_22_is_cut_out_and_nothing_else() {
        let rule = |ports| Rule {
            direction: Direction::Ingress,
            protocol: Some("tcp".into()),
            ports,
            remote: None,
        };
        let left = |r: Rule| {
            without_ssh(r)
                .into_iter()
                .map(|r| r.ports)
                .collect::<Vec<_>>()
        };
        assert_eq!(left(rule(Some((22, 22)))), []);
        assert_eq!(left(rule(Some((20, 25)))), [Some((20, 21)), Some((23, 25))]);
        assert_eq!(left(rule(Some((80, 80)))), [Some((80, 80))]);
        assert_eq!(left(rule(None)), [Some((1, 21)), Some((23, 65535))]);
        assert_eq!(without_ssh(any(Direction::Ingress, None)).len(), 4);
        assert_eq!(without_ssh(any(Direction::Egress, None)).len(), 1);
    }
}
