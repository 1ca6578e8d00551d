//! Neutron 2.0: networks, subnets, ports, routers, security groups, floating IPs.

use std::collections::BTreeMap;

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::{Ctx, caller};

pub mod address;
pub mod collection;
pub mod error;
pub mod extension;
pub mod floating_ip;
pub mod listing;
pub mod network;
pub mod port;
pub mod quota;
pub mod router;
pub mod rule;
pub mod security_group;
mod slaac;
pub mod standard;
pub mod subnet;
pub mod tag;

pub use error::NeutronError;

/// The state of Neutron.
#[derive(Debug, Clone, Default)]
pub struct Net {
    pub networks: Vec<network::Network>,
    pub subnets: Vec<subnet::Subnet>,
    pub ports: Vec<port::Port>,
    pub routers: Vec<router::Router>,
    pub groups: Vec<security_group::Group>,
    pub rules: Vec<rule::GroupRule>,
    pub floating_ips: Vec<floating_ip::FloatingIp>,
    /// Limits other than the defaults.
    pub quotas: BTreeMap<String, i64>,
}

pub fn router(ctx: &Ctx) -> Router {
    let mut v2 = Router::new()
        .merge(extension::routes())
        .merge(collection::routes::<floating_ip::FloatingIp>())
        .merge(collection::routes::<network::Network>())
        .merge(collection::routes::<port::Port>())
        .merge(quota::routes())
        .merge(router::routes())
        .merge(collection::routes::<rule::GroupRule>())
        .merge(collection::routes::<security_group::Group>())
        .merge(collection::routes::<subnet::Subnet>());
    if ctx.cloud.scenario.tags {
        v2 = v2.merge(tag::routes());
    }
    let v2 = v2
        .fallback(|| async { not_found() })
        .layer(from_fn_with_state(ctx.clone(), settle))
        .layer(from_fn_with_state(ctx.clone(), caller::gate));
    Router::new()
        .route("/", get(versions))
        .route("/v2.0", get(resources))
        .nest("/v2.0", v2)
        .with_state(ctx.clone())
}

/// Lets the machines feel what was changed before the answer goes out.
async fn settle(State(ctx): State<Ctx>, request: Request, next: Next) -> Response {
    let changes = request.method() != Method::GET;
    let response = next.run(request).await;
    if changes && response.status().is_success() {
        crate::api::settle(&ctx).await;
    }
    response
}

fn not_found() -> Response {
    let body = json!({
        "code": "404 Not Found",
        "title": "Not Found",
        "message": "The resource could not be found.<br /><br />\n\n\n",
    });
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

async fn versions(State(ctx): State<Ctx>) -> Json<Value> {
    let links = json!([{"rel": "self", "href": ctx.url("/network/v2.0/")}]);
    Json(json!({"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]}))
}

async fn resources(State(ctx): State<Ctx>) -> Json<Value> {
    let names = [
        "network",
        "subnet",
        "port",
        "router",
        "floatingip",
        "security-group",
        "security-group-rule",
    ];
    let resources: Vec<Value> = names
        .map(|name| {
            let link = json!([{"rel": "self", "href": ctx.url(&format!("/network/v2.0/{name}s"))}]);
            json!({"name": name.replace('-', "_"), "collection": format!("{}s", name.replace('-', "_")), "links": link})
        })
        .into();
    Json(json!({"resources": resources}))
}

/// Answers a create: one under its singular, or several under their plural, all or none.
pub fn create_all(
    net: &mut Net,
    body: &Value,
    one: &str,
    many: &str,
    mut create: impl FnMut(&mut Net, &Value) -> Result<Value, NeutronError>,
) -> Result<Response, NeutronError> {
    let before = net.clone();
    let mut keep = |net: &mut Net, body: &Value| {
        let made = create(net, body).and_then(|view| known(body, &view).map(|()| view));
        made.inspect_err(|_| net.clone_from(&before))
    };
    let (key, made) = match (body.get(one), body.get(many).and_then(Value::as_array)) {
        (Some(body), _) => (one, keep(net, body)?),
        (None, Some(bodies)) => (
            many,
            bodies
                .iter()
                .map(|body| keep(net, body))
                .collect::<Result<Value, _>>()?,
        ),
        (None, None) => return Err(NeutronError::no_body(one)),
    };
    let mut answer = Map::new();
    answer.insert(key.to_owned(), made);
    Ok((StatusCode::CREATED, Json(Value::Object(answer))).into_response())
}

/// Attributes that may be given but are not shown to everyone.
const WRITE_ONLY: [&str; 5] = [
    "is_default",
    "subnet_id",
    "vlan_transparent",
    "subnetpool_id",
    "prefixlen",
];

/// Refuses attributes a resource does not have.
fn known(body: &Value, view: &Value) -> Result<(), NeutronError> {
    let keys = body
        .as_object()
        .into_iter()
        .flat_map(Map::keys)
        .map(String::as_str);
    let unknown = |key: &&str| {
        let namespaced = key.starts_with("provider:") || key.starts_with("binding:");
        view.get(*key).is_none() && !WRITE_ONLY.contains(key) && !namespaced
    };
    let strange: Vec<&str> = keys.clone().filter(unknown).collect();
    if !strange.is_empty() {
        return Err(NeutronError::bad(
            "HTTPBadRequest",
            format!("Unrecognized attribute(s) '{}'", strange.join(", ")),
        ));
    }
    // Tags come in a request of their own, unless the cloud has `tag-creation`.
    let fixed = [
        "tags",
        "id",
        "created_at",
        "updated_at",
        "revision_number",
        "status",
    ];
    match keys.clone().find(|key| fixed.contains(key)) {
        Some(key) => Err(NeutronError::bad(
            "HTTPBadRequest",
            format!("Attribute '{key}' not allowed in POST"),
        )),
        None => Ok(()),
    }
}
