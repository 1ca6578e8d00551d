//! Glance v2: images to boot from. They are made with the cloud; nothing is uploaded.

use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Ctx, caller};

pub mod error;
pub mod image;

pub use error::GlanceError;

pub fn router(ctx: &Ctx) -> Router {
    let v2 = image::routes()
        .fallback(|| async { GlanceError::not_found("The resource could not be found.") })
        .layer(from_fn_with_state(ctx.clone(), caller::gate));
    Router::new()
        .route("/", get(versions))
        .route(
            "/versions",
            get(|state| async { (StatusCode::OK, versions(state).await.1) }),
        )
        .nest("/v2", v2)
        .with_state(ctx.clone())
}

async fn versions(
    axum::extract::State(ctx): axum::extract::State<Ctx>,
) -> (StatusCode, Json<Value>) {
    let version = |id: &str, status: &str| json!({"id": id, "status": status, "links": [{"rel": "self", "href": ctx.url("/image/v2/")}]});
    let versions: Vec<Value> = (0..=15)
        .rev()
        .filter(|minor| ![10, 14].contains(minor))
        .map(|minor| {
            version(
                &format!("v2.{minor}"),
                if minor == 15 { "CURRENT" } else { "SUPPORTED" },
            )
        })
        .collect();
    (
        StatusCode::MULTIPLE_CHOICES,
        Json(json!({"versions": versions})),
    )
}

/// Glance has no create here; what it would say to someone without the right.
pub fn read_only() -> Response {
    GlanceError::forbidden("You are not authorized to complete this action.").into_response()
}
