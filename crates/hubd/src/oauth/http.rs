//! The provider's endpoints.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use url::form_urlencoded;

use super::exchange::{Exchange, ExchangeError};
use super::provider::{self, Consent, Decision, IssueError, Question};
use crate::api::ApiError;
use crate::app::Hub;
use crate::session::Known;
use crate::session::origin::Origin;

/// The largest form that is read, in bytes.
const FORM_LIMIT: usize = 64 << 10;

/// The page of the flow, under `{base}hub/api`: it is answered to browsers, and knows visitors by cookie alone.
pub fn pages(prefix: &str) -> Router<Arc<Hub>> {
    Router::new().route(
        &format!("{prefix}/api/oauth2/authorize"),
        get(ask).post(agree),
    )
}

/// What clients call.
pub fn routes(prefix: &str) -> Router<Arc<Hub>> {
    Router::new().route(&format!("{prefix}/api/oauth2/token"), post(exchange))
}

async fn ask(State(hub): State<Arc<Hub>>, request: Request) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    match visitor(&hub, &parts).await? {
        Ok(known) => answer(&hub, &parts, &known, Consent::NotAsked).await,
        Err(login) => Ok(login),
    }
}

async fn agree(State(hub): State<Arc<Hub>>, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let known = match visitor(&hub, &parts).await? {
        Ok(known) => known,
        Err(login) => return Ok(login),
    };
    let form = form(body).await?;
    let values = |name: &str| -> Vec<String> {
        let named = form.iter().filter(|(key, _)| key == name);
        named.map(|(_, value)| value.clone()).collect()
    };
    let sent = values("_xsrf");
    let origin = Origin::of(&parts);
    hub.sessions
        .check_form(
            &parts.headers,
            &origin,
            Some(&known),
            sent.first().map(String::as_str),
        )
        .map_err(|error| ApiError::forbidden(error.to_string()))?;
    answer(&hub, &parts, &known, Consent::Given(values("scopes"))).await
}

/// Who is logged in; or the way to the login page and back.
async fn visitor(hub: &Hub, parts: &Parts) -> Result<Result<Known, Response>, ApiError> {
    let origin = Origin::of(parts);
    let known = hub
        .sessions
        .known(&hub.store, &parts.headers, &origin)
        .await?;
    Ok(known.ok_or_else(|| to_login(hub, parts)))
}

/// The way to the login page, and then back here.
pub fn to_login(hub: &Hub, parts: &Parts) -> Response {
    let here = parts.uri.path_and_query().map_or("/", |uri| uri.as_str());
    let next: String = form_urlencoded::byte_serialize(here.as_bytes()).collect();
    found(&format!("{}/login?next={next}", hub.prefix()))
}

/// 302, as JupyterHub sends it, to a URL that may be a path.
pub fn found(location: &str) -> Response {
    match HeaderValue::from_str(location) {
        Ok(location) => (StatusCode::FOUND, [(header::LOCATION, location)]).into_response(),
        Err(_) => Redirect::to("/").into_response(),
    }
}

async fn answer(
    hub: &Hub,
    parts: &Parts,
    known: &Known,
    consent: Consent,
) -> Result<Response, ApiError> {
    let query = parts.uri.query().unwrap_or_default();
    let decision = provider::authorize(
        &hub.store,
        &known.requester,
        &known.session_id,
        query,
        consent,
    )
    .await?;
    match decision {
        Decision::Back(location) => Ok(found(&location)),
        Decision::Ask(question) => Ok(consent_page(hub, parts, known, &question)),
        Decision::Forbidden { description } => Err(ApiError::forbidden(format!(
            "You do not have permission to access {description}"
        ))),
        Decision::Bad(text) => Err(ApiError::bad_request(text)),
    }
}

async fn form(body: Body) -> Result<Vec<(String, String)>, ApiError> {
    let bytes = axum::body::to_bytes(body, FORM_LIMIT)
        .await
        .map_err(|_| ApiError::bare(StatusCode::PAYLOAD_TOO_LARGE))?;
    Ok(form_urlencoded::parse(&bytes).into_owned().collect())
}

async fn exchange(State(hub): State<Arc<Hub>>, request: Request) -> Response {
    let Ok(body) = Bytes::from_request(request, &()).await else {
        return ApiError::bare(StatusCode::PAYLOAD_TOO_LARGE).into_response();
    };
    let issued = match Exchange::parse(&body) {
        Ok(request) => provider::issue(&hub.store, request, hub.sessions.lifetime()).await,
        Err(error) => Err(error.into()),
    };
    let mut response = match issued {
        Ok(issued) => Json(json!({
            "access_token": issued.access_token,
            "expires_in": issued.expires_in.as_secs(),
            "token_type": "Bearer",
            "scope": issued.scopes.join(" "),
        }))
        .into_response(),
        Err(IssueError::Refused(error)) => refuse(error),
        Err(IssueError::Mint(error)) => ApiError::from(error).into_response(),
        Err(IssueError::Store(error)) => ApiError::from(error).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

fn refuse(error: ExchangeError) -> Response {
    tracing::warn!(%error, "no token for a code");
    (error.status, Json(error.to_json())).into_response()
}

fn consent_page(_hub: &Hub, _parts: &Parts, _known: &Known, question: &Question) -> Response {
    ApiError::new(StatusCode::NOT_IMPLEMENTED, question.description.clone()).into_response()
}
