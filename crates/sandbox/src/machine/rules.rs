//! Security groups and floating IPs as nftables text.

use std::net::Ipv4Addr;

use ipnet::IpNet;

use super::{Direction, MachineError, Rule};

/// The table of a network's router before it has ports: everything is refused, answers to what was let through pass.
pub(super) const ROUTER: &str = "
table inet sandbox {
    # Floating IP and the machine it leads to. Connections through a pair that is no longer here end at once.
    set bound { type ipv4_addr . ipv4_addr; }
    map inward { type ipv4_addr : ipv4_addr; }
    map outward { type ipv4_addr : ipv4_addr; }
    map leaving { type ifname : verdict; }
    map entering { type ifname : verdict; }
    map cutting { type ipv4_addr : verdict; }

    chain forward {
        type filter hook forward priority filter; policy drop;
        ip saddr vmap @cutting
        ip daddr vmap @cutting
        ct status dnat ct original ip daddr . ct reply ip saddr != @bound drop
        ct state established,related accept
        ct state invalid drop
        iifname vmap @leaving
        oifname vmap @entering
        oifname \"uplink\" accept
    }
    chain input {
        type filter hook input priority filter; policy drop;
        ct state established,related accept
        iifname \"m*\" ip daddr 169.254.169.254 tcp dport 80 accept
        iifname \"m*\" ip6 daddr fe80::a9fe:a9fe tcp dport 80 accept
        meta l4proto { icmp, icmpv6 } accept
        meta l4proto tcp reject with tcp reset
    }
    chain prerouting {
        type nat hook prerouting priority dstnat;
        dnat ip to ip daddr map @inward
    }
    chain postrouting {
        type nat hook postrouting priority srcnat;
        oifname \"uplink\" snat ip to ip saddr map @outward
        oifname \"uplink\" masquerade
        # A machine that calls its own floating IP, or a neighbour's, comes from its floating IP, as in Neutron.
        ct status dnat snat ip to ip saddr map @outward
    }
}
";

/// Opens the chains of a port. A machine may send from its own address only.
pub(super) fn add_port(port: &str, address: Ipv4Addr) -> String {
    format!(
        "add chain inet sandbox out-{port}\n\
         add chain inet sandbox in-{port}\n\
         add chain inet sandbox cut-{port}\n\
         add element inet sandbox cutting {{ {address} : jump cut-{port} }}\n\
         add element inet sandbox leaving {{ \"{port}\" : jump out-{port} }}\n\
         add element inet sandbox entering {{ \"{port}\" : jump in-{port} }}\n\
         {}",
        set_port(port, address, &[]).unwrap_or_default()
    )
}

pub(super) fn remove_port(port: &str, address: Ipv4Addr) -> String {
    format!(
        "delete element inet sandbox cutting {{ {address} }}\n\
         delete chain inet sandbox cut-{port}\n\
         delete element inet sandbox leaving {{ \"{port}\" }}\n\
         delete element inet sandbox entering {{ \"{port}\" }}\n\
         delete chain inet sandbox out-{port}\n\
         delete chain inet sandbox in-{port}\n"
    )
}

/// Lets every connection of a port to its SSH go silent once it has carried so many bytes, both ways together.
pub(super) fn cut_port(port: &str, after: Option<u64>) -> String {
    let mut text = format!("flush chain inet sandbox cut-{port}\n");
    if let Some(after) = after {
        for side in ["sport", "dport"] {
            text.push_str(&format!(
                "add rule inet sandbox cut-{port} tcp {side} 22 ct bytes >= {after} drop\n"
            ));
        }
    }
    text
}

/// Replaces all rules of a port in one transaction.
pub(super) fn set_port(
    port: &str,
    address: Ipv4Addr,
    rules: &[Rule],
) -> Result<String, MachineError> {
    let mut text = format!(
        "flush chain inet sandbox out-{port}\n\
         flush chain inet sandbox in-{port}\n\
         add rule inet sandbox out-{port} ip saddr != {address} drop\n"
    );
    for rule in rules {
        let Some(condition) = condition(rule)? else {
            continue;
        };
        let (chain, verdict) = match rule.direction {
            // What may leave still has to be let in where it goes.
            Direction::Egress => ("out", "return"),
            Direction::Ingress => ("in", "accept"),
        };
        text.push_str(&format!(
            "add rule inet sandbox {chain}-{port} {condition}{verdict}\n"
        ));
    }
    text.push_str(&format!("add rule inet sandbox out-{port} drop\n"));
    text.push_str(&format!("add rule inet sandbox in-{port} drop\n"));
    Ok(text)
}

