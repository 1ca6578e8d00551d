//! The control API over HTTP: `/sandbox/…`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{Control, Fault};
use crate::api::Cloud;

pub fn router(control: &Control, cloud: &Arc<Cloud>) -> Router {
    Router::new()
        .route("/sandbox/faults", get(faults).post(arm).delete(disarm))
        .route("/sandbox/requests", get(requests))
        .route("/sandbox/reset", post(reset))
        .route("/sandbox/revoke-tokens", post(revoke))
        .with_state((control.clone(), cloud.clone()))
}

type Given = State<(Control, Arc<Cloud>)>;

async fn faults(State((control, _)): Given) -> Json<Value> {
    Json(json!({"faults": control.faults()}))
}

async fn arm(State((control, _)): Given, Json(fault): Json<Fault>) -> StatusCode {
    control.fault(fault);
    StatusCode::CREATED
}

async fn disarm(State((control, _)): Given) -> StatusCode {
    control.clear_faults();
    StatusCode::NO_CONTENT
}

async fn requests(State((control, _)): Given) -> Json<Value> {
    Json(json!({"requests": control.requests()}))
}

async fn reset(State((control, _)): Given) -> StatusCode {
    control.reset();
    StatusCode::NO_CONTENT
}

async fn revoke(State((_, cloud)): Given) -> StatusCode {
    cloud.identity().tokens.clear();
    StatusCode::NO_CONTENT
}
