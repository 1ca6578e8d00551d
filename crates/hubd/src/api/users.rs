//! Users.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use rusqlite::Connection;
use serde_json::{Map, Value};

use super::model::Reader;
use super::paging::Paging;
use super::{ApiError, Caller, body, python};
use crate::app::Hub;
use crate::name;
use crate::scope::{Filter, Subject};
use crate::server::state::State as ServerState;
use crate::spawner::ServerKey;
use crate::store::server::Server;
use crate::store::user::{Query, Sort, User};
use crate::store::{StoreError, server, user};

/// A model, and the status it is told with.
pub type Answer = Result<(StatusCode, Json<Value>), ApiError>;

/// Checks that one of the scopes is held for a user, who need not exist; finds him.
pub async fn find(
    hub: &Hub,
    caller: &Caller,
    name: &str,
    scopes: &[&str],
) -> Result<Option<User>, ApiError> {
    // Before anything is looked up for somebody whom nobody knows.
    caller.known()?;
    hub.store.try_flush_activity().await;
    let wanted = name.to_owned();
    let found = hub
        .store
        .read(move |connection| user::find(connection, &wanted))
        .await?;
    let groups = found.as_ref().map_or(&[][..], |user| &user.groups);
    caller.needs_for(scopes, &Subject::User { name, groups })?;
    Ok(found)
}

/// `GET /users`
pub async fn list(
    State(hub): State<Arc<Hub>>,
    caller: Caller,
    parts: Parts,
) -> Result<Response, ApiError> {
    let requester = caller.needs_some("list:users")?.clone();
    let paging = Paging::of(&parts)?;
    let sort = paging.parameter("sort").unwrap_or("id");
    let (column, descending) = match sort.strip_prefix('-') {
        Some(column) => (column, true),
        None => (sort, false),
    };
    let column = match column {
        "id" => Sort::Id,
        "name" => Sort::Name,
        "last_activity" => Sort::LastActivity,
        _ => {
            let message = format!("sort must be 'id', 'name', or 'last_activity', not '{sort}'");
            return Err(ApiError::bad_request(message));
        }
    };
    let state = paging.parameter("state").filter(|state| !state.is_empty());
    let active = match state {
        None => None,
        Some("active" | "ready") => Some(true),
        Some("inactive") => Some(false),
        Some(other) => {
            let message = format!("Unrecognized state filter: {}", python::text(other));
            return Err(ApiError::bad_request(message));
        }
    };
    let only = match requester.scopes.filter("list:users") {
        Some(Filter::Only(names)) if names.servers.is_empty() && names.services.is_empty() => {
            Some((
                names.users.iter().cloned().collect(),
                names.groups.iter().cloned().collect(),
            ))
        }
        // A filter that says nothing of users must not become all users.
        Some(Filter::Only(_)) | None => return Err(ApiError::bare(StatusCode::FORBIDDEN)),
        Some(Filter::All) => None,
    };
    let query = Query {
        active,
        name_part: paging
            .parameter("name_filter")
            .filter(|part| !part.is_empty())
            .map(str::to_owned),
        only,
        sort: column,
        descending,
        offset: paging.offset,
        limit: paging.limit,
    };
    hub.store.try_flush_activity().await;
    let (users, servers, total) = hub
        .store
        .read(move |connection| {
            let (users, total) = user::list(connection, &query)?;
            let servers = server::of_users(connection, users.iter().map(|user| user.id))?;
            Ok::<_, StoreError>((users, servers, total))
        })
        .await?;
    let reader = Reader::new(&hub, &requester.scopes)
        .with_stopped_servers(paging.flag("include_stopped_servers"));
    let mut look = hub.servers.look();
    let models = users.iter().filter_map(|user| {
        let servers: &[Server] = servers.get(&user.id).map_or(&[], Vec::as_slice);
        let mut is_ready =
            |server: &Server| look.state(&server.user, &server.name) == ServerState::Ready;
        if state == Some("ready") && !servers.iter().any(&mut is_ready) {
            return None;
        }
        reader.user_model(user, servers, &mut look)
    });
    let models: Vec<_> = models.collect();
    drop(look);
    Ok(Json(paging.answer(models, total)).into_response())
}

