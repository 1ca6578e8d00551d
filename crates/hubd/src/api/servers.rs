//! Servers at rest: reading one, making a named one without starting it, changing one that does not run.
//!
//! Starting and stopping them is in [`crate::server::http`].

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use http::StatusCode;
use rusqlite::Connection;
use serde_json::Value;

use super::model::Reader;
use super::users::Answer;
use super::{ApiError, Caller, body, python};
use crate::app::Hub;
use crate::name;
use crate::scope::Subject;
use crate::server::Wish;
use crate::server::http::wish;
use crate::spawner::ServerKey;
use crate::store::StoreError;
use crate::store::server::{self, Server};
use crate::store::user::{self, User};

/// Checks the scope for a server, which need not exist, and finds its owner.
async fn owner(
    hub: &Hub,
    caller: &Caller,
    scope: &str,
    user: &str,
    name: &str,
) -> Result<User, ApiError> {
    caller.known()?;
    let wanted = user.to_owned();
    let found = hub
        .store
        .read(move |connection| user::find(connection, &wanted))
        .await?;
    let groups = found.as_ref().map_or(&[][..], |user| &user.groups);
    caller.needs_for(&[scope], &Subject::Server { user, groups, name })?;
    found.ok_or_else(ApiError::not_found)
}

/// The model of a server; `row`: unless it was never asked for, as the default one of any user.
fn tell(
    hub: &Hub,
    caller: &Caller,
    user: &User,
    row: Option<&Server>,
) -> Result<Json<Value>, ApiError> {
    let reader = Reader::new(hub, &caller.known()?.scopes);
    let name = row.map_or("", |row| &row.name);
    let state = hub.servers.look().state(&user.name, name);
    let model = reader.server_model(user, name, row, state);
    Ok(Json(serde_json::to_value(model).map_err(StoreError::from)?))
}

/// `GET /users/{user}/server`
pub async fn get_default(hub: State<Arc<Hub>>, Path(user): Path<String>, caller: Caller) -> Answer {
    get(&hub, &caller, &user, "").await
}

/// `GET /users/{user}/servers/{server}`
pub async fn get_named(
    hub: State<Arc<Hub>>,
    Path((user, name)): Path<(String, String)>,
    caller: Caller,
) -> Answer {
    get(&hub, &caller, &user, &name).await
}

async fn get(hub: &Hub, caller: &Caller, user: &str, name: &str) -> Answer {
    let owner = owner(hub, caller, "read:servers", user, name).await?;
    let (user, wanted) = (owner.name.clone(), name.to_owned());
    let found = hub
        .store
        .read(move |connection| server::find(connection, &user, &wanted))
        .await?;
    if found.is_none() && !name.is_empty() {
        return Err(ApiError::not_found());
    }
    Ok((StatusCode::OK, tell(hub, caller, &owner, found.as_ref())?))
}

/// `PUT /users/{user}/server`: there is one always.
pub async fn put_default(hub: State<Arc<Hub>>, Path(user): Path<String>, caller: Caller) -> Answer {
    let owner = owner(&hub, &caller, "start:servers", &user, "").await?;
    let message = format!("User {} already has a default server", owner.name);
    Err(ApiError::new(StatusCode::CONFLICT, message))
}

/// `PUT /users/{user}/servers/{server}`: makes one, and does not start it.
pub async fn put_named(
    hub: State<Arc<Hub>>,
    Path((user, name)): Path<(String, String)>,
    caller: Caller,
    body: Bytes,
) -> Answer {
    let owner = owner(&hub, &caller, "start:servers", &user, &name).await?;
    if name.is_empty() {
        let message = format!("User {} already has a default server", owner.name);
        return Err(ApiError::new(StatusCode::CONFLICT, message));
    }
    let wish = wish(&body);
    let (shared, user) = (hub.clone(), owner.clone());
    let made = hub
        .store
        .write(move |connection| {
            if server::find(connection, &user.name, &name)?.is_some() {
                let message = format!("User {} already has server {name}", user.name);
                return Err(ApiError::new(StatusCode::CONFLICT, message));
            }
            let Wish {
                options,
                display_name,
            } = wish?;
            let display = display_name.unwrap_or_else(|| name.clone());
            check(&shared, connection, &user, &name, Some(&display), true)?;
            let made = server::ensure(connection, user.id, &name, &display)?;
            if let Some(options) = options.filter(|options| !options.is_empty()) {
                server::set_options(connection, made.id, &options)?;
            }
            server::find(connection, &user.name, &name)?.ok_or_else(ApiError::not_found)
        })
        .await?;
    Ok((
        StatusCode::CREATED,
        tell(&hub, &caller, &owner, Some(&made))?,
    ))
}

