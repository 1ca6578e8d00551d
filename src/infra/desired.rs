//! What the spec comes to on this cloud: every choice made, nothing compared yet.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use ipnet::Ipv4Net;

use super::inventory::Inventory;
use super::offer::Offer;
use super::problem::{Problem, Problems, pick};
use super::{choose, network, rule, tag};
use crate::cloud::{Flavor, Image, Reference, RuleSpec};
use crate::secret::Secret;
use crate::spec::{Spec, size};

/// What this machine brings to a plan.
#[derive(Debug, Clone, Default)]
pub struct Local {
    /// Public half of the deployment's SSH key (`ssh-ed25519 AAAA…`), where this machine has it.
    pub public_key: Option<String>,
    /// The address this machine is seen under, for rules from `operator`.
    pub operator_address: Option<IpAddr>,
    /// A one-time SSH host key for the server (`ssh.host_key: injected`).
    pub host_key: Option<HostKeyPair>,
    /// From when on the deployment may be removed (RFC 3339, UTC), or [`tag::NEVER`]; else what it has stays.
    pub expires: Option<String>,
    /// The processor (`x86_64`) that the programs are built for which this machine has for the server, where it has any.
    pub machine: Option<String>,
}

/// An SSH host key made for the first contact, to be replaced on it.
#[derive(Debug, Clone)]
pub struct HostKeyPair {
    /// OpenSSH's private key format.
    pub private: Secret,
    /// `ssh-ed25519 AAAA…`.
    pub public: String,
}

impl HostKeyPair {
    /// The document that makes cloud-init use it. It is the only secret that ever goes into user data.
    fn user_data(&self) -> Secret {
        let private: String = self
            .private
            .reveal()
            .lines()
            .map(|line| format!("    {line}\n"))
            .collect();
        Secret::new(format!(
            "#cloud-config\nssh_deletekeys: true\nssh_keys:\n  ed25519_private: |\n{private}  ed25519_public: {}\n",
            self.public.trim()
        ))
    }
}

/// The deployment as it should be.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Desired {
    pub name: String,
    /// From when on it may be removed (RFC 3339, UTC), or [`tag::NEVER`].
    pub expires: Option<String>,
    pub public_key: Option<String>,
    pub rules: BTreeSet<RuleSpec>,
    /// `None` where the choice is a problem.
    pub network: Option<NetworkWish>,
    pub floating_ip: FloatingIpWish,
    pub volume: Option<VolumeWish>,
    /// Why the server is made, or made anew.
    pub server_due: Option<Due>,
    /// What it is made of, where it is due.
    pub server: Option<ServerWish>,
    pub records: Vec<RecordWish>,
}

/// The network the server is on.
#[derive(Debug, Clone, PartialEq)]
pub enum NetworkWish {
    /// One of the deployment's own, with a router.
    Own {
        cidr: Ipv4Net,
        dns: Vec<IpAddr>,
        external: Reference,
    },
    /// One that is there. `filtered` is whether security groups work on it.
    Existing { network: Reference, filtered: bool },
}

/// How the server is reached from outside.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum FloatingIpWish {
    #[default]
    None,
    /// The one that the deployment has (the one of this address), or a new one.
    Own {
        external: Option<Reference>,
        address: Option<Ipv4Addr>,
    },
    /// One that the project had before; given back at the end.
    Reused {
        id: String,
        address: Ipv4Addr,
        description: String,
        tags: Vec<String>,
    },
}

/// A data volume, in GiB.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VolumeWish {
    pub size: u32,
    pub kind: Option<String>,
}

/// A server to make.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerWish {
    pub flavor: Flavor,
    pub image: Image,
    /// In GiB.
    pub boot_volume: Option<u32>,
    pub availability_zone: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub user_data: Option<Secret>,
}

/// Why a server is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    Missing,
    /// The one that is there cannot be kept.
    Replace {
        reason: String,
        destructive: bool,
    },
}

/// A DNS record of the deployment's domain. The address is known once the server has one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordWish {
    /// Absolute: ends with a dot.
    pub name: String,
    /// `A` or `AAAA`.
    pub kind: &'static str,
    pub zone_id: String,
}

