//! Neutron's lives and quotas.

use serde_json::{Value, json};

use crate::support::{Client, lan, server, text, world};

#[tokio::test]
async fn things_go_in_the_order_of_their_dependence_only() {
    let world = world("default").await;
    let client = &world.client;
    let lan = lan(client).await;
    let id = text(&server(client, &lan.network, json!({})).await.body["server"]["id"]);
    client.wait_server(&id, "ACTIVE").await;
    let port = text(
        &client
            .get("network", &format!("/ports?device_id={id}"))
            .await
            .body["ports"][0]["id"],
    );
    let floating = json!({"floatingip": {"floating_network_id": lan.external, "port_id": port}});
    let floating = client.make("network", "/floatingips", floating).await;
    let interface = format!("/routers/{}/remove_router_interface", lan.router);
    let no_gateway = json!({"router": {"external_gateway_info": {}}});

    let kind = |answer: crate::support::Answer| {
        (answer.status, text(&answer.body["NeutronError"]["type"]))
    };
    let refused = |word: &str| (409, word.to_owned());
    let detach = client
        .put("network", &interface, json!({"subnet_id": lan.subnet}))
        .await;
    assert_eq!(kind(detach), refused("RouterInterfaceInUseByFloatingIP"));
    let clear = client
        .put(
            "network",
            &format!("/routers/{}", lan.router),
            no_gateway.clone(),
        )
        .await;
    assert_eq!(
        kind(clear),
        refused("RouterExternalGatewayInUseByFloatingIp")
    );
    assert_eq!(
        kind(
            client
                .delete("network", &format!("/routers/{}", lan.router))
                .await
        ),
        refused("RouterInUse")
    );
    assert_eq!(
        kind(
            client
                .delete("network", &format!("/networks/{}", lan.network))
                .await
        ),
        refused("NetworkInUse")
    );
    assert_eq!(
        kind(
            client
                .delete("network", &format!("/subnets/{}", lan.subnet))
                .await
        ),
        refused("SubnetInUse")
    );

    client.delete("compute", &format!("/servers/{id}")).await;
    client.wait_server_gone(&id).await;
    let left = client
        .get("network", &format!("/floatingips/{floating}"))
        .await;
    assert_eq!(
        (
            &left.body["floatingip"]["port_id"],
            &left.body["floatingip"]["status"]
        ),
        (&Value::Null, &json!("DOWN"))
    );
    assert_eq!(
        client
            .delete("network", &format!("/floatingips/{floating}"))
            .await
            .status,
        204
    );
    assert_eq!(
        client
            .put("network", &interface, json!({"subnet_id": lan.subnet}))
            .await
            .status,
        200
    );
    assert_eq!(
        client
            .put("network", &format!("/routers/{}", lan.router), no_gateway)
            .await
            .status,
        200
    );
    assert_eq!(
        client
            .delete("network", &format!("/routers/{}", lan.router))
            .await
            .status,
        204
    );
    assert_eq!(
        client
            .delete("network", &format!("/networks/{}", lan.network))
            .await
            .status,
        204
    );
    assert_eq!(
        client.get("network", "/ports").await.body["ports"],
        json!([])
    );
}

#[tokio::test]
async fn tags_are_set_found_and_taken_from_every_kind() {
    let world = world("default").await;
    let client = &world.client;
    let lan = lan(client).await;
    let group = client
        .make(
            "network",
            "/security-groups",
            json!({"security_group": {"name": "g"}}),
        )
        .await;
    let port = client
        .make(
            "network",
            "/ports",
            json!({"port": {"network_id": lan.network}}),
        )
        .await;
    let floating = json!({"floatingip": {"floating_network_id": lan.external}});
    let floating = client.make("network", "/floatingips", floating).await;
    for (collection, key, id) in [
        ("networks", "networks", &lan.network),
        ("subnets", "subnets", &lan.subnet),
        ("routers", "routers", &lan.router),
        ("ports", "ports", &port),
        ("security-groups", "security_groups", &group),
        ("floatingips", "floatingips", &floating),
    ] {
        let tags = format!("/{collection}/{id}/tags");
        let set = client
            .put(
                "network",
                &tags,
                json!({"tags": ["hubctl:deployment=a", "x"]}),
            )
            .await;
        assert_eq!(set.status, 200, "{collection}");
        let found = client
            .get(
                "network",
                &format!("/{collection}?tags=hubctl:deployment%3Da"),
            )
            .await;
        assert_eq!(found.body[key].as_array().unwrap().len(), 1, "{collection}");
        assert_eq!(found.body[key][0]["id"], id.as_str());
        assert_eq!(
            client
                .put("network", &format!("{tags}/y"), Value::Null)
                .await
                .status,
            201
        );
        assert_eq!(
            client.get("network", &format!("{tags}/y")).await.status,
            204
        );
        assert_eq!(
            client.delete("network", &format!("{tags}/y")).await.status,
            204
        );
        assert_eq!(
            client.delete("network", &format!("{tags}/y")).await.status,
            404
        );
        let too_long = client
            .put(
                "network",
                &format!("{tags}/{}", "t".repeat(61)),
                Value::Null,
            )
            .await;
        assert_eq!(too_long.status, 400);
    }
}

