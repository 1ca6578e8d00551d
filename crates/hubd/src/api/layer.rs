//! What every answer of the API has: headers, an error that is JSON, a line in the metrics.

use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};

use super::ApiError;
use crate::app::Hub;
use crate::metrics::Answer;

const VERSION: HeaderName = HeaderName::from_static("x-jupyterhub-version");

/// Puts around routes what they have in common.
pub fn apply(hub: &Arc<Hub>, routes: Router<Arc<Hub>>) -> Router<Arc<Hub>> {
    routes
        .method_not_allowed_fallback(|| async { ApiError::bare(StatusCode::METHOD_NOT_ALLOWED) })
        .layer(from_fn_with_state(hub.clone(), around))
}

async fn around(State(hub): State<Arc<Hub>>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let method = request.method().clone();
    let handler = request
        .extensions()
        .get::<MatchedPath>()
        .map_or("", MatchedPath::as_str)
        .to_owned();
    let mut response = if method == Method::OPTIONS {
        StatusCode::OK.into_response()
    } else {
        next.run(request).await
    };
    headers(&hub, &mut response);
    let answer = Answer {
        method: method.to_string(),
        handler,
        code: response.status().as_u16(),
    };
    hub.metrics.answered(&answer, begun.elapsed());
    response
}

/// Puts in the headers that every answer of the API has.
fn headers(hub: &Hub, response: &mut Response) {
    let policy = format!(
        "frame-ancestors 'none'; report-uri {}/security/csp-report; default-src 'none'",
        hub.prefix()
    );
    let headers = response.headers_mut();
    if let Ok(version) = HeaderValue::from_str(&hub.config.version) {
        headers.insert(VERSION, version);
    }
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_HEADERS,
        HeaderValue::from_static("accept, content-type, authorization"),
    );
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    headers
        .entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("application/json"));
}
