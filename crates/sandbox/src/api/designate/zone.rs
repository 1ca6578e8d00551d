//! Zones.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::DesignateError;
use crate::api::{Caller, Ctx, Fields, Payload, Query, clock, id};

#[derive(Debug, Clone)]
pub struct Zone {
    pub id: String,
    pub project_id: String,
    /// With the dot at the end.
    pub name: String,
    pub email: String,
    pub ttl: i64,
    pub description: Option<String>,
    pub created: OffsetDateTime,
}

impl Zone {
    pub fn new(project_id: &str, name: &str, email: &str) -> Self {
        Self {
            id: id::uuid(),
            project_id: project_id.to_owned(),
            name: name.to_owned(),
            email: email.to_owned(),
            ttl: 3600,
            description: None,
            created: clock::now(),
        }
    }

    fn json(&self, ctx: &Ctx) -> Value {
        json!({
            "id": self.id,
            "pool_id": "794ccc2c-d751-44fe-b57f-8894c9f5c842",
            "project_id": self.project_id,
            "name": self.name,
            "email": self.email,
            "ttl": self.ttl,
            "serial": self.created.unix_timestamp(),
            "status": "ACTIVE",
            "action": "NONE",
            "type": "PRIMARY",
            "version": 1,
            "masters": [],
            "attributes": {},
            "description": self.description,
            "transferred_at": null,
            "shared": false,
            "created_at": clock::micros(self.created),
            "updated_at": null,
            "links": {"self": ctx.url(&format!("/dns/v2/zones/{}", self.id))},
        })
    }
}

pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/zones", get(index).post(create))
        .route("/zones/{id}", get(show).delete(delete))
}

pub fn missing() -> DesignateError {
    DesignateError::not_found("zone_not_found", "Could not find Zone")
}

/// Whether a name is one of the DNS with its final dot.
pub fn is_name(name: &str) -> bool {
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_*".contains(c))
    };
    name.len() <= 255
        && name
            .strip_suffix('.')
            .is_some_and(|n| n.split('.').all(label))
}

async fn index(State(ctx): State<Ctx>, caller: Caller, query: Query) -> Json<Value> {
    let state = ctx.lock();
    let zones: Vec<Value> = state
        .dns
        .zones
        .iter()
        .filter(|z| caller.owns(&z.project_id) && query.get("name").is_none_or(|n| z.name == n))
        .map(|z| z.json(&ctx))
        .collect();
    Json(json!({
        "metadata": {"total_count": zones.len()},
        "links": {"self": ctx.url("/dns/v2/zones")},
        "zones": zones,
    }))
}

async fn show(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, DesignateError> {
    let state = ctx.lock();
    let found = state
        .dns
        .zones
        .iter()
        .find(|z| z.id == id && caller.owns(&z.project_id));
    Ok(Json(found.ok_or_else(missing)?.json(&ctx)))
}

async fn create(
    State(ctx): State<Ctx>,
    caller: Caller,
    Payload(body): Payload,
) -> Result<Response, DesignateError> {
    let name = body
        .text("name")
        .filter(|n| is_name(n))
        .ok_or_else(|| DesignateError::invalid("name", "the name is not a 'domainname'"))?;
    let email = body
        .text("email")
        .filter(|e| e.contains('@'))
        .ok_or_else(|| DesignateError::invalid("email", "'email' is a required property"))?;
    let mut state = ctx.lock();
    if state.dns.zones.iter().any(|z| z.name == name) {
        return Err(DesignateError::conflict("duplicate_zone", "Duplicate Zone"));
    }
    let zone = Zone {
        ttl: body.number("ttl").unwrap_or(3600),
        description: body.text("description"),
        ..Zone::new(&caller.project_id, &name, &email)
    };
    let mut view = zone.json(&ctx);
    view["status"] = json!("PENDING");
    view["action"] = json!("CREATE");
    state.dns.zones.push(zone);
    Ok((StatusCode::ACCEPTED, Json(view)).into_response())
}

async fn delete(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, DesignateError> {
    let mut state = ctx.lock();
    let zones = &mut state.dns.zones;
    let place = zones
        .iter()
        .position(|z| z.id == id && caller.owns(&z.project_id))
        .ok_or_else(missing)?;
    let mut view = zones.remove(place).json(&ctx);
    view["status"] = json!("PENDING");
    view["action"] = json!("DELETE");
    state.dns.records.retain(|r| r.zone_id != id);
    Ok((StatusCode::ACCEPTED, Json(view)).into_response())
}
