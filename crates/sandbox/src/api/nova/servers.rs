//! Servers: listed, shown, renamed, deleted.

use axum::extract::{Path, State as Given};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::server::{Server, VmState};
use super::{NovaError, Version, create};
use crate::api::query::page;
use crate::api::{Caller, Ctx, Fields, Payload, Query, State, clock, life};

pub fn routes() -> Router<Ctx> {
    Router::new()
        .route("/servers", get(index).post(create::create))
        .route("/servers/detail", get(detail))
        .route("/servers/{id}", get(show).put(update).delete(delete))
        .route("/servers/{id}/ips", get(addresses))
        .route("/servers/{id}/os-security-groups", get(groups))
}

/// Most in a page.
const PAGE: usize = 1000;

impl State {
    pub fn server(&self, caller: &Caller, id: &str) -> Result<&Server, NovaError> {
        let found = self
            .compute
            .servers
            .iter()
            .find(|s| s.id == id && caller.owns(&s.project_id));
        found.ok_or_else(|| NovaError::no_server(id))
    }

    pub fn server_mut(&mut self, caller: &Caller, id: &str) -> Result<&mut Server, NovaError> {
        let found = self
            .compute
            .servers
            .iter_mut()
            .find(|s| s.id == id && caller.owns(&s.project_id));
        found.ok_or_else(|| NovaError::no_server(id))
    }
}

fn list(
    ctx: &Ctx,
    caller: &Caller,
    version: Version,
    query: &Query,
    path: &str,
    view: impl Fn(&State, &Server) -> Value,
) -> Result<Json<Value>, NovaError> {
    if query.yes("all_tenants") && !caller.admin {
        return Err(NovaError::policy(
            "os_compute_api:servers:detail:get_all_tenants",
        ));
    }
    let state = ctx.lock();
    if version >= Version(75)
        && let Some((key, _)) = query
            .0
            .iter()
            .find(|(key, _)| !FILTERS.contains(&key.as_str()))
    {
        // What jsonschema says of a schema with patterns.
        return Err(NovaError::bad(format!(
            "'{key}' does not match any of the regexes: '^_'"
        )));
    }
    let everyone = query.yes("all_tenants");
    let mut servers: Vec<&Server> = state
        .compute
        .servers
        .iter()
        .filter(|s| everyone || s.project_id == caller.project_id)
        .filter(|s| matches(&state, s, version, query))
        .collect();
    sort(&mut servers, query);
    let limit = match query.get("limit").map(str::parse::<usize>) {
        None => PAGE,
        Some(Ok(limit)) => limit.min(PAGE),
        Some(Err(_)) => {
            let text = query.get("limit").unwrap_or_default();
            return Err(NovaError::invalid(
                "limit",
                text,
                &format!("'{text}' does not match '^[0-9]*$'"),
            ));
        }
    };
    let page = page(servers, query.get("marker"), Some(limit), |s| &s.id).map_err(|_| {
        NovaError::bad(format!(
            "marker [{}] not found",
            query.get("marker").unwrap_or_default()
        ))
    })?;
    let mut body =
        json!({"servers": page.items.iter().map(|s| view(&state, s)).collect::<Vec<_>>()});
    if let (true, Some(last)) = (page.more, page.items.last()) {
        let href = ctx.url(&format!(
            "/compute/v2.1{path}?{}",
            query.with_marker(&last.id)
        ));
        body["servers_links"] = json!([{"rel": "next", "href": href}]);
    }
    Ok(Json(body))
}

/// What one may ask for from 2.75; before, anything else was passed over in silence.
const FILTERS: [&str; 31] = [
    "access_ip_v4",
    "access_ip_v6",
    "all_tenants",
    "auto_disk_config",
    "availability_zone",
    "changes-before",
    "changes-since",
    "config_drive",
    "created_at",
    "deleted",
    "description",
    "display_name",
    "flavor",
    "host",
    "hostname",
    "image",
    "ip",
    "ip6",
    "key_name",
    "limit",
    "locked",
    "marker",
    "name",
    "not-tags",
    "not-tags-any",
    "project_id",
    "sort_dir",
    "sort_key",
    "status",
    "tags",
    "tags-any",
];

fn matches(state: &State, server: &Server, version: Version, query: &Query) -> bool {
    let is = |key: &str, value: &str| query.get(key).is_none_or(|wanted| wanted == value);
    let tags = |key: &str| query.words(key).filter(|_| version >= Version(26));
    let has = |tag: &String| server.tags.contains(tag);
    query
        .get("name")
        .is_none_or(|pattern| name_matches(pattern, &server.name))
        && query
            .get("status")
            .is_none_or(|status| status.eq_ignore_ascii_case(server.status()))
        && is("image", server.image_id.as_deref().unwrap_or_default())
        && is("flavor", &server.flavor.id)
        && is("uuid", &server.id)
        && is("display_name", &server.name)
        && is("key_name", server.keypair.as_ref().map_or("", |k| &k.name))
        && query
            .get("ip")
            .is_none_or(|ip| server_has_address(state, server, ip))
        && tags("tags").is_none_or(|t| t.iter().all(has))
        && tags("tags-any").is_none_or(|t| t.iter().any(has))
        && tags("not-tags").is_none_or(|t| !t.iter().all(has))
        && tags("not-tags-any").is_none_or(|t| !t.iter().any(has))
}

fn server_has_address(state: &State, server: &Server, pattern: &str) -> bool {
    let ports = state
        .network
        .ports
        .iter()
        .filter(|p| server.nics.iter().any(|n| n.id == p.std.id));
    ports
        .flat_map(|p| &p.fixed_ips)
        .any(|ip| name_matches(pattern, &ip.address.to_string()))
}

