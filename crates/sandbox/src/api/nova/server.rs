//! Servers: the record and its JSON.

use std::collections::BTreeMap;

use base64::Engine;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::flavor::Flavor;
use super::keypair::Keypair;
use super::{Version, links, zone};
use crate::api::{Caller, Ctx, State, clock};
use crate::machine::Rule;

/// What Nova calls `vm_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VmState {
    Building,
    Active,
    Stopped,
    Error,
}

/// Why a server is in ERROR.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    pub code: u16,
    pub message: String,
    pub at: OffsetDateTime,
}

impl Fault {
    pub fn new(code: u16, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            at: clock::now(),
        }
    }
}

/// A port of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nic {
    /// The port's id.
    pub id: String,
    /// Made by Nova, so gone with the server.
    pub owned: bool,
}

/// A volume of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    pub id: String,
    pub volume_id: String,
    /// `/dev/vda` is the root.
    pub device: String,
    pub delete_on_termination: bool,
}

/// Something that was done to a server, for its list of events.
#[derive(Debug, Clone)]
pub struct Event {
    /// `create`, `stop`, `reboot`, …
    pub action: String,
    pub request_id: String,
    pub user_id: String,
    pub at: OffsetDateTime,
    pub failed: bool,
}

/// What a test has decided about a server before it was made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fate {
    /// It ends in ERROR with this fault.
    pub fault: Option<(u16, String)>,
    /// Nothing gets through to port 22.
    pub ssh_never_up: bool,
}

#[derive(Debug, Clone)]
pub struct Server {
    pub id: String,
    pub name: String,
    pub project_id: String,
    pub user_id: String,
    pub flavor: Flavor,
    /// None when it boots from a volume.
    pub image_id: Option<String>,
    pub keypair: Option<Keypair>,
    pub metadata: BTreeMap<String, String>,
    pub tags: Vec<String>,
    pub description: Option<String>,
    pub hostname: String,
    pub config_drive: bool,
    /// Decoded.
    pub user_data: Option<Vec<u8>>,
    pub created: OffsetDateTime,
    pub updated: OffsetDateTime,
    pub launched: Option<OffsetDateTime>,
    pub vm_state: VmState,
    /// `scheduling`, `networking`, `spawning`, `rebooting`, `deleting`, …
    pub task: Option<&'static str>,
    pub fault: Option<Fault>,
    pub locked: bool,
    pub nics: Vec<Nic>,
    pub attachments: Vec<Attachment>,
    pub fate: Fate,
    /// Oldest first.
    pub events: Vec<Event>,
    /// Whether a machine stands behind it.
    pub has_machine: bool,
    /// The rules its machine has now.
    pub rules: Option<Vec<Rule>>,
}

impl Server {
    pub fn note(&mut self, action: &str, caller: &Caller) {
        self.events.push(Event {
            action: action.to_owned(),
            request_id: caller.request_id.clone(),
            user_id: caller.user_id.clone(),
            at: clock::now(),
            failed: false,
        });
    }

