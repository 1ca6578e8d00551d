//! Tokens of users.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::users::{self, Answer};
use super::{ApiError, Caller, body, model, python};
use crate::app::Hub;
use crate::auth::Attempt;
use crate::scope::Subject;
use crate::session::origin::Origin;
use crate::store::requester::{Requester, Who};
use crate::store::token::{self, New, OwnerId, Token};
use crate::store::user::User;
use crate::store::{StoreError, user};

fn no_user(name: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, format!("No such user: {name}"))
}

/// `GET /users/{name}/tokens`
pub async fn list(State(hub): State<Arc<Hub>>, Path(name): Path<String>, caller: Caller) -> Answer {
    let found = users::find(&hub, &caller, &name, &["read:tokens"])
        .await?
        .ok_or_else(|| no_user(&name))?;
    hub.store.try_flush_activity().await;
    let (store, now) = (hub.store.clone(), hub.clock.now());
    let models = hub
        .store
        .read(move |connection| {
            let tokens = token::list(connection, OwnerId::User(found.id), now)?;
            tokens
                .iter()
                .map(|token| Ok(Value::Object(tell(connection, &store, token)?)))
                .collect::<Result<Vec<_>, StoreError>>()
        })
        .await?;
    Ok((StatusCode::OK, Json(json!({"api_tokens": models}))))
}

fn tell(
    connection: &Connection,
    store: &crate::store::Store,
    token: &Token,
) -> Result<Map<String, Value>, StoreError> {
    Ok(model::token(
        token,
        &token::scopes_now(connection, store.catalog(), token)?,
    ))
}

/// What a request for a token says.
struct Wish {
    note: Option<String>,
    scopes: Option<Vec<String>>,
    roles: Option<Vec<String>>,
    expires_in: Option<Duration>,
}

/// `POST /users/{name}/tokens`: makes one. Who sends no token and no cookie may send name and password as `auth`.
pub async fn create(
    State(hub): State<Arc<Hub>>,
    Path(name): Path<String>,
    parts: Parts,
    body: Bytes,
) -> Answer {
    let body = match body::json(&body)?.filter(body::is_true) {
        None => Map::new(),
        Some(Value::Object(body)) => body,
        Some(_) => return Err(ApiError::bad_request("Body must be a JSON dict or empty")),
    };
    let requester = match Caller::of(&hub, &parts).await?.0 {
        Some(requester) => requester,
        None => Arc::new(by_password(&hub, &parts, body.get("auth")).await?),
    };
    let wanted = name.clone();
    let found = hub
        .store
        .read(move |connection| user::find(connection, &wanted))
        .await?;
    let kind = match requester.who {
        Who::User { .. } => "user",
        Who::Service { .. } => "service",
    };
    let may = |user: &User| {
        requester.may(
            "tokens",
            &Subject::User {
                name: &user.name,
                groups: &user.groups,
            },
        )
    };
    let Some(user) = found.filter(may) else {
        let kind = if kind == "user" { "User" } else { "Service" };
        let message = format!("{kind} {name} not found or no permissions to generate tokens");
        return Err(ApiError::forbidden(message));
    };
    let own = requester.user_id() == Some(user.id);
    let wish = wish(&body, hub.config.tokens.expires_in_max)?;
    let note = match &wish.note {
        Some(note) => note.clone(),
        None if own => "Requested via api".to_owned(),
        None => format!("Requested via api by {kind} {}", requester.name()),
    };
    let (store, now) = (hub.store.clone(), hub.clock.now());
    let model = hub
        .store
        .note(move |connection| {
            let new = New {
                scopes: wish.scopes,
                roles: wish.roles,
                expires_in: wish.expires_in,
                ..New::of(OwnerId::User(user.id), &note)
            };
            let (secret, id) = token::mint(connection, store.catalog(), now, &new)?;
            let made = token::find_id(connection, id)?.ok_or_else(ApiError::not_found)?;
            let mut model = tell(connection, &store, &made)?;
            model.insert("token".to_owned(), Value::String(secret));
            Ok::<_, ApiError>(model)
        })
        .await?;
    tracing::info!(user = name, by = requester.name(), "API token made");
    Ok((StatusCode::CREATED, Json(Value::Object(model))))
}

/// Whoever the name and password of a body are of.
async fn by_password(
    hub: &Hub,
    parts: &Parts,
    auth: Option<&Value>,
) -> Result<Requester, ApiError> {
    let refused = || ApiError::bare(StatusCode::FORBIDDEN);
    let text = |key: &str| auth.and_then(|auth| auth.get(key)).and_then(Value::as_str);
    let (Some(typed), Some(password)) = (text("username"), text("password")) else {
        return Err(refused());
    };
    let name = crate::name::normalize_user(typed);
    let known = hub
        .store
        .read(move |connection| user::find(connection, &name))
        .await?;
    let attempt = Attempt {
        address: Origin::of(parts).address,
        name: typed,
        password,
        is_known: known.is_some(),
    };
    let identity = hub
        .authenticators
        .login(attempt)
        .await
        .map_err(|_| refused())?;
    // A secret that was handed out opens nothing but the page on which to choose a password.
    if hub.authenticators.must_change(&identity.name) {
        return Err(ApiError::forbidden(format!(
            "choose a password first, at {}/password",
            hub.prefix()
        )));
    }
    // Whoever never logged in with a browser is nobody here yet, as in JupyterHub.
    let user = known
        .filter(|user| user.name == identity.name)
        .ok_or_else(refused)?;
    hub.store
        .requester_by_user(user.id, None)
        .await?
        .ok_or_else(refused)
}

