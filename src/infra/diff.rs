//! What differs between the deployment as it should be and as it is. Pure: talks to nothing.

use super::desired::{
    Desired, Due, FloatingIpWish, NetworkWish, RecordWish, ServerWish, is_global,
};
use super::inventory::Inventory;
use super::plan::{Change, Kind, Verb, Wake, Work};
use super::problem::{Problem, Problems};
use super::{choose, rule, tag};
use crate::cloud::{FloatingIp, Port, Recordset, Router, Server};

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

/// Compares, and lists the changes in the order they are told.
pub(super) fn diff(
    desired: &Desired,
    inventory: &Inventory,
    problems: &mut Problems,
    notes: &mut Vec<String>,
) -> Vec<Change> {
    let mut diff = Diff {
        desired,
        inventory,
        problems,
        notes,
        name: tag::name(&desired.name),
        changes: Vec::new(),
    };
    diff.key_pair();
    diff.security_group();
    diff.network();
    diff.port();
    diff.volume();
    diff.floating_ip();
    diff.server();
    diff.attachments();
    diff.records();
    diff.surplus();
    diff.tags();
    diff.changes
}

struct Diff<'a> {
    desired: &'a Desired,
    inventory: &'a Inventory,
    problems: &'a mut Problems,
    notes: &'a mut Vec<String>,
    name: String,
    changes: Vec<Change>,
}

