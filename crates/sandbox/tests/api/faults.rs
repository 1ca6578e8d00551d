//! Faults on demand, seen from the client's side.

use reqwest::Method;
use sandbox::{Fault, Kind, Service};
use serde_json::{Value, json};

use crate::support::{lan, server, text, world};

fn status(status: u16, retry_after: Option<u32>) -> Kind {
    Kind::Status {
        status,
        retry_after,
        message: None,
    }
}

#[tokio::test]
async fn answers_are_refused_late_or_in_html() {
    let world = world("default").await;
    let (client, control) = (&world.client, &world.sandbox.control);
    control.fault(
        Fault::new(status(429, Some(3)))
            .on(Service::Compute, "GET", "/servers*")
            .skip(1)
            .times(1),
    );
    assert_eq!(client.get("compute", "/servers").await.status, 200);
    let limited = client.get("compute", "/servers/detail").await;
    assert_eq!(
        (limited.status, &limited.headers["retry-after"]),
        (429, &"3".parse().unwrap())
    );
    assert_eq!(limited.body["overLimit"]["code"], 429);
    assert_eq!(client.get("compute", "/servers").await.status, 200);

    control.fault(Fault::new(status(500, None)).on(Service::Network, "GET", "/ports"));
    let broken = client.get("network", "/ports").await;
    assert_eq!(
        (broken.status, text(&broken.body["NeutronError"]["type"])),
        (500, "HTTPInternalServerError".into())
    );

    control.fault(Fault::new(Kind::LoadBalancer { status: 503 }).on(Service::Network, "GET", "*"));
    let page = client.get("network", "/ports").await;
    assert_eq!((page.status, page.body), (503, Value::Null));
    assert_eq!(page.headers["content-type"], "text/html");
    assert!(!page.headers.contains_key("x-openstack-request-id"));

    control.fault(
        Fault::new(Kind::Quota {
            resource: "port".into(),
        })
        .on(Service::Network, "POST", "/ports"),
    );
    let over = client.post("network", "/ports", json!({"port": {}})).await;
    assert_eq!(
        (over.status, text(&over.body["NeutronError"]["type"])),
        (409, "OverQuota".into())
    );

    control.fault(Fault::new(Kind::Latency { ms: 60_000 }).on(Service::Image, "GET", "/images"));
    let slow = client
        .request(Method::GET, "image", "/images")
        .timeout(std::time::Duration::from_millis(200))
        .send()
        .await;
    assert!(slow.unwrap_err().is_timeout());
    assert!(control.faults().is_empty());
}

#[tokio::test]
async fn connections_break_before_after_and_within() {
    let world = world("default").await;
    let (client, control) = (&world.client, &world.sandbox.control);
    let network = |name: &str| json!({"network": {"name": name}});
    let create = |name: &str| {
        client
            .request(Method::POST, "network", "/networks")
            .json(&network(name))
            .send()
    };

    control.fault(Fault::new(Kind::Reset).on(Service::Network, "POST", "/networks"));
    assert!(create("never-made").await.is_err());
    control.fault(Fault::new(Kind::LoseAnswer).on(Service::Network, "POST", "/networks"));
    assert!(create("made-unsaid").await.is_err());
    let names = client
        .get("network", "/networks?router:external=False")
        .await;
    let names: Vec<String> = names.body["networks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| text(&n["name"]))
        .collect();
    assert_eq!(names, ["made-unsaid"]);

    control.fault(Fault::new(Kind::Cut { after: 300 }).on(
        Service::Compute,
        "GET",
        "/flavors/detail",
    ));
    let cut = client
        .request(Method::GET, "compute", "/flavors/detail")
        .send()
        .await;
    let text = match cut {
        Ok(response) => response.text().await.map(|_| ()),
        Err(error) => Err(error),
    };
    assert!(text.is_err(), "the answer was whole");
    let statuses: Vec<u16> = control
        .requests()
        .iter()
        .filter(|r| r.fault.is_some())
        .map(|r| r.status)
        .collect();
    assert_eq!(statuses, [0, 0, 200]);
}

#[tokio::test]
async fn servers_meet_their_fate() {
    let world = world("default").await;
    let (client, control) = (&world.client, &world.sandbox.control);
    let lan = lan(client).await;
    let group = client.id_of("network", "/security-groups", "default").await;
    let rule = json!({"security_group_rule": {
        "security_group_id": group, "direction": "ingress", "protocol": "tcp", "port_range_min": 22, "port_range_max": 80,
    }});
    client.make("network", "/security-group-rules", rule).await;
    control.fault(Fault::server_error(
        500,
        "No valid host was found. There are not enough hosts available.",
    ));
    let id = text(&server(client, &lan.network, json!({})).await.body["server"]["id"]);
    let shown = client.wait_server(&id, "ERROR").await;
    assert_eq!(shown["fault"]["code"], 500);
    assert!(text(&shown["fault"]["message"]).starts_with("No valid host was found."));
    client.delete("compute", &format!("/servers/{id}")).await;
    client.wait_server_gone(&id).await;

    control.fault(Fault::ssh_never_up());
    control.fault(Fault::console_refused());
    let id = text(&server(client, &lan.network, json!({})).await.body["server"]["id"]);
    client.wait_server(&id, "ACTIVE").await;
    let rules = world.machines.rules(&id);
    let open = |port| {
        rules.iter().any(|r| {
            r.ports
                .is_some_and(|(from, to)| (from..=to).contains(&port))
        })
    };
    assert!(!open(22) && open(80), "{rules:?}");
    let action = format!("/servers/{id}/action");
    let refused = client
        .post("compute", &action, json!({"os-getConsoleOutput": {}}))
        .await;
    assert_eq!(
        (refused.status, &refused.body["forbidden"]["code"]),
        (403, &json!(403))
    );
    assert_eq!(
        client
            .post("compute", &action, json!({"reboot": {"type": "HARD"}}))
            .await
            .status,
        202
    );
}

#[tokio::test]
async fn the_control_api_speaks_http_and_tells_no_secrets() {
    let world = world("default").await;
    let client = &world.client;
    let base = world.sandbox.auth_url.trim_end_matches("/v3").to_owned();
    let http = reqwest::Client::new();
    let fault = json!({"kind": "status", "status": 503, "service": "image"});
    let armed = http
        .post(format!("{base}/sandbox/faults"))
        .json(&fault)
        .send()
        .await
        .unwrap();
    assert_eq!(armed.status(), 201);
    assert_eq!(
        client.get("image", "/images?name=debian-12").await.status,
        503
    );
    let log = http
        .get(format!("{base}/sandbox/requests"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let entries: Value = serde_json::from_str(&log).unwrap();
    let last = entries["requests"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    assert_eq!(
        (&last["path"], &last["query"], &last["fault"]),
        (
            &json!("/images"),
            &json!("name=debian-12"),
            &json!("status")
        )
    );
    assert!(!log.contains(&client.token));
    http.post(format!("{base}/sandbox/reset"))
        .send()
        .await
        .unwrap();
    assert!(world.sandbox.control.requests().is_empty());
    http.post(format!("{base}/sandbox/revoke-tokens"))
        .send()
        .await
        .unwrap();
    assert_eq!(client.get("image", "/images").await.status, 401);
}
