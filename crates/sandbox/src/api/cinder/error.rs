//! Cinder's errors.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// `{"<name of the fault>": {"code", "message"}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CinderError {
    pub status: StatusCode,
    pub message: String,
}

impl CinderError {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub fn over_limit(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, message)
    }
}

impl IntoResponse for CinderError {
    fn into_response(self) -> Response {
        let name = match self.status.as_u16() {
            400 => "badRequest",
            403 => "forbidden",
            404 => "itemNotFound",
            409 => "conflictingRequest",
            413 => "overLimit",
            _ => "computeFault",
        };
        let mut body = json!({name: {"code": self.status.as_u16(), "message": self.message}});
        if name == "overLimit" {
            body[name]["retryAfter"] = json!("0");
            return (self.status, [("retry-after", "0")], Json(body)).into_response();
        }
        (self.status, Json(body)).into_response()
    }
}
