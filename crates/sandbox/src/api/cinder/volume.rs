//! Volumes.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{CinderError, Order};
use crate::api::query::page;
use crate::api::{Caller, Ctx, Fields, Payload, Query, State as Cloud, clock};

#[derive(Debug, Clone)]
pub struct Volume {
    pub id: String,
    pub project_id: String,
    pub user_id: String,
    pub name: Option<String>,
    pub description: Option<String>,
    /// GiB.
    pub size: u64,
    /// The image it was made from: then it boots.
    pub image_id: Option<String>,
    pub metadata: BTreeMap<String, String>,
    /// `creating`, `available`, `in-use`, `deleting`, …
    pub status: &'static str,
    pub attached: Option<Attached>,
    pub created: OffsetDateTime,
    pub updated: OffsetDateTime,
}

/// Where a volume is attached.
#[derive(Debug, Clone)]
pub struct Attached {
    pub id: String,
    pub server_id: String,
    pub device: String,
    pub at: OffsetDateTime,
}

impl Volume {
    fn links(&self, ctx: &Ctx) -> Value {
        let path = format!("{}/volumes/{}", self.project_id, self.id);
        json!([
            {"rel": "self", "href": ctx.url(&format!("/volume/v3/{path}"))},
            {"rel": "bookmark", "href": ctx.url(&format!("/volume/{path}"))},
        ])
    }

    fn brief(&self, ctx: &Ctx) -> Value {
        json!({"id": self.id, "name": self.name, "links": self.links(ctx)})
    }

    fn json(&self, ctx: &Ctx, cloud: &Cloud) -> Value {
        let attachments: Vec<Value> = self
            .attached
            .iter()
            .map(|a| {
                json!({
                    "id": self.id,
                    "attachment_id": a.id,
                    "volume_id": self.id,
                    "server_id": a.server_id,
                    "host_name": null,
                    "device": a.device,
                    "attached_at": clock::micros(a.at),
                })
            })
            .collect();
        let mut view = json!({
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "size": self.size,
            "status": self.status,
            "attachments": attachments,
            "availability_zone": "nova",
            "bootable": if self.image_id.is_some() { "true" } else { "false" },
            "encrypted": false,
            "multiattach": false,
            "metadata": self.metadata,
            "volume_type": "standard",
            "snapshot_id": null,
            "source_volid": null,
            "consistencygroup_id": null,
            "replication_status": null,
            "user_id": self.user_id,
            "os-vol-tenant-attr:tenant_id": self.project_id,
            "created_at": clock::micros(self.created),
            "updated_at": clock::micros(self.updated),
            "links": self.links(ctx),
        });
        if let Some(image) = self
            .image_id
            .as_ref()
            .and_then(|id| cloud.images.iter().find(|i| i.id == *id))
        {
            view["volume_image_metadata"] = json!({"image_id": image.id, "image_name": image.name});
        }
        view
    }
}

pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/volumes", get(index).post(create))
        .route("/volumes/detail", get(detail))
        .route("/volumes/{id}/metadata", get(metadata).post(add_metadata))
        .route("/volumes/{id}", get(show).put(update).delete(delete))
        .route("/types", get(|| async { Json(json!({"volume_types": [kind()]})) }))
        .route("/types/{id}", get(|| async { Json(json!({"volume_type": kind()})) }))
        .route("/snapshots", get(|| async { Json(json!({"snapshots": []})) }))
        .route("/snapshots/detail", get(|| async { Json(json!({"snapshots": []})) }))
        .route("/os-availability-zone", get(|| async {
            Json(json!({"availabilityZoneInfo": [{"zoneName": "nova", "zoneState": {"available": true}}]}))
        }))
}

/// The one type of volume there is.
fn kind() -> Value {
    json!({
        "id": "4b1bde54-66e7-4a2d-9f0b-0b0c8d2a1e01",
        "name": "standard",
        "is_public": true,
        "description": null,
        "extra_specs": {},
    })
}

fn list(
    ctx: &Ctx,
    caller: &Caller,
    query: &Query,
    path: &str,
    full: bool,
) -> Result<Json<Value>, CinderError> {
    let cloud = ctx.lock();
    let is = |key: &str, value: &str| query.get(key).is_none_or(|wanted| wanted == value);
    let everyone = query.yes("all_tenants") && caller.admin;
    let mut volumes: Vec<&Volume> = cloud
        .volumes
        .items
        .iter()
        .filter(|v| everyone || v.project_id == caller.project_id)
        .filter(|v| is("name", v.name.as_deref().unwrap_or_default()) && is("status", v.status))
        .collect();
    volumes.reverse();
    let limit = query
        .get("limit")
        .and_then(|l| l.parse().ok())
        .unwrap_or(1000)
        .min(1000);
    let page = page(volumes, query.get("marker"), Some(limit), |v| &v.id)
        .map_err(|_| CinderError::not_found("Volume could not be found: the marker"))?;
    let view = |v: &&Volume| {
        if full {
            v.json(ctx, &cloud)
        } else {
            v.brief(ctx)
        }
    };
    let mut body = json!({"volumes": page.items.iter().map(view).collect::<Vec<_>>()});
    if let (true, Some(last)) = (page.more, page.items.last()) {
        let href = ctx.url(&format!(
            "/volume/v3/{}{path}?{}",
            caller.project_id,
            query.with_marker(&last.id)
        ));
        body["volumes_links"] = json!([{"rel": "next", "href": href}]);
    }
    Ok(Json(body))
}

