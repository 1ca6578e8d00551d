//! Servers and what surrounds them.

use base64::Engine;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{lan, server, text, world};

const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ada@example";

#[tokio::test]
async fn a_server_lives_and_leaves_nothing() {
    let world = world("default").await;
    let client = &world.client;
    let lan = lan(client).await;
    let keypair = json!({"keypair": {"name": "ada", "public_key": KEY, "type": "ssh"}});
    let made = client
        .nova("2.92", Method::POST, "/os-keypairs", keypair.clone())
        .await;
    assert_eq!(
        (made.status, &made.body["keypair"]["fingerprint"]),
        (
            201,
            &json!("65:96:2d:fc:e8:d5:a9:11:64:0c:0f:ea:00:6e:5b:bd")
        )
    );
    let twice = client
        .nova("2.92", Method::POST, "/os-keypairs", keypair)
        .await;
    assert_eq!(
        (twice.status, &twice.body["conflictingRequest"]["message"]),
        (409, &json!("Key pair 'ada' already exists."))
    );

    let group = client
        .make(
            "network",
            "/security-groups",
            json!({"security_group": {"name": "web"}}),
        )
        .await;
    let user_data = base64::engine::general_purpose::STANDARD.encode("#cloud-config\n");
    let more = json!({
        "key_name": "ada", "user_data": user_data, "config_drive": true, "metadata": {"a": "b"}, "tags": ["x"],
        "security_groups": [{"name": "web"}], "description": "the hub",
    });
    let created = server(client, &lan.network, more).await;
    assert_eq!(created.status, 202);
    assert!(text(&created.body["server"]["adminPass"]).len() == 12);
    let id = text(&created.body["server"]["id"]);
    let first = client
        .nova("2.95", Method::GET, &format!("/servers/{id}"), Value::Null)
        .await;
    assert_eq!(first.body["server"]["status"], "BUILD");
    let shown = client.wait_server(&id, "ACTIVE").await;
    assert_eq!(shown["addresses"]["lan"][0]["addr"], "10.42.0.3");
    assert_eq!(
        (&shown["tags"], &shown["description"]),
        (&json!(["x"]), &json!("the hub"))
    );
    assert_eq!(
        (&shown["flavor"]["original_name"], &shown["config_drive"]),
        (&json!("m1.small"), &json!("True"))
    );
    assert_eq!(shown["security_groups"], json!([{"name": "web"}]));

    let spec = world.machines.spec(&id).unwrap();
    assert_eq!(
        (spec.login.as_str(), spec.authorized_keys),
        ("debian", vec![KEY.to_owned()])
    );
    assert_eq!(
        spec.user_data.as_deref(),
        Some(b"#cloud-config\n".as_slice())
    );
    assert_eq!(
        (spec.address.to_string(), spec.gateway.to_string()),
        ("10.42.0.3".into(), "10.42.0.1".into())
    );
    assert_eq!(spec.metadata["meta"]["a"], "b");

    let in_use = client
        .delete("network", &format!("/security-groups/{group}"))
        .await;
    assert_eq!(
        (in_use.status, &in_use.body["NeutronError"]["type"]),
        (409, &json!("SecurityGroupInUse"))
    );
    let console = client
        .post(
            "compute",
            &format!("/servers/{id}/action"),
            json!({"os-getConsoleOutput": {}}),
        )
        .await;
    assert!(text(&console.body["output"]).contains("BEGIN SSH HOST KEY FINGERPRINTS"));

    assert_eq!(
        client
            .delete("compute", &format!("/servers/{id}"))
            .await
            .status,
        204
    );
    client.wait_server_gone(&id).await;
    assert_eq!(world.machines.count(), 0);
    let ports = client
        .get("network", &format!("/ports?device_id={id}"))
        .await;
    assert_eq!(ports.body["ports"], json!([]));
    assert_eq!(
        client
            .delete("network", &format!("/security-groups/{group}"))
            .await
            .status,
        204
    );
}