/// The match of one rule, with a space at its end; `None` where it speaks of IPv6, which machines do not have.
fn condition(rule: &Rule) -> Result<Option<String>, MachineError> {
    let mut text = String::new();
    match rule.remote {
        Some(IpNet::V6(_)) => return Ok(None),
        Some(IpNet::V4(net)) if net.prefix_len() == 0 => {}
        Some(IpNet::V4(net)) => {
            let side = match rule.direction {
                Direction::Ingress => "saddr",
                Direction::Egress => "daddr",
            };
            text.push_str(&format!("ip {side} {} ", net.trunc()));
        }
        None => {}
    }
    let Some(protocol) = rule.protocol.as_deref() else {
        return Ok(Some(text));
    };
    let number = protocol_number(protocol)?;
    if number == 58 {
        return Ok(None);
    }
    text.push_str(&format!("meta l4proto {number} "));
    match (number, rule.ports) {
        (_, None) => {}
        // For ICMP Neutron's port range holds type and code.
        (1, Some((kind, code))) => text.push_str(&format!("icmp type {kind} icmp code {code} ")),
        (6 | 17 | 33 | 132 | 136, Some((first, last))) => {
            text.push_str(&format!("th dport {first}-{last} "));
        }
        (_, Some(_)) => {
            return Err(MachineError(format!("protocol {protocol} has no ports")));
        }
    }
    Ok(Some(text))
}

/// Neutron takes a protocol by name or as a number.
fn protocol_number(protocol: &str) -> Result<u8, MachineError> {
    let number = match protocol {
        "icmp" => 1,
        "igmp" => 2,
        "ipip" => 4,
        "tcp" => 6,
        "egp" => 8,
        "udp" => 17,
        "dccp" => 33,
        "ipv6-encap" => 41,
        "ipv6-route" => 43,
        "ipv6-frag" => 44,
        "rsvp" => 46,
        "gre" => 47,
        "esp" => 50,
        "ah" => 51,
        "icmpv6" | "ipv6-icmp" => 58,
        "ipv6-nonxt" => 59,
        "ipv6-opts" => 60,
        "ospf" => 89,
        "vrrp" => 112,
        "pgm" => 113,
        "sctp" => 132,
        "udplite" => 136,
        other => other
            .parse()
            .map_err(|_| MachineError(format!("no protocol is called {other}")))?,
    };
    Ok(number)
}

pub(super) fn bind(floating: Ipv4Addr, fixed: Ipv4Addr) -> String {
    format!(
        "add element inet sandbox bound {{ {floating} . {fixed} }}\n\
         add element inet sandbox inward {{ {floating} : {fixed} }}\n\
         add element inet sandbox outward {{ {fixed} : {floating} }}\n"
    )
}

pub(super) fn unbind(floating: Ipv4Addr, fixed: Ipv4Addr) -> String {
    format!(
        "delete element inet sandbox bound {{ {floating} . {fixed} }}\n\
         delete element inet sandbox inward {{ {floating} }}\n\
         delete element inet sandbox outward {{ {fixed} }}\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(
        direction: Direction,
        protocol: Option<&str>,
        ports: Option<(u16, u16)>,
        remote: Option<&str>,
    ) -> Rule {
        Rule {
            direction,
            protocol: protocol.map(str::to_owned),
            ports,
            remote: remote.map(|net| net.parse().unwrap()),
        }
    }

    #[test]
    fn a_rule_becomes_one_condition() {
        use Direction::{Egress, Ingress};
        for (rule, expected) in [
            (rule(Egress, None, None, None), Some("")),
            (rule(Egress, None, None, Some("0.0.0.0/0")), Some("")),
            (rule(Egress, None, None, Some("::/0")), None),
            (
                rule(
                    Ingress,
                    Some("tcp"),
                    Some((22, 22)),
                    Some("198.51.100.7/24"),
                ),
                Some("ip saddr 198.51.100.0/24 meta l4proto 6 th dport 22-22 "),
            ),
            (
                rule(Egress, Some("17"), None, Some("10.0.0.2/32")),
                Some("ip daddr 10.0.0.2/32 meta l4proto 17 "),
            ),
            (
                rule(Ingress, Some("icmp"), Some((8, 0)), None),
                Some("meta l4proto 1 icmp type 8 icmp code 0 "),
            ),
            (rule(Ingress, Some("ipv6-icmp"), None, None), None),
        ] {
            assert_eq!(condition(&rule).unwrap().as_deref(), expected, "{rule:?}");
        }
    }

    #[test]
    fn what_is_no_protocol_never_reaches_nftables() {
        let hostile = rule(
            Direction::Ingress,
            Some("6 accept; flush ruleset"),
            None,
            None,
        );
        assert!(condition(&hostile).is_err());
        let portless = rule(Direction::Ingress, Some("gre"), Some((1, 2)), None);
        assert!(condition(&portless).is_err());
    }
}
