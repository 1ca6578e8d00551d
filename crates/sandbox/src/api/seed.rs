//! What is there before anyone comes: flavors, images, networks, as the scenario has it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use serde_json::json;

use super::glance::image::Image;
use super::neutron::Net;
use super::neutron::address::Pool;
use super::neutron::network::Network;
use super::neutron::port::Port;
use super::neutron::standard::Standard;
use super::neutron::subnet::Subnet;
use super::nova::flavor::Flavor;
use super::{State, clock, designate, id};
use crate::scenario::Scenario;

/// The projects things belong to.
pub struct Owners<'a> {
    /// The one the clouds.yaml is for.
    pub project: &'a str,
    /// The cloud's own.
    pub admin: &'a str,
    /// Someone else's, whose things are not to be seen.
    pub neighbour: &'a str,
}

/// Fills a region. `pool` is the /24 of addresses the host reaches.
pub fn seed(scenario: &Scenario, owners: &Owners<'_>, pool: Ipv4Net) -> State {
    let mut state = State {
        images: images(scenario, owners.admin),
        ..State::default()
    };
    state.compute.flavors = flavors();
    state.compute.quotas.clone_from(&scenario.quotas);
    state.network.quotas.clone_from(&scenario.quotas);
    state.volumes.quotas.clone_from(&scenario.quotas);
    networks(&mut state.network, scenario, owners, pool);
    if scenario.dns {
        let zones = [
            (owners.project, "sandbox.test."),
            (owners.neighbour, "neighbour.test."),
        ];
        state.dns.zones = zones
            .map(|(project, name)| {
                designate::zone::Zone::new(project, name, "hostmaster@sandbox.test")
            })
            .into();
    }
    state
}

fn flavors() -> Vec<Flavor> {
    // Ids as DevStack has them, and one of the other kind; a flavor without a disk of its own.
    [
        ("1", "m1.tiny", 1, 512, 2),
        ("2", "m1.small", 1, 2048, 20),
        ("3", "m1.medium", 2, 4096, 40),
        ("4", "m1.large", 4, 8192, 80),
        ("5", "m1.xlarge", 8, 16384, 160),
        (
            "c9d31e8e-2f6c-4f0e-9f0e-0f6d3f6c1a01",
            "v1.medium",
            2,
            4096,
            0,
        ),
    ]
    .map(|(id, name, vcpus, ram, disk)| Flavor {
        id: id.to_owned(),
        name: name.to_owned(),
        vcpus,
        ram,
        disk,
        extra_specs: BTreeMap::new(),
    })
    .into()
}

