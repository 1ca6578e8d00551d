//! The part of the REST API that moves servers: start, stop, progress, activity.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State as Shared};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{HeaderValue, StatusCode, header};
use serde_json::{Map, Value};

use super::activity;
use super::progress::event_stream;
use super::{Outcome, Refusal, Wish};
use crate::api::{ApiError, Caller};
use crate::app::Hub;
use crate::scope::Subject;
use crate::spawner::ServerKey;
use crate::store::{StoreError, server, user};

/// The routes, under `{base}hub/api`. What reads servers or changes them at rest is beside them, in [`crate::api`].
pub fn routes(prefix: &str) -> Router<Arc<Hub>> {
    let at = |path: &str| format!("{prefix}/api/users/{{user}}{path}");
    Router::new()
        .route(&at("/server"), post(start_default).delete(stop_default))
        .route(&at("/server/progress"), get(progress_default))
        .route(
            &at("/servers/{server}"),
            post(start_named).delete(stop_named),
        )
        // JupyterHub takes the empty name, too.
        .route(&at("/servers/"), post(start_default).delete(stop_default))
        .route(&at("/servers/{server}/progress"), get(progress_named))
        .route(&at("/activity"), post(report))
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        if let Refusal::Store(error) = refusal {
            return error.into();
        }
        Self {
            retry_after: refusal.retry_after(),
            ..Self::new(refusal.status(), refusal.to_string())
        }
    }
}

type Answer = Result<Response, ApiError>;

async fn start_default(
    hub: Shared<Arc<Hub>>,
    caller: Caller,
    Path(user): Path<String>,
    body: Bytes,
) -> Answer {
    start(&hub, &caller, key(user, String::new()), &body).await
}

async fn start_named(
    hub: Shared<Arc<Hub>>,
    caller: Caller,
    Path((user, name)): Path<(String, String)>,
    body: Bytes,
) -> Answer {
    start(&hub, &caller, key(user, name), &body).await
}

async fn start(hub: &Hub, caller: &Caller, key: ServerKey, body: &[u8]) -> Answer {
    allow(hub, caller, "start:servers", &key).await?;
    let outcome = hub.servers.start(&key, wish(body)?).await?;
    Ok(text(match outcome {
        Outcome::Done => StatusCode::CREATED,
        Outcome::Pending => StatusCode::ACCEPTED,
    }))
}

async fn stop_default(
    hub: Shared<Arc<Hub>>,
    caller: Caller,
    Path(user): Path<String>,
    body: Bytes,
) -> Answer {
    stop(&hub, &caller, key(user, String::new()), &body).await
}

async fn stop_named(
    hub: Shared<Arc<Hub>>,
    caller: Caller,
    Path((user, name)): Path<(String, String)>,
    body: Bytes,
) -> Answer {
    stop(&hub, &caller, key(user, name), &body).await
}

async fn stop(hub: &Hub, caller: &Caller, key: ServerKey, body: &[u8]) -> Answer {
    allow(hub, caller, "delete:servers", &key).await?;
    let remove = json(body)?.is_some_and(|body| body["remove"] == true);
    if !key.name.is_empty() {
        if !hub.config.named_servers.allow {
            return Err(Refusal::NamedDisabled.into());
        }
        if !exists(hub, &key).await? {
            let ServerKey { user, name } = key;
            return Err(Refusal::NoServer { user, name }.into());
        }
    }
    let outcome = match remove {
        true => hub.servers.remove(&key).await?,
        false => hub.servers.stop(&key).await?,
    };
    Ok(text(match outcome {
        Outcome::Done => StatusCode::NO_CONTENT,
        Outcome::Pending => StatusCode::ACCEPTED,
    }))
}

async fn progress_default(
    hub: Shared<Arc<Hub>>,
    caller: Caller,
    Path(user): Path<String>,
) -> Answer {
    progress(&hub, &caller, key(user, String::new())).await
}

async fn progress_named(
    hub: Shared<Arc<Hub>>,
    caller: Caller,
    Path((user, name)): Path<(String, String)>,
) -> Answer {
    progress(&hub, &caller, key(user, name)).await
}

async fn progress(hub: &Hub, caller: &Caller, key: ServerKey) -> Answer {
    allow(hub, caller, "read:servers", &key).await?;
    if !key.name.is_empty() && !exists(hub, &key).await? {
        return Err(ApiError::not_found());
    }
    Ok(event_stream(hub.servers.progress(&key)?))
}

