//! Services.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use http::StatusCode;
use serde_json::{Map, Value};

use super::model::Reader;
use super::users::Answer;
use super::{ApiError, Caller, body};
use crate::app::Hub;
use crate::name;
use crate::scope::{self, Subject};
use crate::store::StoreError;
use crate::store::oauth::{self, Client, ClientOf};
use crate::store::requester::Requester;
use crate::store::secret::TokenHash;
use crate::store::service::{self, Service, Spec};
use crate::store::token::{self, New, OwnerId};

/// The note of a token that came with a service.
const NOTE: &str = "from api";
/// The shortest token a service may bring, as in JupyterHub.
const SHORTEST_TOKEN: usize = 8;

fn tell(hub: &Hub, requester: &Requester, service: &Service) -> Value {
    Value::Object(Reader::new(hub, &requester.scopes).service(service))
}

/// `GET /services`
pub async fn list(State(hub): State<Arc<Hub>>, caller: Caller) -> Answer {
    let requester = caller.needs_some("list:services")?;
    let services = hub.store.read(service::list).await?;
    let listed = services
        .iter()
        .filter(|service| requester.may("list:services", &Subject::Service(&service.name)));
    let models: Map<String, Value> = listed
        .map(|service| (service.name.clone(), tell(&hub, requester, service)))
        .collect();
    Ok((StatusCode::OK, Json(Value::Object(models))))
}

/// `GET /services/{name}`
pub async fn get(State(hub): State<Arc<Hub>>, Path(name): Path<String>, caller: Caller) -> Answer {
    let requester = caller.needs_for(
        &["read:services", "read:services:name", "read:roles:services"],
        &Subject::Service(&name),
    )?;
    let wanted = name.clone();
    let found = hub
        .store
        .read(move |connection| service::find(connection, &wanted))
        .await?;
    let found = found
        .ok_or_else(|| ApiError::new(StatusCode::NOT_FOUND, format!("No such service: {name}")))?;
    Ok((StatusCode::OK, Json(tell(&hub, requester, &found))))
}

