//! Cinder's quotas and limits.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::{CinderError, Volumes};
use crate::api::{Caller, Ctx, Query};

const DEFAULTS: [(&str, i64); 8] = [
    ("volumes", 10),
    ("gigabytes", 1000),
    ("snapshots", 10),
    ("backups", 10),
    ("backup_gigabytes", 1000),
    ("groups", 10),
    ("per_volume_gigabytes", -1),
    ("volumes_standard", -1),
];

fn limit(volumes: &Volumes, resource: &str) -> i64 {
    let default = || {
        DEFAULTS
            .iter()
            .find(|(name, _)| *name == resource)
            .map_or(-1, |(_, limit)| *limit)
    };
    volumes
        .quotas
        .get(resource)
        .copied()
        .unwrap_or_else(default)
}

/// How many volumes a project has, and of how many GiB.
fn used(volumes: &Volumes, project_id: &str) -> (i64, i64) {
    let mine = volumes.items.iter().filter(|v| v.project_id == project_id);
    mine.fold((0, 0), |(count, size), v| {
        (count + 1, size + i64::try_from(v.size).unwrap_or(i64::MAX))
    })
}

/// Refuses a further volume of this size, in Cinder's words.
pub fn check(volumes: &Volumes, project_id: &str, size: u64) -> Result<(), CinderError> {
    let (count, gigabytes) = used(volumes, project_id);
    let (most, room) = (limit(volumes, "volumes"), limit(volumes, "gigabytes"));
    let size = i64::try_from(size).unwrap_or(i64::MAX);
    if room >= 0 && gigabytes.saturating_add(size) > room {
        return Err(CinderError::over_limit(format!(
            "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested {size}G, quota is {room}G and {gigabytes}G has been consumed."
        )));
    }
    if most >= 0 && count >= most {
        return Err(CinderError::over_limit(format!(
            "VolumeLimitExceeded: Maximum number of volumes allowed ({most}) exceeded for quota 'volumes'."
        )));
    }
    Ok(())
}

pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/limits", get(limits))
        .route("/os-quota-sets/{id}", get(show))
        .route("/os-quota-sets/{id}/defaults", get(defaults))
}

fn quota_set(project: &str, value: impl Fn(&str) -> Value) -> Json<Value> {
    let mut set: Map<String, Value> = DEFAULTS
        .iter()
        .map(|(name, _)| ((*name).to_owned(), value(name)))
        .collect();
    set.insert("id".to_owned(), json!(project));
    Json(json!({"quota_set": set}))
}

async fn show(
    State(ctx): State<Ctx>,
    caller: Caller,
    Path((_, project)): Path<(String, String)>,
    query: Query,
) -> Result<Json<Value>, CinderError> {
    if !caller.owns(&project) {
        return Err(CinderError::new(
            axum::http::StatusCode::FORBIDDEN,
            "Policy doesn't allow volume_extension:quotas:show to be performed.",
        ));
    }
    let state = ctx.lock();
    let volumes = &state.volumes;
    let (count, gigabytes) = used(volumes, &project);
    Ok(quota_set(&project, |name| {
        let limit = limit(volumes, name);
        if !query.yes("usage") {
            return json!(limit);
        }
        let in_use = match name {
            "volumes" | "volumes_standard" => count,
            "gigabytes" => gigabytes,
            _ => 0,
        };
        json!({"limit": limit, "in_use": in_use, "reserved": 0, "allocated": 0})
    }))
}

async fn defaults(Path((_, project)): Path<(String, String)>) -> Json<Value> {
    quota_set(&project, |name| json!(limit(&Volumes::default(), name)))
}

async fn limits(State(ctx): State<Ctx>, caller: Caller) -> Json<Value> {
    let state = ctx.lock();
    let volumes = &state.volumes;
    let (count, gigabytes) = used(volumes, &caller.project_id);
    Json(json!({"limits": {"rate": [], "absolute": {
        "maxTotalVolumes": limit(volumes, "volumes"),
        "maxTotalVolumeGigabytes": limit(volumes, "gigabytes"),
        "maxTotalSnapshots": limit(volumes, "snapshots"),
        "maxTotalBackups": limit(volumes, "backups"),
        "maxTotalBackupGigabytes": limit(volumes, "backup_gigabytes"),
        "totalVolumesUsed": count,
        "totalGigabytesUsed": gigabytes,
        "totalSnapshotsUsed": 0,
        "totalBackupsUsed": 0,
        "totalBackupGigabytesUsed": 0,
    }}}))
}
