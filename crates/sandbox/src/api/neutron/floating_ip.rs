//! Floating IPs.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use super::address::exhausted;
use super::collection::Collection;
use super::network::Network;
use super::port::Port;
use super::standard::{self, Resource, Standard};
use super::{Net, NeutronError, quota};
use crate::api::{Caller, Fields};

#[derive(Debug, Clone)]
pub struct FloatingIp {
    pub std: Standard,
    /// The external network it is from.
    pub network_id: String,
    pub address: Ipv4Addr,
    pub port_id: Option<String>,
    pub fixed_address: Option<IpAddr>,
    pub router_id: Option<String>,
}

impl Resource for FloatingIp {
    const POLICY: &'static str = "floatingip";

    fn standard(&self) -> &Standard {
        &self.std
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.std
    }

    fn not_found(id: &str) -> NeutronError {
        NeutronError::not_found(
            "FloatingIPNotFound",
            format!("Floating IP {id} could not be found"),
        )
    }
}

impl FloatingIp {
    pub fn dissociate(&mut self) {
        (self.port_id, self.fixed_address, self.router_id) = (None, None, None);
    }

    pub fn json(&self, net: &Net) -> Value {
        let port = net
            .ports
            .iter()
            .find(|p| Some(&p.std.id) == self.port_id.as_ref());
        let details = port.map(|p| {
            let port = p.json();
            json!({
                "name": port["name"],
                "network_id": port["network_id"],
                "mac_address": port["mac_address"],
                "admin_state_up": port["admin_state_up"],
                "status": port["status"],
                "device_id": port["device_id"],
                "device_owner": port["device_owner"],
            })
        });
        let mut view = self.std.onto(json!({
            "floating_network_id": self.network_id,
            "floating_ip_address": self.address,
            "port_id": self.port_id,
            "fixed_ip_address": self.fixed_address,
            "router_id": self.router_id,
            "status": if self.port_id.is_some() { "ACTIVE" } else { "DOWN" },
            "port_details": details,
            "port_forwardings": [],
            "dns_name": "",
            "dns_domain": "",
            "qos_policy_id": null,
        }));
        // Floating IPs have no name.
        if let Some(view) = view.as_object_mut() {
            view.remove("name");
        }
        view
    }

    /// Leads to a port, over the router that joins its subnet with the external network.
    fn associate(
        &mut self,
        net: &Net,
        caller: &Caller,
        port_id: &str,
        fixed: Option<&str>,
    ) -> Result<(), NeutronError> {
        let port: &Port = standard::get(&net.ports, caller, port_id)?;
        let mut candidates = port.fixed_ips.iter().filter(|ip| ip.address.is_ipv4());
        let ip = match fixed {
            Some(fixed) => candidates
                .find(|ip| ip.address.to_string() == fixed)
                .ok_or_else(|| bad(format!("Port {port_id} does not have fixed ip {fixed}")))?,
            None => candidates.next().ok_or_else(|| {
                bad(format!(
                    "Cannot add floating IP to port {port_id} that has no fixed IPv4 addresses"
                ))
            })?,
        };
        let joins = |r: &&super::router::Router| {
            r.gateway
                .as_ref()
                .is_some_and(|g| g.network_id == self.network_id)
                && net
                    .interfaces(&r.std.id)
                    .flat_map(|p| &p.fixed_ips)
                    .any(|i| i.subnet_id == ip.subnet_id)
        };
        let router = net.routers.iter().find(joins).ok_or_else(|| {
            NeutronError::not_found(
                "ExternalGatewayForFloatingIPNotFound",
                format!(
                    "External network {} is not reachable from subnet {}.  Therefore, cannot associate Port {port_id} with a Floating IP.",
                    self.network_id, ip.subnet_id
                ),
            )
        })?;
        let other = net.floating_ips.iter().find(|f| {
            f.std.id != self.std.id
                && f.port_id.as_deref() == Some(port_id)
                && f.fixed_address == Some(ip.address)
        });
        if let Some(other) = other {
            return Err(NeutronError::conflict(
                "FloatingIPPortAlreadyAssociated",
                format!(
                    "Cannot associate floating IP {} ({}) with port {port_id} using fixed IP {}, as that fixed IP already has a floating IP on external network {}.",
                    self.address, self.std.id, ip.address, other.network_id
                ),
            ));
        }
        self.port_id = Some(port_id.to_owned());
        self.fixed_address = Some(ip.address);
        self.router_id = Some(router.std.id.clone());
        Ok(())
    }

    /// What create and update have in common: where it leads.
    fn take(&mut self, net: &Net, caller: &Caller, body: &Value) -> Result<(), NeutronError> {
        match body.get("port_id") {
            None => Ok(()),
            Some(Value::String(port)) if !port.is_empty() => {
                let fixed = body.text("fixed_ip_address");
                self.associate(net, caller, port, fixed.as_deref())
            }
            Some(_) => {
                self.dissociate();
                Ok(())
            }
        }
    }
}

fn bad(reason: impl std::fmt::Display) -> NeutronError {
    NeutronError::bad("BadRequest", format!("Bad floatingip request: {reason}."))
}

impl Collection for FloatingIp {
    const PATH: &'static str = "floatingips";

    fn all(net: &Net) -> &Vec<Self> {
        &net.floating_ips
    }

    fn all_mut(net: &mut Net) -> &mut Vec<Self> {
        &mut net.floating_ips
    }

    fn view(&self, net: &Net) -> Value {
        self.json(net)
    }

    fn create(net: &mut Net, caller: &Caller, body: &Value) -> Result<Value, NeutronError> {
        let network_id = body
            .text("floating_network_id")
            .ok_or_else(|| NeutronError::missing("floating_network_id"))?;
        let network: &Network = standard::get(&net.networks, caller, &network_id)?;
        if !network.external {
            return Err(bad(format!(
                "Network {network_id} is not a valid external network"
            )));
        }
        if body.text("floating_ip_address").is_some() && !caller.admin {
            return Err(NeutronError::policy(
                "create_floatingip:floating_ip_address",
            ));
        }
        quota::check(net, "floatingip", &caller.project_id)?;
        let mut subnets = net
            .subnets
            .iter()
            .filter(|s| s.network_id == network_id && s.cidr.addr().is_ipv4());
        let asked = body
            .text("floating_ip_address")
            .and_then(|text| text.parse::<IpAddr>().ok());
        let address = match asked {
            Some(address) => match subnets.find(|s| s.cidr.contains(&address)) {
                Some(subnet) => Some(net.take_address(subnet, address)?.address),
                None => None,
            },
            None => subnets.find_map(|s| net.free_address(s)),
        };
        let Some(IpAddr::V4(address)) = address else {
            return Err(exhausted(&network_id));
        };
        let std = Standard::new(&caller.project_id, body);
        let mut floating = FloatingIp {
            std,
            network_id,
            address,
            port_id: None,
            fixed_address: None,
            router_id: None,
        };
        floating.take(net, caller, body)?;
        let mut view = floating.json(net);
        // The answer to a create is always this; the agent reports later.
        view["status"] = json!("DOWN");
        net.floating_ips.push(floating);
        Ok(view)
    }

    fn update(&mut self, net: &Net, caller: &Caller, body: &Value) -> Result<(), NeutronError> {
        self.take(net, caller, body)
    }
}
