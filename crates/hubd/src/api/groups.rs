//! Groups.

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
use super::users::Answer;
use super::{ApiError, Caller, body, python};
use crate::app::Hub;
use crate::name;
use crate::scope::{Filter, Subject};
use crate::store::group::{self, Group};
use crate::store::requester::Requester;
use crate::store::user;

fn tell(hub: &Hub, requester: &Requester, group: &Group) -> Value {
    serde_json::json!(Reader::new(hub, &requester.scopes).group_model(group))
}

fn no_group(name: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, format!("No such group: {name}"))
}

fn exists(name: &str) -> ApiError {
    ApiError::new(StatusCode::CONFLICT, format!("Group {name} already exists"))
}

/// `GET /groups`
pub async fn list(
    State(hub): State<Arc<Hub>>,
    caller: Caller,
    parts: Parts,
) -> Result<Response, ApiError> {
    let requester = caller.needs_some("list:groups")?.clone();
    let only = match requester.scopes.filter("list:groups") {
        Some(Filter::All) => None,
        Some(Filter::Only(names))
            if names.users.is_empty() && names.servers.is_empty() && names.services.is_empty() =>
        {
            Some(names.groups.iter().cloned().collect::<Vec<_>>())
        }
        // A filter that says nothing of groups must not become all groups.
        Some(Filter::Only(_)) | None => return Err(ApiError::bare(StatusCode::FORBIDDEN)),
    };
    let paging = Paging::of(&parts)?;
    let (offset, limit) = (paging.offset, paging.limit);
    let (groups, total) = hub
        .store
        .read(move |connection| group::list(connection, only.as_deref(), offset, limit))
        .await?;
    let reader = Reader::new(&hub, &requester.scopes);
    let models: Vec<_> = groups
        .iter()
        .map(|group| reader.group_model(group))
        .collect();
    Ok(Json(paging.answer(models, total)).into_response())
}

/// `POST /groups`: makes several.
pub async fn create_many(State(hub): State<Arc<Hub>>, caller: Caller, body: Bytes) -> Answer {
    let requester = caller.needs(&["admin:groups"])?.clone();
    let mut data = match body::json(&body)? {
        Some(Value::Object(data)) if data.get("groups").is_some_and(body::is_true) => data,
        _ => {
            return Err(ApiError::bad_request(
                "Must specify at least one group to create",
            ));
        }
    };
    let names = data.remove("groups").unwrap_or_default();
    let data = body::GROUP.check(&Value::Object(data))?;
    let names = body::texts(&names, |item| {
        format!("group names must be str, not {}", python::type_of(item))
    })?;
    let users = users_of(&data)?;
    let groups = hub
        .store
        .write(move |connection| {
            names
                .iter()
                .map(|name| make(connection, name, &users))
                .collect::<Result<Vec<_>, ApiError>>()
        })
        .await?;
    let models = groups
        .iter()
        .map(|group| tell(&hub, &requester, group))
        .collect();
    Ok((StatusCode::CREATED, Json(models)))
}

/// The names of users in a body.
fn users_of(data: &Map<String, Value>) -> Result<Vec<String>, ApiError> {
    match data.get("users") {
        Some(users) => body::texts(users, |item| {
            format!("usernames must be str, not {}", python::type_of(item))
        }),
        None => Ok(Vec::new()),
    }
}

/// The ids of users by their names.
fn ids_of(connection: &Connection, names: &[String]) -> Result<Vec<i64>, ApiError> {
    let ids = names.iter().map(|name| {
        let name = name::normalize_user(name);
        let found = user::find(connection, &name)?;
        found
            .map(|user| user.id)
            .ok_or_else(|| ApiError::bad_request(format!("No such user: {name}")))
    });
    ids.collect()
}

fn make(connection: &Connection, name: &str, users: &[String]) -> Result<Group, ApiError> {
    if group::find(connection, name)?.is_some() {
        return Err(exists(name));
    }
    if name.is_empty() || name.contains('/') {
        return Err(ApiError::bad_request(format!(
            "Invalid group name: {}",
            python::text(name)
        )));
    }
    let users = ids_of(connection, users)?;
    let id = group::create(connection, name)?;
    for user in users {
        group::add_user(connection, id, user)?;
    }
    group::find(connection, name)?.ok_or_else(|| no_group(name))
}