#[tokio::test]
async fn strangers_things_are_neither_seen_nor_touched() {
    let world = world("default").await;
    let admin = Client::login(&world.sandbox.clouds_yaml, "sandbox-admin").await;
    let theirs = admin.id_of("network", "/networks", "neighbour-net").await;
    let client = &world.client;
    let listed = client.get("network", "/networks?name=neighbour-net").await;
    assert_eq!(listed.body["networks"], json!([]));
    assert_eq!(
        client
            .get("network", &format!("/networks/{theirs}"))
            .await
            .status,
        404
    );
    let public = client.id_of("network", "/networks", "public").await;
    assert_eq!(
        client
            .delete("network", &format!("/networks/{public}"))
            .await
            .status,
        403
    );
    let shared = client
        .put(
            "network",
            &format!("/networks/{public}/tags/x"),
            Value::Null,
        )
        .await;
    assert_eq!(shared.status, 403);
}

#[tokio::test]
async fn quotas_are_shown_and_held_in_each_services_way() {
    let world =
        world("floatingip=1,cores=1,key_pairs=0,volumes=1,gigabytes=5,security_group=2").await;
    let client = &world.client;
    let lan = lan(client).await;
    let floating = json!({"floatingip": {"floating_network_id": lan.external}});
    client
        .make("network", "/floatingips", floating.clone())
        .await;
    let over = client.post("network", "/floatingips", floating).await;
    let expected = json!({"NeutronError": {
        "type": "OverQuota", "message": "Quota exceeded for resources: ['floatingip'].", "detail": "",
    }});
    assert_eq!((over.status, over.body), (409, expected));
    let details = client
        .get(
            "network",
            &format!("/quotas/{}/details.json", client.project),
        )
        .await;
    assert_eq!(
        details.body["quota"]["floatingip"],
        json!({"limit": 1, "used": 1, "reserved": 0})
    );
    // All or none of what is asked for at once.
    let two = json!({"security_groups": [{"name": "a"}, {"name": "b"}]});
    assert_eq!(
        client.post("network", "/security-groups", two).await.status,
        409
    );
    assert_eq!(
        client.get("network", "/security-groups?name=a").await.body["security_groups"],
        json!([])
    );

    let over = server(client, &lan.network, json!({"flavorRef": "3"})).await;
    let message = "Quota exceeded for cores: Requested 2, but already used 0 of 1 cores";
    assert_eq!(
        (over.status, over.body),
        (403, json!({"forbidden": {"code": 403, "message": message}}))
    );
    let limits = client.get("compute", "/limits").await;
    assert_eq!(limits.body["limits"]["absolute"]["maxTotalCores"], 1);

    let big = client
        .post("volumev3", "/volumes", json!({"volume": {"size": 6}}))
        .await;
    assert_eq!(
        (big.status, &big.body["overLimit"]["code"]),
        (413, &json!(413))
    );
    assert!(
        text(&big.body["overLimit"]["message"]).starts_with("VolumeSizeExceedsAvailableQuota: ")
    );
    client
        .make("volumev3", "/volumes", json!({"volume": {"size": 1}}))
        .await;
    let second = client
        .post("volumev3", "/volumes", json!({"volume": {"size": 1}}))
        .await;
    assert!(text(&second.body["overLimit"]["message"]).starts_with("VolumeLimitExceeded: "));
    let usage = client
        .get(
            "volumev3",
            &format!("/os-quota-sets/{}?usage=True", client.project),
        )
        .await;
    assert_eq!(usage.body["quota_set"]["gigabytes"]["in_use"], 1);
}

#[tokio::test]
async fn ipv6_subnets_give_servers_a_second_address() {
    let world = world("default").await;
    let client = &world.client;
    let lan = lan(client).await;
    let subnet = json!({"subnet": {
        "network_id": lan.network, "cidr": "fd00:42::/64", "ip_version": 6,
        "ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac",
    }});
    client.make("network", "/subnets", subnet).await;
    let id = text(&server(client, &lan.network, json!({})).await.body["server"]["id"]);
    let shown = client.wait_server(&id, "ACTIVE").await;
    let versions: Vec<&Value> = shown["addresses"]["lan"]
        .as_array()
        .unwrap()
        .iter()
        .map(|a| &a["version"])
        .collect();
    assert_eq!(versions, [4, 6]);
}
