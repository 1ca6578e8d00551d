//! What each service says no to, and in which words: a table that any OpenStack can be held against.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, lan, world};

/// A request and what is said to it. `{network}` and the like stand for ids.
struct Row {
    service: &'static str,
    method: Method,
    path: &'static str,
    body: Value,
    status: u16,
    /// Neutron's type, or the name of Nova's and Cinder's fault.
    kind: &'static str,
    /// A part of the message.
    message: &'static str,
}

fn row(
    service: &'static str,
    request: (Method, &'static str, Value),
    answer: (u16, &'static str, &'static str),
) -> Row {
    let (method, path, body) = request;
    let (status, kind, message) = answer;
    Row {
        service,
        method,
        path,
        body,
        status,
        kind,
        message,
    }
}

fn neutron() -> Vec<Row> {
    let post = |path, body| (Method::POST, path, body);
    let put = |path, body| (Method::PUT, path, body);
    let rows = [
        (
            post("/networks", json!({})),
            (
                400,
                "HTTPBadRequest",
                "Unable to find 'network' in request body",
            ),
        ),
        (
            post("/networks", json!({"network": {"nonsense": true}})),
            (
                400,
                "HTTPBadRequest",
                "Unrecognized attribute(s) 'nonsense'",
            ),
        ),
        (
            post("/networks", json!({"network": {"tags": ["a"]}})),
            (
                400,
                "HTTPBadRequest",
                "Attribute 'tags' not allowed in POST",
            ),
        ),
        (
            post("/networks", json!({"network": {"router:external": true}})),
            (403, "PolicyNotAuthorized", "disallowed by policy"),
        ),
        (
            post(
                "/subnets",
                json!({"subnet": {"network_id": "{network}", "cidr": "10.42.0.128/25", "ip_version": 4}}),
            ),
            (400, "InvalidInput", "overlaps with another subnet"),
        ),
        (
            post(
                "/subnets",
                json!({"subnet": {"network_id": "{none}", "cidr": "10.1.0.0/24", "ip_version": 4}}),
            ),
            (404, "NetworkNotFound", "could not be found"),
        ),
        (
            post(
                "/ports",
                json!({"port": {"network_id": "{network}", "fixed_ips": [{"ip_address": "10.42.0.1"}]}}),
            ),
            (
                409,
                "IpAddressAlreadyAllocated",
                "already allocated in subnet",
            ),
        ),
        (
            post(
                "/ports",
                json!({"port": {"network_id": "{network}", "fixed_ips": [{"ip_address": "10.9.9.9"}]}}),
            ),
            (
                400,
                "InvalidIpForNetwork",
                "not a valid IP for any of the subnets",
            ),
        ),
        (
            post(
                "/ports",
                json!({"port": {"network_id": "{network}", "security_groups": ["{none}"]}}),
            ),
            (404, "SecurityGroupNotFound", "does not exist"),
        ),
        (
            put(
                "/routers/{router}/add_router_interface",
                json!({"subnet_id": "{subnet}"}),
            ),
            (400, "BadRequest", "Router already has a port on subnet"),
        ),
        (
            put(
                "/routers/{router}/remove_router_interface",
                json!({"subnet_id": "{none}"}),
            ),
            (404, "SubnetNotFound", "could not be found"),
        ),
        (
            post(
                "/routers",
                json!({"router": {"external_gateway_info": {"network_id": "{network}"}}}),
            ),
            (400, "BadRequest", "is not an external network"),
        ),
        (
            post(
                "/floatingips",
                json!({"floatingip": {"floating_network_id": "{network}"}}),
            ),
            (400, "BadRequest", "is not a valid external network"),
        ),
        (
            post(
                "/floatingips",
                json!({"floatingip": {"floating_network_id": "{external}", "port_id": "{loose_port}"}}),
            ),
            (
                404,
                "ExternalGatewayForFloatingIPNotFound",
                "is not reachable from subnet",
            ),
        ),
        (
            post(
                "/security-groups",
                json!({"security_group": {"name": "default"}}),
            ),
            (409, "SecurityGroupDefaultAlreadyExists", "already exists"),
        ),
        (
            post(
                "/security-group-rules",
                json!({"security_group_rule": {"security_group_id": "{group}", "direction": "egress", "ethertype": "IPv4"}}),
            ),
            (409, "SecurityGroupRuleExists", "Rule id is "),
        ),
        (
            post(
                "/security-group-rules",
                json!({"security_group_rule": {"security_group_id": "{none}", "direction": "egress"}}),
            ),
            (404, "SecurityGroupNotFound", "does not exist"),
        ),
        (
            (Method::DELETE, "/security-groups/{default}", Value::Null),
            (
                409,
                "SecurityGroupCannotRemoveDefault",
                "Insufficient rights",
            ),
        ),
        (
            (Method::DELETE, "/ports/{router_port}", Value::Null),
            (
                409,
                "ServicePortInUse",
                "has device owner network:router_interface",
            ),
        ),
        (
            (Method::GET, "/floatingips/{none}", Value::Null),
            (404, "FloatingIPNotFound", "could not be found"),
        ),
        (
            (Method::GET, "/networks?nonsense=1", Value::Null),
            (400, "HTTPBadRequest", "invalid attribute for filtering"),
        ),
    ];
    rows.into_iter()
        .map(|(request, answer)| row("network", request, answer))
        .collect()
}

fn nova() -> Vec<Row> {
    let make = |more: Value| {
        let mut server = json!({"name": "x", "flavorRef": "2", "imageRef": "{image}", "networks": [{"uuid": "{network}"}]});
        for (key, value) in more.as_object().unwrap() {
            server[key] = value.clone();
        }
        (Method::POST, "/servers", json!({"server": server}))
    };
    let rows = [
        (
            make(json!({"nonsense": 1})),
            (
                400,
                "badRequest",
                "Additional properties are not allowed ('nonsense' was unexpected)",
            ),
        ),
        (
            (Method::GET, "/servers?nonsense=1", Value::Null),
            (
                400,
                "badRequest",
                "Additional properties are not allowed ('nonsense' was unexpected)",
            ),
        ),
        (
            make(json!({"flavorRef": "99"})),
            (400, "badRequest", "Invalid flavorRef provided."),
        ),
        (
            make(json!({"imageRef": "{none}"})),
            (400, "badRequest", "Can not find requested image"),
        ),
        (
            make(json!({"key_name": "nobody"})),
            (400, "badRequest", "Invalid key_name provided."),
        ),
        (
            make(json!({"name": ""})),
            (400, "badRequest", "Invalid input for field/attribute name"),
        ),
        (
            make(json!({"user_data": "not base64!"})),
            (
                400,
                "badRequest",
                "Invalid input for field/attribute user_data",
            ),
        ),
        (
            make(json!({"flavorRef": "1"})),
            (
                400,
                "badRequest",
                "Flavor's disk is smaller than the minimum size",
            ),
        ),
        (
            make(json!({"flavorRef": "c9d31e8e-2f6c-4f0e-9f0e-0f6d3f6c1a01"})),
            (
                403,
                "forbidden",
                "Only volume-backed servers are allowed for flavors with zero disk.",
            ),
        ),
        (
            make(json!({"networks": [{"uuid": "{none}"}]})),
            (400, "badRequest", "could not be found"),
        ),
        (
            make(json!({"networks": [{"uuid": "{external}"}]})),
            (
                403,
                "forbidden",
                "It is not allowed to create an interface on external network",
            ),
        ),
        (
            make(json!({"networks": [{"uuid": "{empty}"}]})),
            (
                400,
                "badRequest",
                "requires a subnet in order to boot instances on.",
            ),
        ),
        (
            make(json!({"networks": "auto"})),
            (
                409,
                "conflictingRequest",
                "Multiple possible networks found, use a Network ID to be more specific.",
            ),
        ),
        (
            make(json!({"networks": null})),
            (400, "badRequest", "'networks' is a required property"),
        ),
        (
            make(json!({"security_groups": [{"name": "nobody"}]})),
            (
                400,
                "badRequest",
                "Security group nobody not found for project",
            ),
        ),
        (
            make(json!({"security_groups": [{"name": "twin"}]})),
            (
                409,
                "conflictingRequest",
                "Multiple security_group found matching 'twin'",
            ),
        ),
        (
            make(json!({"availability_zone": "mars"})),
            (
                400,
                "badRequest",
                "The requested availability zone is not available",
            ),
        ),
        (
            make(json!({"metadata": {"a": 1}})),
            (
                400,
                "badRequest",
                "Invalid input for field/attribute metadata",
            ),
        ),
        (
            make(json!({"tags": ["a,b"]})),
            (400, "badRequest", "does not match"),
        ),
        (
            (Method::GET, "/servers/{none}", Value::Null),
            (404, "itemNotFound", "could not be found."),
        ),
        (
            (Method::GET, "/flavors/99", Value::Null),
            (404, "itemNotFound", "Flavor 99 could not be found."),
        ),
        (
            (Method::GET, "/os-keypairs/nobody", Value::Null),
            (404, "itemNotFound", "Keypair nobody not found for user"),
        ),
        (
            (
                Method::POST,
                "/os-keypairs",
                json!({"keypair": {"name": "k", "public_key": "nonsense"}}),
            ),
            (400, "badRequest", "failed to generate fingerprint"),
        ),
        (
            (Method::GET, "/os-hypervisors", Value::Null),
            (
                403,
                "forbidden",
                "Policy doesn't allow os_compute_api:os-hypervisors",
            ),
        ),
    ];
    rows.into_iter()
        .map(|(request, answer)| row("compute", request, answer))
        .collect()
}

fn cinder() -> Vec<Row> {
    let rows = [
        (
            (Method::POST, "/volumes", json!({"volume": {"size": 0}})),
            (400, "badRequest", "size"),
        ),
        (
            (
                Method::POST,
                "/volumes",
                json!({"volume": {"size": 1, "imageRef": "{image}"}}),
            ),
            (
                400,
                "badRequest",
                "cannot be smaller than the image minDisk size",
            ),
        ),
        (
            (Method::GET, "/volumes/{none}", Value::Null),
            (404, "itemNotFound", "could not be found."),
        ),
    ];
    rows.into_iter()
        .map(|(request, answer)| row("volumev3", request, answer))
        .collect()
}

/// What the rows' names stand for.
async fn ids(client: &Client) -> Vec<(&'static str, String)> {
    let lan = lan(client).await;
    let network = |name| json!({"network": {"name": name}});
    let loose = client.make("network", "/networks", network("loose")).await;
    let subnet = json!({"subnet": {"network_id": loose, "cidr": "10.50.0.0/24", "ip_version": 4}});
    client.make("network", "/subnets", subnet).await;
    let group = |name| json!({"security_group": {"name": name}});
    let group_id = client.make("network", "/security-groups", group("g")).await;
    for _ in 0..2 {
        client
            .make("network", "/security-groups", group("twin"))
            .await;
    }
    let ports = client
        .get("network", "/ports?device_owner=network:router_interface")
        .await;
    vec![
        ("{none}", "00000000-0000-4000-8000-000000000000".to_owned()),
        (
            "{router_port}",
            crate::support::text(&ports.body["ports"][0]["id"]),
        ),
        (
            "{loose_port}",
            client
                .make("network", "/ports", json!({"port": {"network_id": loose}}))
                .await,
        ),
        (
            "{empty}",
            client.make("network", "/networks", network("empty")).await,
        ),
        (
            "{default}",
            client.id_of("network", "/security-groups", "default").await,
        ),
        ("{image}", client.image().await),
        ("{group}", group_id),
        ("{network}", lan.network),
        ("{subnet}", lan.subnet),
        ("{router}", lan.router),
        ("{external}", lan.external),
    ]
}

#[tokio::test]
async fn every_refusal_has_the_services_own_words() {
    let world = world("default").await;
    let client = &world.client;
    let ids = ids(client).await;
    let filled = |text: &str| {
        ids.iter()
            .fold(text.to_owned(), |text, (name, id)| text.replace(name, id))
    };
    let mut wrong = Vec::new();
    for row in neutron().into_iter().chain(nova()).chain(cinder()) {
        let request = client
            .request(row.method.clone(), row.service, &filled(row.path))
            .header("OpenStack-API-Version", "compute 2.95");
        let body: Value = serde_json::from_str(&filled(&row.body.to_string())).unwrap();
        let answer = client
            .send(if body.is_null() {
                request
            } else {
                request.json(&body)
            })
            .await;
        let inner = answer.body.as_object().and_then(|o| o.iter().next());
        let (kind, message) = match inner {
            Some((name, value)) if name == "NeutronError" => {
                (value["type"].clone(), value["message"].clone())
            }
            Some((name, value)) => (json!(name), value["message"].clone()),
            None => (Value::Null, Value::Null),
        };
        let fits = answer.status == row.status
            && kind == row.kind
            && message.as_str().is_some_and(|m| m.contains(row.message))
            && answer.headers.contains_key("x-openstack-request-id");
        if !fits {
            wrong.push(format!(
                "{} {} {}\n  expected {} {} {}\n  got {} {}",
                row.method,
                row.path,
                row.body,
                row.status,
                row.kind,
                row.message,
                answer.status,
                answer.body
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
