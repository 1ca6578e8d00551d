//! Nova's quotas and limits.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::{Compute, NovaError, Version};
use crate::api::{Caller, Ctx};

/// Limits when nothing else is set, and the version from which a resource is not shown any more.
const DEFAULTS: [(&str, i64, u16); 14] = [
    ("instances", 10, u16::MAX),
    ("cores", 20, u16::MAX),
    ("ram", 51_200, u16::MAX),
    ("key_pairs", 100, u16::MAX),
    ("metadata_items", 128, u16::MAX),
    ("server_groups", 10, u16::MAX),
    ("server_group_members", 10, u16::MAX),
    ("fixed_ips", -1, 36),
    ("floating_ips", -1, 36),
    ("security_groups", -1, 36),
    ("security_group_rules", -1, 36),
    ("injected_files", 5, 57),
    ("injected_file_content_bytes", 10_240, 57),
    ("injected_file_path_bytes", 255, 57),
];

/// What a project's servers use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub instances: i64,
    pub cores: i64,
    /// MiB.
    pub ram: i64,
}

pub fn limit(compute: &Compute, resource: &str) -> i64 {
    let default = || {
        DEFAULTS
            .iter()
            .find(|(name, ..)| *name == resource)
            .map_or(-1, |(_, limit, _)| *limit)
    };
    compute
        .quotas
        .get(resource)
        .copied()
        .unwrap_or_else(default)
}

/// Whether there is no room for one more.
pub fn reached(compute: &Compute, resource: &str, count: usize) -> bool {
    let limit = limit(compute, resource);
    limit >= 0 && i64::try_from(count).unwrap_or(i64::MAX) >= limit
}

pub fn usage(compute: &Compute, project_id: &str) -> Usage {
    let servers = compute
        .servers
        .iter()
        .filter(|s| s.project_id == project_id);
    servers.fold(
        Usage {
            instances: 0,
            cores: 0,
            ram: 0,
        },
        |sum, s| Usage {
            instances: sum.instances + 1,
            cores: sum.cores + i64::from(s.flavor.vcpus),
            ram: sum.ram + i64::try_from(s.flavor.ram).unwrap_or(i64::MAX),
        },
    )
}

/// Refuses a server of this size, in Nova's words.
pub fn check(compute: &Compute, project_id: &str, more: Usage) -> Result<(), NovaError> {
    let now = usage(compute, project_id);
    let over: Vec<(&str, i64, i64, i64)> = [
        ("cores", more.cores, now.cores),
        ("instances", more.instances, now.instances),
        ("ram", more.ram, now.ram),
    ]
    .into_iter()
    .map(|(name, more, used)| (name, more, used, limit(compute, name)))
    .filter(|(_, more, used, limit)| *limit >= 0 && used + more > *limit)
    .collect();
    if over.is_empty() {
        return Ok(());
    }
    let words = |pick: fn(&(&str, i64, i64, i64)) -> String| {
        over.iter().map(pick).collect::<Vec<_>>().join(", ")
    };
    let names = words(|o| o.0.to_owned());
    Err(NovaError::forbidden(format!(
        "Quota exceeded for {names}: Requested {}, but already used {} of {} {names}",
        words(|o| o.1.to_string()),
        words(|o| o.2.to_string()),
        words(|o| o.3.to_string()),
    )))
}

pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/limits", get(limits))
        .route("/os-quota-sets/{project}", get(show))
        .route("/os-quota-sets/{project}/defaults", get(defaults))
        .route("/os-quota-sets/{project}/detail", get(detail))
}

fn quota_set(version: Version, project: &str, value: impl Fn(&str) -> Value) -> Json<Value> {
    let mut set: Map<String, Value> = DEFAULTS
        .iter()
        .filter(|(.., until)| version.0 < *until)
        .map(|(name, ..)| ((*name).to_owned(), value(name)))
        .collect();
    set.insert("id".to_owned(), json!(project));
    Json(json!({"quota_set": set}))
}

fn may(caller: &Caller, project: &str) -> Result<(), NovaError> {
    if caller.owns(project) {
        Ok(())
    } else {
        Err(NovaError::policy("os_compute_api:os-quota-sets:show"))
    }
}

async fn show(
    State(ctx): State<Ctx>,
    caller: Caller,
    version: Version,
    Path(project): Path<String>,
) -> Result<Json<Value>, NovaError> {
    may(&caller, &project)?;
    let state = ctx.lock();
    Ok(quota_set(version, &project, |name| {
        json!(limit(&state.compute, name))
    }))
}

async fn defaults(version: Version, Path(project): Path<String>) -> Json<Value> {
    quota_set(version, &project, |name| {
        json!(limit(&Compute::default(), name))
    })
}

async fn detail(
    State(ctx): State<Ctx>,
    caller: Caller,
    version: Version,
    Path(project): Path<String>,
) -> Result<Json<Value>, NovaError> {
    may(&caller, &project)?;
    let state = ctx.lock();
    let compute = &state.compute;
    let used = usage(compute, &project);
    Ok(quota_set(version, &project, |name| {
        let in_use = match name {
            "instances" => used.instances,
            "cores" => used.cores,
            "ram" => used.ram,
            _ => 0,
        };
        json!({"limit": limit(compute, name), "in_use": in_use, "reserved": 0})
    }))
}

async fn limits(State(ctx): State<Ctx>, caller: Caller, version: Version) -> Json<Value> {
    let state = ctx.lock();
    let compute = &state.compute;
    let used = usage(compute, &caller.project_id);
    let max = |name: &str| limit(compute, name);
    let mut absolute = json!({
        "maxTotalInstances": max("instances"),
        "maxTotalCores": max("cores"),
        "maxTotalRAMSize": max("ram"),
        "maxTotalKeypairs": max("key_pairs"),
        "maxServerMeta": max("metadata_items"),
        "maxServerGroups": max("server_groups"),
        "maxServerGroupMembers": max("server_group_members"),
        "totalInstancesUsed": used.instances,
        "totalCoresUsed": used.cores,
        "totalRAMUsed": used.ram,
        "totalServerGroupsUsed": 0,
    });
    if version < Version(36) {
        for name in [
            "maxTotalFloatingIps",
            "maxSecurityGroups",
            "maxSecurityGroupRules",
        ] {
            absolute[name] = json!(-1);
        }
        absolute["totalFloatingIpsUsed"] = json!(0);
        absolute["totalSecurityGroupsUsed"] = json!(0);
    }
    if version < Version(39) {
        absolute["maxImageMeta"] = json!(128);
    }
    if version < Version(57) {
        absolute["maxPersonality"] = json!(5);
        absolute["maxPersonalitySize"] = json!(10_240);
    }
    Json(json!({"limits": {"rate": [], "absolute": absolute}}))
}