/// `POST /users`: makes several.
pub async fn create_many(State(hub): State<Arc<Hub>>, caller: Caller, body: Bytes) -> Answer {
    let requester = caller.needs(&["admin:users"])?.clone();
    let mut data = match body::json(&body)? {
        Some(Value::Object(data)) if data.get("usernames").is_some_and(body::is_true) => data,
        _ => {
            return Err(ApiError::bad_request(
                "Must specify at least one user to create",
            ));
        }
    };
    let usernames = data.remove("usernames").unwrap_or_default();
    let data = body::USER.check(&Value::Object(data))?;
    let admin = data.get("admin").is_some_and(body::is_true);
    if admin && !requester.is_admin() {
        return Err(ApiError::forbidden(
            "Only admins can grant admin permissions",
        ));
    }
    let names = body::texts(&usernames, |item| {
        format!("usernames must be str, not {}", python::type_of(item))
    })?;
    let mut names: Vec<String> = names
        .iter()
        .map(|name| name::normalize_user(name))
        .collect();
    let invalid: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| !name::is_valid_user(name))
        .collect();
    match invalid[..] {
        [] => {}
        [one] => return Err(ApiError::bad_request(format!("Invalid username: {one}"))),
        _ => {
            return Err(ApiError::bad_request(format!(
                "Invalid usernames: {}",
                invalid.join(", ")
            )));
        }
    }
    let wanted = names.len();
    names.dedup();
    let now = hub.clock.now();
    let created = hub
        .store
        .write(move |connection| {
            let mut created = Vec::new();
            for name in names {
                if user::find(connection, &name)?.is_none() {
                    let id = user::create(connection, now, &name, admin)?;
                    created.extend(user::find_id(connection, id)?);
                }
            }
            if created.is_empty() {
                let message = format!("All {wanted} users already exist");
                return Err(ApiError::new(StatusCode::CONFLICT, message));
            }
            Ok(created)
        })
        .await?;
    for user in &created {
        tracing::info!(user = user.name, by = requester.name(), "user added");
    }
    let reader = Reader::new(&hub, &requester.scopes);
    let models = created
        .iter()
        .map(|user| Ok(Value::Object(reader.user(user, &[])?)))
        .collect::<Result<_, ApiError>>()?;
    Ok((StatusCode::CREATED, Json(models)))
}

/// `GET /users/{name}`
pub async fn get(
    State(hub): State<Arc<Hub>>,
    Path(name): Path<String>,
    caller: Caller,
    parts: Parts,
) -> Answer {
    const ANY: &[&str] = &[
        "read:users",
        "read:users:name",
        "read:servers",
        "read:users:groups",
        "read:users:activity",
        "read:roles:users",
    ];
    let found = find(&hub, &caller, &name, ANY)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let model = tell(&hub, &caller, found, Some(&parts)).await?;
    Ok((StatusCode::OK, Json(Value::Object(model))))
}

/// The model of a user, for this caller.
async fn tell(
    hub: &Hub,
    caller: &Caller,
    user: User,
    parts: Option<&Parts>,
) -> Result<Map<String, Value>, ApiError> {
    let requester = caller.known()?;
    let stopped_servers = match parts {
        Some(parts) => Paging::of(parts)?.flag("include_stopped_servers"),
        None => false,
    };
    let id = user.id;
    let servers = hub
        .store
        .read(move |connection| server::of_user(connection, id))
        .await?;
    let reader = Reader::new(hub, &requester.scopes).with_stopped_servers(stopped_servers);
    reader.user(&user, &servers)
}

