//! State and spec -> the plan in words. One case a line or two; every change is made to a deployment that stands.

use hubctl::infra::{Verb, tag};
use serde_json::json;

use crate::fixture::{KEY, World, of, one};

type Case = (&'static str, fn() -> World, fn(&mut World), &'static str);

fn check(cases: &[Case]) {
    let mut wrong = String::new();
    for (name, start, change, expected) in cases {
        let mut world = start();
        change(&mut world);
        let told = world.told();
        if told.trim() != expected.trim() {
            wrong += &format!(
                "--- {name}: expected\n{}\n--- found\n{told}\n",
                expected.trim()
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

const GROUP: &str =
    "+ create security group hubctl-class (icmp, tcp 22, tcp 80, tcp 443 from everywhere)";

#[test]
fn what_a_new_deployment_takes() {
    let all = World::empty().told();
    assert_eq!(
        all.lines().collect::<Vec<_>>(),
        [
            "+ create key pair hubctl-class",
            GROUP,
            "+ create network hubctl-class",
            "+ create subnet hubctl-class (10.42.0.0/24)",
            "+ create router hubctl-class (to public)",
            "+ create port hubctl-class (on hubctl-class)",
            "+ create floating IP from public",
            "+ create server hubctl-class (m1.medium, Debian 12)",
        ]
    );
    let mut world = World::empty();
    world.set(
        json!({ "domain": "Hub.Example.org", "volume": { "size": 50 }, "limits": { "seats": 20 } }),
    );
    let more: Vec<String> = world
        .told()
        .lines()
        .filter(|line| !all.lines().any(|known| known == *line))
        .map(str::to_owned)
        .collect();
    assert_eq!(
        more,
        [
            "+ create volume hubctl-class (50 GiB)",
            "+ create server hubctl-class (m1.large, Debian 12)",
            "+ create DNS record hub.example.org. A (the server's address)",
        ]
    );
}

#[test]
fn what_stands_is_left_alone() {
    for start in [World::standing, World::with_volume, World::with_domain] {
        assert_eq!(start().told(), "");
    }
}

#[test]
fn drift_is_planned() {
    check(&[
        (
            "rule missing and rule too many",
            World::standing,
            |w| {
                let rules = &mut one(&mut w.survey.security_groups).security_group_rules;
                let rule = rules
                    .iter_mut()
                    .find(|r| r.rule.port_range_min == Some(443) && r.rule.ethertype == "IPv4");
                let rule = &mut rule.unwrap().rule;
                (rule.port_range_min, rule.port_range_max) = (Some(8888), Some(8888));
            },
            "~ update security group: + tcp 443 from 0.0.0.0/0, - tcp 8888 from 0.0.0.0/0",
        ),
        (
            "egress closed",
            World::standing,
            |w| {
                one(&mut w.survey.security_groups)
                    .security_group_rules
                    .retain(|r| r.rule.direction != "egress");
            },
            "~ update security group: + everything to 0.0.0.0/0, + everything to ::/0",
        ),
        (
            "one rule in two spellings",
            World::standing,
            |w| {
                let rules = &mut one(&mut w.survey.security_groups).security_group_rules;
                let mut twin = rules
                    .iter()
                    .find(|r| r.rule.port_range_min == Some(22))
                    .unwrap()
                    .clone();
                twin.id = "twin".into();
                twin.rule.remote_ip_prefix = Some("0.0.0.0/0".parse().unwrap());
                rules.push(twin);
            },
            "~ update security group: - tcp 22 from 0.0.0.0/0",
        ),
        (
            "access narrowed",
            World::standing,
            |w| {
                w.set(json!({ "access": { "ssh": ["192.0.2.0/24"] } }));
            },
            "~ update security group: + tcp 22 from 192.0.2.0/24, - tcp 22 from 0.0.0.0/0, - tcp 22 from ::/0",
        ),
        (
            "operator",
            World::standing,
            |w| {
                w.set(json!({ "access": { "ssh": ["operator"] } }));
                w.local.operator_address = Some("198.51.100.7".parse().unwrap());
            },
            "~ update security group: + tcp 22 from 198.51.100.7/32, - tcp 22 from 0.0.0.0/0, - tcp 22 from ::/0",
        ),
        (
            "server stopped",
            World::standing,
            |w| one(&mut w.survey.servers).status = "SHUTOFF".into(),
            "~ update server: start (it is SHUTOFF)",
        ),
        (
            "server paused",
            World::standing,
            |w| one(&mut w.survey.servers).status = "PAUSED".into(),
            "~ update server: unpause (it is PAUSED)",
        ),
        (
            "server shelved",
            World::standing,
            |w| one(&mut w.survey.servers).status = "SHELVED_OFFLOADED".into(),
            "~ update server: unshelve (it is SHELVED_OFFLOADED)",
        ),
        (
            "server still being made",
            World::standing,
            |w| one(&mut w.survey.servers).status = "BUILD".into(),
            "~ update server: wait until it is ACTIVE (it is BUILD)",
        ),
        (
            "server waits for a word",
            World::standing,
            |w| one(&mut w.survey.servers).status = "VERIFY_RESIZE".into(),
            "server hubctl-class is VERIFY_RESIZE\n  `openstack server resize confirm srv`",
        ),
        (
            "server gone",
            World::standing,
            |w| w.survey.servers.clear(),
            "+ create server hubctl-class (m1.medium, Debian 12)",
        ),
        (
            "key pair gone",
            World::standing,
            |w| w.survey.key_pairs.clear(),
            "+ create key pair hubctl-class",
        ),
        (
            "key pair gone, and no key here",
            World::standing,
            |w| {
                w.survey.key_pairs.clear();
                w.local.public_key = None;
            },
            "",
        ),
        (
            "key pair of another machine",
            World::standing,
            |w| {
                w.local.public_key = Some("ssh-ed25519 AAAAother".into());
            },
            "note: key pair hubctl-class holds another machine's key (aa:bb)",
        ),
        (
            "floating IP leads nowhere",
            World::standing,
            |w| one(&mut w.survey.floating_ips).port_id = None,
            "~ update floating IP: 192.0.2.5 leads to the server",
        ),
        (
            "floating IP leads elsewhere",
            World::standing,
            |w| {
                one(&mut w.survey.floating_ips).port_id = Some("other".into());
            },
            "~ update floating IP: 192.0.2.5 leads to the server",
        ),
        (
            "floating IP gone",
            World::standing,
            |w| w.survey.floating_ips.clear(),
            "+ create floating IP from public",
        ),
        (
            "two floating IPs",
            World::standing,
            |w| {
                let mut second = w.survey.floating_ips[0].clone();
                (second.id, second.port_id) = ("a".into(), None);
                second.floating_ip_address = "192.0.2.6".parse().unwrap();
                w.survey.floating_ips.insert(0, second);
            },
            "- delete floating IP 192.0.2.6 (one too many)",
        ),
        (
            "port in foreign groups",
            World::standing,
            |w| {
                w.survey
                    .security_groups
                    .push(of(json!({ "id": "dflt", "name": "default" })));
                w.survey.ports[1].security_groups = vec!["dflt".into()];
            },
            "~ update port: + security group hubctl-class, - security group default",
        ),
        (
            "port gone",
            World::standing,
            |w| {
                w.survey.ports.truncate(1);
                one(&mut w.survey.floating_ips).port_id = None;
            },
            "
+ create port hubctl-class (on hubctl-class)
~ update server: + port
~ update floating IP: 192.0.2.5 leads to the server",
        ),
        (
            "router lost its gateway",
            World::standing,
            |w| one(&mut w.survey.routers).external_gateway_info = None,
            "~ update router: + gateway to public",
        ),
        (
            "router lost its interface",
            World::standing,
            |w| {
                w.survey.ports.remove(0);
            },
            "~ update router: + interface in the network",
        ),
        (
            "tag lost",
            World::standing,
            |w| w.survey.networks[1].tags.clear(),
            "~ update network: + tag hubctl:deployment=class",
        ),
        (
            "a cloud without tags",
            World::standing,
            |w| {
                let s = &mut w.survey;
                s.networks.iter_mut().for_each(|x| x.tags.clear());
                s.subnets.iter_mut().for_each(|x| x.tags.clear());
                s.routers.iter_mut().for_each(|x| x.tags.clear());
                s.ports.iter_mut().for_each(|x| x.tags.clear());
                s.security_groups.iter_mut().for_each(|x| x.tags.clear());
                s.floating_ips.iter_mut().for_each(|x| x.tags.clear());
            },
            "",
        ),
        (
            "description edited, tag still there",
            World::standing,
            |w| {
                one(&mut w.survey.floating_ips).description = "Kim's hub".into();
            },
            "",
        ),
        (
            "volume detached",
            World::with_volume,
            |w| one(&mut w.survey.volumes).attachments.clear(),
            "~ update volume: attach to the server",
        ),
        (
            "volume grows",
            World::with_volume,
            |w| w.set(json!({ "volume": { "size": 80 } })),
            "~ update volume: 50 -> 80 GiB",
        ),
        (
            "volume wanted now",
            World::standing,
            |w| w.set(json!({ "volume": { "size": 10, "type": "ssd" } })),
            "+ create volume hubctl-class (10 GiB, ssd)",
        ),
        (
            "volume not wanted any more",
            World::with_volume,
            |w| w.set(json!({ "volume": null })),
            "note: volume hubctl-class (50 GiB) is not in the spec: it stays until the deployment is destroyed",
        ),
        (
            "volume cannot shrink",
            World::with_volume,
            |w| w.set(json!({ "volume": { "size": 20 } })),
            "volume hubctl-class has 50 GiB; a volume cannot shrink to 20\n  `--set volume.size=50`",
        ),
        (
            "volume elsewhere",
            World::with_volume,
            |w| {
                one(&mut w.survey.volumes).attachments[0].server_id = "other".into();
            },
            "volume hubctl-class is attached to another server, other\n  `openstack server remove volume other vol`",
        ),
        (
            "record changed",
            World::with_domain,
            |w| one(&mut w.survey.recordsets).records = vec!["192.0.2.99".into()],
            "~ update DNS record: hub.example.org. A 192.0.2.99 -> 192.0.2.5",
        ),
        (
            "record gone",
            World::with_domain,
            |w| w.survey.recordsets.clear(),
            "+ create DNS record hub.example.org. A (192.0.2.5)",
        ),
        (
            "record of another",
            World::with_domain,
            |w| {
                let set = one(&mut w.survey.recordsets);
                (set.description, set.records) = (String::new(), vec!["192.0.2.99".into()]);
            },
            "hub.example.org. A is there already (192.0.2.99), and not ours\n  `openstack recordset delete zone hub.example.org.`, or name another `domain`",
        ),
        (
            "record made by hand",
            World::with_domain,
            |w| one(&mut w.survey.recordsets).description.clear(),
            "",
        ),
        (
            "domain changed",
            World::with_domain,
            |w| w.set(json!({ "domain": "lab.example.org" })),
            "
+ create DNS record lab.example.org. A (192.0.2.5)
- delete DNS record hub.example.org. A (the domain is another)",
        ),
        (
            "domain elsewhere",
            World::standing,
            |w| w.set(json!({ "domain": "hub.example.net" })),
            "note: no zone of the project holds hub.example.net: its DNS record is to be made where the domain is kept",
        ),
    ]);
}

#[test]
fn what_cannot_change_in_place_is_told() {
    check(&[
        (
            "flavor",
            World::standing,
            |w| w.set(json!({ "server": { "flavor": "m1.large" } })),
            "note: the server's flavor is m1.medium, the spec says m1.large: it stays; `openstack server resize --flavor m1.large` changes it",
        ),
        (
            "flavor by id",
            World::standing,
            |w| w.set(json!({ "server": { "flavor": "3" } })),
            "",
        ),
        (
            "image",
            World::standing,
            |w| w.set(json!({ "server": { "image": "Ubuntu 24.04" } })),
            "",
        ),
        (
            "image that has vanished",
            World::standing,
            |w| w.set(json!({ "server": { "image": "Debian 10" } })),
            "",
        ),
        (
            "rebuild to an image that has vanished",
            World::standing,
            |w| {
                w.set(json!({ "server": { "image": "Debian 10", "rebuild": true } }));
            },
            "note: not rebuilt: no image is called Debian 10",
        ),
        (
            "rebuild to the image it has",
            World::standing,
            |w| {
                w.survey.servers[0].image = json!({ "id": "img" });
                w.set(json!({ "server": { "rebuild": true } }));
            },
            "",
        ),
        (
            "rebuild",
            World::standing,
            |w| w.set(json!({ "server": { "image": "Ubuntu 24.04", "rebuild": true } })),
            "-/+ replace server hubctl-class (m1.medium, Ubuntu 24.04): image img-gone -> Ubuntu 24.04 (`server.rebuild`)",
        ),
        (
            "server in ERROR",
            World::standing,
            |w| {
                let server = one(&mut w.survey.servers);
                server.status = "ERROR".into();
                server.fault = Some(of(
                    json!({ "code": 500, "message": "No valid host was found." }),
                ));
            },
            "-/+ replace server hubctl-class (m1.medium, Debian 12): No valid host was found.",
        ),
        (
            "volume in error",
            World::with_volume,
            |w| one(&mut w.survey.volumes).status = "error".into(),
            "-/+ replace volume hubctl-class: the cloud could not make it (status error)",
        ),
        (
            "network",
            World::standing,
            |w| w.set(json!({ "network": { "name": "campus" } })),
            "note: the server is on network hubctl-class, the spec says campus: it stays there until it is destroyed and provisioned anew",
        ),
        (
            "range",
            World::standing,
            |w| w.set(json!({ "network": { "cidr": "10.9.0.0/24" } })),
            "note: the network's range is 10.42.0.0/24, the spec says 10.9.0.0/24: it stays until the deployment is destroyed",
        ),
    ]);
}

#[test]
fn only_what_loses_something_is_destructive() {
    let destructive = |change: fn(&mut World)| {
        let mut world = World::with_volume();
        change(&mut world);
        world
            .plan()
            .unwrap()
            .destructive()
            .map(|change| (change.verb, change.resource.to_string()))
            .collect::<Vec<_>>()
    };
    let server = vec![(Verb::Replace, "server".to_owned())];
    assert_eq!(
        destructive(|w| w.survey.servers[0].status = "ERROR".into()),
        server
    );
    assert_eq!(
        destructive(|w| w.set(json!({ "server": { "rebuild": true } }))),
        server
    );
    // It never ran: nothing is on it.
    let never_ran = |w: &mut World| {
        w.survey.servers[0].status = "ERROR".into();
        w.survey.servers[0].launched_at = None;
    };
    assert_eq!(destructive(never_ran), vec![]);
    assert_eq!(
        destructive(|w| w.survey.servers[0].status = "SHUTOFF".into()),
        vec![]
    );
    assert_eq!(
        destructive(|w| w.survey.volumes[0].status = "error".into()),
        vec![(Verb::Replace, "volume".to_owned())]
    );
}

#[test]
fn a_run_that_was_cut_short_is_finished() {
    check(&[
        (
            "after the network",
            World::standing,
            |w| {
                let s = &mut w.survey;
                s.networks[1].tags.clear();
                (s.subnets, s.routers, s.ports, s.floating_ips, s.servers) = Default::default();
            },
            "
+ create subnet hubctl-class (10.42.0.0/24)
+ create router hubctl-class (to public)
+ create port hubctl-class (on hubctl-class)
+ create floating IP from public
+ create server hubctl-class (m1.medium, Debian 12)
~ update network: + tag hubctl:deployment=class",
        ),
        (
            "after the group, before its rules",
            World::standing,
            |w| {
                let group = &mut w.survey.security_groups[0];
                group
                    .security_group_rules
                    .retain(|r| r.rule.direction == "egress");
            },
            "~ update security group: + icmp echo from 0.0.0.0/0, + tcp 22 from 0.0.0.0/0, + tcp 80 from 0.0.0.0/0, + tcp 443 from 0.0.0.0/0, + ipv6-icmp from ::/0, + tcp 22 from ::/0, + tcp 80 from ::/0, + tcp 443 from ::/0",
        ),
        (
            "two ports, one in use",
            World::standing,
            |w| {
                let mut second = w.survey.ports[1].clone();
                (second.id, second.device_id) = ("a-second".into(), String::new());
                w.survey.ports.insert(0, second);
            },
            "- delete port a-second (one too many)",
        ),
        (
            "a volume kept by an earlier destroy",
            World::with_volume,
            |w| {
                let s = &mut w.survey;
                s.volumes[0].attachments.clear();
                s.servers.clear();
            },
            "
+ create server hubctl-class (m1.medium, Debian 12)
~ update volume: attach to the server",
        ),
        (
            "a floating IP kept by an earlier destroy",
            World::standing,
            |w| {
                let kept = w.survey.floating_ips.clone();
                *w = World::empty();
                w.survey.floating_ips = kept;
                w.survey.floating_ips[0].port_id = None;
                w.set(json!({ "access": { "ssh": [] } }));
            },
            "
+ create key pair hubctl-class
+ create security group hubctl-class (icmp, tcp 80, tcp 443 from everywhere)
+ create network hubctl-class
+ create subnet hubctl-class (10.42.0.0/24)
+ create router hubctl-class (to public)
+ create port hubctl-class (on hubctl-class)
~ update floating IP: 192.0.2.5 leads to the server
+ create server hubctl-class (m1.medium, Debian 12)",
        ),
    ]);
}

#[test]
fn what_others_own_is_never_touched() {
    check(&[
        (
            "another deployment's network is no network of the project's",
            World::standing,
            |w| {
                w.spec.name = "other".into();
                w.survey.key_pairs.clear();
            },
            "
+ create key pair hubctl-other
+ create security group hubctl-other (icmp, tcp 22, tcp 80, tcp 443 from everywhere)
+ create network hubctl-other
+ create subnet hubctl-other (10.42.0.0/24)
+ create router hubctl-other (to public)
+ create port hubctl-other (on hubctl-other)
+ create floating IP from public
+ create server hubctl-other (m1.medium, Debian 12)",
        ),
        (
            "names without a mark mean nothing",
            World::standing,
            |w| {
                let s = &mut w.survey;
                s.security_groups[0].description.clear();
                s.security_groups[0].tags.clear();
            },
            "
+ create security group hubctl-class (icmp, tcp 22, tcp 80, tcp 443 from everywhere)
~ update port: + security group hubctl-class, - security group hubctl-class",
        ),
    ]);
    // An administrator sees another project's network with the same mark.
    let mut world = World::standing();
    world.survey.networks[1].project_id = Some("them".into());
    let inventory = hubctl::infra::Inventory::of("class", world.survey);
    assert!(inventory.networks.is_empty() && inventory.subnets.is_empty());
}

#[test]
fn the_json_form_has_the_same_changes() {
    let mut world = World::standing();
    world.survey.servers[0].status = "ERROR".into();
    let value = serde_json::to_value(world.plan().unwrap()).unwrap();
    assert_eq!(
        value,
        json!({
            "changes": [{
                "verb": "replace", "resource": "server", "name": "hubctl-class", "details": ["m1.medium, Debian 12"],
                "reason": "it is in ERROR, and the cloud gives no reason", "destructive": true,
            }],
            "notes": [],
        })
    );
    assert!(
        !serde_json::to_string(&World::empty().plan().unwrap())
            .unwrap()
            .contains(KEY)
    );
    assert_eq!(tag::name("class"), "hubctl-class");
}
