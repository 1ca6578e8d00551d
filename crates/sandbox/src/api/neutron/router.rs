//! Routers: gateways to the outside and interfaces to subnets.

use axum::extract::{Path, State};
use axum::routing::put;
use axum::{Json, Router as Routes};
use serde_json::{Value, json};

use super::address::FixedIp;
use super::collection::{self, Collection};
use super::network::Network;
use super::port::{Port, ROUTER_INTERFACE};
use super::standard::{self, Resource, Standard};
use super::subnet::Subnet;
use super::{Net, NeutronError, quota};
use crate::api::{Caller, Ctx, Fields, Payload, id};

#[derive(Debug, Clone)]
pub struct Router {
    pub std: Standard,
    pub admin_state_up: bool,
    pub gateway: Option<Gateway>,
    pub routes: Value,
}

/// The way out.
#[derive(Debug, Clone)]
pub struct Gateway {
    pub network_id: String,
    pub snat: bool,
    pub fixed_ips: Vec<FixedIp>,
}

impl Resource for Router {
    const POLICY: &'static str = "router";

    fn standard(&self) -> &Standard {
        &self.std
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.std
    }

    fn not_found(id: &str) -> NeutronError {
        NeutronError::not_found("RouterNotFound", format!("Router {id} could not be found"))
    }
}

impl Router {
    pub fn json(&self) -> Value {
        let gateway = self.gateway.as_ref().map(|g| {
            json!({
                "network_id": g.network_id,
                "enable_snat": g.snat,
                "external_fixed_ips": g.fixed_ips.iter().map(FixedIp::json).collect::<Vec<_>>(),
            })
        });
        self.std.onto(json!({
            "admin_state_up": self.admin_state_up,
            "status": "ACTIVE",
            "external_gateway_info": gateway,
            "routes": self.routes,
            "flavor_id": null,
            "availability_zone_hints": [],
            "availability_zones": ["nova"],
        }))
    }
}

fn bad(reason: impl std::fmt::Display) -> NeutronError {
    NeutronError::bad("BadRequest", format!("Bad router request: {reason}."))
}

impl Net {
    /// A gateway into an external network, with an address of its own there.
    pub fn gateway(&self, caller: &Caller, info: &Value) -> Result<Option<Gateway>, NeutronError> {
        let Some(network_id) = info.text("network_id") else {
            return Ok(None);
        };
        let network: &Network = standard::get(&self.networks, caller, &network_id)?;
        if !network.external {
            return Err(bad(format!(
                "Network {network_id} is not an external network"
            )));
        }
        let mac = id::mac();
        let fixed_ips = match info.get("external_fixed_ips").and_then(Value::as_array) {
            Some(asked) if !asked.is_empty() => self.asked_addresses(&network_id, asked, &mac)?,
            _ => self.any_addresses(&network_id, &mac)?,
        };
        Ok(Some(Gateway {
            network_id,
            snat: info.flag("enable_snat").unwrap_or(true),
            fixed_ips,
        }))
    }

    /// The router ports of a router.
    pub fn interfaces<'a>(&'a self, router_id: &'a str) -> impl Iterator<Item = &'a Port> {
        self.ports
            .iter()
            .filter(move |p| p.device_owner == ROUTER_INTERFACE && p.device_id == router_id)
    }

    /// Whether floating IPs go through this router, in this network, to this subnet (none: any).
    fn floating_through(&self, router_id: &str, subnet_id: Option<&str>) -> bool {
        self.floating_ips
            .iter()
            .filter(|f| f.router_id.as_deref() == Some(router_id))
            .any(|f| {
                let port = self
                    .ports
                    .iter()
                    .find(|p| Some(&p.std.id) == f.port_id.as_ref());
                let fixed = port.and_then(|p| {
                    p.fixed_ips
                        .iter()
                        .find(|ip| Some(ip.address) == f.fixed_address)
                });
                subnet_id.is_none()
                    || fixed.is_some_and(|ip| Some(ip.subnet_id.as_str()) == subnet_id)
            })
    }
}

/// Beside what every kind has: the joins with subnets.
pub fn routes() -> Routes<Ctx> {
    collection::routes::<Router>()
        .route("/routers/{id}/add_router_interface", put(add_interface))
        .route(
            "/routers/{id}/remove_router_interface",
            put(remove_interface),
        )
}

impl Collection for Router {
    const PATH: &'static str = "routers";

    fn all(net: &Net) -> &Vec<Self> {
        &net.routers
    }

