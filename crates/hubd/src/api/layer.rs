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

/// What every answer carries, made once.
struct Common {
    hub: Arc<Hub>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Puts around routes what they have in common.
pub fn apply(hub: &Arc<Hub>, routes: Router<Arc<Hub>>) -> Router<Arc<Hub>> {
    let policy = format!(
        "frame-ancestors 'none'; report-uri {}/security/csp-report; default-src 'none'",
        hub.prefix()
    );
    let headers = [
        (VERSION, hub.config.version.as_str()),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "accept, content-type, authorization",
        ),
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
    ];
    let headers = headers
        .into_iter()
        .filter_map(|(name, value)| Some((name, HeaderValue::from_str(value).ok()?)));
    let common = Arc::new(Common {
        hub: hub.clone(),
        headers: headers.collect(),
    });
    routes
        .method_not_allowed_fallback(|| async { ApiError::bare(StatusCode::METHOD_NOT_ALLOWED) })
        .layer(from_fn_with_state(common, around))
}

async fn around(State(common): State<Arc<Common>>, request: Request, next: Next) -> Response {
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
    let headers = response.headers_mut();
    for (name, value) in &common.headers {
        headers.insert(name, value.clone());
    }
    headers
        .entry(header::CONTENT_TYPE)
        .or_insert(HeaderValue::from_static("application/json"));
    let answer = Answer {
        method: Answer::method(&method),
        handler,
        code: response.status().as_u16(),
    };
    common.hub.metrics.answered(&answer, begun.elapsed());
    response
}