impl Diff<'_> {
    fn create(&mut self, kind: Kind, details: &str, work: Work) {
        let mut change = Change::new(Verb::Create, kind, self.name.clone(), work);
        if !details.is_empty() {
            change = change.detail(details);
        }
        self.changes.push(change);
    }

    fn update(&mut self, kind: Kind, detail: impl Into<String>, work: Work) {
        self.changes
            .push(Change::new(Verb::Update, kind, self.name.clone(), work).detail(detail));
    }

    /// The server that stays; `None` where one is made.
    fn kept_server(&self) -> Option<&Server> {
        if self.desired.server_due.is_some() {
            None
        } else {
            self.inventory.server()
        }
    }

    fn key_pair(&mut self) {
        let due = self.desired.server_due.is_some();
        match (&self.desired.public_key, &self.inventory.key_pair) {
            (Some(key), None) => {
                self.create(
                    Kind::KeyPair,
                    "",
                    Work::ImportKeyPair {
                        public_key: key.clone(),
                    },
                );
            }
            (Some(key), Some(pair)) if !is_same_key(key, &pair.public_key) => {
                if due {
                    self.problems.add(Problem::new(
                        format!("key pair {} is there with another key ({})", pair.name, pair.fingerprint),
                        format!(
                            "if no one uses it: `openstack keypair delete {}`; else give the deployment another name",
                            pair.name
                        ),
                    ));
                } else {
                    self.notes.push(format!(
                        "key pair {} holds another machine's key ({})",
                        pair.name, pair.fingerprint
                    ));
                }
            }
            (None, None) if due => self.problems.add(Problem::new(
                "there is no SSH key to make the server with",
                "run `hubctl provision` here: it makes one",
            )),
            _ => {}
        }
    }

    fn security_group(&mut self) {
        let wanted = &self.desired.rules;
        let Some(group) = self.inventory.security_groups.first() else {
            let mut change = Change::new(
                Verb::Create,
                Kind::SecurityGroup,
                self.name.clone(),
                Work::CreateGroup {
                    rules: wanted.iter().cloned().collect(),
                },
            );
            change.details = rule::summary(wanted);
            self.changes.push(change);
            return;
        };
        let mut has = BTreeSet::new();
        let (mut remove, mut details) = (Vec::new(), Vec::new());
        for rule in &group.security_group_rules {
            let normal = rule::normal(&rule.rule);
            // The same rule in two spellings is one too many.
            if !wanted.contains(&normal) || !has.insert(normal) {
                remove.push(rule.id.clone());
                details.push(format!("- {}", rule::words(&rule.rule)));
            }
        }
        let add: Vec<_> = wanted.difference(&has).cloned().collect();
        if add.is_empty() && remove.is_empty() {
            return;
        }
        let mut change = Change::new(
            Verb::Update,
            Kind::SecurityGroup,
            group.name.clone(),
            Work::ChangeRules {
                group: group.id.clone(),
                add: add.clone(),
                remove,
            },
        );
        change.details = add
            .iter()
            .map(|rule| format!("+ {}", rule::words(rule)))
            .chain(details)
            .collect();
        self.changes.push(change);
    }

    fn network(&mut self) {
        let Some(NetworkWish::Own { cidr, external, .. }) = &self.desired.network else {
            return;
        };
        let inventory = self.inventory;
        let network = inventory.networks.first();
        if network.is_none() {
            self.create(Kind::Network, "", Work::CreateNetwork);
        }
        let subnet = inventory
            .subnets
            .iter()
            .find(|subnet| network.is_some_and(|network| network.id == subnet.network_id));
        match subnet {
            None => self.create(Kind::Subnet, &cidr.to_string(), Work::CreateSubnet),
            Some(subnet) if subnet.cidr != ipnet::IpNet::V4(cidr.trunc()) => self.notes.push(format!(
                "the network's range is {}, the spec says {cidr}: it stays until the deployment is destroyed",
                subnet.cidr
            )),
            Some(_) => {}
        }
        match inventory.routers.first() {
            None => self.create(
                Kind::Router,
                &format!("to {}", external.name),
                Work::CreateRouter,
            ),
            Some(router) => {
                if router.external_gateway_info.is_none() {
                    self.update(
                        Kind::Router,
                        format!("+ gateway to {}", external.name),
                        Work::SetGateway {
                            router: router.id.clone(),
                        },
                    );
                }
                if !subnet.is_some_and(|subnet| has_interface(inventory, router, &subnet.id)) {
                    self.update(
                        Kind::Router,
                        "+ interface in the network",
                        Work::AddInterface,
                    );
                }
            }
        }
    }

    fn port(&mut self) {
        let Some(network) = &self.desired.network else {
            return;
        };
        let Some(port) = self.inventory.ports.first() else {
            let on = match network {
                NetworkWish::Own { .. } => self.name.clone(),
                NetworkWish::Existing { network, .. } => network.name.clone(),
            };
            self.create(Kind::Port, &format!("on {on}"), Work::CreatePort);
            self.attach_port();
            return;
        };
        let group = self
            .inventory
            .security_groups
            .first()
            .map(|group| group.id.as_str());
        let filtered = !matches!(
            network,
            NetworkWish::Existing {
                filtered: false,
                ..
            }
        );
        let groups: Vec<&str> = port.security_groups.iter().map(String::as_str).collect();
        if filtered && (group.is_none() || groups != group.into_iter().collect::<Vec<_>>()) {
            let surplus = groups
                .iter()
                .filter(|id| Some(**id) != group)
                .map(|id| self.group_name(id));
            let mut details: Vec<String> = surplus
                .map(|name| format!("- security group {name}"))
                .collect();
            if group.is_none_or(|group| !groups.contains(&group)) {
                details.insert(0, format!("+ security group {}", self.name));
            }
            self.update(
                Kind::Port,
                details.join(", "),
                Work::SetPortGroups {
                    port: port.id.clone(),
                },
            );
        }
        self.attach_port();
    }

    fn group_name(&self, id: &str) -> String {
        self.inventory
            .around
            .security_groups
            .iter()
            .find(|group| group.id == id)
            .map_or(id, |group| &group.name)
            .to_owned()
    }

    fn attach_port(&mut self) {
        let port = self.inventory.ports.first();
        if let Some(server) = self.kept_server()
            && port.is_none_or(|port| port.device_id != server.id)
        {
            let server = server.id.clone();
            self.update(Kind::Server, "+ port", Work::AttachPort { server });
        }
    }

    fn volume(&mut self) {
        let Some(wish) = &self.desired.volume else {
            for volume in &self.inventory.volumes {
                self.notes.push(format!(
                    "volume {} ({} GiB) is not in the spec: it stays until the deployment is destroyed",
                    volume.name, volume.size
                ));
            }
            return;
        };
        let wished = u64::from(wish.size);
        let volume = match &self.inventory.volumes[..] {
            [] => {
                let kind = wish
                    .kind
                    .as_ref()
                    .map(|kind| format!(", {kind}"))
                    .unwrap_or_default();
                let work = Work::CreateVolume { size: wish.size };
                return self.create(Kind::Volume, &format!("{wished} GiB{kind}"), work);
            }
            [volume] => volume,
            several => {
                let ids: Vec<&str> = several.iter().map(|volume| volume.id.as_str()).collect();
                return self.problems.add(Problem::new(
                    format!("{} volumes carry the deployment's mark: {}", ids.len(), ids.join(", ")),
                    format!(
                        "take the mark off those without the homes: `openstack volume unset --property {} ID`",
                        tag::KEY
                    ),
                ));
            }
        };
        if volume.status == "error" {
            let mut change = Change::new(
                Verb::Replace,
                Kind::Volume,
                volume.name.clone(),
                Work::ReplaceVolume {
                    volume: volume.id.clone(),
                },
            )
            .because("the cloud could not make it (status error)");
            change.destructive = true;
            return self.changes.push(change);
        }
        if volume.size < wished {
            self.update(
                Kind::Volume,
                format!("{} -> {wished} GiB", volume.size),
                Work::GrowVolume {
                    volume: volume.id.clone(),
                    from: volume.size,
                    size: wish.size,
                },
            );
        } else if volume.size > wished {
            self.problems.add(Problem::new(
                format!(
                    "volume {} has {} GiB; a volume cannot shrink to {wished}",
                    volume.name, volume.size
                ),
                format!("`--set volume.size={}`", volume.size),
            ));
        }
        if let (Some(wanted), Some(kind)) = (&wish.kind, &volume.volume_type)
            && wanted != kind
        {
            self.notes.push(format!(
                "volume {} is of type {kind}, the spec says {wanted}: it stays so",
                volume.name
            ));
        }
    }

    fn floating_ip(&mut self) {
        let inventory = self.inventory;
        let current = current_floating_ip(self.desired, inventory);
        match (&self.desired.floating_ip, current) {
            (
                FloatingIpWish::Own {
                    external: Some(external),
                    ..
                },
                None,
            ) => self.changes.push(Change::new(
                Verb::Create,
                Kind::FloatingIp,
                format!("from {}", external.name),
                Work::AllocateFloatingIp,
            )),
            (FloatingIpWish::Reused { id, address, .. }, _) => self.update(
                Kind::FloatingIp,
                format!("{address} is taken into use"),
                Work::ClaimFloatingIp { id: id.clone() },
            ),
            (_, Some(ip)) => {
                let port = inventory.ports.first();
                if port.is_none_or(|port| ip.port_id.as_ref() != Some(&port.id)) {
                    self.update(
                        Kind::FloatingIp,
                        format!("{} leads to the server", ip.floating_ip_address),
                        Work::AssociateFloatingIp,
                    );
                }
            }
            _ => {}
        }
    }

    fn server(&mut self) {
        let desired = self.desired;
        match (&desired.server_due, &desired.server) {
            (Some(Due::Missing), Some(wish)) => {
                let work = Work::CreateServer(Box::new(wish.clone()));
                self.create(Kind::Server, &server_words(wish), work);
            }
            (
                Some(Due::Replace {
                    reason,
                    destructive,
                }),
                Some(wish),
            ) => {
                let Some(server) = self.inventory.server() else {
                    return;
                };
                let work = Work::ReplaceServer {
                    server: server.id.clone(),
                    wish: Box::new(wish.clone()),
                };
                let change = Change::new(Verb::Replace, Kind::Server, self.name.clone(), work);
                self.changes.push(
                    change
                        .detail(server_words(wish))
                        .because(reason)
                        .destructive(*destructive),
                );
            }
            (Some(_), None) => {}
            (None, _) => self.wake(),
        }
    }

    /// A server that is there but does not run.
    fn wake(&mut self) {
        let Some(server) = self.inventory.server() else {
            return;
        };
        let id = server.id.clone();
        let wake = |how: &'static str, wake| {
            (
                how,
                Work::WakeServer {
                    server: id.clone(),
                    wake,
                },
            )
        };
        let (how, work) = match server.status.as_str() {
            "ACTIVE" => return,
            "SHUTOFF" => wake("start", Wake::Start),
            "PAUSED" => wake("unpause", Wake::Unpause),
            "SUSPENDED" => wake("resume", Wake::Resume),
            "SHELVED" | "SHELVED_OFFLOADED" => wake("unshelve", Wake::Unshelve),
            "BUILD" | "REBUILD" | "REBOOT" | "HARD_REBOOT" | "RESIZE" | "MIGRATING"
            | "REVERT_RESIZE" => (
                "wait until it is ACTIVE",
                Work::AwaitServer { server: id.clone() },
            ),
            other => {
                let hint = match other {
                    "VERIFY_RESIZE" => format!("`openstack server resize confirm {id}`"),
                    "RESCUE" => format!("`openstack server unrescue {id}`"),
                    _ => format!("`openstack server show {id}` tells more"),
                };
                return self.problems.add(Problem::new(
                    format!("server {} is {other}", server.name),
                    hint,
                ));
            }
        };
        self.update(
            Kind::Server,
            format!("{how} (it is {})", server.status),
            work,
        );
    }

    fn attachments(&mut self) {
        let (Some(_), [volume]) = (&self.desired.volume, &self.inventory.volumes[..]) else {
            return;
        };
        if volume.status == "error" {
            return;
        }
        let server = self.inventory.server().map(|server| server.id.as_str());
        match volume.attachments.first() {
            Some(attachment) if Some(attachment.server_id.as_str()) != server => {
                self.problems.add(Problem::new(
                    format!(
                        "volume {} is attached to another server, {}",
                        volume.name, attachment.server_id
                    ),
                    format!(
                        "`openstack server remove volume {} {}`",
                        attachment.server_id, volume.id
                    ),
                ));
            }
            Some(_) => {}
            None if self.desired.server_due == Some(Due::Missing) || server.is_some() => {
                self.update(Kind::Volume, "attach to the server", Work::AttachVolume);
            }
            None => {}
        }
    }

    fn records(&mut self) {
        let desired = self.desired;
        for (index, wish) in desired.records.iter().enumerate() {
            let address = known_address(desired, self.inventory, wish);
            let told = address.map_or_else(
                || "the server's address".to_owned(),
                |address| address.to_string(),
            );
            let words = format!("{} {}", wish.name, wish.kind);
            let same = |set: &&Recordset| set.name == wish.name && set.kind == wish.kind;
            let work = Work::CreateRecord { record: index };
            if let Some(set) = self.inventory.recordsets.iter().find(same) {
                if address.is_none_or(|address| set.records != [address.to_string()]) {
                    let work = Work::SetRecord {
                        record: index,
                        id: set.id.clone(),
                    };
                    self.changes.push(
                        Change::new(Verb::Update, Kind::Record, words.clone(), work)
                            .detail(format!("{words} {} -> {told}", set.records.join(", "))),
                    );
                }
            } else if let Some(foreign) = self.inventory.around.recordsets.iter().find(same) {
                if address.is_none_or(|address| foreign.records != [address.to_string()]) {
                    self.problems.add(Problem::new(
                        format!(
                            "{words} is there already ({}), and not ours",
                            foreign.records.join(", ")
                        ),
                        format!(
                            "`openstack recordset delete {} {}`, or name another `domain`",
                            wish.zone_id, wish.name
                        ),
                    ));
                }
            } else {
                self.changes
                    .push(Change::new(Verb::Create, Kind::Record, words, work).detail(told));
            }
        }
        let wanted = |set: &Recordset| {
            desired
                .records
                .iter()
                .any(|wish| wish.name == set.name && wish.kind == set.kind)
        };
        for set in self.inventory.recordsets.iter().filter(|set| !wanted(set)) {
            self.changes.push(
                Change::new(
                    Verb::Delete,
                    Kind::Record,
                    format!("{} {}", set.name, set.kind),
                    Work::Delete { id: set.id.clone() },
                )
                .because("the domain is another"),
            );
        }
    }

    /// More of a kind than is in use: what a create repeated elsewhere, or two runs at once, left.
    fn surplus(&mut self) {
        let inventory = self.inventory;
        let mut delete = |kind: Kind, id: &str, name: String, why: &str| {
            let work = Work::Delete { id: id.to_owned() };
            self.changes
                .push(Change::new(Verb::Delete, kind, name, work).because(why));
        };
        const SECOND: &str = "one too many";
        for server in inventory.servers.iter().skip(1) {
            delete(Kind::Server, &server.id, server.id.clone(), SECOND);
        }
        for port in inventory.ports.iter().skip(1) {
            delete(Kind::Port, &port.id, port.id.clone(), SECOND);
        }
        for group in inventory.security_groups.iter().skip(1) {
            delete(Kind::SecurityGroup, &group.id, group.id.clone(), SECOND);
        }
        let current = current_floating_ip(self.desired, inventory).map(|ip| ip.id.clone());
        if self.desired.network.is_some() {
            let why = if self.desired.floating_ip == FloatingIpWish::None {
                "none is asked for"
            } else {
                SECOND
            };
            for ip in inventory
                .floating_ips
                .iter()
                .filter(|ip| Some(&ip.id) != current.as_ref())
            {
                delete(
                    Kind::FloatingIp,
                    &ip.id,
                    ip.floating_ip_address.to_string(),
                    why,
                );
            }
        }
        // Networks and routers that are one too many hold each other; destroy knows their order and takes them along.
    }

    /// Finishes the tagging that a killed run did not come to. A cloud without tags shows none anywhere, and there
    /// the description is the mark; so tags are only made good where others are seen, or while something changes.
    fn tags(&mut self) {
        let inventory = self.inventory;
        let name = &inventory.name;
        let of: Vec<(Kind, &str, &[String])> = inventory
            .security_groups
            .iter()
            .map(|x| (Kind::SecurityGroup, x.id.as_str(), &x.tags[..]))
            .chain(
                inventory
                    .networks
                    .iter()
                    .map(|x| (Kind::Network, x.id.as_str(), &x.tags[..])),
            )
            .chain(
                inventory
                    .subnets
                    .iter()
                    .map(|x| (Kind::Subnet, x.id.as_str(), &x.tags[..])),
            )
            .chain(
                inventory
                    .routers
                    .iter()
                    .map(|x| (Kind::Router, x.id.as_str(), &x.tags[..])),
            )
            .chain(
                inventory
                    .ports
                    .iter()
                    .map(|x| (Kind::Port, x.id.as_str(), &x.tags[..])),
            )
            .chain(
                inventory
                    .floating_ips
                    .iter()
                    .map(|x| (Kind::FloatingIp, x.id.as_str(), &x.tags[..])),
            )
            .collect();
        let seen = of.iter().any(|(_, _, tags)| !tags.is_empty());
        if !seen && self.changes.is_empty() {
            return;
        }
        for (kind, id, tags) in of {
            let going = self.changes.iter().any(|change| {
                change.resource == kind && change.work == Work::Delete { id: id.to_owned() }
            });
            if tag::is_tagged(tags, name) || going {
                continue;
            }
            let mut all = tag::without_ours(tags);
            all.extend(tag::tags(name));
            self.update(
                kind,
                format!("+ tag {}", tag::description(name)),
                Work::Tag {
                    id: id.to_owned(),
                    tags: all,
                },
            );
        }
    }
}

