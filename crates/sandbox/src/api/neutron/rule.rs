//! Rules of security groups.

use ipnet::IpNet;
use serde_json::{Value, json};

use super::collection::Collection;
use super::security_group::Group;
use super::standard::{self, Resource, Standard};
use super::{Net, NeutronError, quota};
use crate::api::{Caller, Fields};

#[derive(Debug, Clone)]
pub struct GroupRule {
    pub std: Standard,
    pub group_id: String,
    pub ingress: bool,
    pub v4: bool,
    /// As it was given: `tcp`, `6`, …
    pub protocol: Option<String>,
    /// For ICMP: type and code.
    pub port_min: Option<u16>,
    pub port_max: Option<u16>,
    pub remote: Option<IpNet>,
    pub remote_group_id: Option<String>,
}

impl Resource for GroupRule {
    const POLICY: &'static str = "security_group_rule";

    fn standard(&self) -> &Standard {
        &self.std
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.std
    }

    fn not_found(id: &str) -> NeutronError {
        NeutronError::not_found(
            "SecurityGroupRuleNotFound",
            format!("Security group rule {id} does not exist"),
        )
    }
}

const PROTOCOLS: [&str; 22] = [
    "ah",
    "dccp",
    "egp",
    "esp",
    "gre",
    "hopopt",
    "icmp",
    "icmpv6",
    "igmp",
    "ip",
    "ipip",
    "ipv6-encap",
    "ipv6-frag",
    "ipv6-icmp",
    "ospf",
    "pgm",
    "rsvp",
    "sctp",
    "tcp",
    "udp",
    "udplite",
    "vrrp",
];

impl GroupRule {
    fn any(project_id: &str, group_id: &str, ingress: bool, v4: bool) -> Self {
        Self {
            std: Standard::new(project_id, &Value::Null),
            group_id: group_id.to_owned(),
            ingress,
            v4,
            protocol: None,
            port_min: None,
            port_max: None,
            remote: None,
            remote_group_id: None,
        }
    }

    /// The two rules every new group has: everything out.
    pub fn egress(project_id: &str, group_id: &str) -> Vec<Self> {
        [true, false]
            .map(|v4| Self::any(project_id, group_id, false, v4))
            .into()
    }

    /// The two more the default group has: everything from members.
    pub fn among_themselves(project_id: &str, group_id: &str) -> Vec<Self> {
        let rule = |v4| Self {
            remote_group_id: Some(group_id.to_owned()),
            ..Self::any(project_id, group_id, true, v4)
        };
        [true, false].map(rule).into()
    }

    fn from_body(project_id: &str, group_id: &str, body: &Value) -> Result<Self, NeutronError> {
        let ingress = match body.text("direction").as_deref() {
            Some("ingress") => true,
            Some("egress") => false,
            Some(other) => {
                return Err(NeutronError::invalid(format!(
                    "'{other}' is not in ['ingress', 'egress']"
                )));
            }
            None => return Err(NeutronError::missing("direction")),
        };
        let v4 = match body.text("ethertype").as_deref() {
            None | Some("IPv4" | "ipv4") => true,
            Some("IPv6" | "ipv6") => false,
            Some(other) => {
                return Err(NeutronError::bad(
                    "SecurityGroupRuleInvalidEtherType",
                    format!(
                        "Security group rule for ethertype '{other}' not supported. Allowed values are ['IPv4', 'IPv6']."
                    ),
                ));
            }
        };
        let mut rule = Self {
            ingress,
            v4,
            ..Self::any(project_id, group_id, ingress, v4)
        };
        rule.std = Standard::new(project_id, body);
        rule.protocol = protocol(body)?;
        (rule.port_min, rule.port_max) =
            (port(body, "port_range_min")?, port(body, "port_range_max")?);
        rule.remote = remote(body, v4)?;
        rule.remote_group_id = body.text("remote_group_id");
        rule.check()?;
        Ok(rule)
    }

