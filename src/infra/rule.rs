//! Security group rules: what the spec asks for, and how they compare and read.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::cloud::RuleSpec;
use crate::spec::{Access, Source};

/// Every rule that the deployment's group has, no more and no less: SSH and the web from where the spec says, echo
/// requests and what IPv6 needs from everywhere, and everything out.
///
/// `operator` stands for [`Source::Operator`]; where it is not known, nothing is opened for it.
pub fn wanted(access: &Access, web_ports: &[u16], operator: Option<IpAddr>) -> BTreeSet<RuleSpec> {
    let mut rules = BTreeSet::from([
        rule("egress", true, None, None, None),
        rule("egress", false, None, None, None),
        // Neutron keeps an ICMP type and code where ports are: 8, 0 is an echo request.
        rule("ingress", true, Some("icmp"), Some((8, 0)), None),
        rule("ingress", false, Some("ipv6-icmp"), None, None),
    ]);
    for (sources, ports) in [(&access.ssh, &[22][..]), (&access.web, web_ports)] {
        for net in sources.iter().filter_map(|source| match source {
            Source::Net(net) => Some(*net),
            Source::Operator => operator.map(IpNet::from),
        }) {
            for port in ports {
                let v4 = matches!(net, IpNet::V4(_));
                rules.insert(rule(
                    "ingress",
                    v4,
                    Some("tcp"),
                    Some((*port, *port)),
                    Some(net),
                ));
            }
        }
    }
    rules
}

/// Whether the spec asks for this machine's own address.
pub fn needs_operator(access: &Access) -> bool {
    access
        .ssh
        .iter()
        .chain(&access.web)
        .any(|source| *source == Source::Operator)
}

/// Whether an address is among the sources.
pub(super) fn lets_in(sources: &[Source], address: IpAddr) -> bool {
    sources.iter().any(|source| match source {
        Source::Operator => true,
        Source::Net(net) => net.contains(&address),
    })
}

fn rule(
    direction: &str,
    v4: bool,
    protocol: Option<&str>,
    ports: Option<(u16, u16)>,
    remote: Option<IpNet>,
) -> RuleSpec {
    normal(&RuleSpec {
        direction: direction.to_owned(),
        ethertype: if v4 { "IPv4" } else { "IPv6" }.to_owned(),
        protocol: protocol.map(str::to_owned),
        port_range_min: ports.map(|(from, _)| from),
        port_range_max: ports.map(|(_, to)| to),
        remote_ip_prefix: remote,
        remote_group_id: None,
    })
}

/// The one way to write a rule that Neutron takes and gives back in several.
pub fn normal(rule: &RuleSpec) -> RuleSpec {
    let everywhere = |net: &IpNet| net.prefix_len() == 0;
    RuleSpec {
        protocol: rule.protocol.as_deref().and_then(|protocol| {
            let name = match protocol {
                "any" | "0" => return None,
                "1" => "icmp",
                "6" => "tcp",
                "17" => "udp",
                "58" | "icmpv6" => "ipv6-icmp",
                "icmp" if rule.ethertype == "IPv6" => "ipv6-icmp",
                other => other,
            };
            Some(name.to_owned())
        }),
        remote_ip_prefix: rule
            .remote_ip_prefix
            .filter(|net| !everywhere(net))
            .map(|net| net.trunc()),
        ..rule.clone()
    }
}

/// The rule in words: `tcp 443 from 0.0.0.0/0`.
pub fn words(rule: &RuleSpec) -> String {
    let rule = normal(rule);
    let v4 = rule.ethertype == "IPv4";
    let protocol = rule.protocol.as_deref().unwrap_or("everything");
    let ports = match (protocol, rule.port_range_min, rule.port_range_max) {
        ("icmp" | "ipv6-icmp", Some(8), _) if v4 => " echo".to_owned(),
        ("icmp" | "ipv6-icmp", Some(kind), _) => format!(" type {kind}"),
        (_, Some(from), Some(to)) if from == to => format!(" {from}"),
        (_, Some(from), Some(to)) => format!(" {from}-{to}"),
        _ => String::new(),
    };
    let towards = if rule.direction == "egress" {
        "to"
    } else {
        "from"
    };
    let remote = match (&rule.remote_ip_prefix, &rule.remote_group_id) {
        (_, Some(group)) => format!("group {group}"),
        (Some(net), _) => net.to_string(),
        (None, None) if v4 => Ipv4Net::default().to_string(),
        (None, None) => Ipv6Net::default().to_string(),
    };
    format!("{protocol}{ports} {towards} {remote}")
}

