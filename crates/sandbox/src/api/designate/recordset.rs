//! Recordsets of zones.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::zone::{Zone, is_name, missing as no_zone};
use super::{DesignateError, Dns};
use crate::api::{Caller, Ctx, Fields, Payload, Query, clock, id};

#[derive(Debug, Clone)]
pub struct Recordset {
    pub id: String,
    pub zone_id: String,
    /// With the dot at the end.
    pub name: String,
    /// `A`, `AAAA`, `CNAME`, `TXT`, …
    pub kind: String,
    pub records: Vec<String>,
    pub ttl: Option<i64>,
    pub description: Option<String>,
    /// `PENDING` until it is `ACTIVE`.
    pub status: &'static str,
    pub action: &'static str,
    pub created: OffsetDateTime,
}

impl Recordset {
    fn json(&self, ctx: &Ctx, zone: &Zone) -> Value {
        json!({
            "id": self.id,
            "zone_id": zone.id,
            "zone_name": zone.name,
            "project_id": zone.project_id,
            "name": self.name,
            "type": self.kind,
            "records": self.records,
            "ttl": self.ttl,
            "description": self.description,
            "status": self.status,
            "action": self.action,
            "version": 1,
            "created_at": clock::micros(self.created),
            "updated_at": null,
            "links": {"self": ctx.url(&format!("/dns/v2/zones/{}/recordsets/{}", zone.id, self.id))},
        })
    }

    /// Whether the records are of the recordset's type.
    fn check(&self) -> Result<(), DesignateError> {
        let ok = |record: &String| match self.kind.as_str() {
            "A" => record.parse::<std::net::Ipv4Addr>().is_ok(),
            "AAAA" => record.parse::<std::net::Ipv6Addr>().is_ok(),
            "CNAME" | "NS" | "PTR" => is_name(record),
            _ => !record.is_empty(),
        };
        if self.records.is_empty() || !self.records.iter().all(ok) {
            return Err(DesignateError::invalid(
                "records",
                "a record is not of the recordset's type",
            ));
        }
        Ok(())
    }
}

pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/zones/{zone}/recordsets", get(index).post(create))
        .route(
            "/zones/{zone}/recordsets/{id}",
            get(show).put(update).delete(delete),
        )
        .route("/recordsets", get(everywhere))
}

impl Dns {
    fn zone(&self, caller: &Caller, id: &str) -> Result<&Zone, DesignateError> {
        self.zones
            .iter()
            .find(|z| z.id == id && caller.owns(&z.project_id))
            .ok_or_else(no_zone)
    }
}

fn listed<'a>(
    ctx: &Ctx,
    dns: &'a Dns,
    zones: impl Iterator<Item = &'a Zone>,
    query: &Query,
    path: &str,
) -> Json<Value> {
    let is = |key: &str, value: &str| query.get(key).is_none_or(|wanted| wanted == value);
    let mut found = Vec::new();
    for zone in zones {
        let records = dns.records.iter().filter(|r| r.zone_id == zone.id);
        let wanted = records.filter(|r| {
            is("name", &r.name)
                && is("type", &r.kind)
                && query
                    .get("data")
                    .is_none_or(|d| r.records.iter().any(|x| x == d))
        });
        found.extend(wanted.map(|r| r.json(ctx, zone)));
    }
    Json(json!({
        "metadata": {"total_count": found.len()},
        "links": {"self": ctx.url(path)},
        "recordsets": found,
    }))
}

async fn index(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(zone): Path<String>,
    query: Query,
) -> Result<Json<Value>, DesignateError> {
    let state = ctx.lock();
    let one = state.dns.zone(&caller, &zone)?;
    Ok(listed(
        &ctx,
        &state.dns,
        std::iter::once(one),
        &query,
        &format!("/dns/v2/zones/{zone}/recordsets"),
    ))
}

async fn everywhere(State(ctx): State<Ctx>, caller: Caller, query: Query) -> Json<Value> {
    let state = ctx.lock();
    let mine = state
        .dns
        .zones
        .iter()
        .filter(|z| caller.owns(&z.project_id));
    listed(&ctx, &state.dns, mine, &query, "/dns/v2/recordsets")
}

