//! Availability zones, of which there is one, and what only an administrator may ask for.

use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::NovaError;
use crate::api::{Caller, Ctx};

pub const ZONE: &str = "nova";

pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/os-availability-zone", get(index))
        .route(
            "/os-hypervisors",
            get(async |caller| empty(&caller, "os-hypervisors", "hypervisors")),
        )
        .route(
            "/os-hypervisors/detail",
            get(async |caller| empty(&caller, "os-hypervisors", "hypervisors")),
        )
        .route(
            "/os-services",
            get(async |caller| empty(&caller, "os-services", "services")),
        )
        .route(
            "/os-aggregates",
            get(async |caller| empty(&caller, "os-aggregates", "aggregates")),
        )
        .route("/extensions", get(async || Json(json!({"extensions": []}))))
}

async fn index() -> Json<Value> {
    let zone = json!({"zoneName": ZONE, "zoneState": {"available": true}, "hosts": null});
    Json(json!({"availabilityZoneInfo": [zone]}))
}

fn empty(caller: &Caller, rule: &str, collection: &str) -> Result<Json<Value>, NovaError> {
    match caller.admin {
        true => Ok(Json(json!({collection: []}))),
        false => Err(NovaError::policy(&format!("os_compute_api:{rule}:list"))),
    }
}