    fn all_mut(net: &mut Net) -> &mut Vec<Self> {
        &mut net.routers
    }

    fn view(&self, _: &Net) -> Value {
        self.json()
    }

    fn create(net: &mut Net, caller: &Caller, body: &Value) -> Result<Value, NeutronError> {
        quota::check(net, "router", &caller.project_id)?;
        let router = Self {
            gateway: net.gateway(caller, &body["external_gateway_info"])?,
            std: Standard::new(&caller.project_id, body),
            admin_state_up: body.flag("admin_state_up").unwrap_or(true),
            routes: json!([]),
        };
        let view = router.json();
        net.routers.push(router);
        Ok(view)
    }

    fn update(&mut self, net: &Net, caller: &Caller, body: &Value) -> Result<(), NeutronError> {
        if let Some(info) = body.get("external_gateway_info") {
            let id = &self.std.id;
            let wanted = info.text("network_id");
            let current = self.gateway.as_ref().map(|g| g.network_id.clone());
            if current.is_some() && wanted != current && net.floating_through(id, None) {
                return Err(NeutronError::conflict(
                    "RouterExternalGatewayInUseByFloatingIp",
                    format!(
                        "Gateway cannot be updated for router {id}, since a gateway to external network {} is required by one or more floating IPs.",
                        current.unwrap_or_default()
                    ),
                ));
            }
            if wanted != current || wanted.is_none() {
                self.gateway = net.gateway(caller, info)?;
            }
        }
        self.admin_state_up = body.flag("admin_state_up").unwrap_or(self.admin_state_up);
        if let Some(routes) = body.get("routes") {
            self.routes = routes.clone();
        }
        Ok(())
    }

    fn may_go(&self, net: &Net, _: &Caller) -> Result<(), NeutronError> {
        let id = &self.std.id;
        let held: Vec<&str> = net.interfaces(id).map(|p| p.std.id.as_str()).collect();
        if !held.is_empty() {
            return Err(NeutronError::conflict(
                "RouterInUse",
                format!("Router {id} has ports still attached: {}", held.join(",")),
            ));
        }
        Ok(())
    }
}

fn interface_json(router: &Router, port: &Port) -> Value {
    let subnets: Vec<&str> = port
        .fixed_ips
        .iter()
        .map(|ip| ip.subnet_id.as_str())
        .collect();
    json!({
        "id": router.std.id,
        "tenant_id": router.std.project_id,
        "project_id": router.std.project_id,
        "port_id": port.std.id,
        "network_id": port.network_id,
        "subnet_id": subnets.first(),
        "subnet_ids": subnets,
        "tags": [],
    })
}

async fn add_interface(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(id): Path<String>,
    Payload(body): Payload,
) -> Result<Json<Value>, NeutronError> {
    let mut state = ctx.lock();
    let net = &mut state.network;
    let router = standard::get_mut(&mut net.routers, &caller, &id, "add_router_interface")?.clone();
    let port = match (body.text("subnet_id"), body.text("port_id")) {
        (Some(_), Some(_)) => return Err(bad("Cannot specify both subnet-id and port-id")),
        (None, None) => return Err(bad("Either subnet_id or port_id must be specified")),
        (Some(subnet), None) => by_subnet(net, &caller, &router, &subnet)?,
        (None, Some(port)) => by_port(net, &caller, &router, &port)?,
    };
    Ok(Json(interface_json(&router, &port)))
}

/// What a router cannot have twice.
fn fits(net: &Net, router: &Router, subnet: &Subnet) -> Result<(), NeutronError> {
    for there in net.interfaces(&router.std.id).flat_map(|p| &p.fixed_ips) {
        if there.subnet_id == subnet.std.id {
            return Err(bad(format!(
                "Router already has a port on subnet {}",
                subnet.std.id
            )));
        }
        let other = net.subnets.iter().find(|s| s.std.id == there.subnet_id);
        if let Some(other) =
            other.filter(|o| o.cidr.contains(&subnet.cidr) || subnet.cidr.contains(&o.cidr))
        {
            return Err(bad(format!(
                "Cidr {} of subnet {} overlaps with cidr {} of subnet {}",
                subnet.cidr, subnet.std.id, other.cidr, other.std.id
            )));
        }
    }
    Ok(())
}