fn missing() -> DesignateError {
    DesignateError::not_found("recordset_not_found", "Could not find RecordSet")
}

async fn show(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path((zone, id)): Path<(String, String)>,
) -> Result<Json<Value>, DesignateError> {
    let state = ctx.lock();
    let zone = state.dns.zone(&caller, &zone)?;
    let found = state
        .dns
        .records
        .iter()
        .find(|r| r.id == id && r.zone_id == zone.id)
        .ok_or_else(missing)?;
    Ok(Json(found.json(&ctx, zone)))
}

async fn create(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(zone): Path<String>,
    Payload(body): Payload,
) -> Result<Response, DesignateError> {
    let mut state = ctx.lock();
    let zone = state.dns.zone(&caller, &zone)?.clone();
    let name = body.text("name").filter(|n| is_name(n));
    let name =
        name.ok_or_else(|| DesignateError::invalid("name", "the name is not a 'hostname'"))?;
    if name != zone.name && !name.ends_with(&format!(".{}", zone.name)) {
        return Err(DesignateError::invalid(
            "name",
            "RecordSet is not contained within it's parent zone",
        ));
    }
    let recordset = Recordset {
        id: id::uuid(),
        zone_id: zone.id.clone(),
        name,
        kind: body
            .text("type")
            .ok_or_else(|| DesignateError::invalid("type", "'type' is a required property"))?,
        records: body.texts("records").unwrap_or_default(),
        ttl: body.number("ttl"),
        description: body.text("description"),
        status: "PENDING",
        action: "CREATE",
        created: clock::now(),
    };
    recordset.check()?;
    let same = |r: &Recordset| {
        r.zone_id == zone.id && r.name == recordset.name && r.kind == recordset.kind
    };
    if state.dns.records.iter().any(same) {
        return Err(DesignateError::conflict(
            "duplicate_recordset",
            "Duplicate RecordSet",
        ));
    }
    let view = recordset.json(&ctx, &zone);
    let id = recordset.id.clone();
    state.dns.records.push(recordset);
    drop(state);
    tokio::spawn(finish(ctx, id));
    Ok((StatusCode::ACCEPTED, Json(view)).into_response())
}

/// What the workers do after the answer.
async fn finish(ctx: Ctx, id: String) {
    tokio::time::sleep(ctx.cloud.pace.step).await;
    let mut state = ctx.lock();
    state
        .dns
        .records
        .retain(|r| r.id != id || r.action != "DELETE");
    if let Some(recordset) = state.dns.records.iter_mut().find(|r| r.id == id) {
        (recordset.status, recordset.action) = ("ACTIVE", "NONE");
    }
}

async fn update(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path((zone, id)): Path<(String, String)>,
    Payload(body): Payload,
) -> Result<Response, DesignateError> {
    let mut state = ctx.lock();
    let zone = state.dns.zone(&caller, &zone)?.clone();
    let found = state
        .dns
        .records
        .iter_mut()
        .find(|r| r.id == id && r.zone_id == zone.id)
        .ok_or_else(missing)?;
    let mut changed = found.clone();
    changed.records = body.texts("records").unwrap_or(changed.records);
    if body.has("ttl") {
        changed.ttl = body.number("ttl");
    }
    if body.has("description") {
        changed.description = body.text("description");
    }
    changed.check()?;
    (changed.status, changed.action) = ("PENDING", "UPDATE");
    *found = changed;
    let view = found.json(&ctx, &zone);
    drop(state);
    tokio::spawn(finish(ctx, id));
    Ok((StatusCode::ACCEPTED, Json(view)).into_response())
}

async fn delete(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path((zone, id)): Path<(String, String)>,
) -> Result<Response, DesignateError> {
    let mut state = ctx.lock();
    let zone = state.dns.zone(&caller, &zone)?.clone();
    let found = state
        .dns
        .records
        .iter_mut()
        .find(|r| r.id == id && r.zone_id == zone.id)
        .ok_or_else(missing)?;
    (found.status, found.action) = ("PENDING", "DELETE");
    let view = found.json(&ctx, &zone);
    drop(state);
    tokio::spawn(finish(ctx, id));
    Ok((StatusCode::ACCEPTED, Json(view)).into_response())
}
