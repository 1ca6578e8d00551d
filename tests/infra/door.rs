//! The way to the server as the cloud has it: what is broken, and in which words.

use hubctl::infra::{Inventory, door, rule};
use serde_json::json;

use crate::fixture::{World, of, one};

fn seen(world: &World) -> Inventory {
    Inventory::of("class", world.survey.clone())
}

fn standing(change: fn(&mut World)) -> (World, Inventory) {
    let mut world = World::standing();
    change(&mut world);
    let inventory = seen(&world);
    (world, inventory)
}

#[test]
fn a_server_that_does_not_run_is_told_with_a_way_on() {
    let table: [(fn(&mut World), Result<&str, (&str, &str)>); 5] = [
        (|_| {}, Ok("hubctl-class is ACTIVE")),
        (
            |w| w.survey.servers.clear(),
            Err(("class has no server", "`hubctl provision` makes it")),
        ),
        (
            |w| one(&mut w.survey.servers).status = "SHUTOFF".into(),
            Err((
                "server hubctl-class is SHUTOFF",
                "`hubctl provision` starts it",
            )),
        ),
        (
            |w| one(&mut w.survey.servers).status = "RESCUE".into(),
            Err((
                "server hubctl-class is RESCUE",
                "`openstack server show srv` tells more",
            )),
        ),
        (
            |w| {
                let server = one(&mut w.survey.servers);
                server.status = "ERROR".into();
                server.fault = Some(of(
                    json!({ "code": 500, "message": "No valid host was found." }),
                ));
            },
            Err((
                "server hubctl-class is in ERROR: No valid host was found.",
                "the cloud has no room for this flavor now: try a smaller one, another availability zone, or later",
            )),
        ),
    ];
    for (change, expected) in table {
        let (_, inventory) = standing(change);
        let found = door::server(&inventory).map_err(|problem| (problem.message, problem.hint));
        let found = found.as_deref().map_err(|(m, h)| (m.as_str(), h.as_str()));
        assert_eq!(found, expected);
    }
}

#[test]
fn an_address_that_leads_elsewhere_is_noticed() {
    type Case = (
        fn(&mut World),
        Option<&'static str>,
        Result<&'static str, &'static str>,
    );
    let table: [Case; 5] = [
        (|_| {}, Some("192.0.2.5"), Ok("192.0.2.5")),
        (
            |w| one(&mut w.survey.floating_ips).port_id = None,
            Some("192.0.2.5"),
            Err("floating IP 192.0.2.5 is attached to nothing"),
        ),
        (
            |w| one(&mut w.survey.floating_ips).port_id = Some("other".into()),
            None,
            Err("floating IP 192.0.2.5 leads to another port (other)"),
        ),
        (
            |w| w.survey.floating_ips.clear(),
            Some("192.0.2.5"),
            Err("the server is reached under 10.42.0.5 now, and was under 192.0.2.5"),
        ),
        // On a network that is reached from everywhere.
        (|w| w.survey.floating_ips.clear(), None, Ok("10.42.0.5")),
    ];
    for (change, known, expected) in table {
        let (_, inventory) = standing(change);
        let found = door::address(&inventory, known).map_err(|problem| problem.message);
        assert_eq!(
            found.as_deref().map_err(String::as_str),
            expected,
            "{known:?}"
        );
    }
}

#[test]
fn what_the_security_group_keeps_out_is_told_rule_by_rule() {
    type Case = (
        fn(&mut World),
        Result<&'static str, &'static str>,
        &'static [u16],
    );
    let table: [Case; 6] = [
        (|_| {}, Ok("hubctl-class lets SSH and the web in"), &[]),
        (
            |w| {
                let rules = &mut one(&mut w.survey.security_groups).security_group_rules;
                rules.retain(|rule| rule.rule.port_range_min != Some(443));
            },
            Err(
                "security group hubctl-class does not let in tcp 443 from 0.0.0.0/0, tcp 443 from ::/0",
            ),
            &[443],
        ),
        (
            |w| {
                let rules = &mut one(&mut w.survey.security_groups).security_group_rules;
                for rule in rules {
                    if rule.rule.port_range_min == Some(22) && rule.rule.ethertype == "IPv4" {
                        rule.rule.remote_ip_prefix = Some("198.51.100.0/24".parse().unwrap());
                    }
                }
            },
            Err("security group hubctl-class does not let in tcp 22 from 0.0.0.0/0"),
            &[22],
        ),
        // One rule for all is as good.
        (
            |w| {
                let rules = &mut one(&mut w.survey.security_groups).security_group_rules;
                rules.retain(|rule| rule.rule.protocol.as_deref() != Some("tcp"));
                for kind in ["IPv4", "IPv6"] {
                    rules.push(of(
                        json!({ "id": kind, "direction": "ingress", "ethertype": kind }),
                    ));
                }
            },
            Ok("hubctl-class lets SSH and the web in"),
            &[],
        ),
        (
            |w| one(&mut w.survey.ports).security_groups.clear(),
            // The router's port is the first of the list, the server's the second.
            Ok("hubctl-class lets SSH and the web in"),
            &[],
        ),
        (
            |w| {
                for port in &mut w.survey.ports {
                    port.security_groups.clear();
                }
            },
            Err("the server's port is in no security group: nothing gets in"),
            &[22, 80, 443],
        ),
    ];
    for (change, expected, ports) in table {
        let (world, inventory) = standing(change);
        let wanted = rule::wanted(&world.spec.access, None);
        let found = door::security_group(&inventory, Some(&wanted));
        let closed = found.as_ref().err().map_or(Vec::new(), |closed| {
            closed.ports.iter().copied().collect::<Vec<u16>>()
        });
        let told = found.map_err(|closed| closed.problem.message);
        assert_eq!(told.as_deref().map_err(String::as_str), expected);
        assert_eq!(closed, ports);
    }
}

#[test]
fn without_a_spec_any_way_in_will_do() {
    let (_, inventory) = standing(|w| {
        let rules = &mut one(&mut w.survey.security_groups).security_group_rules;
        rules.retain(|rule| rule.rule.port_range_min != Some(80));
        for rule in rules {
            rule.rule.remote_ip_prefix = Some("198.51.100.0/24".parse().unwrap());
        }
    });
    let closed = door::security_group(&inventory, None).unwrap_err();
    assert_eq!(
        closed.problem.message,
        "security group hubctl-class does not let in tcp 80"
    );
}