/// `GET /groups/{name}`
pub async fn get(State(hub): State<Arc<Hub>>, Path(name): Path<String>, caller: Caller) -> Answer {
    let requester = caller
        .needs_for(
            &["read:groups", "read:groups:name", "read:roles:groups"],
            &Subject::Group(&name),
        )?
        .clone();
    let wanted = name.clone();
    let found = hub
        .store
        .read(move |connection| group::find(connection, &wanted))
        .await?;
    let found = found.ok_or_else(|| no_group(&name))?;
    Ok((StatusCode::OK, Json(tell(&hub, &requester, &found))))
}

/// `POST /groups/{name}`: makes one.
pub async fn create(
    State(hub): State<Arc<Hub>>,
    Path(name): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Answer {
    let requester = caller
        .needs_for(&["admin:groups"], &Subject::Group(&name))?
        .clone();
    let users = match body::json(&body)? {
        None | Some(Value::Null) => Vec::new(),
        Some(data) => users_of(&body::GROUP.check(&data)?)?,
    };
    tracing::info!(group = name, by = requester.name(), "making a group");
    let made = hub
        .store
        .write(move |connection| make(connection, &name, &users))
        .await?;
    Ok((StatusCode::CREATED, Json(tell(&hub, &requester, &made))))
}

/// `DELETE /groups/{name}`
pub async fn delete(
    State(hub): State<Arc<Hub>>,
    Path(name): Path<String>,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    let requester = caller.needs_for(&["delete:groups"], &Subject::Group(&name))?;
    tracing::info!(group = name, by = requester.name(), "deleting a group");
    hub.store
        .write(move |connection| {
            let found = group::find(connection, &name)?.ok_or_else(|| no_group(&name))?;
            Ok::<_, ApiError>(group::delete(connection, found.id)?)
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What happens to members.
#[derive(Debug, Clone, Copy)]
enum Change {
    Add,
    Remove,
}

/// `POST /groups/{name}/users`
pub async fn add_users(
    State(hub): State<Arc<Hub>>,
    Path(name): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Answer {
    change_users(&hub, name, &caller, &body, Change::Add).await
}

/// `DELETE /groups/{name}/users`
pub async fn remove_users(
    State(hub): State<Arc<Hub>>,
    Path(name): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Answer {
    change_users(&hub, name, &caller, &body, Change::Remove).await
}

async fn change_users(
    hub: &Hub,
    name: String,
    caller: &Caller,
    body: &[u8],
    change: Change,
) -> Answer {
    let requester = caller
        .needs_for(&["groups"], &Subject::Group(&name))?
        .clone();
    // Read before the group is looked up, as it costs less; who may not know of the group learns nothing by it.
    let data = body::json(body);
    let by = requester.clone();
    let changed = hub
        .store
        .write(move |connection| {
            let found = group::find(connection, &name)?.ok_or_else(|| no_group(&name))?;
            let data = body::GROUP.check(&data?.unwrap_or_default())?;
            if !data.contains_key("users") {
                let verb = match change {
                    Change::Add => "add",
                    Change::Remove => "delete",
                };
                return Err(ApiError::bad_request(format!("Must specify users to {verb}")));
            }
            for user in ids_of(connection, &users_of(&data)?)? {
                match change {
                    Change::Add => group::add_user(connection, found.id, user)?,
                    Change::Remove => group::remove_user(connection, found.id, user)?,
                }
            }
            tracing::info!(group = name, by = by.name(), ?change, users = %data["users"], "members of a group");
            group::find(connection, &name)?.ok_or_else(|| no_group(&name))
        })
        .await?;
    Ok((StatusCode::OK, Json(tell(hub, &requester, &changed))))
}

/// `PUT /groups/{name}/properties`
pub async fn put_properties(
    State(hub): State<Arc<Hub>>,
    Path(name): Path<String>,
    caller: Caller,
    body: Bytes,
) -> Answer {
    let requester = caller
        .needs_for(&["groups"], &Subject::Group(&name))?
        .clone();
    let data = body::json(&body);
    let changed = hub
        .store
        .write(move |connection| {
            let found = group::find(connection, &name)?.ok_or_else(|| no_group(&name))?;
            let Some(Value::Object(properties)) = data? else {
                return Err(ApiError::bad_request("Must specify properties"));
            };
            group::set_properties(connection, found.id, &properties)?;
            group::find(connection, &name)?.ok_or_else(|| no_group(&name))
        })
        .await?;
    Ok((StatusCode::OK, Json(tell(&hub, &requester, &changed))))
}
