//! Ports.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::address::FixedIp;
use super::collection::Collection;
use super::network::Network;
use super::standard::{self, Resource, Standard};
use super::{Net, NeutronError, quota, security_group};
use crate::api::{Caller, Fields, State, id};

#[derive(Debug, Clone)]
pub struct Port {
    pub std: Standard,
    pub network_id: String,
    pub mac: String,
    pub admin_state_up: bool,
    pub fixed_ips: Vec<FixedIp>,
    /// Ids.
    pub security_groups: Vec<String>,
    pub port_security: bool,
    /// The server or router it belongs to; empty for none.
    pub device_id: String,
    /// `compute:nova`, `network:router_interface`, `network:dhcp`, or empty.
    pub device_owner: String,
    pub address_pairs: Value,
}

pub const ROUTER_INTERFACE: &str = "network:router_interface";
const DHCP: &str = "network:dhcp";

impl Resource for Port {
    const POLICY: &'static str = "port";

    fn standard(&self) -> &Standard {
        &self.std
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.std
    }

    fn not_found(id: &str) -> NeutronError {
        NeutronError::not_found("PortNotFound", format!("Port {id} could not be found."))
    }
}

impl Port {
    /// A port on a network, with the project's default group and any addresses.
    pub fn new(net: &mut Net, std: Standard, network_id: &str) -> Result<Self, NeutronError> {
        let default = net.default_group(&std.project_id);
        let mac = id::mac();
        Ok(Self {
            fixed_ips: net.any_addresses(network_id, &mac)?,
            std,
            network_id: network_id.to_owned(),
            mac,
            admin_state_up: true,
            security_groups: vec![default],
            port_security: true,
            device_id: String::new(),
            device_owner: String::new(),
            address_pairs: json!([]),
        })
    }

    /// The port a DHCP agent puts on a subnet.
    pub fn add_dhcp(net: &mut Net, network_id: &str, subnet_id: &str) {
        let Some(subnet) = net.subnets.iter().find(|s| s.std.id == subnet_id) else {
            return;
        };
        let std = Standard::new(&subnet.std.project_id, &Value::Null);
        let mac = id::mac();
        let free = || {
            let address = net.free_address(subnet)?;
            Some(FixedIp {
                subnet_id: subnet_id.to_owned(),
                address,
            })
        };
        let Some(fixed_ip) = subnet.automatic(&mac).or_else(free) else {
            return;
        };
        net.ports.push(Self {
            std,
            network_id: network_id.to_owned(),
            mac,
            admin_state_up: true,
            fixed_ips: vec![fixed_ip],
            security_groups: Vec::new(),
            port_security: false,
            device_id: format!("dhcp{}", id::uuid()),
            device_owner: DHCP.to_owned(),
            address_pairs: json!([]),
        });
    }

    /// Whether it is Neutron's own and vanishes with its network.
    pub fn goes_with_network(&self) -> bool {
        self.device_owner == DHCP
    }

    /// Whether it has an address of a subnet.
    pub fn is_on(&self, subnet_id: &str) -> bool {
        self.fixed_ips.iter().any(|ip| ip.subnet_id == subnet_id)
    }

    pub fn is_servers(&self) -> bool {
        self.device_owner.starts_with("compute:")
    }

    fn status(&self) -> &'static str {
        if self.device_owner.is_empty() {
            "DOWN"
        } else {
            "ACTIVE"
        }
    }

    pub fn json(&self) -> Value {
        self.std.onto(json!({
            "network_id": self.network_id,
            "mac_address": self.mac,
            "admin_state_up": self.admin_state_up,
            "status": self.status(),
            "device_id": self.device_id,
            "device_owner": self.device_owner,
            "fixed_ips": self.fixed_ips.iter().map(FixedIp::json).collect::<Vec<_>>(),
            "security_groups": self.security_groups,
            "port_security_enabled": self.port_security,
            "allowed_address_pairs": self.address_pairs,
            "extra_dhcp_opts": [],
            "binding:vnic_type": "normal",
            "ip_allocation": if self.fixed_ips.is_empty() { "none" } else { "immediate" },
            "propagate_uplink_status": false,
            "qos_policy_id": null,
            "qos_network_policy_id": null,
            "dns_name": "",
            "dns_assignment": [],
        }))
    }
}

impl Port {
    /// What create and update have in common.
    fn take(&mut self, net: &Net, caller: &Caller, body: &Value) -> Result<(), NeutronError> {
        if let Some(groups) = body.texts("security_groups") {
            for group in &groups {
                standard::get::<security_group::Group>(&net.groups, caller, group)?;
            }
            if !groups.is_empty() && !self.port_security {
                return Err(NeutronError::conflict(
                    "PortSecurityAndIPRequiredForSecurityGroups",
                    "Port security must be enabled and port must have an IP address in order to use security groups.",
                ));
            }
            self.security_groups = groups;
        }
        self.admin_state_up = body.flag("admin_state_up").unwrap_or(self.admin_state_up);
        if let Some(device) = body.text("device_id") {
            self.device_id = device;
        }
        if let Some(owner) = body.text("device_owner") {
            self.device_owner = owner;
        }
        if let Some(pairs) = body.get("allowed_address_pairs") {
            self.address_pairs = pairs.clone();
        }
        Ok(())
    }
}

