//! IPv6 through every call that can carry it: subnets, ports, rules, servers, records.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use hubctl::cloud::{Filter, NewPort, NewRecordset, NewServer, NewSubnet, RuleSpec};
use hubctl::event::Silent;
use hubctl::wait::{Probe, Wait};

use crate::support::{Fixture, told};

fn rule(protocol: &str, port: Option<u16>, from: Option<&str>) -> RuleSpec {
    RuleSpec {
        direction: "ingress".into(),
        ethertype: "IPv6".into(),
        protocol: Some(protocol.into()),
        port_range_min: port,
        port_range_max: port,
        remote_ip_prefix: from.map(|net| net.parse().unwrap()),
        remote_group_id: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_makes_up_its_address_and_the_server_has_it() {
    let fixture = Fixture::new("project-network,ipv6");
    let cloud = fixture.connect().await;
    let network = cloud
        .list_networks(&Filter::name("project-net"))
        .await
        .unwrap()
        .remove(0);
    let subnets = cloud
        .list_subnets(&Filter::all().and("network_id", &network.id))
        .await
        .unwrap();
    let of = |version| {
        subnets
            .iter()
            .find(|one| one.ip_version == version)
            .unwrap()
    };
    let (v4, v6) = (of(4), of(6));
    assert!(v6.cidr.addr().is_ipv6() && v6.gateway_ip.unwrap().is_ipv6());

    // Only the other one is asked for.
    let port = cloud
        .create_port(&NewPort {
            name: "class".into(),
            network_id: network.id.clone(),
            subnet_ids: vec![v4.id.clone()],
            ..NewPort::default()
        })
        .await
        .unwrap();
    let address = |version: u8| -> IpAddr {
        let is_it = |ip: &IpAddr| ip.is_ipv4() == (version == 4);
        let mut all = port.fixed_ips.iter().map(|fixed| fixed.ip_address);
        all.find(is_it).unwrap()
    };
    let own: Ipv6Addr = match address(6) {
        IpAddr::V6(own) => own,
        IpAddr::V4(_) => unreachable!(),
    };
    assert!(v6.cidr.contains(&IpAddr::V6(own)), "{own}");
    // Of its MAC: the second half has ff:fe in its middle.
    assert_eq!(own.segments()[5] & 0xff, 0xff, "{own}");
    assert_eq!(own.segments()[6] >> 8, 0xfe, "{own}");

    let flavors = cloud.list_flavors().await.unwrap();
    let flavor = flavors.iter().find(|one| one.name == "m1.small").unwrap();
    let image = cloud
        .list_images(&Filter::name("debian-12"))
        .await
        .unwrap()
        .remove(0);
    let id = cloud
        .create_server(&NewServer {
            name: "class".into(),
            flavor_id: flavor.id.clone(),
            image_id: image.id,
            port_ids: vec![port.id.clone()],
            ..NewServer::default()
        })
        .await
        .unwrap();
    let wait = Wait::new(
        "the server",
        Duration::from_millis(10),
        Duration::from_secs(60),
    );
    let server = wait
        .until(&Silent, async || {
            let server = cloud.get_server(&id).await?;
            Ok::<_, hubctl::cloud::CloudError>(match server.status.as_str() {
                "ACTIVE" => Probe::Ready(server),
                _ => Probe::Pending(server.status),
            })
        })
        .await
        .unwrap();
    let mut has: Vec<IpAddr> = server
        .addresses
        .values()
        .flatten()
        .map(|address| address.addr)
        .collect();
    has.sort();
    assert_eq!(has, [address(4), address(6)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn subnets_and_rules_are_of_either_version() {
    let fixture = Fixture::new("default");
    let cloud = fixture.connect().await;
    let network = cloud
        .create_network(&hubctl::cloud::NewNetwork {
            name: "class".into(),
            description: String::new(),
        })
        .await
        .unwrap();
    let subnet = cloud
        .create_subnet(&NewSubnet {
            name: "class".into(),
            description: String::new(),
            network_id: network.id.clone(),
            cidr: "fd00:42::/64".parse().unwrap(),
            dns_nameservers: vec!["2620:fe::fe".parse().unwrap()],
        })
        .await
        .unwrap();
    assert_eq!(
        (subnet.ip_version, subnet.gateway_ip),
        (6, Some("fd00:42::1".parse().unwrap()))
    );
    assert_eq!(subnet.dns_nameservers, ["2620:fe::fe"]);

    let group = cloud.create_security_group("class", "").await.unwrap();
    let wanted = [
        rule("tcp", Some(22), Some("2001:db8:1::/48")),
        rule("tcp", Some(443), Some("::/0")),
        rule("ipv6-icmp", None, None),
    ];
    let made = cloud
        .create_security_group_rules(&group.id, &wanted)
        .await
        .unwrap();
    let told_back: Vec<RuleSpec> = made.into_iter().map(|made| made.rule).collect();
    assert_eq!(told_back, wanted);
    let mixed = RuleSpec {
        ethertype: "IPv4".into(),
        ..rule("tcp", Some(80), Some("::/0"))
    };
    let refused = cloud.create_security_group_rules(&group.id, &[mixed]).await;
    assert!(
        told(refused).contains("Conflicting value ethertype IPv4 for CIDR ::/0"),
        "the cloud's own words are lost"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_has_a_record_for_each_version() {
    let fixture = Fixture::new("default");
    let cloud = fixture.connect().await;
    let zone = cloud.list_zones().await.unwrap().remove(0);
    let record = |kind: &str, address: &str| NewRecordset {
        name: format!("class.{}", zone.name),
        kind: kind.into(),
        records: vec![address.into()],
        ttl: None,
        description: "class".into(),
    };
    let v4 = record("A", "192.0.2.1");
    cloud.create_recordset(&zone.id, &v4).await.unwrap();
    let v6 = record("AAAA", "2001:db8::1");
    let made = cloud.create_recordset(&zone.id, &v6).await.unwrap();
    assert_eq!(
        (made.kind.as_str(), made.records),
        ("AAAA", vec!["2001:db8::1".to_owned()])
    );
    let other = ["2001:db8::2".to_owned()];
    let changed = cloud.set_records(&zone.id, &made.id, &other).await.unwrap();
    assert_eq!(changed.records, other);
    let of_kind = Filter::name(made.name.as_str()).and("type", "AAAA");
    let found = cloud.list_recordsets(&zone.id, &of_kind).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].records, other);

    let wrong = record("AAAA", "192.0.2.1");
    assert!(cloud.create_recordset(&zone.id, &wrong).await.is_err());
    cloud.delete_recordset(&zone.id, &made.id).await.unwrap();
    // The service takes its time.
    let wait = Wait::new(
        "the record",
        Duration::from_millis(10),
        Duration::from_secs(60),
    );
    wait.until(&Silent, async || {
        let all = cloud.list_all_recordsets(&Filter::all()).await?;
        let ours = all.iter().filter(|one| one.name == made.name);
        let kinds: Vec<&str> = ours.map(|one| one.kind.as_str()).collect();
        Ok::<_, hubctl::cloud::CloudError>(match kinds.as_slice() {
            ["A"] => Probe::Ready(()),
            other => Probe::Pending(other.join(", ")),
        })
    })
    .await
    .unwrap();
}
