//! Keystone v3: who is who, tokens, the catalog, application credentials.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{Caller, Cloud, clock, id};

pub mod application_credential;
pub mod authenticate;
pub mod catalog;
pub mod error;
pub mod lookup;
pub mod token;

pub use application_credential::ApplicationCredential;
pub use error::KeystoneError;
pub use token::Token;

#[derive(Debug, Clone)]
pub struct User {
    pub id: String,
    pub name: String,
    pub password: String,
}

#[derive(Debug, Clone)]
pub struct Project {
    pub id: String,
    pub name: String,
    /// Users with a role here, and which.
    pub members: Vec<(String, &'static str)>,
}

/// The state of Keystone. There is one domain, `Default`, and no groups.
#[derive(Debug, Default)]
pub struct Identity {
    pub users: Vec<User>,
    pub projects: Vec<Project>,
    pub credentials: Vec<ApplicationCredential>,
    pub tokens: Vec<Token>,
}

/// The roles there are, with fixed ids.
pub const ROLES: [(&str, &str); 3] = [
    ("5f3e5a3d2a4b4c0e8b6a4f1f0d2c1b01", "admin"),
    ("5f3e5a3d2a4b4c0e8b6a4f1f0d2c1b02", "member"),
    ("5f3e5a3d2a4b4c0e8b6a4f1f0d2c1b03", "reader"),
];

pub fn role_json(name: &str) -> Value {
    let id = ROLES.iter().find(|(_, n)| *n == name).map(|(id, _)| *id);
    json!({"id": id, "name": name, "domain_id": null, "description": null, "options": {}})
}

impl Identity {
    pub fn add_user(&mut self, name: &str, password: &str) -> String {
        let user = User {
            id: id::hex(),
            name: name.to_owned(),
            password: password.to_owned(),
        };
        self.users.push(user);
        self.users.last().map(|u| u.id.clone()).unwrap_or_default()
    }

    pub fn add_project(&mut self, name: &str, members: &[(&str, &'static str)]) -> String {
        let members = members
            .iter()
            .map(|(user, role)| ((*user).to_owned(), *role))
            .collect();
        let project = Project {
            id: id::hex(),
            name: name.to_owned(),
            members,
        };
        self.projects.push(project);
        self.projects
            .last()
            .map(|p| p.id.clone())
            .unwrap_or_default()
    }

    /// Who a token stands for, if it still does.
    pub fn caller(&self, token: &str) -> Option<Caller> {
        let token = self.token(token)?;
        Some(Caller {
            user_id: token.user_id.clone(),
            project_id: token.project_id.clone().unwrap_or_default(),
            admin: token.roles.contains(&"admin"),
            request_id: String::new(),
        })
    }

    /// A live token.
    pub fn token(&self, id: &str) -> Option<&Token> {
        self.tokens
            .iter()
            .find(|t| t.id == id && t.expires > clock::now())
    }

    /// The token a request carries, or Keystone's 401.
    pub fn asking(&self, headers: &HeaderMap) -> Result<&Token, KeystoneError> {
        headers
            .get("x-auth-token")
            .and_then(|v| v.to_str().ok())
            .and_then(|id| self.token(id))
            .ok_or_else(KeystoneError::unauthorized)
    }
}

pub fn router(cloud: &Arc<Cloud>) -> Router {
    let routes = Router::new()
        .merge(token::routes())
        .merge(application_credential::routes())
        .merge(lookup::routes());
    Router::new()
        .route("/", get(versions))
        .route("/v3", get(version))
        .nest("/v3", routes)
        .with_state(cloud.clone())
}

fn v3(cloud: &Cloud) -> Value {
    json!({
        "id": "v3.14",
        "status": "stable",
        "updated": "2020-04-07T00:00:00Z",
        "links": [{"rel": "self", "href": format!("{}/v3/", cloud.base_url)}],
        "media-types": [
            {"base": "application/json", "type": "application/vnd.openstack.identity-v3+json"},
        ],
    })
}

async fn versions(axum::extract::State(cloud): axum::extract::State<Arc<Cloud>>) -> Response {
    let body = json!({"versions": {"values": [v3(&cloud)]}});
    (StatusCode::MULTIPLE_CHOICES, Json(body)).into_response()
}

async fn version(axum::extract::State(cloud): axum::extract::State<Arc<Cloud>>) -> Json<Value> {
    Json(json!({"version": v3(&cloud)}))
}

/// A list as Keystone writes it.
pub fn list(cloud: &Cloud, name: &str, path: &str, items: Vec<Value>) -> Json<Value> {
    Json(json!({
        name: items,
        "links": {"self": format!("{}{path}", cloud.base_url), "previous": null, "next": null},
    }))
}

/// A time as Keystone writes it; null for never.
pub fn when(at: Option<OffsetDateTime>) -> Value {
    at.map_or(Value::Null, |at| json!(clock::whole_micros(at)))
}