impl Desired {
    /// Makes every choice. Without an offer, what is made of it (the server) stays open.
    pub(super) fn new(
        spec: &Spec,
        offer: Option<&Offer>,
        inventory: &Inventory,
        local: &Local,
        problems: &mut Problems,
        notes: &mut Vec<String>,
    ) -> Self {
        if rule::needs_operator(&spec.access) && local.operator_address.is_none() {
            problems.add(Problem::new(
                "`operator` in `access`: the address this machine is seen under is not known",
                "write it as a network: `--set access.ssh=[192.0.2.0/24]`",
            ));
        }
        if let Some(here) = local.operator_address
            && !rule::lets_in(&spec.access.ssh, here)
        {
            notes.push(format!(
                "`access.ssh` does not let in {here}, the address this machine is seen under: SSH from here will time out"
            ));
        }
        let server_due = server_due(spec, offer, inventory, notes);
        let server = match (&server_due, offer) {
            (Some(_), Some(offer)) => server(spec, offer, inventory, local, problems, notes),
            _ => None,
        };
        let network = network::choose(spec, inventory, problems, notes);
        let floating_ip = network.as_ref().map_or(FloatingIpWish::None, |network| {
            network::floating_ip(spec, inventory, network, problems)
        });
        let expires = expires(inventory, local);
        if let (Some(time), None) = (&expires, &local.expires)
            && time != tag::NEVER
        {
            notes.push(format!(
                "it may be removed from {time} on; `--ttl` gives it another time"
            ));
        }
        let floating_ip = with_expiry(floating_ip, expires.as_deref());
        let volume = spec.volume.as_ref().map(|volume| VolumeWish {
            size: volume.size,
            kind: volume.kind.clone(),
        });
        if volume.is_some() && !inventory.around.block_storage {
            problems.add(Problem::new(
                "this cloud has no block storage for `volume`",
                "leave `volume` out: homes then lie on the server's own disk",
            ));
        }
        Self {
            name: inventory.name.clone(),
            expires,
            public_key: local.public_key.as_deref().map(|key| key.trim().to_owned()),
            rules: rule::wanted(&spec.access, &spec.web_ports(), local.operator_address),
            records: records(
                spec,
                inventory,
                network.as_ref(),
                &floating_ip,
                problems,
                notes,
            ),
            network,
            floating_ip,
            volume,
            server_due,
            server,
        }
    }
}

/// One that the project had before gets its tags all at once.
fn with_expiry(mut wish: FloatingIpWish, expires: Option<&str>) -> FloatingIpWish {
    if let (FloatingIpWish::Reused { tags, .. }, Some(_)) = (&mut wish, expires) {
        tags.extend(tag::expiry(expires));
    }
    wish
}

/// What was asked for now, else what there is.
fn expires(inventory: &Inventory, local: &Local) -> Option<String> {
    let asked = local.expires.clone();
    asked.or_else(|| inventory.expires().map(str::to_owned))
}

/// Whether a server is to be made, and why the one that is there is no good.
fn server_due(
    spec: &Spec,
    offer: Option<&Offer>,
    inventory: &Inventory,
    notes: &mut Vec<String>,
) -> Option<Due> {
    let Some(server) = inventory.server() else {
        return Some(Due::Missing);
    };
    if server.status == "ERROR" {
        let fault = server
            .fault
            .as_ref()
            .map_or("it is in ERROR, and the cloud gives no reason", |fault| {
                fault.message.as_str()
            });
        // A server that never ran has nothing on it.
        let destructive = server.launched_at.is_some();
        return Some(Due::Replace {
            reason: fault.trim().to_owned(),
            destructive,
        });
    }
    let (true, Some(offer)) = (spec.server.rebuild, offer) else {
        return None;
    };
    let was = server
        .metadata
        .get(tag::IMAGE)
        .map(String::as_str)
        .or_else(|| server.image_id())?;
    match choose::image(spec, offer) {
        Ok(image) if image.id != was => {
            let before = offer.images.iter().find(|image| image.id == was);
            Some(Due::Replace {
                reason: format!(
                    "image {} -> {} (`server.rebuild`)",
                    before.map_or(was, choose::image_words),
                    choose::image_words(image),
                ),
                destructive: true,
            })
        }
        Ok(_) => None,
        Err(problem) => {
            notes.push(format!("not rebuilt: {}", problem.message));
            None
        }
    }
}

