//! Tokens: made, looked at, revoked.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::authenticate::{Proof, authenticate};
use super::{ApplicationCredential, Identity, KeystoneError, catalog, role_json, when};
use crate::api::{Cloud, Payload, Query, clock, id};

/// An issued token.
#[derive(Debug, Clone)]
pub struct Token {
    pub id: String,
    pub audit_id: String,
    pub user_id: String,
    pub project_id: Option<String>,
    pub roles: Vec<&'static str>,
    pub methods: Vec<String>,
    pub credential: Option<ApplicationCredential>,
    pub issued: OffsetDateTime,
    pub expires: OffsetDateTime,
}

pub fn routes() -> Router<Arc<Cloud>> {
    Router::new()
        .route(
            "/auth/tokens",
            post(issue).get(show).head(show).delete(revoke),
        )
        .route("/auth/catalog", get(show_catalog))
}

impl Token {
    fn from_proof(proof: Proof, now: OffsetDateTime, life: std::time::Duration) -> Self {
        let latest = now + life;
        Self {
            id: format!("gAAAAA{}{}", id::secret(), id::secret()),
            audit_id: id::secret()[..22].to_owned(),
            user_id: proof.user_id,
            project_id: proof.project_id,
            roles: proof.roles,
            methods: proof.methods,
            credential: proof.credential,
            issued: now,
            expires: proof.expires.map_or(latest, |at| at.min(latest)),
        }
    }

    fn json(&self, cloud: &Cloud, identity: &Identity, with_catalog: bool) -> Value {
        let default = json!({"id": "default", "name": "Default"});
        let user_name = identity
            .users
            .iter()
            .find(|u| u.id == self.user_id)
            .map(|u| u.name.as_str());
        let mut token = json!({
            "methods": self.methods,
            "user": {"domain": default, "id": self.user_id, "name": user_name, "password_expires_at": null},
            "audit_ids": [self.audit_id],
            "expires_at": when(Some(self.expires)),
            "issued_at": when(Some(self.issued)),
        });
        if let Some(project) = identity
            .projects
            .iter()
            .find(|p| Some(&p.id) == self.project_id.as_ref())
        {
            let roles = self.roles.iter().map(|name| {
                let role = role_json(name);
                json!({"id": role["id"], "name": role["name"]})
            });
            token["project"] = json!({"domain": default, "id": project.id, "name": project.name});
            token["is_domain"] = json!(false);
            token["roles"] = roles.collect();
            if with_catalog {
                token["catalog"] = catalog::json(cloud, &project.id);
            }
        }
        if let Some(credential) = &self.credential {
            token["application_credential"] = json!({"id": credential.id, "name": credential.name, "restricted": !credential.unrestricted});
        }
        json!({"token": token})
    }
}

async fn issue(
    State(cloud): State<Arc<Cloud>>,
    query: Query,
    Payload(body): Payload,
) -> Result<Response, KeystoneError> {
    let now = clock::now();
    let mut identity = cloud.identity();
    let proof = authenticate(&identity, &body, now)?;
    let token = Token::from_proof(proof, now, cloud.pace.token);
    let json = token.json(&cloud, &identity, query.get("nocatalog").is_none());
    let headers = [
        ("x-subject-token", token.id.clone()),
        ("vary", "X-Auth-Token".to_owned()),
    ];
    identity.tokens.retain(|t| t.expires > now);
    identity.tokens.push(token);
    Ok((StatusCode::CREATED, headers, Json(json)).into_response())
}

/// The token a request is about, which is another than the one it is made with.
fn subject<'a>(identity: &'a Identity, headers: &HeaderMap) -> Result<&'a Token, KeystoneError> {
    let asking = identity.asking(headers)?;
    let id = headers
        .get("x-subject-token")
        .and_then(|v| v.to_str().ok())
        .unwrap_or_default();
    identity
        .token(id)
        .filter(|t| t.user_id == asking.user_id || asking.roles.contains(&"admin"))
        .ok_or_else(|| KeystoneError::not_found("token", "********"))
}

async fn show(
    State(cloud): State<Arc<Cloud>>,
    query: Query,
    headers: HeaderMap,
) -> Result<Response, KeystoneError> {
    let identity = cloud.identity();
    let token = subject(&identity, &headers)?;
    let json = token.json(&cloud, &identity, query.get("nocatalog").is_none());
    Ok(([("x-subject-token", token.id.clone())], Json(json)).into_response())
}

async fn revoke(
    State(cloud): State<Arc<Cloud>>,
    headers: HeaderMap,
) -> Result<StatusCode, KeystoneError> {
    let mut identity = cloud.identity();
    let id = subject(&identity, &headers)?.id.clone();
    identity.tokens.retain(|t| t.id != id);
    Ok(StatusCode::NO_CONTENT)
}

async fn show_catalog(
    State(cloud): State<Arc<Cloud>>,
    headers: HeaderMap,
) -> Result<Json<Value>, KeystoneError> {
    let identity = cloud.identity();
    let project = identity
        .asking(&headers)?
        .project_id
        .clone()
        .unwrap_or_default();
    Ok(Json(json!({
        "catalog": catalog::json(&cloud, &project),
        "links": {"self": format!("{}/v3/auth/catalog", cloud.base_url), "previous": null, "next": null},
    })))
}
