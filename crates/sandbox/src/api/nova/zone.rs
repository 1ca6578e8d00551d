//! Availability zones: there is one.

use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;

use crate::api::Ctx;

pub const ZONE: &str = "nova";

pub fn routes() -> Router<Ctx> {
    let zone = json!({"zoneName": ZONE, "zoneState": {"available": true}, "hosts": null});
    Router::new()
        .route(
            "/os-availability-zone",
            get(|| async move { Json(json!({"availabilityZoneInfo": [zone]})) }),
        )
        .route(
            "/extensions",
            get(|| async { Json(json!({"extensions": []})) }),
        )
}