    pub fn status(&self) -> &'static str {
        match (self.vm_state, self.task) {
            (VmState::Building, _) => "BUILD",
            (VmState::Error, _) => "ERROR",
            (_, Some("rebooting" | "reboot_pending" | "reboot_started")) => "REBOOT",
            (_, Some("rebooting_hard")) => "HARD_REBOOT",
            (_, Some("rebuilding" | "rebuild_spawning")) => "REBUILD",
            (VmState::Active, _) => "ACTIVE",
            (VmState::Stopped, _) => "SHUTOFF",
        }
    }

    pub fn vm_state_word(&self) -> &'static str {
        match self.vm_state {
            VmState::Building => "building",
            VmState::Active => "active",
            VmState::Stopped => "stopped",
            VmState::Error => "error",
        }
    }

    fn power_state(&self) -> u8 {
        match self.vm_state {
            VmState::Active => 1,
            VmState::Stopped => 4,
            _ => 0,
        }
    }

    fn progress(&self) -> Option<u8> {
        match self.vm_state {
            VmState::Building => Some(0),
            VmState::Active => Some(if self.task.is_some() { 100 } else { 0 }),
            _ => None,
        }
    }

    /// What a plain list shows.
    pub fn brief(&self, ctx: &Ctx) -> Value {
        json!({"id": self.id, "name": self.name, "links": links(ctx, &format!("/servers/{}", self.id))})
    }

    pub fn json(&self, ctx: &Ctx, state: &State, caller: &Caller, version: Version) -> Value {
        let mut view = self.brief(ctx);
        let image = self.image_id.as_ref().map_or(json!(""), |id| {
            json!({"id": id, "links": [{"rel": "bookmark", "href": ctx.url(&format!("/compute/images/{id}"))}]})
        });
        let launched = self.launched.map(clock::micros);
        let own = json!({
            "status": self.status(),
            "tenant_id": self.project_id,
            "user_id": self.user_id,
            "metadata": self.metadata,
            "hostId": if self.launched.is_some() { self.host_id() } else { String::new() },
            "image": image,
            "flavor": self.flavor.within_server(ctx, version),
            "created": clock::seconds(self.created),
            "updated": clock::seconds(self.updated),
            "addresses": self.addresses(state),
            "accessIPv4": "",
            "accessIPv6": "",
            "key_name": self.keypair.as_ref().map(|k| &k.name),
            "config_drive": if self.config_drive { "True" } else { "" },
            "OS-DCF:diskConfig": "MANUAL",
            "OS-EXT-AZ:availability_zone": if self.launched.is_some() { zone::ZONE } else { "" },
            "OS-SRV-USG:launched_at": launched,
            "OS-SRV-USG:terminated_at": null,
            "OS-EXT-STS:task_state": self.task,
            "OS-EXT-STS:vm_state": self.vm_state_word(),
            "OS-EXT-STS:power_state": self.power_state(),
            "os-extended-volumes:volumes_attached": self.volumes_attached(version),
        });
        merge(&mut view, own);
        if let Some(progress) = self.progress() {
            view["progress"] = json!(progress);
        }
        let groups = self.group_names(state);
        if !groups.is_empty() {
            view["security_groups"] = groups.iter().map(|name| json!({"name": name})).collect();
        }
        if let Some(fault) = self
            .fault
            .as_ref()
            .filter(|_| self.vm_state == VmState::Error)
        {
            view["fault"] = json!({"code": fault.code, "created": clock::seconds(fault.at), "message": fault.message});
            if caller.admin {
                view["fault"]["details"] = json!("Traceback (most recent call last): …");
            }
        }
        self.newer_fields(&mut view, caller, version);
        view
    }

    /// What later microversions added.
    fn newer_fields(&self, view: &mut Value, caller: &Caller, version: Version) {
        let mut from = |minor: u16, key: &str, value: Value| {
            if version >= Version(minor) {
                view[key] = value;
            }
        };
        from(9, "locked", json!(self.locked));
        from(19, "description", json!(self.description));
        from(26, "tags", json!(self.tags));
        from(63, "trusted_image_certificates", Value::Null);
        from(73, "locked_reason", Value::Null);
        from(90, "OS-EXT-SRV-ATTR:hostname", json!(self.hostname));
        if caller.admin {
            let node = self.launched.map(|_| "sandbox");
            from(1, "OS-EXT-SRV-ATTR:host", json!(node));
            from(1, "OS-EXT-SRV-ATTR:hypervisor_hostname", json!(node));
            let name = format!("instance-{}", &self.id[..8]);
            from(1, "OS-EXT-SRV-ATTR:instance_name", json!(name));
            from(3, "OS-EXT-SRV-ATTR:hostname", json!(self.hostname));
            from(3, "OS-EXT-SRV-ATTR:launch_index", json!(0));
            from(
                3,
                "OS-EXT-SRV-ATTR:reservation_id",
                json!(format!("r-{}", &self.id[..8])),
            );
            from(3, "OS-EXT-SRV-ATTR:root_device_name", json!("/dev/vda"));
            from(3, "OS-EXT-SRV-ATTR:kernel_id", json!(""));
            from(3, "OS-EXT-SRV-ATTR:ramdisk_id", json!(""));
            let user_data = self.user_data.as_ref();
            let encoded = user_data.map(|d| base64::engine::general_purpose::STANDARD.encode(d));
            from(3, "OS-EXT-SRV-ATTR:user_data", json!(encoded));
            from(
                16,
                "host_status",
                json!(if node.is_some() { "UP" } else { "" }),
            );
        }
    }

    /// The same for all servers of a project: there is one compute node.
    fn host_id(&self) -> String {
        use sha2::{Digest, Sha224};
        Sha224::digest(format!("{}sandbox", self.project_id))
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect()
    }

    fn volumes_attached(&self, version: Version) -> Value {
        let one = |a: &Attachment| {
            let mut view = json!({"id": a.volume_id});
            if version >= Version(3) {
                view["delete_on_termination"] = json!(a.delete_on_termination);
            }
            view
        };
        self.attachments.iter().map(one).collect()
    }

    /// Fixed and floating addresses by the name of the network.
    fn addresses(&self, state: &State) -> Value {
        let net = &state.network;
        let mut addresses = serde_json::Map::new();
        for nic in &self.nics {
            let Some(port) = net.ports.iter().find(|p| p.std.id == nic.id) else {
                continue;
            };
            let Some(network) = net.networks.iter().find(|n| n.std.id == port.network_id) else {
                continue;
            };
            let list = addresses
                .entry(network.std.name.clone())
                .or_insert_with(|| json!([]));
            let Some(list) = list.as_array_mut() else {
                continue;
            };
            let mut push = |address: std::net::IpAddr, kind: &str| {
                list.push(json!({
                    "version": if address.is_ipv4() { 4 } else { 6 },
                    "addr": address,
                    "OS-EXT-IPS:type": kind,
                    "OS-EXT-IPS-MAC:mac_addr": port.mac,
                }));
            };
            for fixed in &port.fixed_ips {
                push(fixed.address, "fixed");
                let leads_here = |f: &&super::super::neutron::floating_ip::FloatingIp| {
                    f.port_id.as_ref() == Some(&port.std.id)
                        && f.fixed_address == Some(fixed.address)
                };
                for floating in net.floating_ips.iter().filter(leads_here) {
                    push(floating.address.into(), "floating");
                }
            }
        }
        Value::Object(addresses)
    }

    /// Names of the security groups of its ports.
    pub fn group_names(&self, state: &State) -> Vec<String> {
        let net = &state.network;
        let ports = net
            .ports
            .iter()
            .filter(|p| self.nics.iter().any(|n| n.id == p.std.id));
        let mut names: Vec<String> = ports
            .flat_map(|p| &p.security_groups)
            .filter_map(|id| net.groups.iter().find(|g| g.std.id == *id))
            .map(|g| g.std.name.clone())
            .collect();
        names.sort();
        names.dedup();
        names
    }
}

fn merge(view: &mut Value, more: Value) {
    if let (Some(view), Value::Object(more)) = (view.as_object_mut(), more) {
        view.extend(more);
    }
}
