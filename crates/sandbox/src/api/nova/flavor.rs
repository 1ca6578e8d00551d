//! Flavors.

use std::collections::BTreeMap;

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{NovaError, Version, links};
use crate::api::query::page;
use crate::api::{Ctx, Query};

#[derive(Debug, Clone)]
pub struct Flavor {
    pub id: String,
    pub name: String,
    pub vcpus: u32,
    /// MiB.
    pub ram: u64,
    /// GiB; 0 means the server must boot from a volume.
    pub disk: u64,
    pub extra_specs: BTreeMap<String, String>,
}

impl Flavor {
    fn json(&self, ctx: &Ctx, version: Version) -> Value {
        let mut view = json!({
            "id": self.id,
            "name": self.name,
            "vcpus": self.vcpus,
            "ram": self.ram,
            "disk": self.disk,
            // An empty string for none, until 2.75.
            "swap": if version >= Version(75) { json!(0) } else { json!("") },
            "rxtx_factor": 1.0,
            "OS-FLV-EXT-DATA:ephemeral": 0,
            "OS-FLV-DISABLED:disabled": false,
            "os-flavor-access:is_public": true,
            "links": links(ctx, &format!("/flavors/{}", self.id)),
        });
        if version >= Version(55) {
            view["description"] = Value::Null;
        }
        if version >= Version(61) {
            view["extra_specs"] = json!(self.extra_specs);
        }
        view
    }

    /// As it stands within a server: a link, or from 2.47 what it was when the server was made.
    pub fn within_server(&self, ctx: &Ctx, version: Version) -> Value {
        if version < Version(47) {
            let link = json!([{"rel": "bookmark", "href": ctx.url(&format!("/compute/flavors/{}", self.id))}]);
            return json!({"id": self.id, "links": link});
        }
        json!({
            "original_name": self.name,
            "vcpus": self.vcpus,
            "ram": self.ram,
            "disk": self.disk,
            "ephemeral": 0,
            "swap": 0,
            "extra_specs": self.extra_specs,
        })
    }
}

pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/flavors", get(index))
        .route("/flavors/detail", get(detail))
        .route("/flavors/{id}", get(show))
        .route("/flavors/{id}/os-extra_specs", get(extra_specs))
}

fn list(
    ctx: &Ctx,
    query: &Query,
    path: &str,
    view: impl Fn(&Flavor) -> Value,
) -> Result<Json<Value>, NovaError> {
    let state = ctx.lock();
    let at_least = |key: &str, value: u64| {
        query
            .get(key)
            .and_then(|least| least.parse().ok())
            .is_none_or(|least: u64| value >= least)
    };
    let mut flavors: Vec<&Flavor> = state
        .compute
        .flavors
        .iter()
        .filter(|f| at_least("minRam", f.ram) && at_least("minDisk", f.disk))
        .collect();
    flavors.sort_by(|a, b| a.id.cmp(&b.id));
    let limit = query.get("limit").and_then(|l| l.parse().ok());
    let page = page(flavors, query.get("marker"), limit, |f| &f.id).map_err(|_| {
        NovaError::bad(format!(
            "marker [{}] not found",
            query.get("marker").unwrap_or_default()
        ))
    })?;
    let mut body = json!({"flavors": page.items.iter().map(|f| view(f)).collect::<Vec<_>>()});
    if let (true, Some(last)) = (page.more, page.items.last()) {
        let href = ctx.url(&format!(
            "/compute/v2.1{path}?{}",
            query.with_marker(&last.id)
        ));
        body["flavors_links"] = json!([{"rel": "next", "href": href}]);
    }
    Ok(Json(body))
}

async fn index(
    State(ctx): State<Ctx>,
    version: Version,
    query: Query,
) -> Result<Json<Value>, NovaError> {
    list(&ctx, &query, "/flavors", |f| {
        let mut view = json!({"id": f.id, "name": f.name, "links": links(&ctx, &format!("/flavors/{}", f.id))});
        if version >= Version(55) {
            view["description"] = Value::Null;
        }
        view
    })
}

async fn detail(
    State(ctx): State<Ctx>,
    version: Version,
    query: Query,
) -> Result<Json<Value>, NovaError> {
    list(&ctx, &query, "/flavors/detail", |f| f.json(&ctx, version))
}

fn find(ctx: &Ctx, id: &str) -> Result<Flavor, NovaError> {
    let state = ctx.lock();
    let found = state.compute.flavors.iter().find(|f| f.id == id).cloned();
    found.ok_or_else(|| NovaError::not_found(format!("Flavor {id} could not be found.")))
}

async fn show(
    State(ctx): State<Ctx>,
    version: Version,
    Path(id): Path<String>,
) -> Result<Json<Value>, NovaError> {
    Ok(Json(
        json!({"flavor": find(&ctx, &id)?.json(&ctx, version)}),
    ))
}

async fn extra_specs(
    State(ctx): State<Ctx>,
    Path(id): Path<String>,
) -> Result<Json<Value>, NovaError> {
    Ok(Json(json!({"extra_specs": find(&ctx, &id)?.extra_specs})))
}