fn server_words(wish: &ServerWish) -> String {
    let boot = wish
        .boot_volume
        .map(|size| format!(", boots from a volume of {size} GiB"))
        .unwrap_or_default();
    format!(
        "{}, {}{boot}",
        wish.flavor.name,
        choose::image_words(&wish.image)
    )
}

fn is_same_key(ours: &str, theirs: &str) -> bool {
    let key = |text: &str| -> Vec<String> {
        text.split_whitespace().take(2).map(str::to_owned).collect()
    };
    key(ours) == key(theirs)
}

fn has_interface(inventory: &Inventory, router: &Router, subnet: &str) -> bool {
    inventory.around.ports.iter().any(|port: &Port| {
        port.device_id == router.id && port.fixed_ips.iter().any(|fixed| fixed.subnet_id == subnet)
    })
}

/// The floating IP that the deployment has and keeps.
pub(super) fn current_floating_ip<'a>(
    desired: &Desired,
    inventory: &'a Inventory,
) -> Option<&'a FloatingIp> {
    match &desired.floating_ip {
        FloatingIpWish::None | FloatingIpWish::Reused { .. } => None,
        FloatingIpWish::Own { address: None, .. } => inventory.floating_ips.first(),
        FloatingIpWish::Own {
            address: Some(address),
            ..
        } => inventory
            .floating_ips
            .iter()
            .find(|ip| ip.floating_ip_address == *address),
    }
}

/// The address that a record has to lead to, as far as it is known before anything is made.
fn known_address(desired: &Desired, inventory: &Inventory, wish: &RecordWish) -> Option<IpAddr> {
    let port = inventory.ports.first();
    if wish.kind == "AAAA" {
        return port?
            .fixed_ips
            .iter()
            .map(|fixed| fixed.ip_address)
            .find(|address| matches!(address, IpAddr::V6(address) if is_global(*address)));
    }
    let floating: Option<Ipv4Addr> = match &desired.floating_ip {
        FloatingIpWish::Reused { address, .. } => Some(*address),
        _ => current_floating_ip(desired, inventory).map(|ip| ip.floating_ip_address),
    };
    match desired.floating_ip {
        FloatingIpWish::None => port?
            .fixed_ips
            .iter()
            .map(|fixed| fixed.ip_address)
            .find(IpAddr::is_ipv4),
        _ => floating.map(IpAddr::V4),
    }
}
