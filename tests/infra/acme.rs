//! Where a public certificate authority could not reach the hub, nothing is begun.

use std::net::IpAddr;

use hubctl::infra::acme::name_problem;
use serde_json::{Value, json};

use crate::fixture::{World, of, one};

/// A deployment that stands, with a certificate by ACME.
fn world(tls: Value) -> World {
    let mut world = World::with_domain();
    let acme_ip = tls["kind"] == "acme-ip";
    world.set(json!({ "tls": tls, "proxy": { "kind": "hubproxy" } }));
    if acme_ip {
        world.spec.domain = None;
        world.survey.recordsets.clear();
    }
    world
}

#[test]
fn an_address_that_is_not_reached_from_outside_is_refused() {
    let private = |world: &mut World| {
        one(&mut world.survey.floating_ips).floating_ip_address = "172.24.4.9".parse().unwrap();
        for set in &mut world.survey.recordsets {
            set.records = vec!["172.24.4.9".into()];
        }
    };
    assert_eq!(world(json!({ "kind": "acme" })).told(), "");
    for kind in ["acme", "acme-ip"] {
        let mut world = world(json!({ "kind": kind }));
        private(&mut world);
        assert_eq!(
            world.told().trim(),
            format!(
                "the floating IP (172.24.4.9) cannot be reached from outside: no certificate authority gives a \
                 certificate (`tls.kind: {kind}`)\n  use a public address, an ACME directory of your own \
                 (`tls.directory`), or `tls.kind: self-signed`"
            )
        );
    }
    // A directory of one's own may well reach it.
    let mut own = world(json!({ "kind": "acme", "directory": "https://ca.example.org/acme" }));
    private(&mut own);
    assert_eq!(own.told(), "");
}

#[test]
fn an_address_that_is_still_to_be_had_is_told_by_its_network() {
    let empty = |cidr: &str| {
        let mut world = World::empty();
        world.set(json!({ "tls": { "kind": "acme-ip" }, "proxy": { "kind": "hubproxy" } }));
        world.survey.subnets.push(of(json!({
            "id": "ext-sub", "network_id": "ext", "cidr": cidr, "ip_version": 4, "project_id": "them",
        })));
        world.told()
    };
    let told = empty("172.24.4.0/24");
    assert!(
        told.starts_with("a floating IP of public (172.24.4.0) cannot be reached from outside"),
        "{told}"
    );
    let told = empty("203.0.113.0/24");
    assert!(told.contains("+ create server"), "{told}");
    // Most clouds do not show the subnets of their external networks: it is looked at again later.
    let mut unknown = World::empty();
    unknown.set(json!({ "tls": { "kind": "acme-ip" }, "proxy": { "kind": "hubproxy" } }));
    assert!(
        unknown.told().contains("+ create server"),
        "{}",
        unknown.told()
    );
}

#[test]
fn a_name_must_lead_to_the_hub_and_nowhere_else() {
    let addresses =
        |all: &[&str]| -> Vec<IpAddr> { all.iter().map(|a| a.parse().unwrap()).collect() };
    let hub = ["192.0.2.5", "2001:db8::5"];
    for (led, expected) in [
        (&["192.0.2.5"][..], None),
        (&["192.0.2.5", "2001:db8::5"], None),
        (
            &[],
            Some(
                "hub.example.org leads nowhere yet: no certificate authority would find the hub under it",
            ),
        ),
        (
            &["198.51.100.1"],
            Some("hub.example.org leads to 198.51.100.1, not to the hub"),
        ),
        (
            &["192.0.2.5", "2001:db8::bad"],
            Some(
                "hub.example.org leads to 2001:db8::bad beside the hub: the certificate authority may ask there",
            ),
        ),
    ] {
        let problem = name_problem("hub.example.org", &addresses(&hub), &addresses(led));
        assert_eq!(problem.as_ref().map(|p| p.message.as_str()), expected);
        if let Some(problem) = problem {
            assert_eq!(
                problem.hint,
                "make this record, and no other of the name: hub.example.org. A 192.0.2.5, hub.example.org. AAAA \
                 2001:db8::5; `--set dns.wait=true` waits for it"
            );
        }
    }
}
