//! Volumes that grow.

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;

use super::{CinderError, file};
use crate::api::{Caller, Ctx, Fields, Payload};

pub fn routes() -> Router<Ctx> {
    Router::new().route("/volumes/{id}/action", post(act))
}

/// Whether the request may grow a volume that is in use: microversion 3.42 and later.
fn grows_in_use(headers: &HeaderMap) -> bool {
    let asked = headers
        .get("openstack-api-version")
        .and_then(|v| v.to_str().ok());
    asked
        .and_then(|v| v.strip_prefix("volume 3."))
        .and_then(|minor| minor.parse::<u32>().ok())
        .is_some_and(|minor| minor >= 42)
}

async fn act(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    headers: HeaderMap,
    Payload(body): Payload,
) -> Result<StatusCode, CinderError> {
    let size = body["os-extend"]
        .number("new_size")
        .and_then(|size| u64::try_from(size).ok())
        .ok_or_else(|| {
            CinderError::bad("There is no such action: this sandbox knows os-extend only.")
        })?;
    let before = {
        let mut cloud = ctx.lock();
        let volume = cloud.volume(&caller, &id)?;
        let before = volume.status;
        if !(before == "available" || (before == "in-use" && grows_in_use(&headers))) {
            return Err(CinderError::bad(format!(
                "Invalid volume: Volume {id} status must be '{{'available'}}' to extend, but current status is: {before}."
            )));
        }
        if size <= volume.size {
            return Err(CinderError::bad(format!(
                "Invalid input received: New size for extend must be greater than current size. (current: {}, extended: {size}).",
                volume.size
            )));
        }
        volume.status = "extending";
        before
    };
    tokio::spawn(async move {
        tokio::time::sleep(ctx.cloud.pace.step).await;
        let path = file(&ctx.cloud.state_dir, &id);
        let grown = std::fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_len(size << 30));
        if let Err(error) = grown {
            tracing::warn!(volume = id, %error, "growing a volume's file");
        }
        let mut cloud = ctx.lock();
        if let Some(volume) = cloud.volumes.items.iter_mut().find(|v| v.id == id) {
            volume.size = size;
        }
        cloud.volumes.set_status(&id, before);
    });
    Ok(StatusCode::ACCEPTED)
}
