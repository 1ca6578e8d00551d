//! Designate's errors.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::api::id;

/// `{"code", "type", "message", "request_id"}`, with `errors` for a body that does not fit.
#[derive(Debug)]
pub struct DesignateError {
    status: StatusCode,
    kind: &'static str,
    message: String,
    errors: Option<Value>,
}

impl DesignateError {
    pub fn not_found(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            kind,
            message: message.into(),
            errors: None,
        }
    }

    pub fn conflict(kind: &'static str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::CONFLICT,
            kind,
            message: message.into(),
            errors: None,
        }
    }

    pub fn invalid(path: &str, message: &str) -> Self {
        let errors = json!({"errors": [{"path": [path], "message": message, "validator": "format", "validator_value": path}]});
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "invalid_object",
            message: "Provided object does not match schema".to_owned(),
            errors: Some(errors),
        }
    }
}

impl IntoResponse for DesignateError {
    fn into_response(self) -> Response {
        let mut body = json!({
            "code": self.status.as_u16(),
            "type": self.kind,
            "message": self.message,
            "request_id": id::request(),
        });
        if let Some(errors) = self.errors {
            body["errors"] = errors;
        }
        (self.status, Json(body)).into_response()
    }
}
