//! Nova's errors.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// `{"<name of the fault>": {"code", "message"}}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NovaError {
    pub status: StatusCode,
    pub message: String,
}

impl NovaError {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }

    pub fn bad(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    pub fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    pub fn policy(rule: &str) -> Self {
        Self::forbidden(format!("Policy doesn't allow {rule} to be performed."))
    }

    pub fn no_server(id: &str) -> Self {
        Self::not_found(format!("Instance {id} could not be found."))
    }

    /// A value the JSON schema refuses.
    pub fn invalid(field: &str, value: &str, why: &str) -> Self {
        Self::bad(format!(
            "Invalid input for field/attribute {field}. Value: {value}. {why}"
        ))
    }

    fn name(&self) -> &'static str {
        match self.status.as_u16() {
            400 => "badRequest",
            401 => "unauthorized",
            403 => "forbidden",
            404 => "itemNotFound",
            405 => "badMethod",
            409 => "conflictingRequest",
            413 | 429 => "overLimit",
            415 => "badMediaType",
            501 => "notImplemented",
            503 => "serviceUnavailable",
            _ => "computeFault",
        }
    }
}

impl IntoResponse for NovaError {
    fn into_response(self) -> Response {
        let body = json!({self.name(): {"code": self.status.as_u16(), "message": self.message}});
        (self.status, Json(body)).into_response()
    }
}

impl From<super::super::neutron::NeutronError> for NovaError {
    /// What Nova makes of Neutron's refusal of a port.
    fn from(error: super::super::neutron::NeutronError) -> Self {
        match error.kind {
            "OverQuota" => Self::forbidden("Maximum number of ports exceeded"),
            "IpAddressGenerationFailure" => Self::bad(error.message),
            _ => Self::new(error.status, error.message),
        }
    }
}