fn server(
    spec: &Spec,
    offer: &Offer,
    inventory: &Inventory,
    local: &Local,
    problems: &mut Problems,
    notes: &mut Vec<String>,
) -> Option<ServerWish> {
    let block_storage = inventory.around.block_storage;
    let image = problems.take(choose::image(spec, offer));
    let before = inventory.server().and_then(|server| server.flavor_name());
    let flavor = problems.take(choose::flavor(spec, offer, image, before, block_storage));
    if let Some(zone) = &spec.server.availability_zone
        && !offer.availability_zones.is_empty()
        && !offer.availability_zones.contains(zone)
    {
        problems.add(Problem::new(
            format!("there is no availability zone {zone}"),
            format!("there is {}", offer.availability_zones.join(", ")),
        ));
    }
    let (image, flavor) = (image?.clone(), flavor?.clone());
    let login = problems.take(choose::login(spec, &image));
    let boot_volume = problems.take(choose::boot_volume(spec, &flavor, &image, block_storage));
    if flavor.ram < image.min_ram {
        problems.add(Problem::new(
            format!(
                "image {} needs {} of memory, flavor {} has {}",
                choose::image_words(&image),
                size::words(image.min_ram),
                flavor.name,
                size::words(flavor.ram)
            ),
            larger_flavor(offer, image.min_ram),
        ));
    }
    if let (Some(ours), Some(theirs)) = (&local.machine, choose::machine(&image))
        && ours != theirs
    {
        problems.add(Problem::new(
            format!(
                "image {} is for {theirs}, and hubctl's own programs here are built for {ours}",
                choose::image_words(&image)
            ),
            format!(
                "name those for {theirs} in `release.source` (a folder, or a release's archive), or an image for {ours} (`--set server.image=NAME`)"
            ),
        ));
    }
    let held = size::seats_held(&spec.limits, flavor.ram);
    if held < u64::from(spec.limits.seats) {
        notes.push(format!(
            "flavor {} ({}) holds {held} of {} seats at {} each beside the system's {}; more at once will run short",
            flavor.name,
            size::words(flavor.ram),
            spec.limits.seats,
            spec.limits.memory.map_or_else(|| size::words(size::SEAT_MIB), |memory| memory.to_string()),
            size::words(size::RESERVE_MIB),
        ));
    }
    let mut metadata = tag::metadata(&inventory.name);
    metadata.insert(tag::LOGIN.to_owned(), login?);
    metadata.insert(tag::IMAGE.to_owned(), image.id.clone());
    metadata.extend(expires(inventory, local).map(|time| (tag::EXPIRES.to_owned(), time)));
    Some(ServerWish {
        flavor,
        image,
        boot_volume: boot_volume?,
        availability_zone: spec.server.availability_zone.clone(),
        metadata,
        user_data: local.host_key.as_ref().map(HostKeyPair::user_data),
    })
}

fn larger_flavor(offer: &Offer, ram: u64) -> String {
    let mut large: Vec<&Flavor> = offer
        .flavors
        .iter()
        .filter(|flavor| flavor.ram >= ram)
        .collect();
    large.sort_by_key(|flavor| (flavor.ram, flavor.vcpus));
    large.first().map_or_else(
        || "name another image: `--set server.image=NAME`".to_owned(),
        |flavor| {
            format!(
                "the smallest that has it: `--set server.flavor={}`",
                flavor.name
            )
        },
    )
}

/// The records of the domain, in the longest zone of the project that it lies in.
fn records(
    spec: &Spec,
    inventory: &Inventory,
    network: Option<&NetworkWish>,
    floating_ip: &FloatingIpWish,
    problems: &mut Problems,
    notes: &mut Vec<String>,
) -> Vec<RecordWish> {
    let Some(domain) = &spec.domain else {
        return Vec::new();
    };
    let name = format!("{}.", domain.trim_end_matches('.').to_lowercase());
    let around = &inventory.around;
    let lies_in = |zone: &str| name == zone || name.ends_with(&format!(".{zone}"));
    let zone = match &spec.dns.zone {
        Some(wanted) => {
            let wanted = format!("{}.", wanted.trim_end_matches('.').to_lowercase());
            if !around.dns {
                problems.add(Problem::new(
                    "this cloud has no DNS service for `dns.zone`",
                    "leave `dns.zone` out and make the record where the domain is kept: it is told at the end",
                ));
                return Vec::new();
            }
            if !lies_in(&wanted) {
                problems.add(Problem::new(
                    format!("{domain} does not lie in zone {wanted}"),
                    "name a zone it lies in: `--set dns.zone=ZONE`",
                ));
                return Vec::new();
            }
            problems.take(pick(
                "dns.zone",
                "zone",
                &wanted,
                &around.zones,
                |zone| &zone.id,
                |zone| &zone.name,
            ))
        }
        None => around
            .zones
            .iter()
            .filter(|zone| lies_in(&zone.name))
            .max_by_key(|zone| zone.name.len()),
    };
    let Some(zone) = zone else {
        if spec.dns.zone.is_none() {
            notes.push(format!(
                "no zone of the project holds {domain}: its DNS record is to be made where the domain is kept"
            ));
        }
        return Vec::new();
    };
    let existing = match network {
        Some(NetworkWish::Existing { network, .. }) => around.network(&network.id),
        _ => None,
    };
    let v4 = *floating_ip != FloatingIpWish::None
        || (network.is_some() && !existing.is_some_and(|network| around.has_v6_only(network)));
    let v6 = existing.is_some_and(|network| around.has_global_v6(network));
    [("A", v4), ("AAAA", v6)]
        .into_iter()
        .filter(|(_, wanted)| *wanted)
        .map(|(kind, _)| RecordWish {
            name: name.clone(),
            kind,
            zone_id: zone.id.clone(),
        })
        .collect()
}
