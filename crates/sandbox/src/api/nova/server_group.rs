//! Server groups: kept, without effect, as there is one node only.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{NovaError, Version, quota};
use crate::api::{Caller, Ctx, Fields, Payload, id};

#[derive(Debug, Clone)]
pub struct ServerGroup {
    pub id: String,
    pub name: String,
    pub project_id: String,
    pub user_id: String,
    /// `affinity`, `anti-affinity`, `soft-affinity` or `soft-anti-affinity`.
    pub policy: String,
}

pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/os-server-groups", get(index).post(create))
        .route("/os-server-groups/{id}", get(show).delete(delete))
}

impl ServerGroup {
    fn json(&self, version: Version) -> Value {
        let mut view = json!({"id": self.id, "name": self.name, "members": []});
        if version >= Version(13) {
            view["project_id"] = json!(self.project_id);
            view["user_id"] = json!(self.user_id);
        }
        // One policy with rules, where there were several with metadata.
        if version >= Version(64) {
            view["policy"] = json!(self.policy);
            view["rules"] = json!({});
        } else {
            view["policies"] = json!([self.policy]);
            view["metadata"] = json!({});
        }
        view
    }
}

async fn index(State(ctx): State<Ctx>, caller: Caller, version: Version) -> Json<Value> {
    let state = ctx.lock();
    let mine = state
        .compute
        .server_groups
        .iter()
        .filter(|g| caller.owns(&g.project_id));
    Json(json!({"server_groups": mine.map(|g| g.json(version)).collect::<Vec<_>>()}))
}

fn missing(id: &str) -> NovaError {
    NovaError::not_found(format!("Instance group {id} could not be found."))
}

async fn show(
    State(ctx): State<Ctx>,
    caller: Caller,
    version: Version,
    Path(id): Path<String>,
) -> Result<Json<Value>, NovaError> {
    let state = ctx.lock();
    let mut groups = state.compute.server_groups.iter();
    let found = groups.find(|g| g.id == id && caller.owns(&g.project_id));
    Ok(Json(
        json!({"server_group": found.ok_or_else(|| missing(&id))?.json(version)}),
    ))
}

async fn create(
    State(ctx): State<Ctx>,
    caller: Caller,
    version: Version,
    Payload(body): Payload,
) -> Result<Json<Value>, NovaError> {
    let body = &body["server_group"];
    let required = |name: &str| {
        NovaError::invalid(
            "server_group",
            "{…}",
            &format!("'{name}' is a required property"),
        )
    };
    let policies = body.texts("policies").and_then(|p| p.into_iter().next());
    let group = ServerGroup {
        id: id::uuid(),
        name: body.text("name").ok_or_else(|| required("name"))?,
        project_id: caller.project_id.clone(),
        user_id: caller.user_id.clone(),
        policy: body
            .text("policy")
            .or(policies)
            .ok_or_else(|| required("policy"))?,
    };
    let mut state = ctx.lock();
    let compute = &mut state.compute;
    let mine = compute
        .server_groups
        .iter()
        .filter(|g| g.project_id == caller.project_id);
    let count = mine.count();
    if quota::reached(compute, "server_groups", count) {
        return Err(NovaError::forbidden(
            "Quota exceeded, too many server groups.",
        ));
    }
    let view = group.json(version);
    compute.server_groups.push(group);
    Ok(Json(json!({"server_group": view})))
}

async fn delete(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, NovaError> {
    let mut state = ctx.lock();
    let groups = &mut state.compute.server_groups;
    let place = groups
        .iter()
        .position(|g| g.id == id && caller.owns(&g.project_id));
    groups.remove(place.ok_or_else(|| missing(&id))?);
    Ok(StatusCode::NO_CONTENT)
}
