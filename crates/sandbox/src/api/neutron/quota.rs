//! Neutron's quotas.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::standard::Resource;
use super::{Net, NeutronError};
use crate::api::{Caller, Ctx};

/// Resources and their limits when nothing else is set; -1 is none.
const DEFAULTS: [(&str, i64); 9] = [
    ("network", 100),
    ("subnet", 100),
    ("subnetpool", -1),
    ("port", 500),
    ("router", 10),
    ("floatingip", 50),
    ("rbac_policy", 10),
    ("security_group", 10),
    ("security_group_rule", 100),
];

fn limit(net: &Net, resource: &str) -> i64 {
    let default = || {
        DEFAULTS
            .iter()
            .find(|(name, _)| *name == resource)
            .map_or(-1, |(_, limit)| *limit)
    };
    net.quotas.get(resource).copied().unwrap_or_else(default)
}

fn used(net: &Net, resource: &str, project_id: &str) -> i64 {
    fn count<R: Resource>(items: &[R], project_id: &str) -> i64 {
        let count = items
            .iter()
            .filter(|r| r.standard().project_id == project_id)
            .count();
        i64::try_from(count).unwrap_or(i64::MAX)
    }
    match resource {
        "network" => count(&net.networks, project_id),
        "subnet" => count(&net.subnets, project_id),
        "port" => count(&net.ports, project_id),
        "router" => count(&net.routers, project_id),
        "floatingip" => count(&net.floating_ips, project_id),
        "security_group" => count(&net.groups, project_id),
        "security_group_rule" => count(&net.rules, project_id),
        _ => 0,
    }
}

/// Refuses one more of a resource when the project has as many as it may.
pub fn check(net: &Net, resource: &str, project_id: &str) -> Result<(), NeutronError> {
    let limit = limit(net, resource);
    if limit >= 0 && used(net, resource, project_id) >= limit {
        return Err(NeutronError::quota(resource));
    }
    Ok(())
}

pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/quotas/{project}", get(show))
        .route("/quotas/{project}/default", get(default))
        .route("/quotas/{project}/details", get(details))
}

fn may(caller: &Caller, project: &str) -> Result<(), NeutronError> {
    if caller.owns(project) {
        Ok(())
    } else {
        Err(NeutronError::policy("get_quota"))
    }
}

fn object(value: impl Fn(&str) -> Value) -> Json<Value> {
    let quota: Map<String, Value> = DEFAULTS
        .iter()
        .map(|(name, _)| ((*name).to_owned(), value(name)))
        .collect();
    Json(json!({"quota": quota}))
}

async fn show(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(project): Path<String>,
) -> Result<Json<Value>, NeutronError> {
    may(&caller, &project)?;
    let state = ctx.lock();
    Ok(object(|name| json!(limit(&state.network, name))))
}

async fn default(caller: Caller, Path(project): Path<String>) -> Result<Json<Value>, NeutronError> {
    may(&caller, &project)?;
    Ok(object(|name| json!(limit(&Net::default(), name))))
}

async fn details(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(project): Path<String>,
) -> Result<Json<Value>, NeutronError> {
    may(&caller, &project)?;
    let state = ctx.lock();
    let net = &state.network;
    Ok(object(
        |name| json!({"limit": limit(net, name), "used": used(net, name, &project), "reserved": 0}),
    ))
}