fn wish(body: &Map<String, Value>, expires_in_max: u64) -> Result<Wish, ApiError> {
    let list = |key: &str| match body.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(value) => {
            let wrong = || {
                let shown = python::repr(value);
                ApiError::bad_request(format!(
                    "token {key} must be null or a list of strings, not {shown}"
                ))
            };
            let items = value.as_array().ok_or_else(wrong)?;
            items
                .iter()
                .map(|item| item.as_str().map(str::to_owned).ok_or_else(wrong))
                .collect::<Result<Vec<_>, _>>()
                .map(Some)
        }
    };
    let (roles, scopes) = (list("roles")?, list("scopes")?);
    let asked = match body.get("expires_in") {
        None | Some(Value::Null) => None,
        Some(Value::Number(number)) if number.is_i64() || number.is_u64() => {
            Some(number.as_i64().unwrap_or(i64::MAX))
        }
        Some(other) => {
            let message = format!(
                "token expires_in must be null or integer, not {}",
                python::repr(other)
            );
            return Err(ApiError::bad_request(message));
        }
    };
    let max = i64::try_from(expires_in_max).unwrap_or(i64::MAX);
    let seconds = match asked {
        None if max > 0 => Some(max),
        Some(seconds) if max > 0 && seconds > max => {
            return Err(ApiError::bad_request(format!(
                "token expires_in: {seconds} must not exceed {max}"
            )));
        }
        other => other,
    };
    let expires_in = match seconds {
        Some(seconds) if seconds < 1 => {
            let message = format!("expires_in must be a positive integer or null, not {seconds}");
            return Err(ApiError::bad_request(message));
        }
        Some(seconds) => Some(Duration::from_secs(seconds.unsigned_abs())),
        None => None,
    };
    let note = body
        .get("note")
        .and_then(Value::as_str)
        .filter(|note| !note.is_empty());
    Ok(Wish {
        note: note.map(|note| note.chars().take(1023).collect()),
        scopes,
        roles,
        expires_in,
    })
}

/// Finds a token of a user by its name in the API.
async fn find(hub: &Hub, user: &User, id: &str) -> Result<Token, ApiError> {
    let missing = || {
        ApiError::new(
            StatusCode::NOT_FOUND,
            format!("No such token {id} for user {}", user.name),
        )
    };
    let number: i64 = id
        .strip_prefix('a')
        .and_then(|id| id.parse().ok())
        .ok_or_else(missing)?;
    hub.store.try_flush_activity().await;
    let found = hub
        .store
        .read(move |connection| token::find_id(connection, number))
        .await?;
    found
        .filter(|token| token.owner == OwnerId::User(user.id))
        .ok_or_else(missing)
}

/// `GET /users/{name}/tokens/{id}`
pub async fn get(
    State(hub): State<Arc<Hub>>,
    Path((name, id)): Path<(String, String)>,
    caller: Caller,
) -> Answer {
    let user = users::find(&hub, &caller, &name, &["read:tokens"])
        .await?
        .ok_or_else(|| no_user(&name))?;
    let found = find(&hub, &user, &id).await?;
    let store = hub.store.clone();
    let model = hub
        .store
        .read(move |connection| tell(connection, &store, &found))
        .await?;
    Ok((StatusCode::OK, Json(Value::Object(model))))
}

/// `DELETE /users/{name}/tokens/{id}`: one that an OAuth client got goes with all that this client got from the user.
pub async fn delete(
    State(hub): State<Arc<Hub>>,
    Path((name, id)): Path<(String, String)>,
    caller: Caller,
) -> Result<Response, ApiError> {
    let user = users::find(&hub, &caller, &name, &["tokens"])
        .await?
        .ok_or_else(|| no_user(&name))?;
    let found = find(&hub, &user, &id).await?;
    hub.store
        .write(move |connection| match &found.client {
            Some(client) => token::delete_of_client(connection, user.id, &client.identifier),
            None => token::delete(connection, found.id),
        })
        .await?;
    tracing::info!(
        user = name,
        token = id,
        by = caller.known()?.name(),
        "token deleted"
    );
    let kind = HeaderValue::from_static("text/plain");
    Ok((StatusCode::NO_CONTENT, [(header::CONTENT_TYPE, kind)]).into_response())
}