#[tokio::test]
async fn power_is_followed_even_behind_its_back() {
    let world = world("default").await;
    let client = &world.client;
    let lan = lan(client).await;
    let id = text(&server(client, &lan.network, json!({})).await.body["server"]["id"]);
    client.wait_server(&id, "ACTIVE").await;
    let action = format!("/servers/{id}/action");
    let act = |body: Value| client.post("compute", &action, body);
    let refused = act(json!({"os-start": null})).await;
    let message = format!("Cannot 'start' instance {id} while it is in vm_state active");
    assert_eq!(
        (
            refused.status,
            text(&refused.body["conflictingRequest"]["message"])
        ),
        (409, message)
    );
    assert_eq!(act(json!({"reboot": {"type": "SOFT"}})).await.status, 202);
    client.wait_server(&id, "ACTIVE").await;
    assert_eq!(act(json!({"os-stop": null})).await.status, 202);
    client.wait_server(&id, "SHUTOFF").await;
    assert_eq!(act(json!({"os-start": null})).await.status, 202);
    client.wait_server(&id, "ACTIVE").await;
    world.machines.power_off(&id);
    client.wait_server(&id, "SHUTOFF").await;
    assert_eq!(act(json!({"resize": {"flavorRef": "3"}})).await.status, 403);
    assert_eq!(
        act(json!({"dance": null})).await.body["badRequest"]["message"],
        "There is no such action: dance"
    );
}

#[tokio::test]
async fn rules_and_floating_addresses_reach_the_machine() {
    let world = world("default").await;
    let client = &world.client;
    let lan = lan(client).await;
    let group = client
        .make(
            "network",
            "/security-groups",
            json!({"security_group": {"name": "web"}}),
        )
        .await;
    let more = json!({"security_groups": [{"name": "web"}]});
    let id = text(&server(client, &lan.network, more).await.body["server"]["id"]);
    client.wait_server(&id, "ACTIVE").await;
    // Out to anywhere, over IPv4 and over IPv6.
    assert_eq!(world.machines.rules(&id).len(), 2);
    let rule = json!({"security_group_rule": {
        "security_group_id": group, "direction": "ingress", "protocol": "tcp",
        "port_range_min": 443, "port_range_max": 443, "remote_ip_prefix": "192.0.2.0/24",
    }});
    let rule_id = client.make("network", "/security-group-rules", rule).await;
    let rules = world.machines.rules(&id);
    let web = rules.iter().find(|r| r.ports == Some((443, 443))).unwrap();
    assert_eq!(web.remote.unwrap().to_string(), "192.0.2.0/24");
    client
        .delete("network", &format!("/security-group-rules/{rule_id}"))
        .await;
    assert_eq!(world.machines.rules(&id).len(), 2);
    // Members of a group, as addresses.
    let rule = json!({"security_group_rule": {
        "security_group_id": group, "direction": "ingress", "remote_group_id": group,
    }});
    client.make("network", "/security-group-rules", rule).await;
    let remotes: Vec<String> = world
        .machines
        .rules(&id)
        .iter()
        .map(|r| r.remote.unwrap().to_string())
        .collect();
    assert!(remotes.contains(&"10.42.0.3/32".to_owned()), "{remotes:?}");

    let port = text(
        &client
            .get("network", &format!("/ports?device_id={id}"))
            .await
            .body["ports"][0]["id"],
    );
    let floating = json!({"floatingip": {"floating_network_id": lan.external, "port_id": port}});
    let made = client.post("network", "/floatingips", floating).await;
    let address = text(&made.body["floatingip"]["floating_ip_address"]);
    assert_eq!(
        world.machines.bound(address.parse().unwrap()),
        Some(id.clone())
    );
    let shown = client.wait_server(&id, "ACTIVE").await;
    assert_eq!(shown["addresses"]["lan"][1]["addr"], address.as_str());
    assert_eq!(shown["addresses"]["lan"][1]["OS-EXT-IPS:type"], "floating");
    let path = format!("/floatingips/{}", text(&made.body["floatingip"]["id"]));
    client
        .put("network", &path, json!({"floatingip": {"port_id": null}}))
        .await;
    assert_eq!(world.machines.bound(address.parse().unwrap()), None);
}

