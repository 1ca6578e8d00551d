//! Metadata of servers.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{NovaError, quota};
use crate::api::{Caller, Ctx, Payload};

pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/servers/{id}/metadata", get(index).post(add).put(replace))
        .route(
            "/servers/{id}/metadata/{key}",
            get(show).put(set).delete(remove),
        )
}

/// Reads metadata: strings to strings of at most 255 characters.
pub fn valid_metadata(value: &Value) -> Result<BTreeMap<String, String>, NovaError> {
    let refuse = |why: &str| NovaError::invalid("metadata", &value.to_string(), why);
    let object = value
        .as_object()
        .ok_or_else(|| refuse("it is not of type 'object'"))?;
    let mut metadata = BTreeMap::new();
    for (key, value) in object {
        let text = value.as_str().ok_or_else(|| {
            let why = format!("{value} is not of type 'string'");
            NovaError::invalid(key, &value.to_string(), &why)
        })?;
        let ok = |c: char| c.is_ascii_alphanumeric() || "-_:. ".contains(c);
        if key.is_empty() || key.len() > 255 || !key.chars().all(ok) {
            return Err(refuse(&format!(
                "Additional properties are not allowed ('{key}' was unexpected): keys match ^[a-zA-Z0-9-_:. ]{{1,255}}$"
            )));
        }
        if text.chars().count() > 255 {
            return Err(refuse(&format!("'{text}' is too long")));
        }
        metadata.insert(key.clone(), text.to_owned());
    }
    Ok(metadata)
}

fn given(body: &Value, key: &str) -> Result<BTreeMap<String, String>, NovaError> {
    valid_metadata(
        body.get(key).ok_or_else(|| {
            NovaError::invalid(key, "{}", &format!("'{key}' is a required property"))
        })?,
    )
}

async fn index(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, NovaError> {
    Ok(Json(
        json!({"metadata": ctx.lock().server(&caller, &id)?.metadata}),
    ))
}

async fn add(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(id): Path<String>,
    Payload(body): Payload,
) -> Result<Json<Value>, NovaError> {
    put(&ctx, &caller, &id, given(&body, "metadata")?, false)
}

async fn replace(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(id): Path<String>,
    Payload(body): Payload,
) -> Result<Json<Value>, NovaError> {
    put(&ctx, &caller, &id, given(&body, "metadata")?, true)
}

fn put(
    ctx: &Ctx,
    caller: &Caller,
    id: &str,
    more: BTreeMap<String, String>,
    instead: bool,
) -> Result<Json<Value>, NovaError> {
    let mut state = ctx.lock();
    let most = quota::limit(&state.compute, "metadata_items");
    let server = state.server_mut(caller, id)?;
    let mut metadata = if instead {
        BTreeMap::new()
    } else {
        server.metadata.clone()
    };
    metadata.extend(more);
    if most >= 0 && i64::try_from(metadata.len()).unwrap_or(i64::MAX) > most {
        return Err(NovaError::forbidden(format!(
            "Maximum number of metadata items exceeds {most}"
        )));
    }
    server.metadata = metadata;
    Ok(Json(json!({"metadata": server.metadata})))
}

async fn show(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path((id, key)): Path<(String, String)>,
) -> Result<Json<Value>, NovaError> {
    let state = ctx.lock();
    let value = state.server(&caller, &id)?.metadata.get(&key).cloned();
    let value = value.ok_or_else(|| NovaError::not_found("Metadata item was not found"))?;
    Ok(Json(json!({"meta": {key: value}})))
}

async fn set(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path((id, key)): Path<(String, String)>,
    Payload(body): Payload,
) -> Result<Json<Value>, NovaError> {
    let meta = given(&body, "meta")?;
    let value = meta.get(&key).cloned();
    let value = value.ok_or_else(|| NovaError::bad("Request body and URI mismatch"))?;
    let _whole = put(
        &ctx,
        &caller,
        &id,
        BTreeMap::from([(key.clone(), value.clone())]),
        false,
    )?;
    Ok(Json(json!({"meta": {key: value}})))
}

async fn remove(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path((id, key)): Path<(String, String)>,
) -> Result<StatusCode, NovaError> {
    let mut state = ctx.lock();
    let removed = state.server_mut(&caller, &id)?.metadata.remove(&key);
    removed
        .map(|_| StatusCode::NO_CONTENT)
        .ok_or_else(|| NovaError::not_found("Metadata item was not found"))
}
