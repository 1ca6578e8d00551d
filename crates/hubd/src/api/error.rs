//! Errors as JupyterHub's API tells them.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::store::StoreError;
use crate::store::token::MintError;

/// An answer that is an error: a status and a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{status}: {message}")]
pub struct ApiError {
    pub status: StatusCode,
    /// What is wrong; empty where the status says it all.
    pub message: String,
    /// Seconds of a `Retry-After` header.
    pub retry_after: Option<u64>,
}

impl ApiError {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            retry_after: None,
        }
    }

    /// A status that says it all: JupyterHub's body has no message then.
    pub fn bare(status: StatusCode) -> Self {
        Self::new(status, "")
    }

    /// Something broke in the hub; the log has it.
    pub fn broken() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error")
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub fn not_found() -> Self {
        Self::bare(StatusCode::NOT_FOUND)
    }

    /// Nobody is known by what the request carries.
    pub fn nobody() -> Self {
        Self::forbidden("Missing or invalid credentials.")
    }

    /// The scope is held, but not for this; or this does not exist.
    pub fn out_of_reach() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "No access to resources or resources not found",
        )
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let message = Some(self.message).filter(|message| !message.is_empty());
        let body = json!({"status": self.status.as_u16(), "message": message});
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.retry_after {
            response
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        tracing::error!(%error, "answering a request");
        if error.is_full() {
            return Self::new(
                StatusCode::INSUFFICIENT_STORAGE,
                "The hub cannot write this down: its disk is full. Whoever runs it must make room.",
            );
        }
        Self::broken()
    }
}

impl From<MintError> for ApiError {
    fn from(error: MintError) -> Self {
        match error {
            MintError::Store(error) => error.into(),
            // JupyterHub tells a missing scope as Python shows a KeyError.
            MintError::Scope(error) => Self::bad_request(super::python::text(&error.to_string())),
            error => Self::bad_request(error.to_string()),
        }
    }
}