    fn check(&self) -> Result<(), NeutronError> {
        if self.remote.is_some() && self.remote_group_id.is_some() {
            return Err(NeutronError::bad(
                "SecurityGroupMultipleRemoteEntites",
                "Only remote_ip_prefix or remote_group_id or remote_address_group_id may be provided.",
            ));
        }
        let ports = (self.port_min, self.port_max);
        match (self.protocol.as_deref(), ports) {
            (_, (None, None)) => Ok(()),
            (None, _) => Err(NeutronError::bad(
                "SecurityGroupProtocolRequiredWithPorts",
                "Must also specify protocol if port range is given.",
            )),
            (Some("icmp" | "1" | "ipv6-icmp" | "icmpv6" | "58"), _) => Ok(()),
            (Some(_), (Some(min), Some(max))) if min <= max => Ok(()),
            (Some(_), (Some(_), Some(_))) => Err(NeutronError::bad(
                "SecurityGroupInvalidPortRange",
                "For TCP/UDP protocols, port_range_min must be <= port_range_max",
            )),
            (Some(_), _) => Err(NeutronError::bad(
                "SecurityGroupInvalidPortRange",
                "For TCP/UDP protocols, port_range_min must be <= port_range_max",
            )),
        }
    }

    /// Whether two rules let the same through.
    fn same(&self, other: &Self) -> bool {
        let key = |r: &Self| {
            (
                r.group_id.clone(),
                r.ingress,
                r.v4,
                r.protocol.clone(),
                r.port_min,
                r.port_max,
                r.remote,
                r.remote_group_id.clone(),
            )
        };
        key(self) == key(other)
    }

    pub fn json(&self) -> Value {
        let mut view = self.std.onto(json!({
            "security_group_id": self.group_id,
            "direction": if self.ingress { "ingress" } else { "egress" },
            "ethertype": if self.v4 { "IPv4" } else { "IPv6" },
            "protocol": self.protocol,
            "port_range_min": self.port_min,
            "port_range_max": self.port_max,
            "remote_ip_prefix": self.remote.map(|r| r.to_string()),
            "normalized_cidr": self.remote.map(|r| r.trunc().to_string()),
            "remote_group_id": self.remote_group_id,
            "remote_address_group_id": null,
        }));
        // Rules have no name.
        if let Some(view) = view.as_object_mut() {
            view.remove("name");
        }
        view
    }
}

fn protocol(body: &Value) -> Result<Option<String>, NeutronError> {
    let given = match body.get("protocol") {
        None | Some(Value::Null) => return Ok(None),
        Some(value) => crate::api::payload::shown(value).to_ascii_lowercase(),
    };
    let known = PROTOCOLS.contains(&given.as_str()) || given.parse::<u8>().is_ok();
    match given.as_str() {
        "any" | "0" => Ok(None),
        _ if known => Ok(Some(given)),
        _ => Err(NeutronError::bad(
            "SecurityGroupRuleInvalidProtocol",
            format!(
                "Security group rule protocol {given} not supported. Only protocol values [None, 'ah', 'tcp', 'udp', …] and integer representations [0 to 255] are supported."
            ),
        )),
    }
}

fn port(body: &Value, key: &str) -> Result<Option<u16>, NeutronError> {
    match body.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => match body.number(key).and_then(|n| u16::try_from(n).ok()) {
            Some(port) => Ok(Some(port)),
            None => Err(NeutronError::bad(
                "SecurityGroupInvalidPortValue",
                format!(
                    "Invalid value for port {}",
                    crate::api::payload::shown(value)
                ),
            )),
        },
    }
}