/// What a group lets in, in as few words as it takes: `icmp, tcp 22, tcp 80 from everywhere`.
pub fn summary<'a>(rules: impl IntoIterator<Item = &'a RuleSpec>) -> Vec<String> {
    let mut sources: BTreeMap<String, BTreeSet<IpNet>> = BTreeMap::new();
    for rule in rules.into_iter().filter(|rule| rule.direction == "ingress") {
        let what = match rule.protocol.as_deref() {
            Some("icmp" | "ipv6-icmp") => "icmp".to_owned(),
            _ => words(rule)
                .split(" from ")
                .next()
                .unwrap_or_default()
                .to_owned(),
        };
        let everywhere = if rule.ethertype == "IPv4" {
            IpNet::V4(Ipv4Net::default())
        } else {
            IpNet::V6(Ipv6Net::default())
        };
        sources
            .entry(what)
            .or_default()
            .insert(rule.remote_ip_prefix.unwrap_or(everywhere));
    }
    let mut groups: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (what, nets) in sources {
        let zero = nets.iter().filter(|net| net.prefix_len() == 0).count();
        let from = if zero == 2 {
            "everywhere".to_owned()
        } else {
            nets.iter()
                .map(IpNet::to_string)
                .collect::<Vec<_>>()
                .join(" and ")
        };
        groups.entry(from).or_default().push(what);
    }
    groups
        .into_iter()
        .map(|(from, mut what)| {
            what.sort_by_key(|what| (what.len(), what.clone()));
            format!("{} from {from}", what.join(", "))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(ssh: &[&str], web: &[&str]) -> Access {
        let parse = |all: &[&str]| all.iter().map(|s| s.parse().unwrap()).collect();
        Access {
            ssh: parse(ssh),
            web: parse(web),
        }
    }

    fn told(rules: &BTreeSet<RuleSpec>) -> Vec<String> {
        let mut told: Vec<_> = rules.iter().map(words).collect();
        told.sort();
        told
    }

    #[test]
    fn what_is_asked_for_is_opened_and_nothing_else() {
        let access = access(&["operator", "192.0.2.77/24"], &["0.0.0.0/0", "::/0"]);
        assert_eq!(
            told(&wanted(
                &access,
                &[80, 443],
                Some("198.51.100.7".parse().unwrap())
            )),
            [
                "everything to 0.0.0.0/0",
                "everything to ::/0",
                "icmp echo from 0.0.0.0/0",
                "ipv6-icmp from ::/0",
                "tcp 22 from 192.0.2.0/24",
                "tcp 22 from 198.51.100.7/32",
                "tcp 443 from 0.0.0.0/0",
                "tcp 443 from ::/0",
                "tcp 80 from 0.0.0.0/0",
                "tcp 80 from ::/0",
            ]
        );
    }

    #[test]
    fn an_unknown_operator_opens_nothing() {
        let access = access(&["operator"], &["operator"]);
        assert!(needs_operator(&access));
        assert!(
            !told(&wanted(&access, &[80, 443], None))
                .iter()
                .any(|rule| rule.contains("tcp"))
        );
    }

    #[test]
    fn neutrons_spellings_of_one_rule_are_one_rule() {
        let mut theirs = rule("ingress", true, Some("tcp"), Some((443, 443)), None);
        let ours = theirs.clone();
        theirs.remote_ip_prefix = Some("0.0.0.0/0".parse().unwrap());
        theirs.protocol = Some("6".to_owned());
        assert_ne!(theirs, ours);
        assert_eq!(normal(&theirs), ours);
        let icmp = rule(
            "ingress",
            false,
            Some("icmpv6"),
            None,
            Some("::/0".parse().unwrap()),
        );
        assert_eq!(icmp, rule("ingress", false, Some("58"), None, None));
    }
}
