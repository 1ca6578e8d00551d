//! Images.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{GlanceError, read_only};
use crate::api::query::page;
use crate::api::{Caller, Ctx, Query, clock};

#[derive(Debug, Clone)]
pub struct Image {
    pub id: String,
    pub name: String,
    pub owner: String,
    pub public: bool,
    /// `active`, `queued`, `deactivated`, …
    pub status: &'static str,
    /// Bytes of the image file.
    pub size: u64,
    /// GiB and MiB a server needs.
    pub min_disk: u64,
    pub min_ram: u64,
    pub tags: Vec<String>,
    /// Free properties, at the top level of the JSON.
    pub properties: BTreeMap<String, String>,
    pub created: OffsetDateTime,
}

/// Glance's page when none is asked for, and the longest.
const PAGE: (usize, usize) = (25, 1000);

pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/images", get(index).post(|| async { read_only() }))
        .route(
            "/images/{id}",
            get(show)
                .patch(|| async { read_only() })
                .delete(|| async { read_only() }),
        )
        .route("/schemas/images", get(|| async { Json(schema("images")) }))
        .route("/schemas/image", get(|| async { Json(schema("image")) }))
}

fn schema(name: &str) -> Value {
    json!({"name": name, "properties": {}, "additionalProperties": {"type": "string"}})
}

impl Image {
    pub fn visible(&self, caller: &Caller) -> bool {
        self.public || caller.owns(&self.owner)
    }

    /// The user a login is for, as the image says it.
    pub fn login(&self) -> &str {
        self.properties
            .get("os_admin_user")
            .map_or("debian", String::as_str)
    }

    pub fn json(&self) -> Value {
        let mut view = json!({
            "id": self.id,
            "name": self.name,
            "status": self.status,
            "visibility": if self.public { "public" } else { "private" },
            "protected": false,
            "os_hidden": false,
            "checksum": "6f8b2a6d9be4f8d0e2cbb1f2c1d7a1f3",
            "os_hash_algo": "sha512",
            "os_hash_value": "9".repeat(128),
            "size": self.size,
            "virtual_size": self.min_disk << 30,
            "min_disk": self.min_disk,
            "min_ram": self.min_ram,
            "disk_format": "qcow2",
            "container_format": "bare",
            "owner": self.owner,
            "created_at": clock::seconds(self.created),
            "updated_at": clock::seconds(self.created),
            "tags": self.tags,
            "self": format!("/v2/images/{}", self.id),
            "file": format!("/v2/images/{}/file", self.id),
            "schema": "/v2/schemas/image",
        });
        for (key, value) in &self.properties {
            view[key] = json!(value);
        }
        view
    }
}

async fn index(
    State(ctx): State<Ctx>,
    caller: Caller,
    query: Query,
) -> Result<Json<Value>, GlanceError> {
    let state = ctx.lock();
    let mut images: Vec<&Image> = state
        .images
        .iter()
        .filter(|i| i.visible(&caller) && matches(i, &query))
        .collect();
    sort(&mut images, &query);
    let limit = match query.get("limit").map(str::parse::<usize>) {
        None => PAGE.0,
        Some(Ok(limit)) => limit.min(PAGE.1),
        Some(Err(_)) => return Err(GlanceError::bad("limit param must be an integer")),
    };
    let page = page(images, query.get("marker"), Some(limit), |i| &i.id)
        .map_err(|_| GlanceError::bad("Invalid marker"))?;
    let mut body = json!({
        "images": page.items.iter().map(|i| i.json()).collect::<Vec<_>>(),
        "schema": "/v2/schemas/images",
        "first": "/v2/images",
    });
    if let (true, Some(last)) = (page.more, page.items.last()) {
        body["next"] = json!(format!("/v2/images?{}", query.with_marker(&last.id)));
    }
    Ok(Json(body))
}

/// What is no filter.
const CONTROL: [&str; 8] = [
    "limit",
    "marker",
    "sort",
    "sort_key",
    "sort_dir",
    "member_status",
    "os_hidden",
    "protected",
];

fn matches(image: &Image, query: &Query) -> bool {
    query
        .0
        .iter()
        .filter(|(key, _)| !CONTROL.contains(&key.as_str()))
        .all(
            |(key, wanted)| match (key.as_str(), wanted.strip_prefix("in:")) {
                ("tag", _) => image.tags.contains(wanted),
                ("visibility", _) if wanted == "all" => true,
                ("visibility", _) if wanted == "shared" || wanted == "community" => false,
                ("size_min", _) => wanted.parse().is_ok_and(|least: u64| image.size >= least),
                ("size_max", _) => wanted.parse().is_ok_and(|most: u64| image.size <= most),
                ("created_at" | "updated_at", _) => true,
                (key, Some(among)) => is(image, key, |value| {
                    among.split(',').any(|w| w.trim_matches('"') == value)
                }),
                (key, None) => is(image, key, |value| value == wanted),
            },
        )
}

fn is(image: &Image, key: &str, test: impl Fn(&str) -> bool) -> bool {
    match image.json().get(key) {
        Some(Value::String(text)) => test(text),
        Some(other) => test(&other.to_string()),
        None => false,
    }
}

/// Newest first, unless `sort=name:asc` (or `sort_key`, `sort_dir`) says otherwise.
fn sort(images: &mut [&Image], query: &Query) {
    let sort = query
        .get("sort")
        .and_then(|s| s.split(',').next())
        .unwrap_or_default();
    let (key, direction) = sort.split_once(':').unwrap_or((sort, ""));
    let key = if key.is_empty() {
        query.get("sort_key").unwrap_or("created_at")
    } else {
        key
    };
    let direction = if direction.is_empty() {
        query.get("sort_dir").unwrap_or("desc")
    } else {
        direction
    };
    images.sort_by(|a, b| match key {
        "name" => a.name.cmp(&b.name),
        "size" => a.size.cmp(&b.size),
        "id" => a.id.cmp(&b.id),
        _ => a.created.cmp(&b.created),
    });
    if direction != "asc" {
        images.reverse();
    }
}

async fn show(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, GlanceError> {
    let state = ctx.lock();
    let image = state
        .images
        .iter()
        .find(|i| i.id == id && i.visible(&caller));
    let image =
        image.ok_or_else(|| GlanceError::not_found(format!("No image found with ID {id}")))?;
    Ok(Json(image.json()))
}
