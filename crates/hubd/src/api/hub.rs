//! The hub itself: its version, its health, who one is to it.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::{HeaderName, HeaderValue, header};
use serde_json::{Value, json};

use super::{ApiError, Caller};
use crate::app::Hub;
use crate::store::requester::Who;

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
pub async fn whoami(State(_hub): State<Arc<Hub>>, caller: Caller) -> Result<Json<Value>, ApiError> {
    let Some(requester) = &caller.0 else {
        return Err(ApiError::forbidden("Forbidden"));
    };
    let mut model = match &requester.who {
        Who::User {
            name,
            admin,
            groups,
            ..
        } => {
            json!({"kind": "user", "name": name, "admin": admin, "groups": groups})
        }
        Who::Service { name, admin, .. } => {
            json!({"kind": "service", "name": name, "admin": admin})
        }
    };
    model["token_id"] = json!(
        requester
            .token
            .as_ref()
            .map(|token| format!("a{}", token.id))
    );
    model["session_id"] = json!(requester.session_id);
    model["scopes"] = json!(requester.scopes.to_sorted());
    Ok(Json(model))
}