fn remote(body: &Value, v4: bool) -> Result<Option<IpNet>, NeutronError> {
    let Some(text) = body.text("remote_ip_prefix") else {
        return Ok(None);
    };
    let net = text
        .parse::<IpNet>()
        .ok()
        .or_else(|| text.parse::<std::net::IpAddr>().map(IpNet::from).ok())
        .ok_or_else(|| {
            NeutronError::bad(
                "InvalidCIDR",
                format!("Invalid CIDR {text} given as IP prefix."),
            )
        })?;
    if net.addr().is_ipv4() != v4 {
        let ethertype = if v4 { "IPv4" } else { "IPv6" };
        return Err(NeutronError::bad(
            "SecurityGroupRuleParameterConflict",
            format!("Conflicting value ethertype {ethertype} for CIDR {text}"),
        ));
    }
    Ok(Some(net))
}

impl Collection for GroupRule {
    const PATH: &'static str = "security-group-rules";
    /// A rule is what it is.
    const CHANGES: bool = false;

    fn all(net: &Net) -> &Vec<Self> {
        &net.rules
    }

    fn all_mut(net: &mut Net) -> &mut Vec<Self> {
        &mut net.rules
    }

    fn view(&self, _: &Net) -> Value {
        self.json()
    }

    fn before_list(net: &mut Net, caller: &Caller) {
        net.default_group(&caller.project_id);
    }

    fn create(net: &mut Net, caller: &Caller, body: &Value) -> Result<Value, NeutronError> {
        let group_id = body
            .text("security_group_id")
            .ok_or_else(|| NeutronError::missing("security_group_id"))?;
        standard::get_mut::<Group>(&mut net.groups, caller, &group_id, "update")?
            .std
            .touch();
        let rule = Self::from_body(&caller.project_id, &group_id, body)?;
        if let Some(remote) = &rule.remote_group_id {
            standard::get::<Group>(&net.groups, caller, remote)?;
        }
        if let Some(there) = net.rules.iter().find(|r| r.same(&rule)) {
            return Err(NeutronError::conflict(
                "SecurityGroupRuleExists",
                format!(
                    "Security group rule already exists. Rule id is {}.",
                    there.std.id
                ),
            ));
        }
        quota::check(net, "security_group_rule", &caller.project_id)?;
        let view = rule.json();
        net.rules.push(rule);
        Ok(view)
    }

    fn update(&mut self, _: &Net, _: &Caller, _: &Value) -> Result<(), NeutronError> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_read_or_refused_with_neutrons_type() {
        for (body, expected) in [
            (
                json!({"direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 22}),
                "ok",
            ),
            (
                json!({"direction": "ingress", "protocol": "TCP", "port_range_min": "22", "port_range_max": "22"}),
                "ok",
            ),
            (json!({"direction": "ingress", "protocol": "icmp"}), "ok"),
            (
                json!({"direction": "ingress", "remote_ip_prefix": "192.0.2.7"}),
                "ok",
            ),
            (json!({"direction": "in"}), "InvalidInput"),
            (json!({"protocol": "tcp"}), "HTTPBadRequest"),
            (
                json!({"direction": "ingress", "ethertype": "IPX"}),
                "SecurityGroupRuleInvalidEtherType",
            ),
            (
                json!({"direction": "ingress", "protocol": "tpc"}),
                "SecurityGroupRuleInvalidProtocol",
            ),
            (
                json!({"direction": "ingress", "port_range_min": 22}),
                "SecurityGroupProtocolRequiredWithPorts",
            ),
            (
                json!({"direction": "ingress", "protocol": "tcp", "port_range_min": 9, "port_range_max": 1}),
                "SecurityGroupInvalidPortRange",
            ),
            (
                json!({"direction": "ingress", "protocol": "tcp", "port_range_min": 70000}),
                "SecurityGroupInvalidPortValue",
            ),
            (
                json!({"direction": "ingress", "remote_ip_prefix": "::/0"}),
                "SecurityGroupRuleParameterConflict",
            ),
            (
                json!({"direction": "ingress", "remote_ip_prefix": "x"}),
                "InvalidCIDR",
            ),
        ] {
            let read = GroupRule::from_body("p", "g", &body);
            let outcome = read.as_ref().map_or_else(|e| e.kind, |_| "ok");
            assert_eq!(outcome, expected, "{body}");
        }
    }
}
