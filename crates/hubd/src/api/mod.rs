//! The REST API: JupyterHub's words, status codes and error bodies.

mod caller;
mod error;
mod hub;
mod layer;
mod python;

use std::sync::Arc;

use axum::Router;
use axum::routing::get;

use crate::app::Hub;

pub use caller::{Caller, bearer};
pub use error::ApiError;

/// The routes under `{base}hub/api`, and health and metrics beside them.
pub fn router(hub: &Arc<Hub>) -> Router<Arc<Hub>> {
    let prefix = hub.prefix();
    let at = |path: &str| format!("{prefix}{path}");
    let api = Router::new()
        .route(&at("/api"), get(hub::version))
        .route(&at("/api/"), get(hub::version))
        .route(&at("/api/user"), get(hub::whoami))
        .merge(crate::server::http::routes(&prefix))
        .merge(crate::oauth::http::routes(&prefix));
    layer::apply(hub, api)
        .route(&at("/health"), get(hub::health))
        .route(&at("/api/health"), get(hub::health))
}
