//! Projects, users, roles, domains and regions: what a client looks up by name or id.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Identity, KeystoneError, Project, ROLES, User, list, role_json};
use crate::api::{Cloud, Query};

pub fn routes() -> Router<Arc<Cloud>> {
    Router::new()
        .route("/auth/projects", get(my_projects))
        .route("/users/{user}/projects", get(user_projects))
        .route("/projects", get(projects))
        .route("/projects/{id}", get(project))
        .route("/users", get(users))
        .route("/users/{id}", get(user))
        .route("/roles", get(roles))
        .route("/roles/{id}", get(role))
        .route("/domains", get(domains))
        .route("/domains/{id}", get(domain))
        .route("/regions", get(regions))
}

fn project_json(cloud: &Cloud, project: &Project) -> Value {
    json!({
        "id": project.id,
        "name": project.name,
        "domain_id": "default",
        "parent_id": "default",
        "description": "",
        "enabled": true,
        "is_domain": false,
        "tags": [],
        "options": {},
        "links": {"self": format!("{}/v3/projects/{}", cloud.base_url, project.id)},
    })
}

fn user_json(cloud: &Cloud, user: &User) -> Value {
    json!({
        "id": user.id,
        "name": user.name,
        "domain_id": "default",
        "enabled": true,
        "password_expires_at": null,
        "options": {},
        "links": {"self": format!("{}/v3/users/{}", cloud.base_url, user.id)},
    })
}

fn domain_json(cloud: &Cloud) -> Value {
    json!({
        "id": "default",
        "name": "Default",
        "description": "The default domain",
        "enabled": true,
        "tags": [],
        "options": {},
        "links": {"self": format!("{}/v3/domains/default", cloud.base_url)},
    })
}

fn projects_of<'a>(identity: &'a Identity, user: &'a str) -> impl Iterator<Item = &'a Project> {
    identity
        .projects
        .iter()
        .filter(move |p| p.members.iter().any(|(id, _)| id == user))
}

async fn my_projects(
    State(cloud): State<Arc<Cloud>>,
    headers: HeaderMap,
) -> Result<Json<Value>, KeystoneError> {
    let identity = cloud.identity();
    let user = &identity.asking(&headers)?.user_id;
    let mine = projects_of(&identity, user)
        .map(|p| project_json(&cloud, p))
        .collect();
    Ok(list(&cloud, "projects", "/v3/auth/projects", mine))
}

async fn user_projects(
    State(cloud): State<Arc<Cloud>>,
    Path(user): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, KeystoneError> {
    let identity = cloud.identity();
    let asking = identity.asking(&headers)?;
    if asking.user_id != user && !asking.roles.contains(&"admin") {
        return Err(KeystoneError::forbidden("identity:list_user_projects"));
    }
    let theirs = projects_of(&identity, &user)
        .map(|p| project_json(&cloud, p))
        .collect();
    Ok(list(
        &cloud,
        "projects",
        &format!("/v3/users/{user}/projects"),
        theirs,
    ))
}

async fn projects(
    State(cloud): State<Arc<Cloud>>,
    query: Query,
    headers: HeaderMap,
) -> Result<Json<Value>, KeystoneError> {
    let identity = cloud.identity();
    if !identity.asking(&headers)?.roles.contains(&"admin") {
        return Err(KeystoneError::forbidden("identity:list_projects"));
    }
    let all = identity
        .projects
        .iter()
        .filter(|p| query.get("name").is_none_or(|name| p.name == name));
    Ok(list(
        &cloud,
        "projects",
        "/v3/projects",
        all.map(|p| project_json(&cloud, p)).collect(),
    ))
}

async fn project(
    State(cloud): State<Arc<Cloud>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, KeystoneError> {
    let identity = cloud.identity();
    let asking = identity.asking(&headers)?;
    let admin = asking.roles.contains(&"admin");
    match identity.projects.iter().find(|p| p.id == id) {
        Some(found) if admin || asking.project_id.as_deref() == Some(&id) => {
            Ok(Json(json!({"project": project_json(&cloud, found)})))
        }
        // Not "not found": that would tell a stranger which projects there are.
        _ if !admin => Err(KeystoneError::forbidden("identity:get_project")),
        _ => Err(KeystoneError::not_found("project", &id)),
    }
}

async fn users(
    State(cloud): State<Arc<Cloud>>,
    query: Query,
    headers: HeaderMap,
) -> Result<Json<Value>, KeystoneError> {
    let identity = cloud.identity();
    if !identity.asking(&headers)?.roles.contains(&"admin") {
        return Err(KeystoneError::forbidden("identity:list_users"));
    }
    let all = identity
        .users
        .iter()
        .filter(|u| query.get("name").is_none_or(|name| u.name == name));
    Ok(list(
        &cloud,
        "users",
        "/v3/users",
        all.map(|u| user_json(&cloud, u)).collect(),
    ))
}

async fn user(
    State(cloud): State<Arc<Cloud>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, KeystoneError> {
    let identity = cloud.identity();
    let asking = identity.asking(&headers)?;
    match identity.users.iter().find(|u| u.id == id) {
        Some(found) if asking.user_id == id || asking.roles.contains(&"admin") => {
            Ok(Json(json!({"user": user_json(&cloud, found)})))
        }
        _ => Err(KeystoneError::forbidden("identity:get_user")),
    }
}

async fn roles(
    State(cloud): State<Arc<Cloud>>,
    query: Query,
    headers: HeaderMap,
) -> Result<Json<Value>, KeystoneError> {
    cloud.identity().asking(&headers)?;
    let all = ROLES
        .iter()
        .filter(|(_, name)| query.get("name").is_none_or(|wanted| wanted == *name));
    Ok(list(
        &cloud,
        "roles",
        "/v3/roles",
        all.map(|(_, name)| role_json(name)).collect(),
    ))
}

async fn role(
    State(cloud): State<Arc<Cloud>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, KeystoneError> {
    cloud.identity().asking(&headers)?;
    let found = ROLES
        .iter()
        .find(|(i, _)| *i == id)
        .ok_or_else(|| KeystoneError::not_found("role", &id))?;
    Ok(Json(json!({"role": role_json(found.1)})))
}

async fn domains(
    State(cloud): State<Arc<Cloud>>,
    headers: HeaderMap,
) -> Result<Json<Value>, KeystoneError> {
    if !cloud.identity().asking(&headers)?.roles.contains(&"admin") {
        return Err(KeystoneError::forbidden("identity:list_domains"));
    }
    Ok(list(
        &cloud,
        "domains",
        "/v3/domains",
        vec![domain_json(&cloud)],
    ))
}

async fn domain(
    State(cloud): State<Arc<Cloud>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, KeystoneError> {
    cloud.identity().asking(&headers)?;
    match id.as_str() {
        "default" => Ok(Json(json!({"domain": domain_json(&cloud)}))),
        _ => Err(KeystoneError::not_found("domain", &id)),
    }
}

async fn regions(
    State(cloud): State<Arc<Cloud>>,
    headers: HeaderMap,
) -> Result<Json<Value>, KeystoneError> {
    cloud.identity().asking(&headers)?;
    let all = cloud.regions.iter().map(|r| {
        let link = format!("{}/v3/regions/{}", cloud.base_url, r.name);
        json!({"id": r.name, "description": "", "parent_region_id": null, "links": {"self": link}})
    });
    Ok(list(&cloud, "regions", "/v3/regions", all.collect()))
}
