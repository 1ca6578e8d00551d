//! What JupyterHub keeps for old clients: who a token is of.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use http::request::Parts;
use serde_json::Value;

use super::model::Reader;
use super::users::Answer;
use super::{ApiError, caller};
use crate::app::Hub;
use crate::scope;
use crate::store::requester::Who;
use crate::store::{StoreError, server, service, user};

/// `GET /authorizations/token/{token}`: who a token is of, for whoever has it and a token of his own.
pub async fn owner(State(hub): State<Arc<Hub>>, Path(token): Path<String>, parts: Parts) -> Answer {
    let requester = caller::by_token(&hub, &parts)
        .await?
        .ok_or_else(|| ApiError::bare(StatusCode::FORBIDDEN))?;
    let owner = hub
        .store
        .requester_by_token(&token)
        .await?
        .ok_or_else(ApiError::not_found)?;
    let mut scopes = requester.scopes.clone();
    for scope in scope::identify(owner.owner()) {
        scopes.insert(&scope);
    }
    let reader = Reader::new(&hub, &scopes);
    let model = match owner.who {
        Who::User { id, .. } => {
            let found = hub
                .store
                .read(move |connection| {
                    let servers = server::of_user(connection, id)?;
                    Ok::<_, StoreError>((user::find_id(connection, id)?, servers))
                })
                .await?;
            reader.user(&found.0.ok_or_else(ApiError::not_found)?, &found.1)?
        }
        Who::Service { id, .. } => {
            let found = hub
                .store
                .read(move |connection| service::find_id(connection, id))
                .await?;
            reader.service(&found.ok_or_else(ApiError::not_found)?)
        }
    };
    Ok((StatusCode::OK, Json(Value::Object(model))))
}

/// `POST /authorizations/token`
pub async fn removed() -> ApiError {
    ApiError::new(
        StatusCode::NOT_FOUND,
        "Deprecated endpoint /hub/api/authorizations/token is removed in JupyterHub 2.0. Use /hub/api/users/:user/tokens instead.",
    )
}
