//! State and spec -> the problems in words, before anything is made.

use hubctl::cloud::config::ConfiguredNetwork;
use serde_json::json;

use crate::fixture::{World, of};

type Case = (&'static str, fn(&mut World), &'static str);

/// Each case starts from a project with nothing in it.
fn check(cases: &[Case]) {
    let mut wrong = String::new();
    for (name, change, expected) in cases {
        let mut world = World::empty();
        change(&mut world);
        let told = match world.plan() {
            Ok(plan) => format!(
                "planned {} changes\n{}",
                plan.changes.len(),
                plan.notes.join("\n")
            ),
            Err(problems) => problems.to_string(),
        };
        if told.trim() != expected.trim() {
            wrong += &format!(
                "--- {name}: expected\n{}\n--- found\n{told}\n",
                expected.trim()
            );
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

fn ip(id: &str, address: &str, port: Option<&str>) -> hubctl::cloud::FloatingIp {
    of(json!({
        "id": id, "floating_ip_address": address, "floating_network_id": "ext", "status": "DOWN", "port_id": port,
    }))
}

#[test]
fn quotas_are_reckoned_with_remedies() {
    check(&[
        ("room for all", |_| {}, "planned 8 changes"),
        (
            "floating IPs, one unattached",
            |w| {
                w.quota("floatingip", 2, 2);
                w.survey.floating_ips =
                    vec![ip("a", "192.0.2.6", Some("p")), ip("b", "192.0.2.7", None)];
            },
            "0 floating IPs left of 2\n  192.0.2.7 is unattached: `--set server.floating_ip=192.0.2.7`",
        ),
        (
            "floating IPs, all in use",
            |w| w.quota("floatingip", 0, 0),
            "0 floating IPs left of 0\n  all are in use: release one, or ask your project for more",
        ),
        (
            "cores",
            |w| w.quota("cores", 20, 18),
            "2 cores left of 20, 4 are needed\n  the largest flavor that fits, m1.diskless (2 cores, 8 GiB), holds 13 of 10 seats: `--set server.flavor=m1.diskless`",
        ),
        (
            "memory",
            |w| w.quota("ram", 51200, 51200 - 4096),
            "4 GiB of memory left of 50 GiB, the server needs 8 GiB\n  the largest flavor that fits, m1.small (1 core, 2 GiB), holds 1 of 10 seats: `--set server.flavor=m1.small`",
        ),
        (
            "servers",
            |w| {
                w.quota("instances", 1, 1);
                w.survey
                    .servers
                    .push(of(json!({ "id": "x", "name": "web", "status": "ACTIVE" })));
            },
            "0 servers left of 1\n  delete one (web), or ask your project for more",
        ),
        (
            "no limit",
            |w| {
                w.offer.quotas.get_mut("cores").unwrap().limit = None;
            },
            "planned 8 changes",
        ),
        (
            "a quota that is not told",
            |w| {
                w.offer.quotas.clear();
            },
            "planned 8 changes",
        ),
        (
            "network, with a shared one there",
            |w| {
                w.quota("network", 1, 1);
                w.survey.networks.push(of(
                    json!({ "id": "c", "name": "campus", "shared": true, "project_id": "them" }),
                ));
            },
            "0 networks left of 1\n  use a network that is there: `--set network.name=campus`",
        ),
        (
            "rules",
            |w| w.quota("security_group_rule", 8, 4),
            "4 security group rules left of 8, 10 are needed\n  delete one that nobody uses, or ask your project for more",
        ),
        (
            "ports, the router's included",
            |w| w.quota("port", 10, 9),
            "1 port left of 10, 2 are needed\n  delete one that nobody uses, or ask your project for more",
        ),
        (
            "gigabytes",
            |w| {
                w.set(json!({ "volume": { "size": 90 }, "server": { "flavor": "m1.diskless" } }));
            },
            "100 GiB of volumes left of 100, 110 are needed\n  there is room for `--set volume.size=80`",
        ),
        (
            "all at once",
            |w| {
                w.quota("instances", 10, 10);
                w.quota("floatingip", 2, 2);
                w.quota("router", 1, 1);
                w.set(json!({ "server": { "image": "Debain 12" } }));
                w.offer.images.retain(|image| image.id != "img-old");
            },
            "
no image is called Debain 12
  did you mean `--set server.image=Debian 12`? there is Debian 11, Debian 12, Ubuntu 24.04
0 floating IPs left of 2
  all are in use: release one, or ask your project for more
0 routers left of 1
  delete one that nobody uses, or ask your project for more",
        ),
    ]);
    let mut world = World::empty();
    world.quota("floatingip", 0, 0);
    assert!(world.plan().unwrap_err().is_quota());
    world.set(json!({ "server": { "image": "x" } }));
    assert!(!world.plan().unwrap_err().is_quota());
}

#[test]
fn images_and_flavors_are_found_or_told() {
    check(&[
        (
            "two images of a name",
            |w| w.set(json!({ "server": { "image": "Debian 12" } })),
            "2 images are called Debian 12: img-old, img\n  name one by its id: `--set server.image=img-old`",
        ),
        (
            "image by id",
            |w| w.set(json!({ "server": { "image": "img-old" } })),
            "planned 8 changes",
        ),
        (
            "image still queued",
            |w| {
                w.offer.images[3].status = "queued".into();
                w.set(json!({ "server": { "image": "Ubuntu 24.04" } }));
            },
            "image Ubuntu 24.04 is queued, not active\n  wait until it is, or name another: `openstack image list --status active`",
        ),
        (
            "no Debian 12",
            |w| w.offer.images.retain(|i| !i.name.contains("12")),
            "the cloud has no public Debian 12 image\n  name an image: `--set server.image=NAME`; there is Debian 11, Ubuntu 24.04",
        ),
        (
            "architecture",
            |w| {
                w.offer.images[3].architecture = Some("ppc64le".into());
                w.set(json!({ "server": { "image": "ubuntu" } }));
            },
            "image Ubuntu 24.04 is for ppc64le; hubs run on x86_64 and aarch64\n  name an image for one of these: `--set server.image=NAME`",
        ),
        (
            "login unknown",
            |w| {
                w.offer.images[3].name = "appliance".into();
                w.set(json!({ "server": { "image": "ubuntu" } }));
            },
            "image appliance does not tell its login\n  name its sudo user: `--set server.login=NAME`",
        ),
        (
            "image needs more memory",
            |w| {
                w.offer.images[1].min_ram = 12000;
                w.set(json!({ "server": { "flavor": "m1.medium" } }));
            },
            "image Debian 12 needs 11.7 GiB of memory, flavor m1.medium has 8 GiB\n  the smallest that has it: `--set server.flavor=m1.large`",
        ),
        (
            "flavor misspelt",
            |w| w.set(json!({ "server": { "flavor": "m1.medum" } })),
            "no flavor is called m1.medum\n  did you mean `--set server.flavor=m1.medium`? there is m1.diskless, m1.large, m1.medium, m1.small, m1.tiny",
        ),
        (
            "too many seats",
            |w| w.set(json!({ "limits": { "seats": 40 } })),
            "no flavor holds 40 seats: they need 21.5 GiB\n  the largest, m1.large, has 16 GiB and holds 29: `--set limits.seats=29`, or less for each with `--set limits.memory=…`",
        ),
        (
            "a named flavor that runs short",
            |w| w.set(json!({ "server": { "flavor": "m1.small" } })),
            "planned 8 changes\nflavor m1.small (2 GiB) holds 1 of 10 seats at 512 MiB each beside the system's 1.5 GiB; more at once will run short",
        ),
        (
            "disk too small, and no volumes",
            |w| {
                w.survey.block_storage = false;
                w.set(json!({ "server": { "flavor": "m1.diskless" } }));
            },
            "flavor m1.diskless has a disk of 0 GiB, image Debian 12 needs 10, and this cloud has no block storage\n  name a flavor with a disk of 10 GiB or more: `--set server.flavor=NAME`",
        ),
        (
            "boot volume too small",
            |w| w.set(json!({ "server": { "boot_volume": 5 } })),
            "a boot volume of 5 GiB is too small for image Debian 12\n  it needs 10 GiB: `--set server.boot_volume=10`",
        ),
        (
            "data volume without block storage",
            |w| {
                w.survey.block_storage = false;
                w.set(json!({ "volume": { "size": 10 } }));
            },
            "this cloud has no block storage for `volume`\n  leave `volume` out: homes then lie on the server's own disk",
        ),
        (
            "availability zone",
            |w| w.set(json!({ "server": { "availability_zone": "moon" } })),
            "there is no availability zone moon\n  there is nova",
        ),
        (
            "no key here",
            |w| w.local.public_key = None,
            "there is no SSH key to make the server with\n  run `hubctl provision` here: it makes one",
        ),
        (
            "key pair of that name with another key",
            |w| {
                w.survey.key_pairs.push(of(json!({ "name": "hubctl-class", "public_key": "ssh-rsa AAAA", "fingerprint": "cc:dd" })));
            },
            "key pair hubctl-class is there with another key (cc:dd)\n  if no one uses it: `openstack keypair delete hubctl-class`; else give the deployment another name",
        ),
        (
            "operator unknown",
            |w| w.set(json!({ "access": { "ssh": ["operator"] } })),
            "`operator` in `access`: the address this machine is seen under is not known\n  write it as a network: `--set access.ssh=[192.0.2.0/24]`",
        ),
    ]);
}

fn network(id: &str, ours: bool, shared: bool) -> hubctl::cloud::Network {
    of(
        json!({ "id": id, "name": id, "shared": shared, "project_id": if ours { "us" } else { "them" } }),
    )
}

/// A router of ours between `network` and the external network.
fn routed(world: &mut World, network: &str) {
    world.survey.routers.push(of(
        json!({ "id": "r", "name": "r", "external_gateway_info": { "network_id": "ext" } }),
    ));
    world.survey.ports.push(of(json!({
        "id": "ri", "network_id": network, "status": "ACTIVE", "device_id": "r",
        "device_owner": "network:router_interface",
    })));
}

#[test]
fn networks_are_chosen_or_asked_for() {
    let port_of = |change: fn(&mut World)| {
        let mut world = World::empty();
        change(&mut world);
        let told = world.told();
        told.lines()
            .filter(|line| line.contains("port ") || line.contains("floating"))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        port_of(|w| {
            w.survey.networks.push(network("lab", true, false));
            routed(w, "lab");
        }),
        [
            "+ create port hubctl-class (on lab)",
            "+ create floating IP from public"
        ]
    );
    // A network of the provider's: servers are reached with no floating IP.
    assert_eq!(
        port_of(|w| {
            w.survey.networks = vec![network("provider", false, true)];
            w.survey.subnets.push(of(json!({
                "id": "s", "network_id": "provider", "cidr": "203.0.113.0/24", "ip_version": 4,
            })));
        }),
        ["+ create port hubctl-class (on provider)"]
    );
    assert_eq!(
        port_of(|w| w.set(json!({ "network": { "name": "public" } }))),
        ["+ create port hubctl-class (on public)"]
    );
    check(&[
        (
            "several of the project's",
            |w| {
                w.survey
                    .networks
                    .extend([network("a", true, false), network("b", true, false)])
            },
            "the project has 2 networks: a, b\n  say which: `--set network.name=a`",
        ),
        (
            "only shared ones, several",
            |w| w.survey.networks = vec![network("a", false, true), network("b", false, true)],
            "the project has 2 networks: a, b\n  say which: `--set network.name=a`",
        ),
        (
            "shared ones and an external one: one of our own",
            |w| {
                w.survey
                    .networks
                    .extend([network("a", false, true), network("b", false, true)]);
            },
            "planned 8 changes",
        ),
        (
            "none at all",
            |w| w.survey.networks.clear(),
            "this cloud shows no external network: nothing leads in or out\n  name a network whose servers are reached without one: `--set network.name=NAME --set server.floating_ip=none`",
        ),
        (
            "two external",
            |w| {
                w.survey.networks.push(of(
                    json!({ "id": "ext2", "name": "campus", "router:external": true }),
                ))
            },
            "there are 2 external networks: campus, public\n  say which: `--set network.external=campus`",
        ),
        (
            "two external, one named",
            |w| {
                w.survey.networks.push(of(
                    json!({ "id": "ext2", "name": "campus", "router:external": true }),
                ));
                w.set(json!({ "network": { "external": "public" } }));
            },
            "planned 8 changes",
        ),
        (
            "a network with no way out",
            |w| w.survey.networks.push(network("lab", true, false)),
            "network lab has no router to public: a floating IP cannot lead there\n  `openstack router create --external-gateway public NAME` and `openstack router add subnet NAME SUBNET`, or name another network",
        ),
        (
            "misspelt",
            |w| w.set(json!({ "network": { "name": "publik" } })),
            "no network is called publik\n  did you mean `--set network.name=public`? there is public",
        ),
        (
            "zone unknown",
            |w| w.set(json!({ "domain": "h.example.org", "dns": { "zone": "example.net" } })),
            "h.example.org does not lie in zone example.net.\n  name a zone it lies in: `--set dns.zone=ZONE`",
        ),
        (
            "no DNS service for a zone",
            |w| {
                w.survey.dns = false;
                w.set(json!({ "domain": "h.example.org", "dns": { "zone": "example.org" } }));
            },
            "this cloud has no DNS service for `dns.zone`\n  leave `dns.zone` out and make the record where the domain is kept: it is told at the end",
        ),
    ]);
}

#[test]
fn clouds_yaml_may_say_which_network() {
    let configured = |name: &str, set: fn(&mut ConfiguredNetwork)| {
        let mut entry = ConfiguredNetwork {
            name: name.into(),
            ..ConfiguredNetwork::default()
        };
        set(&mut entry);
        entry
    };
    let mut world = World::empty();
    world.survey.networks.extend([
        network("a", true, false),
        network("b", true, false),
        of(json!({ "id": "ext2", "name": "campus", "router:external": true })),
    ]);
    routed(&mut world, "b");
    assert!(world.plan().is_err());
    world.survey.configured = vec![
        configured("b", |entry| entry.default_interface = true),
        configured("public", |entry| entry.routes_externally = true),
    ];
    let told = world.told();
    assert!(
        told.contains("+ create port hubctl-class (on b)\n"),
        "{told}"
    );
    assert!(
        told.contains("+ create floating IP from public\n"),
        "{told}"
    );
}

#[test]
fn an_operator_that_is_not_let_in_is_told() {
    let mut world = World::empty();
    world.local.operator_address = Some("198.51.100.7".parse().unwrap());
    assert_eq!(world.plan().unwrap().notes, Vec::<String>::new());
    world.set(json!({ "access": { "ssh": ["192.0.2.0/24"] } }));
    assert_eq!(
        world.plan().unwrap().notes,
        [
            "`access.ssh` does not let in 198.51.100.7, the address this machine is seen under: SSH from here will time out"
        ]
    );
}

#[test]
fn a_floating_ip_asked_for_must_be_there_and_free() {
    check(&[
        (
            "free",
            |w| {
                w.survey.floating_ips = vec![ip("b", "192.0.2.7", None)];
                w.set(json!({ "server": { "floating_ip": "192.0.2.7" } }));
            },
            "planned 8 changes",
        ),
        (
            "not there",
            |w| {
                w.survey.floating_ips = vec![ip("b", "192.0.2.7", None)];
                w.set(json!({ "server": { "floating_ip": "192.0.2.9" } }));
            },
            "the project has no floating IP 192.0.2.9\n  unattached: 192.0.2.7; `--set server.floating_ip=auto` takes a new one",
        ),
        (
            "in use",
            |w| {
                w.survey.floating_ips = vec![ip("b", "192.0.2.7", Some("p"))];
                w.survey.ports.push(of(
                    json!({ "id": "p", "network_id": "n", "status": "ACTIVE", "device_id": "x" }),
                ));
                w.survey
                    .servers
                    .push(of(json!({ "id": "x", "name": "web", "status": "ACTIVE" })));
                w.set(json!({ "server": { "floating_ip": "192.0.2.7" } }));
            },
            "floating IP 192.0.2.7 leads to server web\n  name another, or free it: `openstack floating ip unset --port 192.0.2.7`",
        ),
        (
            "another deployment's",
            |w| {
                w.survey.floating_ips = vec![ip("b", "192.0.2.7", None)];
                w.survey.floating_ips[0].description = "hubctl:deployment=lab".into();
                w.set(json!({ "server": { "floating_ip": "192.0.2.7" } }));
            },
            "floating IP 192.0.2.7 belongs to the deployment lab\n  name another, or destroy that deployment first",
        ),
    ]);
}

#[test]
fn programs_for_another_processor_than_the_images_are_refused_before_it_is_used() {
    let told = |ours: Option<&str>, image: Option<&str>| {
        let mut world = World::empty();
        world.local.machine = ours.map(str::to_owned);
        for found in &mut world.offer.images {
            found.architecture = image.map(str::to_owned);
        }
        world.told()
    };
    for (ours, image) in [
        (Some("x86_64"), Some("x86_64")),
        (Some("aarch64"), Some("arm64")),
        // Not said: the server will say it.
        (Some("x86_64"), None),
        // Nothing of ours goes onto it.
        (None, Some("aarch64")),
    ] {
        let told = told(ours, image);
        assert!(
            told.contains("+ create server"),
            "{ours:?} {image:?}: {told}"
        );
    }
    assert_eq!(
        told(Some("x86_64"), Some("aarch64")).trim(),
        "image Debian 12 is for aarch64, and hubctl's own programs here are built for x86_64\n  name those for \
         aarch64 in `release.source` (a folder, or a release's archive), or an image for x86_64 (`--set server.image=NAME`)"
    );
}
