//! Security groups.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::listing::{list, only_fields};
use super::rule::GroupRule;
use super::standard::{self, Resource, Standard};
use super::{Net, NeutronError, create_all, quota};
use crate::api::{Caller, Ctx, Payload, Query};

#[derive(Debug, Clone)]
pub struct Group {
    pub std: Standard,
}

impl Resource for Group {
    const POLICY: &'static str = "security_group";

    fn standard(&self) -> &Standard {
        &self.std
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.std
    }

    fn not_found(id: &str) -> NeutronError {
        NeutronError::not_found(
            "SecurityGroupNotFound",
            format!("Security group {id} does not exist"),
        )
    }
}

impl Group {
    pub fn json(&self, net: &Net) -> Value {
        let rules: Vec<Value> = net
            .rules
            .iter()
            .filter(|r| r.group_id == self.std.id)
            .map(GroupRule::json)
            .collect();
        self.std
            .onto(json!({"security_group_rules": rules, "stateful": true, "shared": false}))
    }
}

impl Net {
    /// The id of a project's `default` group, which is made when it is first needed.
    pub fn default_group(&mut self, project_id: &str) -> String {
        let mine = |g: &&Group| g.std.project_id == project_id && g.std.name == "default";
        if let Some(group) = self.groups.iter().find(mine) {
            return group.std.id.clone();
        }
        let body = json!({"name": "default", "description": "Default security group"});
        let group = Group {
            std: Standard::new(project_id, &body),
        };
        let id = group.std.id.clone();
        self.groups.push(group);
        self.rules.extend(GroupRule::egress(project_id, &id));
        self.rules
            .extend(GroupRule::among_themselves(project_id, &id));
        id
    }
}

pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/security-groups", get(index).post(create))
        .route(
            "/security-groups/{id}",
            get(show).put(update).delete(delete),
        )
}

async fn index(
    State(ctx): State<Ctx>,
    caller: Caller,
    query: Query,
) -> Result<Json<Value>, NeutronError> {
    let mut state = ctx.lock();
    let net = &mut state.network;
    net.default_group(&caller.project_id);
    let groups = net
        .groups
        .iter()
        .filter(|g| g.visible(&caller))
        .map(|g| g.json(net));
    list(&ctx, "security-groups", &query, groups)
}

async fn show(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(id): Path<String>,
    query: Query,
) -> Result<Json<Value>, NeutronError> {
    let state = ctx.lock();
    let found = standard::get(&state.network.groups, &caller, &id)?;
    Ok(Json(
        json!({"security_group": only_fields(found.json(&state.network), &query)}),
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
        "security_group",
        "security_groups",
        |net, body| {
            net.default_group(&caller.project_id);
            let group = Group {
                std: Standard::new(&caller.project_id, body),
            };
            if group.std.name == "default" {
                return Err(NeutronError::conflict(
                    "SecurityGroupDefaultAlreadyExists",
                    "Default security group already exists.",
                ));
            }
            quota::check(net, "security_group", &caller.project_id)?;
            net.rules
                .extend(GroupRule::egress(&caller.project_id, &group.std.id));
            let view = group.json(net);
            net.groups.push(group);
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
        .get("security_group")
        .ok_or_else(|| NeutronError::no_body("security_group"))?;
    let found = standard::get_mut(&mut state.network.groups, &caller, &id, "update")?;
    if found.std.name == "default" && body["name"].as_str().is_some_and(|name| name != "default") {
        return Err(NeutronError::conflict(
            "SecurityGroupCannotUpdateDefault",
            "Updating default security group not allowed.",
        ));
    }
    found.std.update(body);
    let view = found.clone().json(&state.network);
    Ok(Json(json!({"security_group": view})))
}

async fn delete(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, NeutronError> {
    let mut state = ctx.lock();
    let net = &mut state.network;
    let group = standard::get_mut(&mut net.groups, &caller, &id, "delete")?;
    let is_default = group.std.name == "default";
    if net.ports.iter().any(|p| p.security_groups.contains(&id)) {
        return Err(NeutronError::conflict(
            "SecurityGroupInUse",
            format!("Security Group {id} in use."),
        ));
    }
    if is_default && !caller.admin {
        return Err(NeutronError::conflict(
            "SecurityGroupCannotRemoveDefault",
            "Insufficient rights for removing default security group.",
        ));
    }
    // Rules elsewhere that name it as their remote go too, as Neutron's foreign key has it.
    net.rules
        .retain(|r| r.group_id != id && r.remote_group_id.as_deref() != Some(&id));
    net.groups.retain(|g| g.std.id != id);
    Ok(StatusCode::NO_CONTENT.into_response())
}
