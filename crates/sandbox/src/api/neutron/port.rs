//! Ports.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::address::FixedIp;
use super::listing::{list, only_fields};
use super::network::Network;
use super::standard::{self, Resource, Standard};
use super::{Net, NeutronError, create_all, quota, security_group};
use crate::api::{Caller, Ctx, Fields, Payload, Query, id};

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

pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/ports", get(index).post(create))
        .route("/ports/{id}", get(show).put(update).delete(delete))
}

async fn index(
    State(ctx): State<Ctx>,
    caller: Caller,
    query: Query,
) -> Result<Json<Value>, NeutronError> {
    let state = ctx.lock();
    list(
        &ctx,
        "ports",
        &query,
        state
            .network
            .ports
            .iter()
            .filter(|p| p.visible(&caller))
            .map(Port::json),
    )
}

async fn show(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(id): Path<String>,
    query: Query,
) -> Result<Json<Value>, NeutronError> {
    let state = ctx.lock();
    let found = standard::get(&state.network.ports, &caller, &id)?;
    Ok(Json(json!({"port": only_fields(found.json(), &query)})))
}

async fn create(
    State(ctx): State<Ctx>,
    caller: Caller,
    Payload(body): Payload,
) -> Result<Response, NeutronError> {
    let mut state = ctx.lock();
    create_all(&mut state.network, &body, "port", "ports", |net, body| {
        add(net, &caller, body)
    })
}

fn add(net: &mut Net, caller: &Caller, body: &Value) -> Result<Value, NeutronError> {
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
    let mut port = Port::new(net, Standard::new(&caller.project_id, body), &network_id)?;
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

async fn update(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(id): Path<String>,
    Payload(body): Payload,
) -> Result<Json<Value>, NeutronError> {
    let mut state = ctx.lock();
    let net = &mut state.network;
    let body = body
        .get("port")
        .ok_or_else(|| NeutronError::no_body("port"))?;
    let mut port = standard::get_mut(&mut net.ports, &caller, &id, "update")?.clone();
    port.std.update(body);
    if let Some(on) = body.flag("port_security_enabled") {
        let groups_stay = body.texts("security_groups").is_none_or(|g| !g.is_empty());
        if !on && !port.security_groups.is_empty() && groups_stay {
            return Err(NeutronError::conflict(
                "PortSecurityPortHasSecurityGroup",
                "Port has security group associated. Cannot disable port security or IP address until security group is removed.",
            ));
        }
        port.port_security = on;
    }
    port.take(net, &caller, body)?;
    if let Some(asked) = body.get("fixed_ips").and_then(Value::as_array) {
        let kept = |one: &Value| {
            let address = one.text("ip_address");
            port.fixed_ips
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
                    add(net.asked_addresses(&port.network_id, one, &port.mac)?);
                }
            }
        }
        add(net.automatic_addresses(&port.network_id, &port.mac));
        port.fixed_ips = ips;
    }
    let view = port.json();
    if let Some(place) = net.ports.iter_mut().find(|p| p.std.id == id) {
        *place = port;
    }
    Ok(Json(json!({"port": view})))
}

async fn delete(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, NeutronError> {
    let mut state = ctx.lock();
    let net = &mut state.network;
    let port = standard::get_mut(&mut net.ports, &caller, &id, "delete")?;
    if port.device_owner == ROUTER_INTERFACE {
        return Err(NeutronError::conflict(
            "ServicePortInUse",
            format!(
                "Port {id} cannot be deleted directly via the port API: has device owner {ROUTER_INTERFACE}."
            ),
        ));
    }
    net.remove_port(&id);
    for server in &mut state.compute.servers {
        server.nics.retain(|n| n.id != id);
    }
    Ok(StatusCode::NO_CONTENT.into_response())
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
