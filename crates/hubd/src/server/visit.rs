//! Visits to servers that the proxy sent to the hub: the server does not run, or the proxy does not know it yet.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{FromRequestParts, Path, Request, State as Shared};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::json;
use url::form_urlencoded;

use super::View;
use super::state::State;
use crate::api::{ApiError, bearer};
use crate::app::Hub;
use crate::name;
use crate::oauth::http::{found, to_login};
use crate::page;
use crate::page::ask::{Ask, User};
use crate::scope::Subject;
use crate::session::origin::Origin;
use crate::spawner::ServerKey;
use crate::store::requester::Requester;
use crate::store::{StoreError, server, user};

/// How often a visitor is sent on to a server that the proxy does not know before that is called a loop.
const REDIRECTS: u32 = 4;

/// The routes of visits, under `{base}hub`.
pub fn routes(prefix: &str) -> Router<Arc<Hub>> {
    Router::new()
        .route(&format!("{prefix}/user/{{user}}"), any(visit))
        .route(&format!("{prefix}/user/{{user}}/"), any(visit))
        .route(&format!("{prefix}/user/{{user}}/{{*path}}"), any(visit))
        .route(&format!("{prefix}/user-redirect"), any(own))
        .route(&format!("{prefix}/user-redirect/"), any(own))
        .route(&format!("{prefix}/user-redirect/{{*path}}"), any(own))
}

/// Sends whatever lies outside the hub's own paths inside: `/user/bob/lab` to `/hub/user/bob/lab`.
pub async fn outside(Shared(hub): Shared<Arc<Hub>>, request: Request) -> Response {
    let prefix = hub.prefix();
    let uri = request
        .uri()
        .path_and_query()
        .map_or("/", |uri| uri.as_str());
    let path = request.uri().path();
    if path == prefix {
        return found(&format!("{prefix}/"));
    }
    if path.starts_with(&format!("{prefix}/")) {
        return ApiError::not_found().into_response();
    }
    let rest = uri.strip_prefix(hub.config.base_url.as_str());
    // A second slash at the front would name another host.
    let rest = rest.unwrap_or(uri).trim_start_matches(['/', '\\']);
    found(&format!("{prefix}/{rest}"))
}

/// Sends a visitor to the same path on his own server.
async fn own(Shared(hub): Shared<Arc<Hub>>, request: Request) -> Result<Response, ApiError> {
    let (parts, _) = request.into_parts();
    let origin = Origin::of(&parts);
    let Some(known) = hub
        .sessions
        .known(&hub.store, &parts.headers, &origin)
        .await?
    else {
        return Ok(to_login(&hub, &parts));
    };
    let user = name::escape(known.name());
    let prefix = format!("{}/user-redirect", hub.prefix());
    let rest = parts.uri.path().strip_prefix(&prefix).unwrap_or_default();
    let mut target = format!(
        "{}user/{user}/{}",
        hub.config.base_url,
        rest.trim_start_matches('/')
    );
    if let Some(query) = parts.uri.query() {
        target = format!("{target}?{query}");
    }
    Ok(found(&format!(
        "{}/spawn/{user}?next={}",
        hub.prefix(),
        quoted(&target)
    )))
}

async fn visit(
    Shared(hub): Shared<Arc<Hub>>,
    Path(names): Path<Vec<(String, String)>>,
    request: Request,
) -> Result<Response, ApiError> {
    let (mut parts, _) = request.into_parts();
    let user = names
        .first()
        .map(|(_, user)| user.clone())
        .unwrap_or_default();
    let path = names
        .get(1)
        .map(|(_, path)| path.clone())
        .unwrap_or_default();
    let visitor = visitor(&hub, &parts).await?;
    let visit = Visit::of(&hub, user, &path).await?;
    if !matches!(parts.method, Method::GET | Method::HEAD) {
        return Ok(visit.no_longer_running(&hub, &parts));
    }
    let Some(visitor) = visitor else {
        return Ok(to_login(&hub, &parts));
    };
    if !visit.is_allowed(&visitor) || !visit.user_exists {
        // As if there were none: names of users are nobody's business.
        if wants_json(&parts.headers) {
            return Err(ApiError::out_of_reach());
        }
        let ask = Ask::from_request_parts(&mut parts, &hub).await;
        return Ok(page::error::not_found(ask).await);
    }
    let view = hub.servers.view(&visit.key);
    let uri = parts.uri.path_and_query().map_or("/", |uri| uri.as_str());
    if view.state == State::Ready {
        hub.servers.routes_look_wrong();
        return back_to_server(&hub, &view, uri).await;
    }
    if wants_json(&parts.headers) || path.split('/').any(|segment| segment == "api") {
        return Ok(visit.no_longer_running(&hub, &parts));
    }
    if view.state.pending().is_some() || view.failed_to_start {
        let server = visit.page_path();
        let pending = format!(
            "{}/spawn-pending/{server}?next={}",
            hub.prefix(),
            quoted(uri)
        );
        let mut response = found(&pending);
        *response.status_mut() = StatusCode::SEE_OTHER;
        return Ok(response);
    }
    let next = uri.to_owned();
    match User::from_request_parts(&mut parts, &hub).await {
        Ok(user) => Ok(page::spawn::not_running(
            &user,
            &visit.key,
            StatusCode::FAILED_DEPENDENCY,
            &next,
        )),
        Err(elsewhere) => Ok(elsewhere.into_response()),
    }
}

