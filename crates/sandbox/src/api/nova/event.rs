//! What was done to a server, and by whom.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::server::{Event, Server};
use super::{NovaError, Version};
use crate::api::{Caller, Ctx, clock};

pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/servers/{id}/os-instance-actions", get(index))
        .route("/servers/{id}/os-instance-actions/{request}", get(show))
}

fn view(server: &Server, event: &Event, version: Version) -> Value {
    let mut view = json!({
        "action": event.action,
        "instance_uuid": server.id,
        "message": event.failed.then_some("Error"),
        "project_id": server.project_id,
        "request_id": event.request_id,
        "start_time": clock::micros(event.at),
        "user_id": event.user_id,
    });
    if version >= Version(58) {
        view["updated_at"] = json!(clock::micros(event.at));
    }
    view
}

async fn index(
    State(ctx): State<Ctx>,
    caller: Caller,
    version: Version,
    Path(id): Path<String>,
) -> Result<Json<Value>, NovaError> {
    let state = ctx.lock();
    let server = state.server(&caller, &id)?;
    let newest_first = server.events.iter().rev();
    let all: Vec<Value> = newest_first.map(|e| view(server, e, version)).collect();
    Ok(Json(json!({"instanceActions": all})))
}

async fn show(
    State(ctx): State<Ctx>,
    caller: Caller,
    version: Version,
    Path((id, request)): Path<(String, String)>,
) -> Result<Json<Value>, NovaError> {
    let state = ctx.lock();
    let server = state.server(&caller, &id)?;
    let event = server.events.iter().find(|e| e.request_id == request);
    let missing = || {
        NovaError::not_found(format!(
            "Action for request_id {request} on instance {id} not found"
        ))
    };
    let mut view = view(server, event.ok_or_else(missing)?, version);
    if version >= Version(51) {
        view["events"] = json!([]);
    }
    Ok(Json(json!({"instanceAction": view})))
}
