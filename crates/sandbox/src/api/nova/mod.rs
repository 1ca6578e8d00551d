//! Nova 2.1: flavors, key pairs, servers.

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::http::Method;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Ctx, caller};

pub mod action;
pub mod block_device;
pub mod create;
pub mod error;
pub mod event;
pub mod flavor;
pub mod interface;
pub mod keypair;
pub mod metadata;
pub mod microversion;
pub mod nic;
pub mod quota;
pub mod server;
pub mod server_group;
pub mod server_tag;
pub mod servers;
pub mod volume_attachment;
pub mod zone;

pub use error::NovaError;
pub use microversion::Version;

/// The state of Nova.
#[derive(Debug, Default)]
pub struct Compute {
    pub flavors: Vec<flavor::Flavor>,
    pub keypairs: Vec<keypair::Keypair>,
    pub servers: Vec<server::Server>,
    pub server_groups: Vec<server_group::ServerGroup>,
    /// Limits other than the defaults.
    pub quotas: BTreeMap<String, i64>,
}

pub fn router(ctx: &Ctx) -> Router {
    let v2 = Router::new()
        .merge(action::routes())
        .merge(event::routes())
        .merge(flavor::routes())
        .merge(interface::routes())
        .merge(keypair::routes())
        .merge(metadata::routes())
        .merge(quota::routes())
        .merge(server_group::routes())
        .merge(servers::routes())
        .merge(server_tag::routes())
        .merge(volume_attachment::routes())
        .merge(zone::routes())
        .fallback(|| async { NovaError::not_found("The resource could not be found.") })
        .layer(from_fn_with_state(ctx.clone(), settle))
        .layer(from_fn_with_state(ctx.clone(), caller::gate))
        .layer(from_fn_with_state(ctx.clone(), microversion::negotiate));
    Router::new()
        .route("/", get(versions))
        .route("/v2.1", get(version))
        .nest("/v2.1", v2)
        .with_state(ctx.clone())
}

/// Lets the machines feel what was changed before the answer goes out.
async fn settle(State(ctx): State<Ctx>, request: Request, next: Next) -> Response {
    let changes = request.method() != Method::GET;
    let response = next.run(request).await;
    if changes && response.status().is_success() {
        crate::api::settle(&ctx).await;
    }
    response
}

fn v21(ctx: &Ctx) -> Value {
    json!({
        "id": "v2.1",
        "status": "CURRENT",
        "version": ctx.newest().to_string(),
        "min_version": Version::MIN.to_string(),
        "updated": "2013-07-23T11:33:21Z",
        "links": [{"rel": "self", "href": ctx.url("/compute/v2.1/")}],
    })
}

async fn versions(State(ctx): State<Ctx>) -> Json<Value> {
    let v20 = json!({
        "id": "v2.0",
        "status": "SUPPORTED",
        "version": "",
        "min_version": "",
        "updated": "2011-01-21T11:33:21Z",
        "links": [{"rel": "self", "href": ctx.url("/compute/v2/")}],
    });
    Json(json!({"versions": [v20, v21(&ctx)]}))
}

async fn version(State(ctx): State<Ctx>) -> Json<Value> {
    let mut version = v21(&ctx);
    version["media-types"] = json!([
        {"base": "application/json", "type": "application/vnd.openstack.compute+json;version=2.1"},
    ]);
    Json(json!({"version": version}))
}

/// The `links` of a resource.
pub fn links(ctx: &Ctx, path: &str) -> Value {
    json!([
        {"rel": "self", "href": ctx.url(&format!("/compute/v2.1{path}"))},
        {"rel": "bookmark", "href": ctx.url(&format!("/compute{path}"))},
    ])
}