impl Collection for Port {
    const PATH: &'static str = "ports";

    fn all(net: &Net) -> &Vec<Self> {
        &net.ports
    }

    fn all_mut(net: &mut Net) -> &mut Vec<Self> {
        &mut net.ports
    }

    fn view(&self, _: &Net) -> Value {
        self.json()
    }

    fn create(net: &mut Net, caller: &Caller, body: &Value) -> Result<Value, NeutronError> {
        let network_id = body
            .text("network_id")
            .ok_or_else(|| NeutronError::missing("network_id"))?;
        let network: &Network = standard::get(&net.networks, caller, &network_id)?;
        if network.external && !network.shared && !caller.owns(&network.std.project_id) {
            return Err(NeutronError::new(
                StatusCode::FORBIDDEN,
                "HTTPForbidden",
                format!(
                    "Tenant {} not allowed to create port on this network",
                    caller.project_id
                ),
            ));
        }
        let port_security = body
            .flag("port_security_enabled")
            .unwrap_or(network.port_security);
        quota::check(net, "port", &caller.project_id)?;
        let mut port = Self::new(net, Standard::new(&caller.project_id, body), &network_id)?;
        if let Some(mac) = body.text("mac_address") {
            if net
                .ports
                .iter()
                .any(|p| p.mac == mac && p.network_id == network_id)
            {
                return Err(NeutronError::conflict(
                    "MacAddressInUse",
                    format!(
                        "Unable to complete operation for network {network_id}. The mac address {mac} is in use."
                    ),
                ));
            }
            port.fixed_ips = net.any_addresses(&network_id, &mac)?;
            port.mac = mac;
        }
        if let Some(asked) = body.get("fixed_ips").and_then(Value::as_array) {
            port.fixed_ips = net.asked_addresses(&network_id, asked, &port.mac)?;
        }
        port.port_security = port_security;
        if !port_security {
            port.security_groups.clear();
        }
        port.take(net, caller, body)?;
        let view = port.json();
        net.ports.push(port);
        Ok(view)
    }

    fn update(&mut self, net: &Net, caller: &Caller, body: &Value) -> Result<(), NeutronError> {
        if let Some(on) = body.flag("port_security_enabled") {
            let groups_stay = body.texts("security_groups").is_none_or(|g| !g.is_empty());
            if !on && !self.security_groups.is_empty() && groups_stay {
                return Err(NeutronError::conflict(
                    "PortSecurityPortHasSecurityGroup",
                    "Port has security group associated. Cannot disable port security or IP address until security group is removed.",
                ));
            }
            self.port_security = on;
        }
        self.take(net, caller, body)?;
        if let Some(asked) = body.get("fixed_ips").and_then(Value::as_array) {
            let kept = |one: &Value| {
                let address = one.text("ip_address");
                self.fixed_ips
                    .iter()
                    .find(|ip| Some(ip.address.to_string()) == address)
                    .cloned()
            };
            let mut ips: Vec<FixedIp> = Vec::new();
            let mut add = |found: Vec<FixedIp>| {
                for ip in found {
                    if !ips.contains(&ip) {
                        ips.push(ip);
                    }
                }
            };
            for one in asked {
                match kept(one) {
                    Some(ip) => add(vec![ip]),
                    None => {
                        let one = std::slice::from_ref(one);
                        add(net.asked_addresses(&self.network_id, one, &self.mac)?);
                    }
                }
            }
            add(net.automatic_addresses(&self.network_id, &self.mac));
            self.fixed_ips = ips;
        }
        Ok(())
    }

    fn may_go(&self, _: &Net, _: &Caller) -> Result<(), NeutronError> {
        if self.device_owner == ROUTER_INTERFACE {
            let id = &self.std.id;
            return Err(NeutronError::conflict(
                "ServicePortInUse",
                format!(
                    "Port {id} cannot be deleted directly via the port API: has device owner {ROUTER_INTERFACE}."
                ),
            ));
        }
        Ok(())
    }

    fn remove(state: &mut State, id: &str) {
        state.network.remove_port(id);
        for server in &mut state.compute.servers {
            server.nics.retain(|n| n.id != id);
        }
    }
}

impl Net {
    /// Removes a port; floating IPs that led to it lead nowhere.
    pub fn remove_port(&mut self, id: &str) {
        self.ports.retain(|p| p.std.id != id);
        for floating in self
            .floating_ips
            .iter_mut()
            .filter(|f| f.port_id.as_deref() == Some(id))
        {
            floating.dissociate();
        }
    }
}