#[tokio::test]
async fn microversions_change_what_is_shown_and_taken() {
    let world = world("default").await;
    let client = &world.client;
    let lan = lan(client).await;
    let id = text(&server(client, &lan.network, json!({})).await.body["server"]["id"]);
    client.wait_server(&id, "ACTIVE").await;
    let path = format!("/servers/{id}");
    for (version, there, missing) in [
        (
            "2.1",
            vec!["status", "OS-EXT-STS:task_state"],
            vec!["tags", "locked", "description"],
        ),
        (
            "2.26",
            vec!["tags", "locked", "description"],
            vec!["server_groups"],
        ),
        (
            "2.90",
            vec!["OS-EXT-SRV-ATTR:hostname", "server_groups"],
            vec!["OS-EXT-SRV-ATTR:host"],
        ),
    ] {
        let shown = client.nova(version, Method::GET, &path, Value::Null).await;
        assert_eq!(
            shown.headers["openstack-api-version"],
            format!("compute {version}")
        );
        let server = shown.body["server"].as_object().unwrap();
        assert!(
            there.iter().all(|key| server.contains_key(*key)),
            "{version}: {server:?}"
        );
        assert!(
            !missing.iter().any(|key| server.contains_key(*key)),
            "{version}: {server:?}"
        );
    }
    let linked = client.nova("2.46", Method::GET, &path, Value::Null).await;
    assert_eq!(linked.body["server"]["flavor"]["id"], "2");
    let too_new = client.nova("2.999", Method::GET, &path, Value::Null).await;
    assert_eq!(too_new.status, 406);
    let tags = format!("{path}/tags/blue");
    assert_eq!(
        client
            .nova("2.25", Method::PUT, &tags, Value::Null)
            .await
            .status,
        404
    );
    assert_eq!(
        client
            .nova("2.26", Method::PUT, &tags, Value::Null)
            .await
            .status,
        201
    );
    assert_eq!(
        client
            .nova("2.26", Method::PUT, &tags, Value::Null)
            .await
            .status,
        204
    );
    let tagged = client
        .nova(
            "2.26",
            Method::GET,
            "/servers/detail?tags=blue",
            Value::Null,
        )
        .await;
    assert_eq!(tagged.body["servers"].as_array().unwrap().len(), 1);
    let generated = client
        .nova(
            "2.91",
            Method::POST,
            "/os-keypairs",
            json!({"keypair": {"name": "old"}}),
        )
        .await;
    assert!(text(&generated.body["keypair"]["private_key"]).contains("PRIVATE KEY"));
    let refused = client
        .nova(
            "2.92",
            Method::POST,
            "/os-keypairs",
            json!({"keypair": {"name": "new"}}),
        )
        .await;
    assert_eq!(refused.status, 400);
}