/// Checks that a user may have a server of this name, shown so.
fn check(
    hub: &Hub,
    connection: &Connection,
    user: &User,
    name: &str,
    display: Option<&str>,
    limited: bool,
) -> Result<(), ApiError> {
    let named = &hub.config.named_servers;
    if !named.allow {
        return Err(ApiError::bad_request("Named servers are not enabled."));
    }
    let servers = server::of_user(connection, user.id)?;
    if servers.iter().any(|server| server.name == name) {
        return Ok(());
    }
    let count = servers
        .iter()
        .filter(|server| !server.name.is_empty())
        .count();
    if limited && named.limit > 0 && count >= named.limit as usize {
        let message = format!(
            "User {} already has the maximum of {} named servers.  One must be deleted before a new server can be created",
            user.name, named.limit
        );
        return Err(ApiError::bad_request(message));
    }
    if !name::is_valid_server(name) {
        return Err(ApiError::bad_request(format!(
            "Invalid server_name: {}",
            python::text(name)
        )));
    }
    if let Some(display) = display.filter(|display| !name::is_valid_display(display)) {
        return Err(ApiError::bad_request(format!(
            "Invalid display_name: {}",
            python::text(display)
        )));
    }
    Ok(())
}

/// `PATCH /users/{user}/server`
pub async fn patch_default(
    hub: State<Arc<Hub>>,
    Path(user): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Answer {
    patch(&hub, &caller, &user, String::new(), &body).await
}

/// `PATCH /users/{user}/servers/{server}`
pub async fn patch_named(
    hub: State<Arc<Hub>>,
    Path((user, name)): Path<(String, String)>,
    caller: Caller,
    body: Bytes,
) -> Answer {
    patch(&hub, &caller, &user, name, &body).await
}

/// Changes a server that does not run: its name, the name it is shown by, its options.
async fn patch(hub: &Arc<Hub>, caller: &Caller, user: &str, name: String, body: &[u8]) -> Answer {
    let owner = owner(hub, caller, "start:servers", user, &name).await?;
    let body = match body::json(body)?.filter(body::is_true) {
        Some(Value::Object(body)) => body,
        Some(_) => return Err(ApiError::bad_request("Body must be a JSON object")),
        None => {
            return Err(ApiError::bad_request(
                "Must specify at least one field to modify.",
            ));
        }
    };
    let known = ["name", "display_name", "user_options"];
    if let Some(key) = body.keys().find(|key| !known.contains(&key.as_str())) {
        let message = format!(
            "Unexpected fields: {{{}}}, supported fields: {}",
            python::text(key),
            known.join(",")
        );
        return Err(ApiError::bad_request(message));
    }
    let text = |key: &str| match body.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(_) => Err(ApiError::bad_request(format!("{key} must be a string"))),
    };
    let (new_name, display) = (text("name")?, text("display_name")?);
    if let Some(new) = &new_name {
        // The right to one server is not the right to another.
        let subject = Subject::Server {
            user,
            groups: &owner.groups,
            name: new,
        };
        caller.needs_for(&["start:servers"], &subject)?;
    }
    let options = match body.get("user_options") {
        None => None,
        Some(Value::Object(options)) => Some(options.clone()),
        Some(_) => return Err(ApiError::bad_request("user_options must be a dict")),
    };
    let (shared, user) = (hub.clone(), owner.clone());
    let changed = hub
        .store
        .write(move |connection| {
            let shown = display.as_deref().or(new_name.as_deref());
            match &new_name {
                Some(new) => check(&shared, connection, &user, new, shown, name.is_empty())?,
                None if display.is_some() => {
                    check(&shared, connection, &user, &name, shown, false)?
                }
                None => {}
            }
            let found = match server::find(connection, &user.name, &name)? {
                Some(found) => found,
                None if name.is_empty() => server::ensure(connection, user.id, "", "")?,
                None => {
                    let message = format!(
                        "User {} has no such server {}",
                        user.name,
                        python::text(&name)
                    );
                    return Err(ApiError::new(StatusCode::NOT_FOUND, message));
                }
            };
            let key = ServerKey {
                user: user.name.clone(),
                name: name.clone(),
            };
            if shared.servers.state(&key).is_active() {
                let log_name = crate::server::refusal::log_name(&key);
                let message = format!("{log_name} is active. Please stop it before modifying it.");
                return Err(ApiError::bad_request(message));
            }
            if let Some(new) = &new_name {
                if server::find(connection, &user.name, new)?.is_some() {
                    let message = format!(
                        "User {} already has server {}",
                        user.name,
                        python::text(new)
                    );
                    return Err(ApiError::new(StatusCode::CONFLICT, message));
                }
                server::rename(connection, found.id, new)?;
            }
            if let Some(options) = &options {
                server::set_options(connection, found.id, options)?;
            }
            if let Some(display) = display.filter(|display| !display.is_empty()) {
                if !name::is_valid_display(&display) {
                    let message = format!("Invalid display_name: {}", python::text(&display));
                    return Err(ApiError::bad_request(message));
                }
                server::set_display_name(connection, found.id, &display)?;
            }
            let name = new_name.as_deref().unwrap_or(&name);
            server::find(connection, &user.name, name)?.ok_or_else(ApiError::not_found)
        })
        .await?;
    Ok((StatusCode::OK, tell(hub, caller, &owner, Some(&changed))?))
}
