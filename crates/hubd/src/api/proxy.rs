//! The proxy's routes, as the hub sees them.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::request::Parts;
use serde_json::{Map, Value, json};

use super::paging::Paging;
use super::{ApiError, Caller};
use crate::app::Hub;
use crate::proxy::ProxyError;

impl From<ProxyError> for ApiError {
    fn from(error: ProxyError) -> Self {
        tracing::error!(%error, "asking the proxy");
        Self::broken()
    }
}

/// `GET /proxy`: the hub's routes, by routespec.
pub async fn table(
    State(hub): State<Arc<Hub>>,
    caller: Caller,
    parts: Parts,
) -> Result<Response, ApiError> {
    caller.needs(&["proxy"])?;
    let paging = Paging::of(&parts)?;
    let mut routes = Map::new();
    for (path, mut data) in hub.servers.proxy().table().await? {
        if data["jupyterhub"] == true {
            let target = data["target"].clone();
            if let Value::Object(data) = &mut data {
                data.retain(|key, _| key != "jupyterhub" && key != "target");
            }
            // The hub calls its routes with a slash at the end; the proxy's table has none.
            let spec = format!("{}/", path.trim_end_matches('/'));
            let route = json!({"routespec": spec, "target": target, "data": data});
            routes.insert(spec, route);
        }
    }
    let total = u32::try_from(routes.len()).unwrap_or(u32::MAX);
    let (offset, limit) = (paging.offset as usize, paging.limit as usize);
    let page: Map<String, Value> = routes.into_iter().skip(offset).take(limit).collect();
    Ok(Json(paging.answer(page, total)).into_response())
}

/// `POST /proxy`: has the routes looked at now.
pub async fn check(State(hub): State<Arc<Hub>>, caller: Caller) -> Result<StatusCode, ApiError> {
    caller.needs(&["proxy"])?;
    hub.servers.check_routes().await?;
    Ok(StatusCode::OK)
}

/// `PATCH /proxy`: another proxy is in charge. Where it is, is the configuration's to say.
pub async fn patch(
    State(hub): State<Arc<Hub>>,
    caller: Caller,
    body: Bytes,
) -> Result<StatusCode, ApiError> {
    caller.needs(&["proxy"])?;
    if body.is_empty() {
        return Err(ApiError::bad_request("need JSON body"));
    }
    let Ok(Value::Object(model)) = serde_json::from_slice(&body) else {
        return Err(ApiError::bad_request("Request body must be JSON dict"));
    };
    if model.contains_key("api_url") || model.contains_key("auth_token") {
        let message = "the proxy's API and token are those of the configuration: change proxy.api and proxy.token_file there, and restart hubd";
        return Err(ApiError::bad_request(message));
    }
    hub.servers.check_routes().await?;
    Ok(StatusCode::OK)
}