/// `POST /users/{name}`: makes one.
pub async fn create(
    State(hub): State<Arc<Hub>>,
    Path(name): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Answer {
    let found = find(&hub, &caller, &name, &["admin:users"]).await?;
    let requester = caller.known()?;
    let data = body::json(&body)?;
    let exists = || ApiError::new(StatusCode::CONFLICT, format!("User {name} already exists"));
    if found.is_some() {
        return Err(exists());
    }
    let mut admin = false;
    if let Some(data) = data.filter(body::is_true) {
        admin = body::USER
            .check(&data)?
            .get("admin")
            .is_some_and(body::is_true);
    }
    if admin && !requester.is_admin() {
        return Err(ApiError::forbidden(
            "Only admins can grant admin permissions",
        ));
    }
    let normal = name::normalize_user(&name);
    if !name::is_valid_user(&normal) {
        return Err(ApiError::bad_request(format!(
            "Invalid username: {}",
            python::text(&normal)
        )));
    }
    let now = hub.clock.now();
    let created = hub
        .store
        .write(move |connection| {
            if user::find(connection, &normal)?.is_some() {
                return Ok::<_, StoreError>(None);
            }
            let id = user::create(connection, now, &normal, admin)?;
            user::find_id(connection, id)
        })
        .await?
        .ok_or_else(exists)?;
    tracing::info!(user = created.name, by = requester.name(), "user added");
    let model = tell(&hub, &caller, created, None).await?;
    Ok((StatusCode::CREATED, Json(Value::Object(model))))
}

/// `DELETE /users/{name}`: his servers are stopped, his tokens end with him.
pub async fn delete(
    State(hub): State<Arc<Hub>>,
    Path(name): Path<String>,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    let found = find(&hub, &caller, &name, &["delete:users"])
        .await?
        .ok_or_else(ApiError::not_found)?;
    let requester = caller.known()?;
    if found.name == requester.name() {
        return Err(ApiError::bad_request("Cannot delete yourself!"));
    }
    let key = ServerKey {
        user: found.name.clone(),
        name: String::new(),
    };
    if hub.servers.state(&key) == ServerState::Stopping {
        let message = format!("{name}'s server is in the process of stopping, please wait.");
        return Err(ApiError::bad_request(message));
    }
    hub.servers.stop_all_of(&found.name).await;
    hub.store
        .write(move |connection| user::delete(connection, found.id))
        .await?;
    // One that was asked for in the meantime would run on without anybody's name.
    hub.servers.stop_all_of(&found.name).await;
    hub.authenticators.forget(&found.name).await;
    tracing::info!(user = found.name, by = requester.name(), "user deleted");
    Ok(StatusCode::NO_CONTENT)
}

/// `PATCH /users/{name}`: another name, admin or not, what the authenticator keeps.
pub async fn patch(
    State(hub): State<Arc<Hub>>,
    Path(name): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Answer {
    let found = find(&hub, &caller, &name, &["admin:users"])
        .await?
        .ok_or_else(ApiError::not_found)?;
    let requester = caller.known()?.clone();
    let data = body::USER.check(&body::json(&body)?.unwrap_or_default())?;
    if let Some(key) = ["groups", "roles"]
        .iter()
        .find(|key| data.contains_key(**key))
    {
        let message = format!(
            "{key} of a user are not changed here: groups by /groups, roles by the configuration"
        );
        return Err(ApiError::bad_request(message));
    }
    let new_name = match data
        .get("name")
        .and_then(Value::as_str)
        .filter(|wanted| *wanted != name)
    {
        Some(wanted) => {
            let normal = name::normalize_user(wanted);
            if !name::is_valid_user(&normal) {
                return Err(ApiError::bad_request(format!(
                    "Invalid username: {}",
                    python::text(&normal)
                )));
            }
            Some(normal)
        }
        None => None,
    };
    let admin = data.get("admin").and_then(Value::as_bool);
    let state = data.get("auth_state").cloned();
    let is_admin = requester.is_admin();
    let before = found.name.clone();
    let (servers, called) = (hub.servers.clone(), name.clone());
    let changed = hub
        .store
        .write(move |connection| {
            // Here, so that a start either was noticed or finds the new name.
            if new_name.is_some() && servers.has_any_of(&found.name) {
                let message = format!(
                    "{called} has a server that runs: stop it before the user gets another name"
                );
                return Err(ApiError::bad_request(message));
            }
            change(
                connection,
                &found,
                new_name,
                admin,
                state.as_ref(),
                is_admin,
            )
        })
        .await?;
    if changed.name != before {
        hub.authenticators.renamed(&before, &changed.name).await;
    }
    tracing::info!(
        user = changed.name,
        was = name,
        by = requester.name(),
        ?admin,
        "user changed"
    );
    let auth_state = serde_json::json!(changed.auth_state);
    let mut model = tell(&hub, &caller, changed, None).await?;
    model.insert("auth_state".to_owned(), auth_state);
    Ok((StatusCode::OK, Json(Value::Object(model))))
}

fn change(
    connection: &Connection,
    found: &User,
    new_name: Option<String>,
    admin: Option<bool>,
    state: Option<&Value>,
    by_admin: bool,
) -> Result<User, ApiError> {
    if let Some(name) = &new_name
        && user::find(connection, name)?.is_some_and(|other| other.id != found.id)
    {
        let message = format!("User {name} already exists, username must be unique");
        return Err(ApiError::bad_request(message));
    }
    if !by_admin {
        if found.admin {
            return Err(ApiError::forbidden("Only admins can modify other admins"));
        }
        if admin == Some(true) {
            return Err(ApiError::forbidden(
                "Only admins can grant admin permissions",
            ));
        }
    }
    if let Some(name) = &new_name {
        user::rename(connection, found.id, name)?;
    }
    if let Some(admin) = admin {
        user::set_admin(connection, found.id, admin)?;
    }
    if let Some(state) = state {
        user::set_auth_state(connection, found.id, Some(state))?;
    }
    user::find_id(connection, found.id)?.ok_or_else(ApiError::not_found)
}
