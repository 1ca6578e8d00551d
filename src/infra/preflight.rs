//! Whether the project has room for what a plan makes: quotas left against quotas needed.

use std::collections::BTreeMap;

use super::inventory::Inventory;
use super::offer::Offer;
use super::plan::{Change, Work};
use super::problem::{Problem, Problems};
use crate::cloud::Quota;
use crate::spec::{Spec, size};

/// Compares what the changes need with what is left, and says for each shortage what would mend it.
pub fn preflight(
    spec: &Spec,
    offer: &Offer,
    inventory: &Inventory,
    changes: &[Change],
) -> Problems {
    let needed = needed(changes);
    let mut problems = Problems::default();
    for (resource, amount) in &needed {
        let Some(quota) = offer.quotas.get(*resource) else {
            continue;
        };
        // Nova does not say how many key pairs a user has; only a limit of none is certain.
        if quota.left().is_some_and(|left| left < *amount) {
            problems.add(Problem {
                message: shortage(resource, *amount, quota),
                hint: remedy(resource, spec, offer, inventory, &needed),
                quota: true,
            });
        }
    }
    problems
}

/// What the changes need, by the quotas' names.
fn needed(changes: &[Change]) -> BTreeMap<&'static str, u64> {
    let mut needed: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut add = |name, amount: u64| {
        if amount > 0 {
            *needed.entry(name).or_default() += amount;
        }
    };
    for change in changes {
        match &change.work {
            Work::ImportKeyPair { .. } => add("key_pairs", 1),
            Work::CreateGroup { rules } => {
                add("security_group", 1);
                add("security_group_rule", rules.len() as u64);
            }
            Work::ChangeRules {
                add: rules, remove, ..
            } => {
                add(
                    "security_group_rule",
                    (rules.len() as u64).saturating_sub(remove.len() as u64),
                );
            }
            Work::CreateNetwork => add("network", 1),
            Work::CreateSubnet => add("subnet", 1),
            Work::CreateRouter => {
                add("router", 1);
                // Its interface.
                add("port", 1);
            }
            Work::AddInterface | Work::CreatePort => add("port", 1),
            Work::CreateVolume { size } => {
                add("volumes", 1);
                add("gigabytes", u64::from(*size));
            }
            Work::GrowVolume { from, size, .. } => {
                add("gigabytes", u64::from(*size).saturating_sub(*from))
            }
            Work::AllocateFloatingIp => add("floatingip", 1),
            Work::CreateServer(wish) => {
                add("instances", 1);
                add("cores", wish.flavor.vcpus);
                add("ram", wish.flavor.ram);
                add("volumes", u64::from(wish.boot_volume.is_some()));
                add("gigabytes", wish.boot_volume.map_or(0, u64::from));
            }
            _ => {}
        }
    }
    needed
}

fn shortage(resource: &str, needed: u64, quota: &Quota) -> String {
    let (left, limit) = (quota.left().unwrap_or(0), quota.limit.unwrap_or(0));
    match resource {
        "ram" => format!(
            "{} of memory left of {}, the server needs {}",
            size::words(left),
            size::words(limit),
            size::words(needed)
        ),
        "gigabytes" => format!("{left} GiB of volumes left of {limit}, {needed} are needed"),
        _ => {
            let what = match resource {
                "instances" => "servers",
                "cores" => "cores",
                "key_pairs" => "key pairs",
                "floatingip" => "floating IPs",
                "security_group" => "security groups",
                "security_group_rule" => "security group rules",
                "network" => "networks",
                "subnet" => "subnets",
                "router" => "routers",
                "port" => "ports",
                other => other,
            };
            let what = match left {
                1 => what.strip_suffix('s').unwrap_or(what),
                _ => what,
            };
            let needs = if needed == 1 {
                String::new()
            } else {
                format!(", {needed} are needed")
            };
            format!("{left} {what} left of {limit}{needs}")
        }
    }
}

fn remedy(
    resource: &str,
    spec: &Spec,
    offer: &Offer,
    inventory: &Inventory,
    needed: &BTreeMap<&'static str, u64>,
) -> String {
    let around = &inventory.around;
    let left = |resource: &str| {
        offer
            .quotas
            .get(resource)
            .and_then(Quota::left)
            .unwrap_or(u64::MAX)
    };
    match resource {
        "floatingip" => {
            let free: Vec<String> = around.unattached().map(|ip| ip.floating_ip_address.to_string()).collect();
            match &free[..] {
                [] => "all are in use: release one, or ask your project for more".to_owned(),
                [one] => format!("{one} is unattached: `--set server.floating_ip={one}`"),
                [one, ..] => format!("{} are unattached: `--set server.floating_ip={one}`", free.join(", ")),
            }
        }
        "cores" | "ram" => {
            let fits = offer
                .flavors
                .iter()
                .filter(|flavor| flavor.vcpus <= left("cores") && flavor.ram <= left("ram"))
                // One that holds nobody is no way out.
                .filter(|flavor| size::seats_held(&spec.limits, flavor.ram) > 0)
                .max_by_key(|flavor| (flavor.ram, flavor.vcpus));
            match fits {
                Some(flavor) => format!(
                    "the largest flavor that fits, {} ({} {}, {}), holds {} of {} seats: `--set server.flavor={}`",
                    flavor.name,
                    flavor.vcpus,
                    if flavor.vcpus == 1 { "core" } else { "cores" },
                    size::words(flavor.ram),
                    size::seats_held(&spec.limits, flavor.ram),
                    spec.limits.seats,
                    flavor.name,
                ),
                None => "no flavor fits: delete a server, or ask your project for more".to_owned(),
            }
        }
        "instances" => {
            let mut names: Vec<&str> = around.servers.iter().map(|server| server.name.as_str()).collect();
            names.sort_unstable();
            names.truncate(10);
            if names.is_empty() {
                // The project has none, and may have none.
                return "ask your project for more".to_owned();
            }
            format!("delete one ({}), or ask your project for more", names.join(", "))
        }
        "network" | "subnet" | "router" => {
            let shared = around.networks.iter().find(|network| network.shared && !network.external);
            match shared {
                Some(network) => format!("use a network that is there: `--set network.name={}`", network.name),
                None => "delete one that nobody uses, or ask your project for more".to_owned(),
            }
        }
        "gigabytes" if spec.volume.is_some() => {
            let others = needed["gigabytes"].saturating_sub(spec.volume.as_ref().map_or(0, |v| u64::from(v.size)));
            match left("gigabytes").saturating_sub(others) {
                0 => "delete a volume that nobody uses, or ask your project for more".to_owned(),
                room => format!("there is room for `--set volume.size={room}`"),
            }
        }
        "gigabytes" | "volumes" => {
            "name a flavor with a disk of its own (`--set server.flavor=NAME`), delete a volume, or ask your project for more"
                .to_owned()
        }
        "key_pairs" => "delete one that nobody uses: `openstack keypair list`".to_owned(),
        _ => "delete one that nobody uses, or ask your project for more".to_owned(),
    }
}