async fn report(
    Shared(hub): Shared<Arc<Hub>>,
    caller: Caller,
    Path(name): Path<String>,
    body: Bytes,
) -> Answer {
    let found = hub.store.read(by_name(name.clone())).await?;
    let groups = found.as_ref().map_or(&[][..], |user| &user.groups);
    let subject = Subject::User {
        name: &name,
        groups,
    };
    caller.needs_for(&["users:activity"], &subject)?;
    let found = found.ok_or_else(|| {
        ApiError::new(
            StatusCode::NOT_FOUND,
            format!("No such user: {}", crate::api::python::text(&name)),
        )
    })?;
    let body = json(&body)?.unwrap_or(Value::Null);
    let now = hub.clock.now();
    hub.store
        .note(move |connection| {
            let servers = server::of_user(connection, found.id)?;
            let id_of = |name: &str| {
                servers
                    .iter()
                    .find(|server| server.name == name)
                    .map(|server| server.id)
            };
            let report = activity::parse(&body, now, &found.name, |name| id_of(name).is_some())
                .map_err(ApiError::bad_request)?;
            if let Some(at) = report.user {
                user::note_activity(connection, found.id, at)?;
            }
            for (name, at) in report.servers {
                if let Some(id) = id_of(&name) {
                    server::note_activity(connection, id, at)?;
                }
            }
            Ok::<_, ApiError>(())
        })
        .await?;
    Ok(StatusCode::OK.into_response())
}

fn key(user: String, name: String) -> ServerKey {
    ServerKey { user, name }
}

fn by_name(
    name: String,
) -> impl FnOnce(&rusqlite::Connection) -> Result<Option<user::User>, StoreError> + Send + 'static {
    move |connection| user::find(connection, &name)
}

/// Checks that the caller may do this to that server, and that its user exists.
async fn allow(hub: &Hub, caller: &Caller, scope: &str, key: &ServerKey) -> Result<(), ApiError> {
    let found = hub.store.read(by_name(key.user.clone())).await?;
    let groups = found.as_ref().map_or(&[][..], |user| &user.groups);
    let subject = Subject::Server {
        user: &key.user,
        groups,
        name: &key.name,
    };
    caller.needs_for(&[scope], &subject)?;
    match found {
        Some(_) => Ok(()),
        None => Err(ApiError::not_found()),
    }
}

async fn exists(hub: &Hub, key: &ServerKey) -> Result<bool, StoreError> {
    let key = key.clone();
    let found = hub
        .store
        .read(move |connection| server::find(connection, &key.user, &key.name))
        .await?;
    Ok(found.is_some())
}

fn json(body: &[u8]) -> Result<Option<Value>, ApiError> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    serde_json::from_slice(body)
        .map(Some)
        .map_err(|_| ApiError::bad_request("Invalid JSON in body of request"))
}

/// Reads what is wished for. A body that says neither `display_name` nor `user_options` is the options themselves, as
/// before JupyterHub 6.
pub(crate) fn wish(body: &[u8]) -> Result<Wish, ApiError> {
    let Some(body) = json(body)?.filter(|body| !is_empty(body)) else {
        return Ok(Wish::default());
    };
    let Value::Object(mut body) = body else {
        return Err(ApiError::bad_request("Body must be a JSON object"));
    };
    let display_name = match body.remove("display_name") {
        None => None,
        Some(Value::String(name)) => Some(name),
        Some(_) => return Err(ApiError::bad_request("display_name must be a string")),
    };
    let options: Option<Map<String, Value>> = match body.remove("user_options") {
        Some(Value::Object(options)) => Some(options),
        Some(Value::Null) => None,
        Some(_) => {
            return Err(ApiError::bad_request(
                "user_options must be an object or null",
            ));
        }
        None if display_name.is_some() => None,
        None => Some(body),
    };
    Ok(Wish {
        options,
        display_name: display_name.filter(|name| !name.is_empty()),
    })
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::String(text) => text.is_empty(),
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::Bool(true) => false,
    }
}

/// An answer without a body, of the type that JupyterHub says it is.
fn text(status: StatusCode) -> Response {
    let kind = HeaderValue::from_static("text/plain");
    (status, [(header::CONTENT_TYPE, kind)]).into_response()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn wishes_of_old_and_new() {
        for (body, options, display_name) in [
            ("", None, None),
            ("{}", None, None),
            (
                r#"{"profile": "small"}"#,
                Some(json!({"profile": "small"})),
                None,
            ),
            (r#"{"user_options": {"a": 1}}"#, Some(json!({"a": 1})), None),
            (
                r#"{"user_options": null, "display_name": "X"}"#,
                None,
                Some("X"),
            ),
            (r#"{"display_name": "X"}"#, None, Some("X")),
            (r#"{"display_name": ""}"#, None, None),
        ] {
            let wish = wish(body.as_bytes()).unwrap();
            assert_eq!(wish.options.map(Value::Object), options, "{body}");
            assert_eq!(wish.display_name.as_deref(), display_name, "{body}");
        }
        for (body, message) in [
            ("{", "Invalid JSON in body of request"),
            ("[1]", "Body must be a JSON object"),
            (r#"{"display_name": 1}"#, "display_name must be a string"),
            (
                r#"{"user_options": 1}"#,
                "user_options must be an object or null",
            ),
        ] {
            assert_eq!(
                wish(body.as_bytes()).unwrap_err().message,
                message,
                "{body}"
            );
        }
    }
}