/// Nova filters names with a regular expression. Anchors and escapes are understood, the rest is taken literally.
fn name_matches(pattern: &str, name: &str) -> bool {
    let start = pattern.starts_with('^');
    let end = pattern.ends_with('$') && !pattern.ends_with("\\$");
    let inner = pattern.strip_prefix('^').unwrap_or(pattern);
    let inner = if end {
        &inner[..inner.len() - 1]
    } else {
        inner
    };
    let literal = inner.replace('\\', "");
    match (start, end) {
        (true, true) => name == literal,
        (true, false) => name.starts_with(&literal),
        (false, true) => name.ends_with(&literal),
        (false, false) => name.contains(&literal),
    }
}

/// Newest first, unless asked otherwise.
fn sort(servers: &mut [&Server], query: &Query) {
    let key = query.get("sort_key").unwrap_or("created_at");
    servers.sort_by(|a, b| match key {
        "display_name" | "name" => a.name.cmp(&b.name),
        "uuid" => a.id.cmp(&b.id),
        "updated_at" => a.updated.cmp(&b.updated),
        _ => a.created.cmp(&b.created),
    });
    if query.get("sort_dir") != Some("asc") {
        servers.reverse();
    }
}

async fn index(
    Given(ctx): Given<Ctx>,
    caller: Caller,
    version: Version,
    query: Query,
) -> Result<Json<Value>, NovaError> {
    list(&ctx, &caller, version, &query, "/servers", |_, s| {
        s.brief(&ctx)
    })
}

async fn detail(
    Given(ctx): Given<Ctx>,
    caller: Caller,
    version: Version,
    query: Query,
) -> Result<Json<Value>, NovaError> {
    life::look(&ctx).await;
    list(
        &ctx,
        &caller,
        version,
        &query,
        "/servers/detail",
        |state, s| s.json(&ctx, state, &caller, version),
    )
}

async fn show(
    Given(ctx): Given<Ctx>,
    caller: Caller,
    version: Version,
    Path(id): Path<String>,
) -> Result<Json<Value>, NovaError> {
    life::look(&ctx).await;
    let state = ctx.lock();
    let server = state.server(&caller, &id)?;
    let mut view = server.json(&ctx, &state, &caller, version);
    // Only here, not in lists.
    if version >= Version(71) {
        view["server_groups"] = json!([]);
    }
    Ok(Json(json!({"server": view})))
}

async fn update(
    Given(ctx): Given<Ctx>,
    caller: Caller,
    version: Version,
    Path(id): Path<String>,
    Payload(body): Payload,
) -> Result<Json<Value>, NovaError> {
    let body = &body["server"];
    let mut state = ctx.lock();
    let server = state.server_mut(&caller, &id)?;
    if let Some(name) = body.text("name") {
        server.name = create::valid_name(&name)?;
    }
    if version >= Version(19) && body.has("description") {
        server.description = body.text("description");
    }
    if let Some(hostname) = body.text("hostname").filter(|_| version >= Version(90)) {
        server.hostname = hostname;
    }
    server.updated = clock::now();
    let server = state.server(&caller, &id)?;
    Ok(Json(
        json!({"server": server.json(&ctx, &state, &caller, version)}),
    ))
}

async fn delete(
    Given(ctx): Given<Ctx>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, NovaError> {
    {
        let mut state = ctx.lock();
        let server = state.server_mut(&caller, &id)?;
        if server.locked && !caller.admin {
            return Err(NovaError::conflict(format!("Instance {id} is locked")));
        }
        if server.task == Some("deleting") {
            return Ok(StatusCode::NO_CONTENT);
        }
        server.task = Some("deleting");
        server.note("delete", &caller);
        if server.vm_state == VmState::Building {
            tracing::debug!(id, "deleted while it was being built");
        }
    }
    tokio::spawn(life::destroy(ctx, id));
    Ok(StatusCode::NO_CONTENT)
}

async fn addresses(
    Given(ctx): Given<Ctx>,
    caller: Caller,
    version: Version,
    Path(id): Path<String>,
) -> Result<Json<Value>, NovaError> {
    let state = ctx.lock();
    let view = state
        .server(&caller, &id)?
        .json(&ctx, &state, &caller, version);
    Ok(Json(json!({"addresses": view["addresses"]})))
}

async fn groups(
    Given(ctx): Given<Ctx>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Response, NovaError> {
    use axum::response::IntoResponse;
    let state = ctx.lock();
    let names = state.server(&caller, &id)?.group_names(&state);
    let groups = state
        .network
        .groups
        .iter()
        .filter(|g| names.contains(&g.std.name) && caller.owns(&g.std.project_id));
    let groups: Vec<Value> = groups
        .map(|g| {
            json!({
                "id": g.std.id,
                "name": g.std.name,
                "description": g.std.description,
                "tenant_id": g.std.project_id,
                "rules": [],
            })
        })
        .collect();
    Ok(Json(json!({"security_groups": groups})).into_response())
}

#[cfg(test)]
mod tests {
    use super::name_matches;

    #[test]
    fn a_name_filter_is_a_pattern_not_a_name() {
        for (pattern, name, expected) in [
            ("hub", "hub", true),
            ("hub", "hub-2", true),
            ("^hub$", "hub-2", false),
            ("^hub$", "hub", true),
            ("^hub\\-2$", "hub-2", true),
            ("2$", "hub-2", true),
            ("x", "hub", false),
        ] {
            assert_eq!(name_matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
