//! How a deployment stands, as text or as one record.

use serde_json::json;

use super::{Drift, Standing};
use crate::command::{Context, certificate};
use crate::doctor::host::size;
use crate::event::{Event, Observer};
use crate::health::Report;
use crate::setup::Vitals;
use crate::setup::names::NOTEBOOK_SERVICE;
use crate::spec::HubKind;
use crate::ui::counted;

/// Users' servers that are listed; the largest first.
const SEATS: usize = 10;

pub(super) fn show(context: &Context, standing: &Standing, works: bool) {
    let ui = &context.ui;
    if ui.is_json() {
        ui.record(&record(standing, works));
    } else {
        ui.data(&text(standing));
    }
    if let Some(ends) = standing
        .health
        .as_ref()
        .and_then(Report::certificate_warning)
    {
        ui.on(Event::Warning { message: ends });
    }
}

fn record(standing: &Standing, works: bool) -> serde_json::Value {
    json!({
        "event": "status",
        "name": standing.name,
        "server": standing.outcome,
        "items": standing.items,
        "url": standing.url,
        "works": works,
        "health": standing.health,
        "host": match &standing.vitals {
            Some(Ok(vitals)) => json!(vitals),
            Some(Err(why)) => json!({"error": why}),
            None => serde_json::Value::Null,
        },
        "proxy": match &standing.proxy {
            Some(Ok(status)) => json!(status),
            Some(Err(why)) => json!({"error": why}),
            None => serde_json::Value::Null,
        },
        "drift": match &standing.drift {
            Some(Drift::Known { cloud, host }) => json!({"cloud": cloud, "host": host}),
            Some(Drift::Unknown(why)) => json!({"unknown": why}),
            None => serde_json::Value::Null,
        },
        "busy": standing.busy,
    })
}

fn text(standing: &Standing) -> String {
    let mut text = String::new();
    let mut line = |what: &str, said: &str| text.push_str(&format!("{what:<8}{said}\n"));
    if let Some(process) = &standing.busy {
        line(
            "busy",
            &format!("another hubctl works on it (process {process})"),
        );
    }
    for item in &standing.items {
        line("cloud", &item.to_string());
    }
    if standing.items.is_empty() {
        line("cloud", "nothing");
    }
    if let Some(outcome) = &standing.outcome {
        let addresses: Vec<String> = outcome
            .addresses()
            .iter()
            .map(ToString::to_string)
            .collect();
        let flavor = match (&outcome.flavor, outcome.vcpus, outcome.memory_mib) {
            (Some(name), Some(vcpus), Some(memory)) => {
                format!(
                    ", {name} ({}, {})",
                    counted(vcpus, "core"),
                    size(memory.saturating_mul(1 << 20))
                )
            }
            _ => String::new(),
        };
        let at = addresses.join(", ");
        line("server", &format!("{} at {at}{flavor}", outcome.status));
        if let Some(expires) = &outcome.expires {
            line("", &format!("may be removed after {expires}"));
        }
    }
    match &standing.vitals {
        Some(Ok(vitals)) => host(&mut line, vitals),
        Some(Err(why)) => line("host", &format!("not looked at: {why}")),
        None => {}
    }
    if let (Some(url), Some(report)) = (&standing.url, &standing.health) {
        line("hub", url);
        for link in &report.links {
            line("", &format!("{}: {}", link.part.name(), link.seen));
        }
        if let Some(broken) = &report.broken {
            line("broken", &broken.to_string());
            line("", &broken.hint);
            line("", "`hubctl doctor` looks further");
        }
    }
    match &standing.proxy {
        Some(Ok(status)) => {
            line(
                "proxy",
                &format!(
                    "hubproxy {}: {}, {}",
                    status.version,
                    counted(status.routes, "route"),
                    counted(status.connections, "connection")
                ),
            );
            for told in certificate::lines(status) {
                line("", &told);
            }
        }
        Some(Err(why)) => line("proxy", &format!("does not say how it is: {why}")),
        None => {}
    }
    match &standing.drift {
        Some(Drift::Known { cloud: 0, host: 0 }) => line("drift", "none"),
        Some(Drift::Known { cloud, host }) => line(
            "drift",
            &format!(
                "{cloud} changes in the cloud, {host} steps on the host; `hubctl plan` shows them"
            ),
        ),
        Some(Drift::Unknown(why)) => line("drift", &format!("not known: {why}")),
        None => {}
    }
    text
}

fn host(line: &mut impl FnMut(&str, &str), vitals: &Vitals) {
    line(
        "host",
        &format!(
            "up {}, load {:.1} on {}, {} of {} memory available",
            duration(vitals.uptime),
            vitals.load,
            counted(vitals.cpus, "core"),
            size(vitals.memory.available),
            size(vitals.memory.total)
        ),
    );
    let disks: Vec<String> = vitals
        .disks
        .iter()
        .filter(|disk| !disk.place.starts_with("/run"))
        .map(|disk| {
            format!(
                "{} free of {} on {}",
                size(disk.free),
                size(disk.size),
                disk.place
            )
        })
        .collect();
    line("", &disks.join(", "));
    if vitals.reboot_required {
        line("", "wants a restart to finish its updates");
    }
    let idle: Vec<String> = vitals.idle().map(|service| service.words()).collect();
    let active = vitals
        .services
        .iter()
        .filter(|service| service.is_active())
        .count();
    let told = match idle.is_empty() {
        true => format!("{active} active"),
        false => format!("{active} active; {}", idle.join(", ")),
    };
    line("units", &told);
    if let (Some(HubKind::Notebook), Some(unit)) = (vitals.hub(), vitals.service(NOTEBOOK_SERVICE))
    {
        let memory = unit
            .memory
            .map_or_else(|| "memory not counted".to_owned(), size);
        line("", &format!("{}: {memory}", unit.name));
        return;
    }
    line(
        "users",
        &format!(
            "{}, {} of them admins",
            vitals.users.len(),
            vitals.admins.len()
        ),
    );
    let memory = vitals
        .seats_memory()
        .filter(|_| !vitals.seats.is_empty())
        .map_or(String::new(), |bytes| format!(", {} in all", size(bytes)));
    line("seats", &format!("{} run{memory}", vitals.seats.len()));
    let mut seats: Vec<_> = vitals.seats.iter().collect();
    seats.sort_by_key(|seat| std::cmp::Reverse(seat.unit.memory));
    for seat in seats.iter().take(SEATS) {
        let memory = seat
            .unit
            .memory
            .map_or_else(|| "memory not counted".to_owned(), size);
        line("", &format!("{}: {memory}", seat.user));
    }
    if seats.len() > SEATS {
        line("", &format!("and {} more", seats.len() - SEATS));
    }
}

/// Seconds in words: `3 days`, `2 h`, `5 min`.
fn duration(seconds: f64) -> String {
    let minutes = seconds / 60.0;
    match minutes {
        _ if minutes < 120.0 => format!("{minutes:.0} min"),
        _ if minutes < 48.0 * 60.0 => format!("{:.0} h", minutes / 60.0),
        _ => format!("{:.0} days", minutes / 60.0 / 24.0),
    }
}
