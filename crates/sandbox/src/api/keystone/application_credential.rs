//! Application credentials: keys to one project, without the user's password.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Identity, KeystoneError, ROLES, list, role_json, when};
use crate::api::{Cloud, Fields, Payload, Query, clock, id};

#[derive(Clone, Default)]
pub struct ApplicationCredential {
    pub id: String,
    pub name: String,
    pub secret: String,
    pub description: Option<String>,
    pub user_id: String,
    pub project_id: String,
    pub roles: Vec<&'static str>,
    pub expires: Option<OffsetDateTime>,
    pub unrestricted: bool,
}

impl std::fmt::Debug for ApplicationCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApplicationCredential({} {})", self.id, self.name)
    }
}

pub fn routes() -> Router<Arc<Cloud>> {
    Router::new()
        .route(
            "/users/{user}/application_credentials",
            get(index).post(create),
        )
        .route(
            "/users/{user}/application_credentials/{id}",
            get(show).delete(delete),
        )
}

impl ApplicationCredential {
    fn json(&self, cloud: &Cloud) -> Value {
        let link = format!(
            "{}/v3/users/{}/application_credentials/{}",
            cloud.base_url, self.user_id, self.id
        );
        json!({
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "project_id": self.project_id,
            "user_id": self.user_id,
            "system": null,
            "unrestricted": self.unrestricted,
            "expires_at": when(self.expires),
            "roles": self.roles.iter().map(|name| role_json(name)).collect::<Vec<_>>(),
            "links": {"self": link},
        })
    }
}

/// Only the user themselves.
fn own(identity: &Identity, headers: &HeaderMap, user: &str) -> Result<(), KeystoneError> {
    match identity.asking(headers)? {
        token if token.user_id == user || token.roles.contains(&"admin") => Ok(()),
        _ => Err(KeystoneError::forbidden(
            "identity:list_application_credentials",
        )),
    }
}

/// A credential cannot make or remove credentials, unless it was made to.
fn may_manage(identity: &Identity, headers: &HeaderMap) -> Result<(), KeystoneError> {
    let token = identity.asking(headers)?;
    if token.credential.as_ref().is_some_and(|c| !c.unrestricted) {
        return Err(KeystoneError::forbidden(
            "Using method 'application_credential' is not allowed for managing additional application credentials.",
        ));
    }
    Ok(())
}

async fn index(
    State(cloud): State<Arc<Cloud>>,
    Path(user): Path<String>,
    query: Query,
    headers: HeaderMap,
) -> Result<Json<Value>, KeystoneError> {
    let identity = cloud.identity();
    own(&identity, &headers, &user)?;
    let mine = identity
        .credentials
        .iter()
        .filter(|c| c.user_id == user && query.get("name").is_none_or(|name| c.name == name))
        .map(|c| c.json(&cloud));
    let path = format!("/v3/users/{user}/application_credentials");
    Ok(list(
        &cloud,
        "application_credentials",
        &path,
        mine.collect(),
    ))
}

async fn create(
    State(cloud): State<Arc<Cloud>>,
    Path(user): Path<String>,
    headers: HeaderMap,
    Payload(body): Payload,
) -> Result<Response, KeystoneError> {
    let mut identity = cloud.identity();
    own(&identity, &headers, &user)?;
    may_manage(&identity, &headers)?;
    let token = identity.asking(&headers)?;
    let made = from_body(&body["application_credential"], &token.roles)?;
    let project_id = token.project_id.clone().ok_or_else(|| {
        KeystoneError::bad("Invalid application credential: Could not find project: None")
    })?;
    let made = ApplicationCredential {
        user_id: user,
        project_id,
        ..made
    };
    if identity
        .credentials
        .iter()
        .any(|c| c.user_id == made.user_id && c.name == made.name)
    {
        return Err(KeystoneError::conflict(format!(
            "Conflict occurred attempting to store application_credential - Duplicate entry found with name {}.",
            made.name
        )));
    }
    let mut json = made.json(&cloud);
    json["secret"] = json!(made.secret);
    identity.credentials.push(made);
    Ok((
        StatusCode::CREATED,
        Json(json!({"application_credential": json})),
    )
        .into_response())
}

/// Reads what is asked for; the roles are among those the asking token has.
fn from_body(body: &Value, roles: &[&'static str]) -> Result<ApplicationCredential, KeystoneError> {
    let name = body
        .text("name")
        .ok_or_else(|| KeystoneError::bad("'name' is a required property"))?;
    let expires = match body.text("expires_at") {
        None => None,
        Some(text) => match clock::parse(&text) {
            Some(at) if at > clock::now() => Some(at),
            _ => {
                return Err(KeystoneError::bad(format!(
                    "Invalid application credential: Could not validate expires_at {text}"
                )));
            }
        },
    };
    let wanted = match body.get("roles").and_then(Value::as_array) {
        None => roles.to_vec(),
        Some(wanted) => wanted
            .iter()
            .map(|role| one_role(role, roles))
            .collect::<Result<_, _>>()?,
    };
    Ok(ApplicationCredential {
        id: id::hex(),
        name,
        secret: body.text("secret").unwrap_or_else(id::secret),
        description: body.text("description"),
        roles: wanted,
        expires,
        unrestricted: body.flag("unrestricted").unwrap_or(false),
        ..ApplicationCredential::default()
    })
}

fn one_role(wanted: &Value, mine: &[&'static str]) -> Result<&'static str, KeystoneError> {
    let (id, name) = (wanted.text("id"), wanted.text("name"));
    let found = ROLES
        .iter()
        .find(|(i, n)| id.as_deref() == Some(i) || name.as_deref() == Some(n));
    match found {
        Some((_, role)) if mine.contains(role) => Ok(role),
        _ => Err(KeystoneError::not_found(
            "role",
            &id.or(name).unwrap_or_default(),
        )),
    }
}

async fn show(
    State(cloud): State<Arc<Cloud>>,
    Path((user, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Json<Value>, KeystoneError> {
    let identity = cloud.identity();
    own(&identity, &headers, &user)?;
    let found = identity
        .credentials
        .iter()
        .find(|c| c.id == id && c.user_id == user);
    let found = found.ok_or_else(|| KeystoneError::not_found("Application Credential", &id))?;
    Ok(Json(json!({"application_credential": found.json(&cloud)})))
}

async fn delete(
    State(cloud): State<Arc<Cloud>>,
    Path((user, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<StatusCode, KeystoneError> {
    let mut identity = cloud.identity();
    own(&identity, &headers, &user)?;
    may_manage(&identity, &headers)?;
    let before = identity.credentials.len();
    identity
        .credentials
        .retain(|c| c.id != id || c.user_id != user);
    if identity.credentials.len() == before {
        return Err(KeystoneError::not_found("Application Credential", &id));
    }
    // Its tokens go with it.
    identity
        .tokens
        .retain(|t| t.credential.as_ref().is_none_or(|c| c.id != id));
    Ok(StatusCode::NO_CONTENT)
}
