//! Tags of servers, from 2.26.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{NovaError, Version};
use crate::api::{Caller, Ctx, Fields, Payload};

/// Tags a server may have, and characters a tag.
const MOST: (usize, usize) = (50, 60);

pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/servers/{id}/tags", get(index).put(replace).delete(clear))
        .route("/servers/{id}/tags/{tag}", put(add).get(has).delete(remove))
}

pub fn valid_tag(tag: &str) -> Result<String, NovaError> {
    if tag.is_empty() || tag.chars().count() > MOST.1 {
        return Err(NovaError::invalid(
            "tags",
            tag,
            &format!("'{tag}' is too short or too long"),
        ));
    }
    if tag.contains(['/', ',']) {
        return Err(NovaError::invalid(
            "tags",
            tag,
            &format!("'{tag}' does not match '^[^,/]*$'"),
        ));
    }
    Ok(tag.to_owned())
}

fn since_26(version: Version) -> Result<(), NovaError> {
    if version >= Version(26) {
        Ok(())
    } else {
        Err(NovaError::not_found("The resource could not be found."))
    }
}

async fn index(
    State(ctx): State<Ctx>,
    caller: Caller,
    version: Version,
    Path(id): Path<String>,
) -> Result<Json<Value>, NovaError> {
    since_26(version)?;
    Ok(Json(json!({"tags": ctx.lock().server(&caller, &id)?.tags})))
}

async fn replace(
    State(ctx): State<Ctx>,
    caller: Caller,
    version: Version,
    Path(id): Path<String>,
    Payload(body): Payload,
) -> Result<Json<Value>, NovaError> {
    since_26(version)?;
    let tags = body
        .texts("tags")
        .ok_or_else(|| NovaError::invalid("tags", "{}", "'tags' is a required property"))?;
    let tags = tags
        .iter()
        .map(|t| valid_tag(t))
        .collect::<Result<Vec<_>, _>>()?;
    if tags.len() > MOST.0 {
        return Err(NovaError::bad(format!(
            "The number of tags exceeded the per-server limit {}",
            MOST.0
        )));
    }
    let mut state = ctx.lock();
    let server = state.server_mut(&caller, &id)?;
    server.tags = tags;
    Ok(Json(json!({"tags": server.tags})))
}

async fn clear(
    State(ctx): State<Ctx>,
    caller: Caller,
    version: Version,
    Path(id): Path<String>,
) -> Result<StatusCode, NovaError> {
    since_26(version)?;
    ctx.lock().server_mut(&caller, &id)?.tags.clear();
    Ok(StatusCode::NO_CONTENT)
}

async fn add(
    State(ctx): State<Ctx>,
    caller: Caller,
    version: Version,
    Path((id, tag)): Path<(String, String)>,
) -> Result<StatusCode, NovaError> {
    since_26(version)?;
    let tag = valid_tag(&tag)?;
    let mut state = ctx.lock();
    let tags = &mut state.server_mut(&caller, &id)?.tags;
    if tags.contains(&tag) {
        return Ok(StatusCode::NO_CONTENT);
    }
    if tags.len() >= MOST.0 {
        return Err(NovaError::bad(format!(
            "The number of tags exceeded the per-server limit {}",
            MOST.0
        )));
    }
    tags.push(tag);
    Ok(StatusCode::CREATED)
}

async fn has(
    State(ctx): State<Ctx>,
    caller: Caller,
    version: Version,
    Path((id, tag)): Path<(String, String)>,
) -> Result<StatusCode, NovaError> {
    since_26(version)?;
    let there = ctx.lock().server(&caller, &id)?.tags.contains(&tag);
    if there {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(missing(&id, &tag))
    }
}

async fn remove(
    State(ctx): State<Ctx>,
    caller: Caller,
    version: Version,
    Path((id, tag)): Path<(String, String)>,
) -> Result<StatusCode, NovaError> {
    since_26(version)?;
    let mut state = ctx.lock();
    let tags = &mut state.server_mut(&caller, &id)?.tags;
    let place = tags
        .iter()
        .position(|t| *t == tag)
        .ok_or_else(|| missing(&id, &tag))?;
    tags.remove(place);
    Ok(StatusCode::NO_CONTENT)
}

fn missing(id: &str, tag: &str) -> NovaError {
    NovaError::not_found(format!("Server {id} has no tag '{tag}'"))
}