fn by_subnet(
    net: &mut Net,
    caller: &Caller,
    router: &Router,
    subnet_id: &str,
) -> Result<Port, NeutronError> {
    let subnet: Subnet = standard::get(&net.subnets, caller, subnet_id)?.clone();
    let gateway = subnet
        .gateway
        .ok_or_else(|| bad("Subnet for router interface must have a gateway IP"))?;
    fits(net, router, &subnet)?;
    let address = net.take_address(&subnet, gateway)?;
    quota::check(net, "port", &caller.project_id)?;
    let std = Standard::new(&router.std.project_id, &Value::Null);
    let mut port = Port::new(net, std, &subnet.network_id)?;
    port.fixed_ips = vec![address];
    port.security_groups.clear();
    port.port_security = false;
    port.device_id.clone_from(&router.std.id);
    ROUTER_INTERFACE.clone_into(&mut port.device_owner);
    net.ports.push(port.clone());
    Ok(port)
}

fn by_port(
    net: &mut Net,
    caller: &Caller,
    router: &Router,
    port_id: &str,
) -> Result<Port, NeutronError> {
    let port: Port = standard::get(&net.ports, caller, port_id)?.clone();
    if !port.device_id.is_empty() {
        return Err(NeutronError::conflict(
            "PortInUse",
            format!(
                "Unable to complete operation on port {port_id} for network {}. Port already has an attached device {}.",
                port.network_id, port.device_id
            ),
        ));
    }
    let subnet_id = port
        .fixed_ips
        .first()
        .map(|ip| ip.subnet_id.clone())
        .ok_or_else(|| bad("Router port must have at least one fixed IP"))?;
    fits(
        net,
        router,
        standard::get(&net.subnets, caller, &subnet_id)?,
    )?;
    let there = standard::get_mut(&mut net.ports, caller, port_id, "update")?;
    there.device_id.clone_from(&router.std.id);
    ROUTER_INTERFACE.clone_into(&mut there.device_owner);
    there.security_groups.clear();
    Ok(there.clone())
}

async fn remove_interface(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(id): Path<String>,
    Payload(body): Payload,
) -> Result<Json<Value>, NeutronError> {
    let mut state = ctx.lock();
    let net = &mut state.network;
    let router =
        standard::get_mut(&mut net.routers, &caller, &id, "remove_router_interface")?.clone();
    let (subnet_id, port_id) = (body.text("subnet_id"), body.text("port_id"));
    let is_it = |p: &&Port| {
        port_id.as_ref().is_none_or(|id| p.std.id == *id)
            && subnet_id
                .as_ref()
                .is_none_or(|id| p.fixed_ips.iter().any(|ip| ip.subnet_id == *id))
    };
    let port = match (&subnet_id, &port_id) {
        (None, None) => return Err(bad("Either subnet_id or port_id must be specified")),
        (Some(subnet), _) => {
            standard::get::<Subnet>(&net.subnets, &caller, subnet)?;
            net.interfaces(&id).find(is_it).ok_or_else(|| {
                NeutronError::not_found(
                    "RouterInterfaceNotFoundForSubnet",
                    format!("Router {id} has no interface on subnet {subnet}"),
                )
            })?
        }
        (None, Some(port)) => net.interfaces(&id).find(is_it).ok_or_else(|| {
            NeutronError::not_found(
                "RouterInterfaceNotFound",
                format!("Router {id} does not have an interface with id {port}"),
            )
        })?,
    }
    .clone();
    for ip in &port.fixed_ips {
        if net.floating_through(&id, Some(&ip.subnet_id)) {
            return Err(NeutronError::conflict(
                "RouterInterfaceInUseByFloatingIP",
                format!(
                    "Router interface for subnet {} on router {id} cannot be deleted, as it is required by one or more floating IPs.",
                    ip.subnet_id
                ),
            ));
        }
    }
    net.remove_port(&port.std.id);
    Ok(Json(interface_json(&router, &port)))
}

impl Net {
    /// A router between an external network and a subnet, as one that was there before.
    pub fn add_router(&mut self, std: Standard, external_id: &str, subnet_id: &str) {
        let caller = Caller {
            project_id: std.project_id.clone(),
            ..Caller::default()
        };
        let gateway = self
            .gateway(&caller, &json!({"network_id": external_id}))
            .unwrap_or_default();
        let router = Router {
            std,
            admin_state_up: true,
            gateway,
            routes: json!([]),
        };
        if let Err(error) = by_subnet(self, &caller, &router, subnet_id) {
            tracing::error!(error.message, "joining a subnet to a router");
        }
        self.routers.push(router);
    }
}
