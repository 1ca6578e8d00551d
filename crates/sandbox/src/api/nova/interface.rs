//! Interfaces of servers, which are their ports.

use axum::extract::{Path, State as Given};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::server::Nic;
use super::{NovaError, Version};
use crate::api::neutron::address::FixedIp;
use crate::api::neutron::port::Port;
use crate::api::{Caller, Ctx, Fields, Payload, State};

pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/servers/{id}/os-interface", get(index).post(attach))
        .route(
            "/servers/{id}/os-interface/{port}",
            get(show).delete(detach),
        )
}

fn view(port: &Port, version: Version) -> Value {
    let mut view = json!({
        "net_id": port.network_id,
        "port_id": port.std.id,
        "mac_addr": port.mac,
        "port_state": "ACTIVE",
        "fixed_ips": port.fixed_ips.iter().map(FixedIp::json).collect::<Vec<_>>(),
    });
    if version >= Version(70) {
        view["tag"] = Value::Null;
    }
    view
}

fn ports<'a>(state: &'a State, caller: &Caller, id: &str) -> Result<Vec<&'a Port>, NovaError> {
    let nics = &state.server(caller, id)?.nics;
    Ok(state
        .network
        .ports
        .iter()
        .filter(|p| nics.iter().any(|n| n.id == p.std.id))
        .collect())
}

async fn index(
    Given(ctx): Given<Ctx>,
    caller: Caller,
    version: Version,
    Path(id): Path<String>,
) -> Result<Json<Value>, NovaError> {
    let state = ctx.lock();
    let all: Vec<Value> = ports(&state, &caller, &id)?
        .into_iter()
        .map(|p| view(p, version))
        .collect();
    Ok(Json(json!({"interfaceAttachments": all})))
}

fn missing(id: &str, port: &str) -> NovaError {
    NovaError::not_found(format!(
        "No instances with id {id} have a port with id {port}"
    ))
}

async fn show(
    Given(ctx): Given<Ctx>,
    caller: Caller,
    version: Version,
    Path((id, port)): Path<(String, String)>,
) -> Result<Json<Value>, NovaError> {
    let state = ctx.lock();
    let found = ports(&state, &caller, &id)?
        .into_iter()
        .find(|p| p.std.id == port);
    Ok(Json(
        json!({"interfaceAttachment": view(found.ok_or_else(|| missing(&id, &port))?, version)}),
    ))
}

/// Takes a port that is there. A machine gets no further interface while it runs.
async fn attach(
    Given(ctx): Given<Ctx>,
    caller: Caller,
    version: Version,
    Path(id): Path<String>,
    Payload(body): Payload,
) -> Result<Json<Value>, NovaError> {
    let asked = body["interfaceAttachment"].text("port_id");
    let port_id = asked
        .ok_or_else(|| NovaError::bad("This cloud attaches existing ports only: give port_id"))?;
    let mut state = ctx.lock();
    let State {
        network, compute, ..
    } = &mut *state;
    let server = compute
        .servers
        .iter_mut()
        .find(|s| s.id == id && caller.owns(&s.project_id));
    let server = server.ok_or_else(|| NovaError::no_server(&id))?;
    let port = network
        .ports
        .iter_mut()
        .find(|p| p.std.id == port_id && caller.owns(&p.std.project_id));
    let port =
        port.ok_or_else(|| NovaError::not_found(format!("Port id {port_id} could not be found.")))?;
    if !port.device_id.is_empty() {
        return Err(NovaError::conflict(format!(
            "Port {port_id} is still in use."
        )));
    }
    port.device_id.clone_from(&server.id);
    "compute:nova".clone_into(&mut port.device_owner);
    server.nics.push(Nic {
        id: port_id,
        owned: false,
    });
    Ok(Json(json!({"interfaceAttachment": view(port, version)})))
}

async fn detach(
    Given(ctx): Given<Ctx>,
    caller: Caller,
    Path((id, port)): Path<(String, String)>,
) -> Result<StatusCode, NovaError> {
    let mut state = ctx.lock();
    let server = state.server_mut(&caller, &id)?;
    let place = server
        .nics
        .iter()
        .position(|n| n.id == port)
        .ok_or_else(|| missing(&id, &port))?;
    let nic = server.nics.remove(place);
    state.unplug(&nic);
    Ok(StatusCode::ACCEPTED)
}
