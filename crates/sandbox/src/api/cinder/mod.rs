//! Cinder v3: volumes, which are files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::nova::server::Attachment;
use super::{Ctx, caller, clock, id};

pub mod error;
pub mod extend;
pub mod quota;
pub mod volume;

pub use error::CinderError;
pub use volume::{Attached, Volume};

/// The state of Cinder.
#[derive(Debug, Default)]
pub struct Volumes {
    pub items: Vec<Volume>,
    /// Limits other than the defaults.
    pub quotas: BTreeMap<String, i64>,
}

/// What a volume is to be.
#[derive(Debug, Default)]
pub struct Order {
    pub name: Option<String>,
    pub description: Option<String>,
    /// GiB.
    pub size: u64,
    pub image_id: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub user_id: String,
}

/// Where a volume's bytes are.
pub fn file(state_dir: &Path, volume_id: &str) -> PathBuf {
    state_dir.join("volumes").join(volume_id)
}

impl Volumes {
    /// Makes a volume, still `creating`, and its file. Returns its id.
    pub fn create(
        &mut self,
        project_id: &str,
        order: Order,
        state_dir: &Path,
    ) -> Result<String, CinderError> {
        quota::check(self, project_id, order.size)?;
        let id = id::uuid();
        let path = file(state_dir, &id);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        // A sparse file takes no room until it is written to.
        made.and_then(|()| std::fs::File::create(&path))
            .and_then(|f| f.set_len(order.size << 30))
            .map_err(|e| {
                CinderError::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    format!("making the volume's file: {e}"),
                )
            })?;
        let now = clock::now();
        self.items.push(Volume {
            id: id.clone(),
            project_id: project_id.to_owned(),
            user_id: order.user_id,
            name: order.name,
            description: order.description,
            size: order.size,
            image_id: order.image_id,
            metadata: order.metadata,
            status: "creating",
            attached: None,
            created: now,
            updated: now,
        });
        Ok(id)
    }

    pub fn set_status(&mut self, id: &str, status: &'static str) {
        if let Some(volume) = self.items.iter_mut().find(|v| v.id == id) {
            volume.status = status;
            volume.updated = clock::now();
        }
    }

    pub fn attach(&mut self, id: &str, server_id: &str, attachment: &Attachment) {
        if let Some(volume) = self.items.iter_mut().find(|v| v.id == id) {
            volume.attached = Some(Attached {
                id: attachment.id.clone(),
                server_id: server_id.to_owned(),
                device: attachment.device.clone(),
                at: clock::now(),
            });
        }
        self.set_status(id, "in-use");
    }

    pub fn detach(&mut self, id: &str) {
        if let Some(volume) = self.items.iter_mut().find(|v| v.id == id) {
            volume.attached = None;
        }
        self.set_status(id, "available");
    }

    /// Removes a volume and its file.
    pub fn remove(&mut self, id: &str, state_dir: &Path) {
        self.items.retain(|v| v.id != id);
        if let Err(error) = std::fs::remove_file(file(state_dir, id)) {
            tracing::warn!(volume = id, %error, "removing a volume's file");
        }
    }
}

pub fn router(ctx: &Ctx) -> Router {
    let v3 = Router::new()
        .merge(quota::routes())
        .merge(volume::routes())
        .merge(extend::routes())
        .fallback(|| async { CinderError::not_found("The resource could not be found.") })
        .layer(from_fn_with_state(ctx.clone(), caller::gate));
    Router::new()
        .route("/", get(versions))
        .route("/v3", get(version))
        .nest("/v3/{project}", v3)
        .with_state(ctx.clone())
}

fn v3(ctx: &Ctx) -> Value {
    json!({
        "id": "v3.0",
        "status": "CURRENT",
        "version": "3.70",
        "min_version": "3.0",
        "updated": "2022-08-31T00:00:00Z",
        "links": [{"rel": "self", "href": ctx.url("/volume/v3/")}],
        "media-types": [{"base": "application/json", "type": "application/vnd.openstack.volume+json;version=3"}],
    })
}

async fn versions(State(ctx): State<Ctx>) -> Response {
    (
        StatusCode::MULTIPLE_CHOICES,
        Json(json!({"versions": [v3(&ctx)]})),
    )
        .into_response()
}

async fn version(State(ctx): State<Ctx>) -> Json<Value> {
    Json(json!({"versions": [v3(&ctx)]}))
}