fn images(scenario: &Scenario, owner: &str) -> Vec<Image> {
    let image = |name: &str, distro: &str, version: &str, login: &str, arch: &str| Image {
        id: id::uuid(),
        name: name.to_owned(),
        owner: owner.to_owned(),
        public: true,
        status: "active",
        size: 422 << 20,
        min_disk: 3,
        min_ram: 512,
        tags: Vec::new(),
        properties: [
            ("os_distro", distro),
            ("os_version", version),
            ("os_admin_user", login),
            ("architecture", arch),
            ("hw_disk_bus", "virtio"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into(),
        created: clock::now(),
    };
    let mut images = vec![
        image("debian-12-arm64", "debian", "12", "debian", "aarch64"),
        image("debian-12", "debian", "12", "debian", "x86_64"),
    ];
    if scenario.twin_image {
        images.push(image("debian-12", "debian", "12", "debian", "x86_64"));
    }
    images
}

fn networks(net: &mut Net, scenario: &Scenario, owners: &Owners<'_>, pool: Ipv4Net) {
    // One /24 for all: each network gives out a part of it of its own.
    let parts = [(10, 129), (130, 189)];
    for (name, part) in scenario.external.iter().zip(parts) {
        let id = network(net, owners.admin, name, |n| n.external = true);
        reachable(net, (owners.admin, &id, name), pool, part);
    }
    if scenario.provider_network {
        let id = network(net, owners.admin, "provider", |n| n.shared = true);
        reachable(net, (owners.admin, &id, "provider"), pool, (190, 250));
        if scenario.ipv6 {
            v6(net, (owners.admin, &id, "provider"), "2001:db8:30::/64");
        }
    }
    if scenario.provider_v6 {
        let id = network(net, owners.admin, "provider-v6", |n| n.shared = true);
        v6(net, (owners.admin, &id, "provider-v6"), "2001:db8:40::/64");
    }
    for (n, name) in scenario.shared_networks.iter().enumerate() {
        let id = network(net, owners.admin, name, |n| n.shared = true);
        inner(
            net,
            owners.admin,
            &id,
            name,
            Ipv4Addr::new(10, 80 + u8::try_from(n).unwrap_or(0), 0, 0),
        );
    }
    let id = network(net, owners.neighbour, "neighbour-net", |_| {});
    inner(
        net,
        owners.neighbour,
        &id,
        "neighbour-subnet",
        Ipv4Addr::new(10, 99, 0, 0),
    );
    if scenario.project_network {
        project_network(net, scenario, owners.project);
    }
}

fn network(net: &mut Net, project: &str, name: &str, set: impl Fn(&mut Network)) -> String {
    let mut network = Network::new(Standard::new(project, &json!({"name": name})));
    set(&mut network);
    let id = network.std.id.clone();
    net.networks.push(network);
    id
}

/// A subnet of addresses the host reaches, some of which are given out.
fn reachable(net: &mut Net, whose: (&str, &str, &str), pool: Ipv4Net, part: (u8, u8)) {
    let (project, network_id, name) = whose;
    let [a, b, c, _] = pool.network().octets();
    let at = |last| IpAddr::V4(Ipv4Addr::new(a, b, c, last));
    let std = Standard::new(project, &json!({"name": format!("{name}-subnet")}));
    let mut subnet = Subnet::new(std, network_id, IpNet::V4(pool), Some(at(1)));
    subnet.pools = vec![Pool {
        start: at(part.0),
        end: at(part.1),
    }];
    subnet.dhcp = false;
    subnet.shared = true;
    subnet.reachable = true;
    net.subnets.push(subnet);
}

/// A subnet of IPv6 addresses, of the prefix for documentation: no machine has one.
fn v6(net: &mut Net, whose: (&str, &str, &str), cidr: &str) {
    let (project, network_id, name) = whose;
    let Ok(cidr) = cidr.parse::<IpNet>() else {
        return;
    };
    let std = Standard::new(project, &json!({"name": format!("{name}-subnet-v6")}));
    let gateway = Pool::after(cidr.network());
    let mut subnet = Subnet::new(std, network_id, cidr, Some(gateway));
    subnet.ipv6_ra_mode = Some("slaac".to_owned());
    subnet.ipv6_address_mode = Some("slaac".to_owned());
    subnet.shared = net
        .networks
        .iter()
        .any(|n| n.std.id == network_id && n.shared);
    net.subnets.push(subnet);
}

fn inner(net: &mut Net, project: &str, network_id: &str, name: &str, base: Ipv4Addr) -> String {
    let cidr = IpNet::V4(Ipv4Net::new(base, 24).unwrap_or_default());
    let std = Standard::new(project, &json!({"name": name}));
    let gateway = Pool::after(IpAddr::V4(base));
    let mut subnet = Subnet::new(std, network_id, cidr, Some(gateway));
    subnet.shared = net
        .networks
        .iter()
        .any(|n| n.std.id == network_id && n.shared);
    let id = subnet.std.id.clone();
    net.subnets.push(subnet);
    Port::add_dhcp(net, network_id, &id);
    id
}

/// What many clouds set up for a project beforehand.
fn project_network(net: &mut Net, scenario: &Scenario, project: &str) {
    let network_id = network(net, project, "project-net", |_| {});
    let subnet_id = inner(
        net,
        project,
        &network_id,
        "project-subnet",
        Ipv4Addr::new(10, 20, 0, 0),
    );
    if scenario.ipv6 {
        v6(net, (project, &network_id, "project"), "2001:db8:20::/64");
    }
    let external = scenario
        .external
        .first()
        .and_then(|name| net.networks.iter().find(|n| n.std.name == *name));
    let Some(external) = external.map(|n| n.std.id.clone()) else {
        return;
    };
    let router = Standard::new(project, &json!({"name": "project-router"}));
    net.add_router(router, &external, &subnet_id);
}