async fn index(
    State(ctx): State<Ctx>,
    caller: Caller,
    query: Query,
) -> Result<Json<Value>, CinderError> {
    list(&ctx, &caller, &query, "/volumes", false)
}

async fn detail(
    State(ctx): State<Ctx>,
    caller: Caller,
    query: Query,
) -> Result<Json<Value>, CinderError> {
    list(&ctx, &caller, &query, "/volumes/detail", true)
}

impl Cloud {
    pub fn volume(&mut self, caller: &Caller, id: &str) -> Result<&mut Volume, CinderError> {
        let found = self
            .volumes
            .items
            .iter_mut()
            .find(|v| v.id == id && caller.owns(&v.project_id));
        found.ok_or_else(|| CinderError::not_found(format!("Volume {id} could not be found.")))
    }
}

async fn show(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, CinderError> {
    let mut cloud = ctx.lock();
    let volume = cloud.volume(&caller, &id)?.clone();
    Ok(Json(json!({"volume": volume.json(&ctx, &cloud)})))
}

async fn metadata(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, CinderError> {
    let mut cloud = ctx.lock();
    Ok(Json(
        json!({"metadata": cloud.volume(&caller, &id)?.metadata}),
    ))
}

async fn add_metadata(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    Payload(body): Payload,
) -> Result<Json<Value>, CinderError> {
    let given = body.get("metadata").and_then(Value::as_object);
    let Some(given) = given.filter(|given| given.values().all(Value::is_string)) else {
        return Err(CinderError::bad(
            "Invalid input for field/attribute metadata.",
        ));
    };
    let mut cloud = ctx.lock();
    let volume = cloud.volume(&caller, &id)?;
    for (key, value) in given {
        let value = value.as_str().unwrap_or_default().to_owned();
        volume.metadata.insert(key.clone(), value);
    }
    Ok(Json(json!({"metadata": volume.metadata})))
}

async fn create(
    State(ctx): State<Ctx>,
    caller: Caller,
    Payload(body): Payload,
) -> Result<Response, CinderError> {
    let body = &body["volume"];
    let size = body.number("size").and_then(|s| u64::try_from(s).ok()).filter(|s| *s > 0).ok_or_else(|| {
        CinderError::bad("Invalid input for field/attribute size. Value: None. None is not a positive integer")
    })?;
    let metadata = body.get("metadata").and_then(Value::as_object).map(|meta| {
        meta.iter()
            .filter_map(|(k, v)| v.as_str().map(|v| (k.clone(), v.to_owned())))
            .collect()
    });
    let order = Order {
        name: body.text("name"),
        description: body.text("description"),
        size,
        image_id: body.text("imageRef"),
        metadata: metadata.unwrap_or_default(),
        user_id: caller.user_id.clone(),
    };
    let (id, view) = {
        let mut cloud = ctx.lock();
        if let Some(image) = &order.image_id {
            let image = cloud
                .images
                .iter()
                .find(|i| i.id == *image && i.visible(&caller));
            let image = image.ok_or_else(|| {
                CinderError::bad("Invalid image identifier or unable to access requested image.")
            })?;
            if image.min_disk > size {
                return Err(CinderError::bad(format!(
                    "Volume size {size}GB cannot be smaller than the image minDisk size {}GB.",
                    image.min_disk
                )));
            }
        }
        let id = cloud
            .volumes
            .create(&caller.project_id, order, &ctx.cloud.state_dir)?;
        let volume = cloud.volume(&caller, &id)?.clone();
        (id, volume.json(&ctx, &cloud))
    };
    tokio::spawn(async move {
        tokio::time::sleep(ctx.cloud.pace.step).await;
        ctx.lock().volumes.set_status(&id, "available");
    });
    Ok((StatusCode::ACCEPTED, Json(json!({"volume": view}))).into_response())
}

async fn update(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
    Payload(body): Payload,
) -> Result<Json<Value>, CinderError> {
    let body = &body["volume"];
    let mut cloud = ctx.lock();
    let volume = cloud.volume(&caller, &id)?;
    if body.has("name") {
        volume.name = body.text("name");
    }
    if body.has("description") {
        volume.description = body.text("description");
    }
    let volume = volume.clone();
    Ok(Json(json!({"volume": volume.json(&ctx, &cloud)})))
}

async fn delete(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path((_, id)): Path<(String, String)>,
) -> Result<StatusCode, CinderError> {
    {
        let mut cloud = ctx.lock();
        let volume = cloud.volume(&caller, &id)?;
        if volume.attached.is_some() || !["available", "error", "deleting"].contains(&volume.status)
        {
            return Err(CinderError::bad(
                "Invalid volume: Volume status must be available or error or error_restoring or error_extending or error_managing and must not be migrating, attached, belong to a group, have snapshots, awaiting a transfer, or be disassociated from snapshots after volume transfer.",
            ));
        }
        volume.status = "deleting";
    }
    tokio::spawn(async move {
        tokio::time::sleep(ctx.cloud.pace.step).await;
        let dir = ctx.cloud.state_dir.clone();
        ctx.lock().volumes.remove(&id, &dir);
    });
    Ok(StatusCode::ACCEPTED)
}
