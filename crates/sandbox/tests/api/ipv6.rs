//! IPv6 in networks: addresses that ports make up themselves, rules, and what is refused. As in `refusals`,
//! `HUBCTL_TEST_CLOUD` names another cloud to ask the same.

use serde_json::{Value, json};

use crate::support::{Answer, Client, subject, text};

/// The addresses of a port, in the order of their text.
async fn addresses(client: &Client, port: &str) -> Vec<String> {
    let shown = client.get("network", &format!("/ports/{port}")).await;
    let fixed = shown.body["port"]["fixed_ips"].as_array().unwrap().clone();
    let mut all: Vec<String> = fixed.iter().map(|ip| text(&ip["ip_address"])).collect();
    all.sort();
    all
}

fn refused(answer: &Answer) -> (u16, String, String) {
    let error = &answer.body["NeutronError"];
    (answer.status, text(&error["type"]), text(&error["message"]))
}

#[tokio::test]
async fn every_port_makes_up_its_address_where_slaac_is() {
    let subject = subject().await;
    let client = &subject.client;
    let network = json!({"network": {"name": "both"}});
    let network = client.make("network", "/networks", network).await;
    let subnet = |fields: Value| {
        let mut subnet = json!({"name": "both", "network_id": network, "enable_dhcp": true});
        let all = subnet.as_object_mut().unwrap();
        all.extend(fields.as_object().unwrap().clone());
        json!({"subnet": subnet})
    };
    let v4 = subnet(json!({"cidr": "10.43.0.0/24", "ip_version": 4}));
    let v4 = client.make("network", "/subnets", v4).await;
    let port = |fields: Value| {
        let mut port = json!({"network_id": network, "mac_address": "fa:16:3e:00:00:01"});
        let all = port.as_object_mut().unwrap();
        all.extend(fields.as_object().unwrap().clone());
        json!({"port": port})
    };
    let early = port(json!({"fixed_ips": [{"subnet_id": v4, "ip_address": "10.43.0.11"}]}));
    let early = client.make("network", "/ports", early).await;
    assert_eq!(addresses(client, &early).await, ["10.43.0.11"]);

    // From its subnet on, a port that is there already has an address in it as well.
    let slaac = subnet(json!({
        "cidr": "2001:db8:43::/64", "ip_version": 6, "ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac",
    }));
    let slaac = client.make("network", "/subnets", slaac).await;
    let both = ["10.43.0.11", "2001:db8:43:0:f816:3eff:fe00:1"];
    assert_eq!(addresses(client, &early).await, both);

    // It need not be asked for, and no other can be.
    let mac = "fa:16:3e:00:00:02";
    let late = port(json!({
        "mac_address": mac, "fixed_ips": [{"subnet_id": v4, "ip_address": "10.43.0.12"}],
    }));
    let late = client.make("network", "/ports", late).await;
    assert_eq!(
        addresses(client, &late).await,
        ["10.43.0.12", "2001:db8:43:0:f816:3eff:fe00:2"]
    );
    let alone =
        port(json!({"mac_address": "fa:16:3e:00:00:03", "fixed_ips": [{"subnet_id": slaac}]}));
    let alone = client.make("network", "/ports", alone).await;
    assert_eq!(
        addresses(client, &alone).await,
        ["2001:db8:43:0:f816:3eff:fe00:3"]
    );
    let chosen = port(json!({
        "mac_address": "fa:16:3e:00:00:04",
        "fixed_ips": [{"subnet_id": slaac, "ip_address": "2001:db8:43::5"}],
    }));
    let (status, kind, message) = refused(&client.post("network", "/ports", chosen).await);
    assert_eq!(
        (status, kind.as_str()),
        (400, "AllocationOnAutoAddressSubnet")
    );
    assert!(
        message.contains("2001:db8:43::5 cannot be directly assigned to a port on subnet"),
        "{message}"
    );

    for port in [early, late, alone] {
        let gone = client.delete("network", &format!("/ports/{port}")).await;
        assert_eq!(gone.status, 204, "{gone:?}");
    }
    let gone = client
        .delete("network", &format!("/networks/{network}"))
        .await;
    assert_eq!(gone.status, 204, "{gone:?}");
}

#[tokio::test]
async fn every_rule_is_of_one_version_of_ip() {
    let subject = subject().await;
    let client = &subject.client;
    let group = json!({"security_group": {"name": "v6"}});
    let group = client.make("network", "/security-groups", group).await;
    let rule = |fields: Value| {
        let mut rule =
            json!({"security_group_id": group, "direction": "ingress", "ethertype": "IPv6"});
        let all = rule.as_object_mut().unwrap();
        all.extend(fields.as_object().unwrap().clone());
        json!({"security_group_rule": rule})
    };
    let post = async |fields: Value| {
        client
            .post("network", "/security-group-rules", rule(fields))
            .await
    };
    let web = json!({"protocol": "tcp", "port_range_min": 443, "port_range_max": 443, "remote_ip_prefix": "::/0"});
    let made = post(web.clone()).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.body["security_group_rule"]["remote_ip_prefix"], "::/0");
    assert_eq!(post(json!({"protocol": "ipv6-icmp"})).await.status, 201);
    let again = post(web).await;
    assert_eq!(refused(&again).0, 409);
    assert_eq!(refused(&again).1, "SecurityGroupRuleExists");
    let mixed = post(json!({"protocol": "tcp", "remote_ip_prefix": "192.0.2.0/24"})).await;
    assert_eq!(refused(&mixed).0, 400);
    assert_eq!(
        refused(&mixed).1,
        "SecurityGroupRuleParameterConflict",
        "{mixed:?}"
    );
    let gone = client
        .delete("network", &format!("/security-groups/{group}"))
        .await;
    assert_eq!(gone.status, 204, "{gone:?}");
}
