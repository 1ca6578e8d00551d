//! IPv6: networks that have it beside IPv4, and networks that have nothing else.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use hubctl::cloud::Filter;
use hubctl::infra::{InfraError, observe, rule};
use hubctl::tls::Names;
use serde_json::json;

use crate::cloud::bed;
use crate::fixture::{World, of, one};

/// A network, what its server is reached under (`4` a public or floating IPv4, `6` a global IPv6), and the records.
type Case = (&'static str, &'static str, &'static str);

const CASES: &[Case] = &[
    ("default", "4", "A"),
    ("project-network", "4", "A"),
    ("project-network,ipv6", "4 6", "A AAAA"),
    ("provider-network,ipv6", "4 6", "A AAAA"),
    ("provider-v6", "6", "AAAA"),
];

#[tokio::test]
async fn the_address_is_in_the_outcome_the_certificate_and_the_zone() {
    for (scenario, versions, kinds) in CASES {
        let bed = bed(
            scenario.parse().unwrap(),
            json!({ "domain": "hub.sandbox.test" }),
        )
        .await;
        let outcome = bed
            .provision()
            .await
            .unwrap_or_else(|error| panic!("{scenario}: {error}"));
        let addresses = outcome.addresses();
        let found: Vec<&str> = addresses
            .iter()
            .map(|address| if address.is_ipv4() { "4" } else { "6" })
            .collect();
        assert_eq!(found.join(" "), *versions, "{scenario}: {addresses:?}");
        assert_eq!(outcome.address, addresses[0], "{scenario}");
        assert_eq!(
            outcome.public_v6.map(IpAddr::V6),
            addresses.iter().copied().find(IpAddr::is_ipv6),
            "{scenario}"
        );
        let names = Names::new(Some("hub.sandbox.test"), addresses.iter().copied());
        assert_eq!(names.addresses().collect::<Vec<_>>(), addresses);

        let mut records = observe(&bed.cloud, "class").await.unwrap().recordsets;
        records.sort_by(|a, b| a.kind.cmp(&b.kind));
        let told: Vec<&str> = records.iter().map(|record| record.kind.as_str()).collect();
        assert_eq!(told.join(" "), *kinds, "{scenario}");
        let led: Vec<String> = records.into_iter().flat_map(|r| r.records).collect();
        let wanted: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        assert_eq!(led, wanted, "{scenario}");

        bed.converged().await;
        bed.destroyed().await;
    }
}

#[tokio::test]
async fn rules_for_ipv6_are_made_and_kept() {
    let spec = json!({ "access": { "ssh": ["2001:db8:1::/48"], "web": ["::/0"] } });
    let bed = bed("project-network,ipv6".parse().unwrap(), spec).await;
    let plan = bed.text().await;
    let group = "tcp 22 from 2001:db8:1::/48, tcp 80, tcp 443 from ::/0, icmp from everywhere";
    assert!(plan.contains(group), "{plan}");
    bed.provision().await.unwrap();
    bed.converged().await;
    let groups = bed
        .cloud
        .list_security_groups(&Filter::name("hubctl-class"))
        .await
        .unwrap();
    let rules = &groups[0].security_group_rules;
    let mut told: Vec<String> = rules.iter().map(|found| rule::words(&found.rule)).collect();
    told.sort();
    assert_eq!(
        told,
        [
            "everything to 0.0.0.0/0",
            "everything to ::/0",
            "icmp echo from 0.0.0.0/0",
            "ipv6-icmp from ::/0",
            "tcp 22 from 2001:db8:1::/48",
            "tcp 443 from ::/0",
            "tcp 80 from ::/0",
        ]
    );
    bed.destroyed().await;
}

#[test]
fn drift_of_ipv6_is_planned() {
    let v6 = |world: &mut World, address: &str, cidr: &str| {
        world.survey.subnets.push(of(json!({
            "id": "sub6", "network_id": "theirs", "cidr": cidr, "ip_version": 6, "project_id": "us",
        })));
        let port = &mut one(&mut world.survey.ports[1..]);
        port.network_id = "theirs".into();
        port.fixed_ips
            .push(of(json!({ "subnet_id": "sub6", "ip_address": address })));
    };
    let standing = |address: &str, cidr: &str| {
        let mut world = World::with_domain();
        world.survey.networks.push(of(json!({
            "id": "theirs", "name": "campus", "subnets": ["sub4", "sub6"], "project_id": "us",
        })));
        world.survey.subnets.push(of(json!({
            "id": "sub4", "network_id": "theirs", "cidr": "10.1.0.0/24", "ip_version": 4, "project_id": "us",
        })));
        v6(&mut world, address, cidr);
        world.told()
    };
    let record = "+ create DNS record hub.example.org. AAAA (2001:db8::5)";
    let told = standing("2001:db8::5", "2001:db8::/64");
    assert!(told.lines().any(|line| line == record), "{told}");
    // An address that leads nowhere from outside has no place in DNS.
    let told = standing("fd00::5", "fd00::/64");
    assert!(!told.contains("AAAA"), "{told}");

    let mut world = World::standing();
    one(&mut world.survey.security_groups)
        .security_group_rules
        .retain(|rule| rule.rule.ethertype != "IPv6" || rule.rule.port_range_min != Some(443));
    assert_eq!(
        world.told().trim(),
        "~ update security group: + tcp 443 from ::/0"
    );
}

/// A network of private IPv6 addresses beside external networks: nothing leads there, and that is said first.
#[tokio::test]
async fn a_floating_ip_cannot_lead_to_ipv6() {
    let mut world = World::empty();
    world.set(json!({ "network": { "name": "inner" } }));
    world.survey.networks.push(of(json!({
        "id": "inner", "name": "inner", "subnets": ["sub6"], "project_id": "us",
    })));
    world.survey.subnets.push(of(json!({
        "id": "sub6", "network_id": "inner", "cidr": "fd00:1::/64", "ip_version": 6, "project_id": "us",
    })));
    assert_eq!(
        world.told().trim(),
        "network inner has no IPv4: a floating IP cannot lead there\n  \
         if servers on it are reached by their own address: `--set server.floating_ip=none`; else name another network"
    );
    world.set(json!({ "server": { "floating_ip": "none" } }));
    assert!(!world.told().contains("floating IP"), "{}", world.told());

    // A global one needs none, whatever floating IPs the cloud has for others.
    let spec = json!({ "network": { "name": "provider-v6" } });
    let bed = bed("provider-v6,two-externals".parse().unwrap(), spec).await;
    let outcome = match bed.provision().await {
        Ok(outcome) => outcome,
        Err(InfraError::Problems(problems)) => panic!("{problems}"),
        Err(error) => panic!("{error}"),
    };
    assert_eq!(outcome.address, IpAddr::V6(outcome.public_v6.unwrap()));
    assert!(bed.floating_ips().await.is_empty());
    bed.destroyed().await;
}

/// Records that lead elsewhere lead back, each of its kind, and go when the network has no such address.
#[tokio::test]
async fn a_record_of_each_version_is_repaired_by_itself() {
    let spec = json!({ "domain": "hub.sandbox.test" });
    let bed = bed("project-network,ipv6".parse().unwrap(), spec).await;
    let outcome = bed.provision().await.unwrap();
    let v6 = outcome.public_v6.unwrap();
    // The address that the port made up, as it is in the project's own subnet.
    let inventory = observe(&bed.cloud, "class").await.unwrap();
    let fixed = &inventory.ports[0].fixed_ips;
    assert!(fixed.iter().any(|ip| ip.ip_address == IpAddr::V6(v6)));
    assert_eq!(v6.segments()[6] >> 8, 0xfe, "{v6} is of its port's MAC");

    let of = |kind: &str| {
        let all = inventory.recordsets.iter();
        all.clone().find(|set| set.kind == kind).unwrap()
    };
    let set = of("AAAA");
    let elsewhere = ["2001:db8::bad".to_owned()];
    let cloud = &bed.cloud;
    cloud
        .set_records(&set.zone_id, &set.id, &elsewhere)
        .await
        .unwrap();
    assert_eq!(
        bed.text().await.trim(),
        format!("~ update DNS record: hub.sandbox.test. AAAA 2001:db8::bad -> {v6}")
    );
    bed.provision().await.unwrap();
    bed.converged().await;

    let set = of("A");
    cloud.delete_recordset(&set.zone_id, &set.id).await.unwrap();
    // Designate answers before it is gone.
    let begun = Instant::now();
    while observe(cloud, "class").await.unwrap().recordsets.len() > 1 {
        assert!(begun.elapsed() < Duration::from_secs(20), "it stays");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let told = bed.text().await;
    assert_eq!(
        told.trim(),
        format!(
            "+ create DNS record hub.sandbox.test. A ({})",
            outcome.public_v4.unwrap()
        )
    );
    bed.provision().await.unwrap();
    bed.converged().await;
    bed.destroyed().await;
}
