//! Networks.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::listing::{list, only_fields};
use super::standard::{self, Resource, Standard};
use super::{Net, NeutronError, create_all, quota};
use crate::api::{Caller, Ctx, Fields, Payload, Query};

#[derive(Debug, Clone)]
pub struct Network {
    pub std: Standard,
    pub admin_state_up: bool,
    pub shared: bool,
    /// A pool of floating IPs.
    pub external: bool,
    pub port_security: bool,
    pub mtu: u32,
}

impl Resource for Network {
    const POLICY: &'static str = "network";

    fn standard(&self) -> &Standard {
        &self.std
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.std
    }

    fn not_found(id: &str) -> NeutronError {
        NeutronError::not_found(
            "NetworkNotFound",
            format!("Network {id} could not be found."),
        )
    }

    fn shared(&self) -> bool {
        self.shared || self.external
    }
}

impl Network {
    pub fn new(std: Standard) -> Self {
        Self {
            std,
            admin_state_up: true,
            shared: false,
            external: false,
            port_security: true,
            mtu: 1500,
        }
    }

    pub fn json(&self, net: &Net) -> Value {
        let subnets: Vec<&str> = net
            .subnets
            .iter()
            .filter(|s| s.network_id == self.std.id)
            .map(|s| s.std.id.as_str())
            .collect();
        let mut view = json!({
            "admin_state_up": self.admin_state_up,
            "status": "ACTIVE",
            "mtu": self.mtu,
            "shared": self.shared,
            "subnets": subnets,
            "router:external": self.external,
            "port_security_enabled": self.port_security,
            "availability_zone_hints": [],
            "availability_zones": ["nova"],
            "ipv4_address_scope": null,
            "ipv6_address_scope": null,
            "l2_adjacency": true,
            "qos_policy_id": null,
            "dns_domain": "",
        });
        if self.external {
            view["is_default"] = json!(false);
        }
        self.std.onto(view)
    }
}

pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/networks", get(index).post(create))
        .route("/networks/{id}", get(show).put(update).delete(delete))
}

async fn index(
    State(ctx): State<Ctx>,
    caller: Caller,
    query: Query,
) -> Result<Json<Value>, NeutronError> {
    let state = ctx.lock();
    let net = &state.network;
    list(
        &ctx,
        "networks",
        &query,
        net.networks
            .iter()
            .filter(|n| n.visible(&caller))
            .map(|n| n.json(net)),
    )
}

async fn show(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(id): Path<String>,
    query: Query,
) -> Result<Json<Value>, NeutronError> {
    let state = ctx.lock();
    let found = standard::get(&state.network.networks, &caller, &id)?;
    Ok(Json(
        json!({"network": only_fields(found.json(&state.network), &query)}),
    ))
}

async fn create(
    State(ctx): State<Ctx>,
    caller: Caller,
    Payload(body): Payload,
) -> Result<Response, NeutronError> {
    let mut state = ctx.lock();
    create_all(
        &mut state.network,
        &body,
        "network",
        "networks",
        |net, body| {
            if body.flag("router:external") == Some(true) && !caller.admin {
                return Err(NeutronError::policy("create_network:router:external"));
            }
            if body.flag("shared") == Some(true) && !caller.admin {
                return Err(NeutronError::policy("create_network:shared"));
            }
            net.default_group(&caller.project_id);
            quota::check(net, "network", &caller.project_id)?;
            let network = Network {
                admin_state_up: body.flag("admin_state_up").unwrap_or(true),
                shared: body.flag("shared").unwrap_or(false),
                external: body.flag("router:external").unwrap_or(false),
                port_security: body.flag("port_security_enabled").unwrap_or(true),
                mtu: body
                    .number("mtu")
                    .and_then(|m| u32::try_from(m).ok())
                    .filter(|m| *m > 0)
                    .unwrap_or(1450),
                ..Network::new(Standard::new(&caller.project_id, body))
            };
            let view = network.json(net);
            net.networks.push(network);
            Ok(view)
        },
    )
}

async fn update(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(id): Path<String>,
    Payload(body): Payload,
) -> Result<Json<Value>, NeutronError> {
    let mut state = ctx.lock();
    let body = body
        .get("network")
        .ok_or_else(|| NeutronError::no_body("network"))?;
    let found = standard::get_mut(&mut state.network.networks, &caller, &id, "update")?;
    found.std.update(body);
    found.admin_state_up = body.flag("admin_state_up").unwrap_or(found.admin_state_up);
    found.port_security = body
        .flag("port_security_enabled")
        .unwrap_or(found.port_security);
    let view = found.clone().json(&state.network);
    Ok(Json(json!({"network": view})))
}

async fn delete(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, NeutronError> {
    let mut state = ctx.lock();
    let net = &mut state.network;
    standard::get_mut(&mut net.networks, &caller, &id, "delete")?;
    let mut in_the_way = net
        .ports
        .iter()
        .filter(|p| p.network_id == id && !p.goes_with_network());
    let gateways = net
        .routers
        .iter()
        .any(|r| r.gateway.as_ref().is_some_and(|g| g.network_id == id));
    let floating = net.floating_ips.iter().any(|f| f.network_id == id);
    if in_the_way.next().is_some() || gateways || floating {
        return Err(NeutronError::conflict(
            "NetworkInUse",
            format!(
                "Unable to complete operation on network {id}. There are one or more ports still in use on the network."
            ),
        ));
    }
    net.ports.retain(|p| p.network_id != id);
    net.subnets.retain(|s| s.network_id != id);
    net.networks.retain(|n| n.std.id != id);
    Ok(StatusCode::NO_CONTENT.into_response())
}