/// `POST /services/{name}`: makes one that runs elsewhere.
pub async fn create(
    State(hub): State<Arc<Hub>>,
    Path(name): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Answer {
    let requester = caller
        .needs_for(&["admin:services"], &Subject::Service(&name))?
        .clone();
    let data = body::json(&body)?;
    let (store, now, owner) = (hub.store.clone(), hub.clock.now(), requester.owner_id());
    let (base, asker) = (hub.config.base_url.clone(), requester.clone());
    let made = hub
        .store
        .write(move |connection| {
            if service::find(connection, &name)?.is_some() {
                return Err(ApiError::new(
                    StatusCode::CONFLICT,
                    format!("Service {name} already exists"),
                ));
            }
            // It becomes part of paths, as a user's name does.
            if !name::is_valid_user(&name) {
                return Err(failed(&name));
            }
            let Some(Value::Object(mut data)) = data.filter(body::is_true) else {
                return Err(ApiError::bad_request("Invalid service data"));
            };
            data.insert("name".to_owned(), Value::String(name.clone()));
            let data = body::SERVICE.check(&Value::Object(data))?;
            let admin = data.get("admin").and_then(Value::as_bool).unwrap_or(false);
            let spec = spec(&name, &data, &base)?;
            // Who makes a service may give it no more than he has.
            let mut wanted = spec.oauth_client_allowed_scopes.clone();
            store
                .catalog()
                .check(&wanted, &format!("service {name}"))
                .map_err(|_| failed(&name))?;
            if admin {
                wanted.extend(of_admins());
            }
            token::check_held(connection, store.catalog(), owner, None, &wanted)?;
            let holds = |raw: &[String]| {
                let raw: Vec<&String> = raw.iter().filter(|scope| *scope != "inherit").collect();
                let wanted = scope::expand(store.catalog(), &raw, asker.owner(), None);
                let both = token::meet(connection, &wanted, &asker.scopes)?;
                Ok::<_, StoreError>(wanted.without(&both).is_empty())
            };
            // Nor more than the token of the request allows, though its owner may.
            if !holds(&wanted)? {
                return Err(failed(&name));
            }
            // All that any visitor may, and visitors who are not asked, are an admin's to give.
            let lends_all = spec.oauth_no_confirm
                || spec
                    .oauth_client_allowed_scopes
                    .iter()
                    .any(|scope| scope == "inherit");
            if lends_all && !holds(&of_admins())? {
                return Err(failed(&name));
            }
            // The client of another service stays that one's.
            if oauth::find_client(connection, &spec.oauth_client_id)?.is_some() {
                return Err(failed(&name));
            }
            let id = service::put(connection, &name, admin, false, &spec)?;
            let secret = data.get("api_token").and_then(Value::as_str);
            if let Some(secret) = secret {
                if secret.len() < SHORTEST_TOKEN {
                    return Err(failed(&name));
                }
                let new = New::of(OwnerId::Service(id), NOTE);
                token::keep(connection, store.catalog(), now, &new, secret)?;
                register_client(connection, id, &name, &spec, secret)?;
            }
            service::find(connection, &name)?.ok_or_else(|| failed(&name))
        })
        .await?;
    hub.servers.routes_look_wrong();
    tracing::info!(service = made.name, by = requester.name(), "service added");
    Ok((StatusCode::CREATED, Json(tell(&hub, &requester, &made))))
}

/// The raw scopes of the role `admin`.
fn of_admins() -> Vec<String> {
    let roles = scope::default_roles().into_iter();
    roles
        .filter(|role| role.name == "admin")
        .flat_map(|role| role.scopes)
        .collect()
}

fn failed(name: &str) -> ApiError {
    ApiError::bad_request(format!("Failed to create service {name}"))
}

/// Lets visitors of a service be known to it: its API token is the secret of its OAuth client.
pub fn register_client(
    connection: &rusqlite::Connection,
    id: i64,
    name: &str,
    spec: &Spec,
    secret: &str,
) -> Result<(), crate::store::StoreError> {
    let client = Client {
        identifier: spec.oauth_client_id.clone(),
        description: format!("JupyterHub service: {name}"),
        secret: TokenHash::of(secret).0,
        redirect_uri: spec.oauth_redirect_uri.clone(),
        allowed_scopes: spec.oauth_client_allowed_scopes.clone(),
        of: ClientOf::Service {
            id,
            name: name.to_owned(),
        },
    };
    oauth::put_client(connection, &client)
}

fn spec(name: &str, data: &Map<String, Value>, base: &str) -> Result<Spec, ApiError> {
    if data.get("command").is_some_and(body::is_true) {
        return Err(ApiError::bad_request(format!(
            "Can not create managed service {name} at runtime"
        )));
    }
    let text = |key: &str| {
        data.get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let or = |text: String, default: String| if text.is_empty() { default } else { text };
    let flag = |key: &str, default: bool| data.get(key).and_then(Value::as_bool).unwrap_or(default);
    let url = text("url");
    if !url.is_empty() && url::Url::parse(&url).map_or(true, |url| !url.has_host()) {
        return Err(failed(name));
    }
    let oauth_client_id = or(text("oauth_client_id"), format!("service-{name}"));
    // Another prefix could name the client of somebody's server.
    if !oauth_client_id.starts_with("service-") {
        return Err(failed(name));
    }
    Ok(Spec {
        command: Vec::new(),
        info: data
            .get("info")
            .and_then(Value::as_object)
            .cloned()
            .unwrap_or_default(),
        display: flag("display", true),
        oauth_client_id,
        oauth_redirect_uri: or(
            text("oauth_redirect_uri"),
            format!("{base}services/{}/oauth_callback", name::escape(name)),
        ),
        oauth_client_allowed_scopes: match data.get("oauth_client_allowed_scopes") {
            Some(scopes) => body::texts(scopes, |_| format!("Failed to create service {name}"))?,
            None => Vec::new(),
        },
        oauth_no_confirm: flag("oauth_no_confirm", false),
        url,
    })
}

/// `DELETE /services/{name}`: one that the configuration does not name.
pub async fn delete(
    State(hub): State<Arc<Hub>>,
    Path(name): Path<String>,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    let requester = caller.needs_for(&["admin:services"], &Subject::Service(&name))?;
    tracing::info!(service = name, by = requester.name(), "deleting a service");
    hub.store
        .write(move |connection| {
            let found = service::find(connection, &name)?.ok_or_else(|| {
                ApiError::new(
                    StatusCode::NOT_FOUND,
                    format!("Service {name} does not exist"),
                )
            })?;
            if found.from_config {
                let message = format!("Service {name} is not modifiable at runtime");
                return Err(ApiError::new(StatusCode::METHOD_NOT_ALLOWED, message));
            }
            Ok(service::delete(connection, found.id)?)
        })
        .await?;
    hub.servers.routes_look_wrong();
    Ok(StatusCode::OK)
}
