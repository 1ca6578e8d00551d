//! Designate v2: zones and their records. Nothing answers DNS queries for them.

use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Ctx, caller};

pub mod error;
pub mod recordset;
pub mod zone;

pub use error::DesignateError;

/// The state of Designate.
#[derive(Debug, Default)]
pub struct Dns {
    pub zones: Vec<zone::Zone>,
    pub records: Vec<recordset::Recordset>,
}

pub fn router(ctx: &Ctx) -> Router {
    let v2 = Router::new()
        .merge(zone::routes())
        .merge(recordset::routes())
        .fallback(|| async { DesignateError::not_found("not_found", "Not Found") })
        .layer(from_fn_with_state(ctx.clone(), caller::gate));
    Router::new()
        .route("/", get(versions))
        .route("/v2", get(versions))
        .nest("/v2", v2)
        .with_state(ctx.clone())
}

async fn versions(State(ctx): State<Ctx>) -> Json<Value> {
    let version = |id: &str, status: &str| {
        json!({
            "id": id,
            "status": status,
            "updated": "2022-06-29T00:00:00Z",
            "links": [{"rel": "self", "href": ctx.url("/dns/v2")}, {"rel": "help", "href": "https://docs.openstack.org/api-ref/dns"}],
        })
    };
    Json(
        json!({"versions": [version("v2", "SUPPORTED"), version("v2.0", "SUPPORTED"), version("v2.1", "CURRENT")]}),
    )
}