#[tokio::test]
async fn lists_come_in_pages_that_link_to_the_next() {
    let world = world("default").await;
    let client = &world.client;
    let lan = lan(client).await;
    for name in ["one", "two", "three"] {
        let id = text(
            &server(client, &lan.network, json!({"name": name}))
                .await
                .body["server"]["id"],
        );
        client.wait_server(&id, "ACTIVE").await;
    }
    let first = client.get("compute", "/servers?limit=2").await;
    let names: Vec<String> = first.body["servers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| text(&s["name"]))
        .collect();
    assert_eq!(names, ["three", "two"]);
    let next = text(&first.body["servers_links"][0]["href"]);
    let rest = next.rsplit_once("/v2.1").unwrap().1;
    let second = client.get("compute", rest).await;
    assert_eq!(second.body["servers"][0]["name"], "one");
    assert!(second.body.get("servers_links").is_none());
    assert_eq!(
        client
            .get("compute", "/servers?marker=nonsense")
            .await
            .status,
        400
    );

    let groups = client.get("network", "/ports?limit=1&fields=id").await;
    assert_eq!(groups.body["ports"][0].as_object().unwrap().len(), 1);
    assert_eq!(groups.body["ports_links"][0]["rel"], "next");
    let images = client.get("image", "/images?limit=1").await;
    assert!(text(&images.body["next"]).starts_with("/v2/images?limit=1&marker="));
}

#[tokio::test]
async fn a_rebuild_keeps_the_address_and_a_port_outlives_its_server() {
    let world = world("default").await;
    let client = &world.client;
    let lan = lan(client).await;
    let port = client
        .make(
            "network",
            "/ports",
            json!({"port": {"network_id": lan.network, "name": "hub"}}),
        )
        .await;
    let more = json!({"networks": [{"port": port}]});
    let id = text(&server(client, &lan.network, more.clone()).await.body["server"]["id"]);
    let before = client.wait_server(&id, "ACTIVE").await;
    let busy = server(client, &lan.network, more).await;
    assert_eq!(
        (
            busy.status,
            text(&busy.body["conflictingRequest"]["message"])
        ),
        (409, format!("Port {port} is still in use."))
    );
    let image = client.image().await;
    let rebuilt = client
        .nova(
            "2.95",
            Method::POST,
            &format!("/servers/{id}/action"),
            json!({"rebuild": {"imageRef": image}}),
        )
        .await;
    assert_eq!(
        (rebuilt.status, &rebuilt.body["server"]["status"]),
        (202, &json!("REBUILD"))
    );
    let after = client.wait_server(&id, "ACTIVE").await;
    assert_eq!(before["addresses"], after["addresses"]);
    client.delete("compute", &format!("/servers/{id}")).await;
    client.wait_server_gone(&id).await;
    let left = client.get("network", &format!("/ports/{port}")).await;
    assert_eq!(
        (
            &left.body["port"]["device_id"],
            &left.body["port"]["status"]
        ),
        (&json!(""), &json!("DOWN"))
    );
}

#[tokio::test]
async fn on_a_provider_network_the_servers_own_address_is_reached() {
    let world = world("provider-network").await;
    let client = &world.client;
    let network = client.id_of("network", "/networks", "provider").await;
    let id = text(&server(client, &network, json!({})).await.body["server"]["id"]);
    let shown = client.wait_server(&id, "ACTIVE").await;
    let address = text(&shown["addresses"]["provider"][0]["addr"]);
    assert_eq!(world.machines.bound(address.parse().unwrap()), Some(id));
    assert_eq!(
        client
            .get("network", "/networks?router:external=True")
            .await
            .body["networks"],
        json!([])
    );
}

#[tokio::test]
async fn clouds_differ_in_what_nova_offers() {
    let world = world("old-nova,no-console,project-network,ipv6").await;
    let client = &world.client;
    let too_new = client
        .nova("2.61", Method::GET, "/servers", Value::Null)
        .await;
    let message = "Version 2.61 is not supported by the API. Minimum is 2.1 and maximum is 2.60.";
    assert_eq!(
        (
            too_new.status,
            text(&too_new.body["computeFault"]["message"])
        ),
        (406, message.to_owned())
    );
    let image = client.image().await;
    let body = json!({"server": {"name": "x", "flavorRef": "2", "imageRef": image}});
    // Before 2.37 the only network there is is taken unasked.
    let id = client.make("compute", "/servers", body).await;
    let mut versions = Vec::new();
    for _ in 0..2000 {
        let shown = client
            .nova("2.60", Method::GET, &format!("/servers/{id}"), Value::Null)
            .await;
        if shown.body["server"]["status"] == "ACTIVE" {
            let addresses = shown.body["server"]["addresses"]["project-net"]
                .as_array()
                .unwrap()
                .clone();
            versions = addresses.iter().map(|a| a["version"].clone()).collect();
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    assert_eq!(versions, [4, 6]);
    let refused = client
        .post(
            "compute",
            &format!("/servers/{id}/action"),
            json!({"os-getConsoleOutput": {}}),
        )
        .await;
    assert_eq!(refused.status, 403);
}

#[tokio::test]
async fn a_server_on_an_external_network_is_made_and_ends_in_error() {
    let world = world("default").await;
    let external = world
        .client
        .id_of("network", "/networks?router:external=True", "public")
        .await;
    let made = server(&world.client, &external, json!({})).await;
    assert_eq!(made.status, 202);
    let id = text(&made.body["server"]["id"]);
    let failed = world.client.wait_server(&id, "ERROR").await;
    assert_eq!(
        failed["fault"]["message"],
        format!(
            "Build of instance {id} aborted: Failed to allocate the network(s), not rescheduling."
        )
    );
}
