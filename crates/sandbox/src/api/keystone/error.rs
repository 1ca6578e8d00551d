//! Keystone's errors.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// `{"error": {"code", "message", "title"}}`.
#[derive(Debug)]
pub struct KeystoneError(StatusCode, String);

impl KeystoneError {
    /// The one answer to every wrong credential.
    pub fn unauthorized() -> Self {
        Self::denied("The request you have made requires authentication.")
    }

    pub fn denied(message: impl Into<String>) -> Self {
        Self(StatusCode::UNAUTHORIZED, message.into())
    }

    pub fn bad(message: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, message.into())
    }

    pub fn forbidden(action: &str) -> Self {
        Self(
            StatusCode::FORBIDDEN,
            format!("You are not authorized to perform the requested action: {action}."),
        )
    }

    pub fn not_found(what: &str, id: &str) -> Self {
        Self(
            StatusCode::NOT_FOUND,
            format!("Could not find {what}: {id}."),
        )
    }

    pub fn conflict(message: impl Into<String>) -> Self {
        Self(StatusCode::CONFLICT, message.into())
    }
}

impl IntoResponse for KeystoneError {
    fn into_response(self) -> Response {
        let title = self.0.canonical_reason().unwrap_or_default();
        let body = json!({"error": {"code": self.0.as_u16(), "message": self.1, "title": title}});
        (self.0, Json(body)).into_response()
    }
}