/// Who visits, by token or by cookie.
async fn visitor(hub: &Hub, parts: &Parts) -> Result<Option<Arc<Requester>>, StoreError> {
    if let Some(token) = bearer(parts)
        && let Some(requester) = hub.store.requester_by_token(token).await?
    {
        return Ok(Some(requester));
    }
    let origin = Origin::of(parts);
    let known = hub
        .sessions
        .known(&hub.store, &parts.headers, &origin)
        .await?;
    Ok(known.map(|known| Arc::new(known.requester)))
}

/// Where a visitor wanted to go.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Visit {
    key: ServerKey,
    user_exists: bool,
    groups: Vec<String>,
}

impl Visit {
    /// The server that a path is of: the named one if the user has one of that name, else the default one.
    async fn of(hub: &Hub, user: String, path: &str) -> Result<Self, StoreError> {
        let first = path.split('/').next().unwrap_or_default().to_owned();
        let named = hub.config.named_servers.allow && !first.is_empty();
        hub.store
            .read(move |connection| {
                let name = match named && server::find(connection, &user, &first)?.is_some() {
                    true => first,
                    false => String::new(),
                };
                let found = user::find(connection, &user)?;
                Ok(Self {
                    key: ServerKey { user, name },
                    user_exists: found.is_some(),
                    groups: found.map(|user| user.groups).unwrap_or_default(),
                })
            })
            .await
    }

    fn is_allowed(&self, visitor: &Requester) -> bool {
        let subject = Subject::Server {
            user: &self.key.user,
            groups: &self.groups,
            name: &self.key.name,
        };
        visitor.may("access:servers", &subject)
    }

    /// The server as the paths of pages name it: `alice`, `alice/lab2`.
    fn page_path(&self) -> String {
        let user = name::escape(&self.key.user);
        match self.key.name.as_str() {
            "" => user,
            server => format!("{user}/{}", name::escape(server)),
        }
    }

    /// What JupyterLab understands as: the server is gone, offer to start it again.
    fn no_longer_running(&self, hub: &Hub, parts: &Parts) -> Response {
        let spawn = format!("{}/spawn/{}", hub.prefix(), self.page_path());
        let spawn = Origin::of(parts)
            .absolute(hub.config.public_url.as_deref(), &spawn)
            .unwrap_or(spawn);
        let path = parts.uri.path();
        let path = path.strip_prefix(&hub.prefix()).unwrap_or(path);
        let message =
            format!("JupyterHub server no longer running at {path}. Restart the server at {spawn}");
        (
            StatusCode::FAILED_DEPENDENCY,
            axum::Json(json!({ "message": message })),
        )
            .into_response()
    }
}

/// Sends a visitor back to a server that runs: the proxy is about to know it. Slower each time, and not for ever.
async fn back_to_server(hub: &Hub, view: &View, uri: &str) -> Result<Response, ApiError> {
    let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
    let redirects: u32 = form_urlencoded::parse(query.as_bytes())
        .find(|(key, _)| key == "redirects")
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0);
    if redirects >= REDIRECTS {
        return Err(ApiError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            loop_message(hub, view),
        ));
    }
    if redirects > 0 {
        tokio::time::sleep(Duration::from_secs(1 << redirects)).await;
    }
    let rest = path
        .strip_prefix(&format!("{}/", hub.prefix()))
        .unwrap_or_default();
    let mut pairs = form_urlencoded::Serializer::new(String::new());
    for (key, value) in form_urlencoded::parse(query.as_bytes()) {
        if key != "redirects" {
            pairs.append_pair(&key, &value);
        }
    }
    pairs.append_pair("redirects", &(redirects + 1).to_string());
    Ok(found(&format!(
        "{}{rest}?{}",
        hub.config.base_url,
        pairs.finish()
    )))
}

fn loop_message(hub: &Hub, view: &View) -> String {
    let ours = &hub.config.version;
    match &view.version {
        Some(theirs) if super::probe::differs_in_major(ours, theirs) => format!(
            "Redirect loop detected. Notebook has jupyterhub version {theirs}, but the Hub expects {ours}. Try \
             installing jupyterhub=={ours} in the user environment if you continue to have problems."
        ),
        _ => "Redirect loop detected.".to_owned(),
    }
}

/// Whether a client likes JSON better than a page.
fn wants_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).map(HeaderValue::to_str);
    let Some(Ok(accept)) = accept else {
        return false;
    };
    let quality = |kinds: &[&str]| {
        accept
            .split(',')
            .filter_map(|range| {
                let mut parts = range.split(';').map(str::trim);
                let kind = parts.next()?;
                let quality = parts
                    .find_map(|part| part.strip_prefix("q="))
                    .map_or(Some(1.0), |quality| quality.parse::<f32>().ok())?;
                kinds.contains(&kind).then_some(quality)
            })
            .fold(0.0, f32::max)
    };
    let json = quality(&["application/json", "application/*"]);
    json > 0.0 && json >= quality(&["text/html", "text/*"])
}

fn quoted(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_json() {
        for (accept, json) in [
            ("", false),
            ("*/*", false),
            ("application/json", true),
            ("application/json, text/plain, */*", true),
            (
                "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                false,
            ),
            ("text/html, application/json;q=0.5", false),
            ("text/html;q=0.1, application/json", true),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(wants_json(&headers), json, "{accept}");
        }
        assert!(!wants_json(&HeaderMap::new()));
    }
}
