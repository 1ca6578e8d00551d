//! How the server is: space, memory, services, users and their servers. One exchange, nothing changed.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::names::{
    ADMINS_GROUP, APACHE_CONFIGURATION, APACHE_SERVICE, HUB_HELPER_SERVICE, HUB_HELPER_SOCKET,
    HUBD_SOCKETS, HUBPROXY_SERVICE, HUBPROXY_SOCKETS, NGINX_CONFIGURATION, NGINX_SERVICE, PROXIES,
    PROXY_SERVICE, TRAEFIK_SERVICE, TRAEFIK_SOCKETS, USERS_GROUP,
};
use super::observe::{framed, python, runner};
use super::{HubPlaces, SetupError, template};
use crate::host::{Host, Limits};
use crate::spec::model::HubKind;

/// The unit that keeps users' servers from the cloud's metadata.
const METADATA_SERVICE: &str = "hubctl-metadata.service";

/// The server as it is now. Sizes are bytes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Vitals {
    /// Seconds since it started.
    pub uptime: f64,
    /// Load average of the last minute.
    pub load: f64,
    pub cpus: u32,
    pub memory: Memory,
    pub disks: Vec<Disk>,
    /// Our units, as far as systemd knows them.
    pub services: Vec<Service>,
    /// Users' servers that run or start.
    pub seats: Vec<Seat>,
    pub users: Vec<String>,
    pub admins: Vec<String>,
    pub reboot_required: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    pub total: u64,
    pub available: u64,
}

/// A file system that users' servers write to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    pub place: String,
    pub size: u64,
    pub free: u64,
    /// Files that can still be made; `None` where there is no such limit.
    pub inodes: Option<u64>,
    pub read_only: bool,
}

/// A unit in systemd's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Service {
    pub name: String,
    /// `active`, `inactive`, `failed`, …
    pub active: String,
    pub sub: String,
    /// How it ended: `success`, `exit-code`, `oom-kill`, …
    pub result: String,
    pub since: String,
    /// Restarts by systemd.
    pub restarts: u32,
    pub memory: Option<u64>,
}

/// A user's server that runs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seat {
    pub user: String,
    #[serde(flatten)]
    pub unit: Service,
}

impl Service {
    pub fn is_active(&self) -> bool {
        self.active == "active"
    }

    /// As systemd says it: `jupyterhub.service is failed (exit-code)`.
    pub fn words(&self) -> String {
        let how = match self.result.as_str() {
            "" | "success" => &self.sub,
            other => other,
        };
        format!("{} is {} ({how})", self.name, self.active)
    }
}

impl Vitals {
    /// The hub that is set up on the server, by its unit.
    pub fn hub(&self) -> Option<HubKind> {
        [HubKind::Jupyterhub, HubKind::Hubd, HubKind::Notebook]
            .into_iter()
            .find(|kind| self.service(HubPlaces::of(*kind).service).is_some())
    }

    /// The units of the proxies, from outside in: none before a notebook server that stands alone.
    pub fn proxies(&self) -> impl Iterator<Item = &Service> {
        PROXIES.into_iter().filter_map(|name| self.service(name))
    }

    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }

    /// What all users' servers use, where systemd counts it.
    pub fn seats_memory(&self) -> Option<u64> {
        self.seats.iter().map(|seat| seat.unit.memory).sum()
    }

    /// Units that should run and do not. Those that run when they are asked are left out.
    pub fn idle(&self) -> impl Iterator<Item = &Service> {
        self.services
            .iter()
            .filter(|service| service.name != HUB_HELPER_SERVICE && !service.is_active())
    }
}

fn units() -> Vec<&'static str> {
    HubPlaces::all()
        .into_iter()
        .map(|hub| hub.service)
        .chain([
            PROXY_SERVICE,
            HUBPROXY_SERVICE,
            TRAEFIK_SERVICE,
            HUB_HELPER_SOCKET,
            HUB_HELPER_SERVICE,
            METADATA_SERVICE,
        ])
        .chain(HUBPROXY_SOCKETS.map(|(unit, _, _)| unit))
        .chain(TRAEFIK_SOCKETS.map(|(unit, _, _)| unit))
        .chain(HUBD_SOCKETS.map(|(unit, _, _)| unit))
        .collect()
}

/// Units of the distribution's, which are ours while our configuration is there.
const LENT: [(&str, &str); 2] = [
    (NGINX_SERVICE, NGINX_CONFIGURATION),
    (APACHE_SERVICE, APACHE_CONFIGURATION),
];

/// Asks the server how it is.
pub async fn vitals(host: &Host) -> Result<Vitals, SetupError> {
    let request = json!({
        "units": units(),
        "lent": LENT,
        "seats": HubPlaces::all()
            .iter()
            .map(|hub| hub.user_unit)
            .filter(|unit| unit.contains("{name}"))
            .collect::<Vec<_>>(),
        "users": USERS_GROUP,
        "admins": ADMINS_GROUP,
    });
    let script = format!("{}\n\nvitals({})\n", template::VITALS, python(&request));
    let limits = Limits::new(Duration::from_secs(30), Duration::from_secs(90));
    let mut said = String::new();
    let output = host
        .exchange(&runner(), framed(&script), limits, |line| said = line)
        .await?;
    if output.exit_status != 0 {
        return Err(SetupError::Observe {
            status: output.exit_status,
            stderr: output.stderr.trim().to_owned(),
        });
    }
    serde_json::from_str(&said).map_err(|error| SetupError::Answer {
        line: format!("{error}: {said}"),
    })
}
