//! Who asks, as the token says; and the gate that refuses requests without one.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Ctx;

/// The user and project behind a request. Every handler behind [`gate`] has one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Caller {
    pub user_id: String,
    /// Empty with an unscoped token.
    pub project_id: String,
    pub admin: bool,
    /// The id of this very request.
    pub request_id: String,
}

/// A request's id, given to it at the door.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

impl Caller {
    /// Whether something of this project is theirs to see and change.
    pub fn owns(&self, project_id: &str) -> bool {
        self.admin || self.project_id == project_id
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(parts.extensions.get::<Self>().cloned().unwrap_or_default())
    }
}

/// What keystonemiddleware does before a service sees a request.
pub async fn gate(State(ctx): State<Ctx>, mut request: Request, next: Next) -> Response {
    let token = request
        .headers()
        .get("x-auth-token")
        .and_then(|v| v.to_str().ok());
    let caller = token.and_then(|token| ctx.cloud.identity().caller(token));
    match caller {
        Some(mut caller) => {
            if let Some(RequestId(id)) = request.extensions().get() {
                caller.request_id.clone_from(id);
            }
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        None => refused(&ctx.cloud.base_url),
    }
}

fn refused(base_url: &str) -> Response {
    let body = json!({"error": {
        "code": 401,
        "title": "Unauthorized",
        "message": "The request you have made requires authentication.",
    }});
    let mut response = (StatusCode::UNAUTHORIZED, axum::Json(body)).into_response();
    if let Ok(challenge) = HeaderValue::from_str(&format!("Keystone uri=\"{base_url}\"")) {
        response
            .headers_mut()
            .insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}
