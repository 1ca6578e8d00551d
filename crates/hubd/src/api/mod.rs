//! The REST API: JupyterHub's words, status codes and error bodies.

pub mod body;
mod caller;
mod deprecated;
mod error;
mod groups;
mod hub;
mod layer;
mod model;
mod paging;
mod proxy;
pub mod python;
mod servers;
pub mod services;
mod sessions;
mod tokens;
mod users;

use std::sync::Arc;

use axum::Router;
use axum::routing::{any, delete, get, post, put};

use crate::app::Hub;

pub use caller::{Caller, bearer, by_token};
pub use error::ApiError;

/// The routes under `{base}hub/api`, and health and metrics beside them.
pub fn router(hub: &Arc<Hub>) -> Router<Arc<Hub>> {
    let prefix = hub.prefix();
    let at = |path: &str| format!("{prefix}/api{path}");
    let beside = |path: &str| format!("{prefix}{path}");
    let api = Router::new()
        .route(&at(""), get(hub::version))
        .route(&at("/"), get(hub::version))
        .route(&at("/info"), get(hub::info))
        .route(&at("/shutdown"), post(hub::shutdown))
        .route(&at("/user"), get(hub::whoami))
        .route(&at("/users"), get(users::list).post(users::create_many))
        .route(
            &at("/users/{user}"),
            get(users::get)
                .post(users::create)
                .patch(users::patch)
                .delete(users::delete),
        )
        .route(&at("/users/{user}/sessions"), delete(sessions::end_of_user))
        .route(&at("/sessions"), delete(sessions::end_all))
        .route(
            &at("/users/{user}/tokens"),
            get(tokens::list).post(tokens::create),
        )
        .route(
            &at("/users/{user}/tokens/{token}"),
            get(tokens::get).delete(tokens::delete),
        )
        .route(
            &at("/users/{user}/server"),
            get(servers::get_default)
                .put(servers::put_default)
                .patch(servers::patch_default),
        )
        .route(
            &at("/users/{user}/servers/"),
            get(servers::get_default)
                .put(servers::put_default)
                .patch(servers::patch_default),
        )
        .route(
            &at("/users/{user}/servers/{server}"),
            get(servers::get_named)
                .put(servers::put_named)
                .patch(servers::patch_named),
        )
        .route(&at("/groups"), get(groups::list).post(groups::create_many))
        .route(
            &at("/groups/{group}"),
            get(groups::get).post(groups::create).delete(groups::delete),
        )
        .route(
            &at("/groups/{group}/users"),
            post(groups::add_users).delete(groups::remove_users),
        )
        .route(
            &at("/groups/{group}/properties"),
            put(groups::put_properties),
        )
        .route(&at("/services"), get(services::list))
        .route(
            &at("/services/{service}"),
            get(services::get)
                .post(services::create)
                .delete(services::delete),
        )
        .route(
            &at("/proxy"),
            get(proxy::table).post(proxy::check).patch(proxy::patch),
        )
        .route(&at("/authorizations/token"), post(deprecated::removed))
        .route(
            &at("/authorizations/token/{token}"),
            get(deprecated::owner).post(deprecated::removed),
        )
        .route(&at("/metrics"), get(hub::metrics))
        .route(&beside("/metrics"), get(hub::metrics))
        .merge(crate::server::http::routes(&prefix))
        .merge(crate::oauth::http::routes(&prefix))
        .route(&at("/{*rest}"), any(missing));
    layer::apply(hub, api)
        .route(&beside("/health"), get(hub::health))
        .route(&at("/health"), get(hub::health))
}

/// What is not there, shares and share codes among it.
async fn missing() -> ApiError {
    ApiError::not_found()
}
