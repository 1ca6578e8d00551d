//! Sessions of browsers, which JupyterHub's API has no word for: they can be ended.

use std::sync::Arc;

use axum::extract::{Path, State};
use http::StatusCode;

use super::{ApiError, Caller, users};
use crate::app::Hub;
use crate::store::session;

/// Whoever may end a user's tokens, or the user, may end the user's sessions.
const SCOPES: &[&str] = &["tokens", "delete:users"];

/// `DELETE /users/{name}/sessions`: logs a user out of every browser. API tokens stay.
pub async fn end_of_user(
    State(hub): State<Arc<Hub>>,
    Path(name): Path<String>,
    caller: Caller,
) -> Result<StatusCode, ApiError> {
    let user = users::find(&hub, &caller, &name, SCOPES)
        .await?
        .ok_or_else(ApiError::not_found)?;
    hub.store
        .write(move |connection| session::end_of_user(connection, user.id, None))
        .await?;
    tracing::info!(
        user = name,
        by = caller.known()?.name(),
        "logged out everywhere"
    );
    Ok(StatusCode::NO_CONTENT)
}

/// `DELETE /sessions`: logs everybody out of every browser. API tokens stay.
pub async fn end_all(State(hub): State<Arc<Hub>>, caller: Caller) -> Result<StatusCode, ApiError> {
    let by = caller.needs(SCOPES)?.name().to_owned();
    hub.store
        .write(|connection| session::end_all(connection))
        .await?;
    tracing::info!(by, "everybody logged out everywhere");
    Ok(StatusCode::NO_CONTENT)
}
