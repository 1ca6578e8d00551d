//! What every page shows while the notebooks are installed: a frame that looks again by itself, without script, and does
//! not take from anybody what is being typed around it.

use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::Nav;
use super::ask::Ask;

#[derive(Serialize)]
struct Installing {}

/// The policy of the frame: the hub's own pages may show it, and it does nothing.
const POLICY: &str = "frame-ancestors 'self'; default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'";

/// `GET /installing`.
pub async fn notice(ask: Ask) -> Response {
    let mut response = ask.page(
        StatusCode::OK,
        "installing.html",
        Nav::Other,
        &Installing {},
    );
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(POLICY),
    );
    // It has no form.
    headers.remove(header::SET_COOKIE);
    response
}
