//! The provider's endpoints.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use http::request::Parts;
use http::{HeaderValue, StatusCode, header};
use serde_json::json;
use url::form_urlencoded;

use super::exchange::{Exchange, ExchangeError};
use super::provider::{self, Consent, Decision, IssueError};
use crate::api::ApiError;
use crate::app::Hub;
use crate::page;
use crate::page::ask::{Posted, User};

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

async fn ask(user: User) -> Result<Response, ApiError> {
    answer(&user, Consent::NotAsked).await
}

async fn agree(Posted { user, form }: Posted) -> Result<Response, ApiError> {
    let scopes = form.all("scopes").map(str::to_owned).collect();
    answer(&user, Consent::Given(scopes)).await
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

async fn answer(user: &User, consent: Consent) -> Result<Response, ApiError> {
    let query = user.ask.uri.query().unwrap_or_default();
    let known = &user.known;
    let store = &user.ask.hub.store;
    let decision =
        provider::authorize(store, &known.requester, &known.session_id, query, consent).await?;
    Ok(match decision {
        Decision::Back(location) => found(&location),
        Decision::Ask(question) => page::consent::page(
            user,
            &question.description,
            &question.redirect_uri,
            &question.grant.scopes,
        ),
        Decision::Forbidden { description } => {
            let text = format!("You do not have permission to access {description}.");
            page::error::page(&user.ask, StatusCode::FORBIDDEN, &text)
        }
        Decision::Bad(text) => page::error::page(
            &user.ask,
            StatusCode::BAD_REQUEST,
            &page::spawn::sentence(text),
        ),
    })
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
