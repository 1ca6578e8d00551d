//! Which extensions Neutron has.

use axum::extract::{Path, State};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::NeutronError;
use crate::api::Ctx;

/// Alias and name. No `auto-allocated-topology`: a project without networks gets none by itself.
const EXTENSIONS: [(&str, &str); 26] = [
    ("address-scope", "Address scope"),
    ("agent", "agent"),
    ("allowed-address-pairs", "Allowed Address Pairs"),
    ("availability_zone", "Availability Zone"),
    ("binding", "Port Binding"),
    ("default-subnetpools", "Default Subnetpools"),
    ("dhcp_agent_scheduler", "DHCP Agent Scheduler"),
    ("external-net", "Neutron external network"),
    ("extra_dhcp_opt", "Neutron Extra DHCP options"),
    ("extraroute", "Neutron Extra Route"),
    ("filter-validation", "Filter parameters validation"),
    ("floating-ip-port-forwarding", "Floating IP Port Forwarding"),
    ("net-mtu", "Network MTU"),
    ("pagination", "Pagination support"),
    ("port-security", "Port Security"),
    ("project-id", "project_id field enabled"),
    ("provider", "Provider Network"),
    ("quota_details", "Quota details management support"),
    ("quotas", "Quota management support"),
    ("router", "Neutron L3 Router"),
    ("security-group", "security-group"),
    ("sorting", "Sorting support"),
    ("standard-attr-description", "standard-attr-description"),
    ("standard-attr-revisions", "Resource revision numbers"),
    ("standard-attr-timestamp", "Resource timestamps"),
    ("subnet_allocation", "Subnet Allocation"),
];

const TAG_EXTENSIONS: [(&str, &str); 1] = [(
    "standard-attr-tag",
    "Tag support for resources with standard attribute: port, subnet, router, network, security_group, floatingip",
)];

fn all(ctx: &Ctx) -> impl Iterator<Item = Value> {
    let tags: &[(&str, &str)] = if ctx.cloud.scenario.tags {
        &TAG_EXTENSIONS
    } else {
        &[]
    };
    EXTENSIONS.iter().chain(tags).map(|(alias, name)| {
        json!({
            "alias": alias,
            "name": name,
            "description": name,
            "updated": "2017-01-01T00:00:00-00:00",
            "links": [],
        })
    })
}

pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/extensions", get(index))
        .route("/extensions/{alias}", get(show))
}

async fn index(State(ctx): State<Ctx>) -> Json<Value> {
    Json(json!({"extensions": all(&ctx).collect::<Vec<_>>()}))
}

async fn show(
    State(ctx): State<Ctx>,
    Path(alias): Path<String>,
) -> Result<Json<Value>, NeutronError> {
    let found = all(&ctx).find(|e| e["alias"] == alias.as_str());
    let found = found.ok_or_else(|| {
        NeutronError::not_found(
            "HTTPNotFound",
            format!("Extension with alias {alias} does not exist"),
        )
    })?;
    Ok(Json(json!({"extension": found})))
}
