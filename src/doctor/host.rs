//! What the server's own figures mean for its users.

use crate::health::{Fault, Part};
use crate::setup::names::PROXIES;
use crate::setup::{Disk, HubPlaces, Service, Vitals};

/// With less, an account, a login or a notebook's file cannot be made.
const FULL: u64 = 64 << 20;
/// The same for files.
const FEW_INODES: u64 = 200;
/// With less memory available a notebook's server hardly starts.
const STARVED: u64 = 128 << 20;

/// Whether there is room for another user's server.
pub fn room(vitals: &Vitals) -> Result<String, Fault> {
    for disk in &vitals.disks {
        full(disk)?;
    }
    let memory = vitals.memory;
    if memory.total > 0 && memory.available < STARVED {
        return Err(Fault {
            cause: format!(
                "{} of memory are left of {}",
                size(memory.available),
                size(memory.total)
            ),
            hint: Some(format!(
                "{} servers of users run (`hubctl status`); stop some on the hub's admin page, lower `limits.memory`, or \
                 give the server a larger flavor",
                vitals.seats.len()
            )),
        });
    }
    let least = vitals
        .disks
        .iter()
        .filter(|disk| disk.place != "/run" && disk.place != "/tmp")
        .min_by_key(|disk| disk.free);
    let disk = least.map_or(String::new(), |disk| {
        format!("{} free on {}, ", size(disk.free), disk.place)
    });
    Ok(format!(
        "{disk}{} of {} memory available",
        size(memory.available),
        size(memory.total)
    ))
}

fn full(disk: &Disk) -> Result<(), Fault> {
    let place = &disk.place;
    let what = if disk.read_only {
        return Err(Fault {
            cause: format!("{place} takes no writes: it is mounted read-only"),
            hint: Some(
                "its disk may have failed: look at `hubctl ssh -- sudo dmesg` and at the volume in the cloud"
                    .to_owned(),
            ),
        });
    // A file system smaller than that is small on purpose.
    } else if disk.free < FULL.min(disk.size / 20) {
        format!(
            "{place} is full: {} left of {}",
            size(disk.free),
            size(disk.size)
        )
    } else if disk.inodes.is_some_and(|inodes| inodes < FEW_INODES) {
        format!("{place} is full: no further files can be made there")
    } else {
        return Ok(());
    };
    Err(Fault {
        cause: what,
        hint: Some(match place.as_str() {
            "/home" => format!(
                "`hubctl ssh -- sudo du -xsh {place}/*` shows whose files fill it; a larger `volume.size` and `hubctl \
                 provision` make it grow"
            ),
            _ => format!("`hubctl ssh -- sudo du -xh --max-depth=2 {place}` shows what fills it"),
        }),
    })
}

/// Units that a link depends on and that do not run.
pub fn culprits(vitals: &Vitals, part: Part) -> Vec<&Service> {
    let hub = vitals.hub().map(HubPlaces::of);
    let is_hubs = |service: &Service| {
        hub.is_some_and(|hub| {
            let stem = hub.service.trim_end_matches(".service");
            service.name.starts_with(stem) || service.name.starts_with("hub-helper")
        }) && !is_proxys(service)
    };
    vitals
        .idle()
        .filter(|service| match part {
            // One person's server may stand without any.
            Part::Connection | Part::Certificate | Part::Proxy => {
                is_proxys(service) || (vitals.proxies().next().is_none() && is_hubs(service))
            }
            Part::Hub => is_hubs(service) || is_proxys(service),
            Part::Login | Part::Spawn | Part::Notebook | Part::Kernel => is_hubs(service),
            _ => false,
        })
        .collect()
}

/// Whether a unit is one of the proxy's: its service, or a socket that systemd holds for it.
pub fn is_proxys(service: &Service) -> bool {
    PROXIES
        .iter()
        .any(|proxy| service.name.starts_with(proxy.trim_end_matches(".service")))
}

/// The units whose last words may tell why a link is broken.
pub fn witnesses(vitals: &Vitals, part: Part, user: Option<&str>) -> Vec<String> {
    let hub = vitals.hub().map(HubPlaces::of);
    let hubs = || hub.map(|hub| hub.service.to_owned());
    let proxies = || {
        let units: Vec<String> = vitals.proxies().map(|unit| unit.name.clone()).collect();
        if units.is_empty() {
            hubs().into_iter().collect()
        } else {
            units
        }
    };
    let users = || Some(hub?.user_unit.replace("{name}", user?));
    match part {
        Part::Connection | Part::Certificate | Part::Proxy => proxies(),
        Part::Hub | Part::Login => hubs().into_iter().collect(),
        Part::Spawn => users().into_iter().chain(hubs()).collect(),
        Part::Notebook | Part::Kernel | Part::Compute => users().into_iter().collect(),
        _ => Vec::new(),
    }
}

/// Bytes in words: `1.5 GiB`.
pub fn size(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let number = bytes as f64;
    const KIB: f64 = 1024.0;
    if number >= KIB.powi(3) {
        format!("{:.1} GiB", number / KIB.powi(3))
    } else if number >= KIB.powi(2) {
        format!("{:.0} MiB", number / KIB.powi(2))
    } else {
        format!("{:.0} KiB", number / KIB)
    }
}
