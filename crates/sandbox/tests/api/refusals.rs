//! What each service says no to, and in which words: a table that any OpenStack can be held against.
//!
//! `HUBCTL_TEST_CLOUD` names the entry of another cloud than the sandbox, see the README.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, lan, subject, text};

/// A request and what is said to it. `{network}` and the like stand for ids; where versions of a service differ in
/// words, the message is what is common.
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
            (409, "SecurityGroupInUse", "in use."),
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
            post("/ports", json!({"port": {"network_id": "{external}"}})),
            (
                403,
                "HTTPForbidden",
                "not allowed to create port on this network",
            ),
        ),
        (
            (Method::DELETE, "/networks/{network}", Value::Null),
            (
                409,
                "NetworkInUse",
                "There are one or more ports still in use on the network",
            ),
        ),
        (
            (Method::DELETE, "/subnets/{subnet}", Value::Null),
            (
                409,
                "SubnetInUse",
                "One or more ports have an IP allocation from this subnet.",
            ),
        ),
        (
            (Method::DELETE, "/routers/{router}", Value::Null),
            (409, "RouterInUse", "has ports still attached"),
        ),
        (
            post(
                "/security-group-rules",
                json!({"security_group_rule": {"security_group_id": "{group}", "direction": "ingress", "protocol": "tcp", "port_range_min": 5, "port_range_max": 1, "ethertype": "IPv4"}}),
            ),
            (
                400,
                "SecurityGroupInvalidPortRange",
                "port_range_min must be <= port_range_max",
            ),
        ),
        (
            post(
                "/security-group-rules",
                json!({"security_group_rule": {"security_group_id": "{group}", "direction": "ingress", "protocol": "tcp", "port_range_min": 5, "port_range_max": 5, "ethertype": "IPv4", "remote_ip_prefix": "::/0"}}),
            ),
            (
                400,
                "SecurityGroupRuleParameterConflict",
                "Conflicting value ethertype IPv4 for CIDR ::/0",
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
        let mut server = json!({"name": "x", "flavorRef": "{flavor}", "imageRef": "{image}", "networks": [{"uuid": "{network}"}]});
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
                "'nonsense' does not match any of the regexes: '^_'",
            ),
        ),
        (
            make(json!({"flavorRef": "99"})),
            (400, "badRequest", "Flavor 99 could not be found."),
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
            make(json!({"flavorRef": "{small_flavor}", "imageRef": "{large_image}"})),
            (
                400,
                "badRequest",
                "Flavor's disk is smaller than the minimum size",
            ),
        ),
        (
            make(json!({"flavorRef": "{diskless_flavor}"})),
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
            (
                400,
                "badRequest",
                "Invalid input for field/attribute networks. Value: None.",
            ),
        ),
        (
            make(json!({"security_groups": [{"name": "nobody"}]})),
            (
                400,
                "badRequest",
                "Unable to find security_group with name or id 'nobody'",
            ),
        ),
        (
            make(json!({"security_groups": [{"name": "twin"}]})),
            (
                409,
                "conflictingRequest",
                "Multiple security_group matches found for name 'twin'",
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
                "Invalid input for field/attribute a. Value: 1. 1 is not of type 'string'",
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

/// What the rows' names stand for, and how what was made for them goes again.
struct Props {
    ids: Vec<(&'static str, String)>,
    /// Service and path, in the order in which they can be deleted.
    made: Vec<(&'static str, String)>,
}

impl Props {
    fn fill(&self, text: &str) -> String {
        self.ids
            .iter()
            .fold(text.to_owned(), |text, (name, id)| text.replace(name, id))
    }

    async fn strike(&self, client: &Client) {
        for (service, path) in &self.made {
            let answer = if let Some(path) = path.strip_prefix("-") {
                let (path, subnet) = path.split_once('=').unwrap();
                client
                    .put(service, path, json!({"subnet_id": subnet}))
                    .await
            } else {
                client.delete(service, path).await
            };
            assert!(answer.status < 300, "{path} stays: {answer:?}");
        }
    }
}

async fn props(client: &Client) -> Props {
    let lan = lan(client).await;
    let mut made = vec![
        (
            "network",
            format!(
                "-/routers/{}/remove_router_interface={}",
                lan.router, lan.subnet
            ),
        ),
        ("network", format!("/routers/{}", lan.router)),
        ("network", format!("/networks/{}", lan.network)),
    ];
    let mut make = async |kind: &str, body: Value| {
        let path = format!("/{}s", kind.replace('_', "-"));
        let id = client.make("network", &path, json!({ kind: body })).await;
        made.insert(0, ("network", format!("{path}/{id}")));
        id
    };
    let loose = make("network", json!({"name": "loose"})).await;
    let subnet = json!({"network_id": loose, "cidr": "10.50.0.0/24", "ip_version": 4});
    make("subnet", subnet).await;
    let loose_port = make("port", json!({"network_id": loose})).await;
    let empty = make("network", json!({"name": "empty"})).await;
    let group = make("security_group", json!({"name": "g"})).await;
    for _ in 0..2 {
        make("security_group", json!({"name": "twin"})).await;
    }
    let path = format!(
        "/ports?device_owner=network:router_interface&device_id={}",
        lan.router
    );
    let ports = client.get("network", &path).await;
    let default = format!("/security-groups?project_id={}", client.project);
    let mut ids = vec![
        ("{none}", "00000000-0000-4000-8000-000000000000".to_owned()),
        ("{router_port}", text(&ports.body["ports"][0]["id"])),
        ("{loose_port}", loose_port),
        ("{empty}", empty),
        (
            "{default}",
            client.id_of("network", &default, "default").await,
        ),
        ("{image}", client.image().await),
        ("{group}", group),
        ("{network}", lan.network),
        ("{subnet}", lan.subnet),
        ("{router}", lan.router),
        ("{external}", lan.external),
    ];
    ids.extend(offered(client).await);
    Props { ids, made }
}

/// What is found among the cloud's own flavors and images, or is not.
async fn offered(client: &Client) -> Vec<(&'static str, String)> {
    let list = async |service, path, kind: &str| {
        let answer = client.get(service, path).await;
        answer.body[kind].as_array().unwrap().clone()
    };
    let flavors = list("compute", "/flavors/detail", "flavors").await;
    let images = list("image", "/images?status=active", "images").await;
    let disk = |flavor: &Value| flavor["disk"].as_i64().unwrap();
    let least = |image: &Value| image["min_disk"].as_i64().unwrap();
    let small = flavors
        .iter()
        .filter(|f| disk(f) > 0)
        .min_by_key(|f| disk(f));
    let large = images.iter().max_by_key(|image| least(image));
    let mut found = vec![
        ("{flavor}", flavors.iter().max_by_key(|f| disk(f))),
        ("{diskless_flavor}", flavors.iter().find(|f| disk(f) == 0)),
    ];
    if let (Some(flavor), Some(image)) = (small, large)
        && disk(flavor) < least(image)
    {
        found.push(("{small_flavor}", small));
        found.push(("{large_image}", large));
    }
    found
        .into_iter()
        .filter_map(|(name, thing)| Some((name, text(&thing?["id"]))))
        .collect()
}

/// The newest microversion that both the sandbox and this cloud have.
async fn microversion(client: &Client) -> String {
    let root = client.get("compute", "/").await;
    let newest = text(&root.body["version"]["version"]);
    let minor = newest.strip_prefix("2.").unwrap().parse::<u32>().unwrap();
    format!("2.{}", minor.min(95))
}

/// Whether this cloud can be asked, or the row's service or a thing of its kind is missing.
fn can_ask(client: &Client, props: &Props, row: &Row) -> bool {
    let body = props.fill(&row.body.to_string());
    client.has(row.service)
        && ["{small_flavor}", "{large_image}", "{diskless_flavor}"]
            .iter()
            .all(|name| !body.contains(name))
}

/// Asks what the row asks, and says what is wrong with the answer.
async fn hold(client: &Client, props: &Props, version: &str, row: &Row) -> Option<String> {
    let request = client
        .request(row.method.clone(), row.service, &props.fill(row.path))
        .header("OpenStack-API-Version", format!("compute {version}"));
    let body: Value = serde_json::from_str(&props.fill(&row.body.to_string())).unwrap();
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
    (!fits).then(|| {
        format!(
            "{} {} {}\n  expected {} {} {}\n  got {} {}",
            row.method,
            row.path,
            row.body,
            row.status,
            row.kind,
            row.message,
            answer.status,
            answer.body
        )
    })
}

#[tokio::test]
async fn every_refusal_has_the_services_own_words() {
    let subject = subject().await;
    let (client, another) = (subject.client.clone(), &subject.another);
    let version = microversion(&client).await;
    let props = props(&client).await;
    let (mut wrong, mut unasked) = (Vec::new(), Vec::new());
    for row in neutron().into_iter().chain(nova()).chain(cinder()) {
        if can_ask(&client, &props, &row) {
            wrong.extend(hold(&client, &props, &version, &row).await);
        } else {
            unasked.push(format!("{} {} {}", row.method, row.path, row.message));
        }
    }
    props.strike(&client).await;
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    // Another cloud may lack a service, a flavor without a disk, or an image that is larger than a flavor.
    assert!(
        another.is_some() || unasked.is_empty(),
        "the sandbox lacks what these need: {unasked:#?}"
    );
    if !unasked.is_empty() {
        eprintln!("not asked of {another:?}:\n{}", unasked.join("\n"));
    }
}
