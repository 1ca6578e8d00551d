//! The hub itself: its version, its health, its metrics, its end; and who one is to it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode, header};
use hub_api::hub::SpawnerKind;
use serde_json::{Map, Value, json};

use super::model::Reader;
use super::users::Answer;
use super::{ApiError, Caller, body, python};
use crate::app::Hub;
use crate::metrics::Period;
use crate::scope;
use crate::server::state::State as ServerState;
use crate::store::requester::Who;
use crate::store::{StoreError, server, service, user};

/// `GET /`: the version; anybody may ask, from any page.
pub async fn version(State(hub): State<Arc<Hub>>) -> ([(HeaderName, HeaderValue); 1], Json<Value>) {
    let anywhere = [(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    )];
    (anywhere, Json(json!({"version": hub.config.version})))
}

/// `GET /health`: an answer is all there is to it.
pub async fn health() {}

/// `GET /user`: who the request is from. Any token may ask.
pub async fn whoami(State(hub): State<Arc<Hub>>, caller: Caller) -> Answer {
    let Some(requester) = &caller.0 else {
        return Err(ApiError::bare(StatusCode::FORBIDDEN));
    };
    // Whoever holds a token may know whose it is, whatever its scopes.
    let mut scopes = requester.scopes.clone();
    for scope in scope::identify(requester.owner()) {
        scopes.insert(&scope);
    }
    let reader = Reader::new(&hub, &scopes);
    let mut model = match (&requester.user, &requester.who) {
        (Some(user), _) => {
            // Servers at rest are not told of: without one that runs there is nothing to read.
            let servers = if hub.servers.has_any_of(&user.name) {
                let id = user.id;
                hub.store
                    .read(move |connection| server::of_user(connection, id))
                    .await?
            } else {
                Vec::new()
            };
            let recent = hub.store.recent_activity(user.id);
            if recent > user.last_activity {
                let mut user = user.clone();
                user.last_activity = recent;
                reader.user(&user, &servers)?
            } else {
                reader.user(user, &servers)?
            }
        }
        (None, who) => {
            let id = match who {
                Who::User { id, .. } | Who::Service { id, .. } => *id,
            };
            let found = hub
                .store
                .read(move |connection| service::find_id(connection, id))
                .await?;
            reader.service(&found.ok_or_else(|| ApiError::bare(StatusCode::FORBIDDEN))?)
        }
    };
    let token = requester.token.as_ref();
    model.insert(
        "token_id".to_owned(),
        json!(token.map(|token| format!("a{}", token.id))),
    );
    let session_id = token.and(requester.session_id.as_ref());
    model.insert("session_id".to_owned(), json!(session_id));
    model.insert("scopes".to_owned(), json!(requester.scopes.to_sorted()));
    Ok((StatusCode::OK, Json(Value::Object(model))))
}

/// `GET /info`: what the hub is made of.
pub async fn info(State(hub): State<Arc<Hub>>, caller: Caller) -> Answer {
    caller.needs(&["read:hub"])?;
    let own = env!("CARGO_PKG_VERSION");
    let spawner = match hub.config.spawn.kind {
        SpawnerKind::Systemd => "hubd.spawner.Systemd",
        SpawnerKind::Docker => "hubd.spawner.Docker",
        SpawnerKind::Process => "hubd.spawner.Process",
    };
    let auth = &hub.config.auth;
    let authenticator = if auth.pam.is_some() {
        "hubd.auth.Pam"
    } else if auth.password_file.is_some() {
        "hubd.auth.PasswordFile"
    } else if auth.dummy.is_some() {
        "hubd.auth.Dummy"
    } else {
        "hubd.auth.Oauth"
    };
    let info = json!({
        "version": hub.config.version,
        // Clients expect a text; there is no Python here.
        "python": format!("hubd {own}"),
        "sys_executable": std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default(),
        "spawner": {"class": spawner, "version": own},
        "authenticator": {"class": authenticator, "version": own},
    });
    Ok((StatusCode::OK, Json(info)))
}

/// `POST /shutdown`
pub async fn shutdown(State(hub): State<Arc<Hub>>, caller: Caller, body: Bytes) -> Answer {
    let requester = caller.needs(&["shutdown"])?;
    let data = match body::json(&body)?.filter(body::is_true) {
        None => Map::new(),
        Some(Value::Object(data)) => data,
        Some(_) => return Err(ApiError::bad_request("Request body must be JSON dict")),
    };
    for key in ["proxy", "servers"] {
        if let Some(other) = data.get(key).filter(|value| !value.is_boolean()) {
            let message = format!("{key} must be true or false, got {}", python::repr(other));
            return Err(ApiError::bad_request(message));
        }
    }
    // The proxy is a unit of its own and goes on: it holds people's connections, and says that the hub is away.
    hub.stop_servers.store(
        data.get("servers") == Some(&Value::Bool(true)),
        Ordering::SeqCst,
    );
    tracing::warn!(by = requester.name(), "told to end");
    hub.end();
    Ok((
        StatusCode::ACCEPTED,
        Json(json!({"message": "Shutting down Hub"})),
    ))
}

/// `GET /metrics`
pub async fn metrics(State(hub): State<Arc<Hub>>, caller: Caller) -> Result<Response, ApiError> {
    let may = caller
        .0
        .as_ref()
        .is_some_and(|requester| requester.scopes.holds("read:metrics"));
    if hub.config.metrics.authenticate && !may {
        return Err(ApiError::forbidden(
            "Access to metrics requires scope 'read:metrics'",
        ));
    }
    const DAY: u64 = 24 * 3600;
    const PERIODS: [(&str, u64); 3] = [("24h", DAY), ("7d", 7 * DAY), ("30d", 30 * DAY)];
    let now = hub.clock.now();
    let (total, active) = hub
        .store
        .read(move |connection| {
            let mut active = Vec::new();
            for (period, seconds) in PERIODS {
                let since = now.before(Duration::from_secs(seconds));
                active.push((period, user::count_active(connection, since)?));
            }
            Ok::<_, StoreError>((user::count(connection)?, active))
        })
        .await?;
    hub.metrics.total_users.set(i64::from(total));
    for (period, count) in active {
        hub.metrics
            .active_users
            .get_or_create(&Period { period })
            .set(i64::from(count));
    }
    let running = hub
        .servers
        .counts()
        .get(&ServerState::Ready)
        .copied()
        .unwrap_or(0);
    hub.metrics
        .running_servers
        .set(i64::try_from(running).unwrap_or(i64::MAX));
    let text = hub.metrics.text().map_err(|_| ApiError::broken())?;
    let kind =
        HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}
