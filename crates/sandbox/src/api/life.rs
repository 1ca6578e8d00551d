//! The lives of servers: what happens after the answer, and the machines behind it.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use serde_json::{Value, json};

use super::neutron::port::Port;
use super::neutron::standard::Standard;
use super::nova::keypair::Keypair;
use super::nova::server::{Attachment, Fault, Nic, Server, VmState};
use super::{Ctx, State, cinder, clock, id};
use crate::machine::{MachineSpec, Rule};
use crate::rules;

/// What a server is to be plugged into.
#[derive(Debug, Clone)]
pub enum Plug {
    /// A new port on a network.
    Network {
        id: String,
        fixed_ip: Option<String>,
    },
    /// A port that is there.
    Port { id: String },
}

/// What a server is to have for a disk.
#[derive(Debug, Clone)]
pub enum Disk {
    New {
        size: u64,
        image: Option<String>,
        root: bool,
        delete: bool,
    },
    There {
        id: String,
        root: bool,
        delete: bool,
    },
}

impl Disk {
    pub fn is_root(&self) -> bool {
        matches!(
            self,
            Self::New { root: true, .. } | Self::There { root: true, .. }
        )
    }
}

/// A change of power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    Start,
    Stop,
    Reboot { hard: bool },
}

impl Move {
    pub fn task(self) -> &'static str {
        match self {
            Self::Start => "powering-on",
            Self::Stop => "powering-off",
            Self::Reboot { hard: false } => "rebooting",
            Self::Reboot { hard: true } => "rebooting_hard",
        }
    }
}

impl State {
    fn any_server(&mut self, id: &str) -> Option<&mut Server> {
        self.compute.servers.iter_mut().find(|s| s.id == id)
    }

    /// A server that is being built and has not been told to go.
    fn in_building(&mut self, id: &str) -> Option<&mut Server> {
        self.any_server(id).filter(|s| s.task != Some("deleting"))
    }

    fn fail(&mut self, id: &str, fault: Fault) {
        if let Some(server) = self.in_building(id) {
            server.vm_state = VmState::Error;
            server.task = None;
            server.fault = Some(fault);
            if let Some(event) = server.events.last_mut() {
                event.failed = true;
            }
            server.updated = clock::now();
        }
    }

    /// Frees a port of a server: gone if Nova made it, else as it was before.
    pub fn unplug(&mut self, nic: &Nic) {
        if nic.owned {
            self.network.remove_port(&nic.id);
        } else if let Some(port) = self.network.ports.iter_mut().find(|p| p.std.id == nic.id) {
            port.device_id.clear();
            port.device_owner.clear();
        }
    }

    /// Makes or takes the ports of a server.
    fn plug_in(&mut self, id: &str, plugs: &[Plug], groups: &[String]) -> Result<(), String> {
        let Some(server) = self.compute.servers.iter().find(|s| s.id == id) else {
            return Ok(());
        };
        let project = server.project_id.clone();
        let net = &mut self.network;
        for plug in plugs {
            let (port_id, owned) = match plug {
                Plug::Port { id } => (id.clone(), false),
                Plug::Network { id, fixed_ip } => {
                    let std = Standard::new(&project, &Value::Null);
                    let mut port = Port::new(net, std, id).map_err(|e| e.message)?;
                    if let Some(fixed) = fixed_ip {
                        let asked = [json!({"ip_address": fixed})];
                        port.fixed_ips = net.asked_addresses(id, &asked).map_err(|e| e.message)?;
                    }
                    port.security_groups = groups.to_vec();
                    let port_id = port.std.id.clone();
                    net.ports.push(port);
                    (port_id, true)
                }
            };
            let port = net.ports.iter_mut().find(|p| p.std.id == port_id);
            let port = port.ok_or_else(|| format!("Port {port_id} could not be found."))?;
            port.device_id = id.to_owned();
            "compute:nova".clone_into(&mut port.device_owner);
            if let Some(server) = self.compute.servers.iter_mut().find(|s| s.id == id) {
                server.nics.push(Nic { id: port_id, owned });
            }
        }
        Ok(())
    }

    /// Makes or takes the volumes of a server.
    fn attach_disks(&mut self, ctx: &Ctx, id: &str, disks: &[Disk]) -> Result<(), String> {
        for disk in disks {
            let Some(project) = self.any_server(id).map(|s| s.project_id.clone()) else {
                return Ok(());
            };
            let (volume_id, root, delete) = match disk {
                Disk::There { id, root, delete } => (id.clone(), *root, *delete),
                Disk::New {
                    size,
                    image,
                    root,
                    delete,
                } => {
                    let order = cinder::Order {
                        size: *size,
                        image_id: image.clone(),
                        ..cinder::Order::default()
                    };
                    let made = self
                        .volumes
                        .create(&project, order, &ctx.cloud.state_dir)
                        .map_err(|e| e.message)?;
                    self.volumes.set_status(&made, "available");
                    (made, *root, *delete)
                }
            };
            let Some(server) = self.any_server(id) else {
                return Ok(());
            };
            let device = if root {
                "/dev/vda".to_owned()
            } else {
                server.next_device()
            };
            let attachment = Attachment {
                id: id::uuid(),
                volume_id: volume_id.clone(),
                device,
                delete_on_termination: delete,
            };
            server.attachments.push(attachment.clone());
            self.volumes.attach(&volume_id, id, &attachment);
        }
        Ok(())
    }

    /// Where a port puts a machine.
    fn place(&self, nic: &Nic) -> Option<Place> {
        let port = self.network.ports.iter().find(|p| p.std.id == nic.id)?;
        port.fixed_ips.iter().find_map(|ip| {
            let subnet = self
                .network
                .subnets
                .iter()
                .find(|s| s.std.id == ip.subnet_id)?;
            match (ip.address, subnet.cidr) {
                (IpAddr::V4(address), IpNet::V4(_)) if subnet.reachable => {
                    Some(Place::behind(address, &port.network_id))
                }
                (IpAddr::V4(address), IpNet::V4(cidr)) => Some(Place {
                    network: port.network_id.clone(),
                    address,
                    subnet: cidr,
                    gateway: v4(subnet.gateway, cidr),
                }),
                _ => None,
            }
        })
    }

    /// Everything the machine of a server is made from; none for a server without an IPv4 address.
    fn spec(&self, ctx: &Ctx, id: &str) -> Option<MachineSpec> {
        let server = self.compute.servers.iter().find(|s| s.id == id)?;
        let place = server.nics.iter().find_map(|nic| self.place(nic))?;
        let image = server
            .image_id
            .as_ref()
            .and_then(|id| self.images.iter().find(|i| i.id == *id));
        let login = image
            .or(self.images.first())
            .map_or("debian", |i| i.login());
        let data = server.attachments.iter().filter(|a| a.device != "/dev/vda");
        Some(MachineSpec {
            id: server.id.clone(),
            name: server.hostname.clone(),
            vcpus: server.flavor.vcpus,
            memory_mb: server.flavor.ram,
            network: place.network,
            address: place.address,
            subnet: place.subnet,
            gateway: place.gateway,
            login: login.to_owned(),
            authorized_keys: server
                .keypair
                .iter()
                .map(|k| k.public_key.trim().to_owned())
                .collect(),
            user_data: server.user_data.clone(),
            metadata: metadata(server),
            image: ctx.cloud.image_root.clone(),
            volumes: data
                .map(|a| cinder::file(&ctx.cloud.state_dir, &a.volume_id))
                .collect(),
        })
    }
}

/// Where a machine is.
struct Place {
    network: String,
    address: Ipv4Addr,
    subnet: Ipv4Net,
    gateway: Ipv4Addr,
}

impl Place {
    /// A machine whose own address the host is to reach. Machines know only inner addresses with a floating one before
    /// them, so it gets one nobody sees, and its own leads there.
    fn behind(address: Ipv4Addr, network: &str) -> Self {
        let inner = |last| Ipv4Addr::new(10, 255, 4, last);
        Self {
            network: network.to_owned(),
            address: inner(address.octets()[3]),
            subnet: Ipv4Net::new_assert(inner(0), 24),
            gateway: inner(1),
        }
    }
}

fn v4(gateway: Option<IpAddr>, cidr: Ipv4Net) -> Ipv4Addr {
    match gateway {
        Some(IpAddr::V4(gateway)) => gateway,
        _ => cidr.hosts().next().unwrap_or(cidr.addr()),
    }
}

/// The document the metadata service serves.
fn metadata(server: &Server) -> Value {
    let keys = |k: &Keypair| json!([{"name": k.name, "type": k.kind, "data": k.public_key}]);
    json!({
        "uuid": server.id,
        "name": server.name,
        "hostname": server.hostname,
        "availability_zone": super::nova::zone::ZONE,
        "launch_index": 0,
        "project_id": server.project_id,
        "meta": server.metadata,
        "public_keys": server.keypair.iter().map(|k| (k.name.clone(), json!(k.public_key))).collect::<serde_json::Map<_, _>>(),
        "keys": server.keypair.as_ref().map_or_else(|| json!([]), keys),
        "devices": [],
    })
}

/// Builds a server: scheduled, plugged in, given its disks, booted.
pub async fn build(ctx: Ctx, id: String, plugs: Vec<Plug>, disks: Vec<Disk>, groups: Vec<String>) {
    let step = ctx.cloud.pace.step;
    tokio::time::sleep(step).await;
    let fault = {
        let mut state = ctx.lock();
        let Some(server) = state.in_building(&id) else {
            return;
        };
        server.task = Some("networking");
        server.fate.fault.clone()
    };
    if let Some((code, message)) = fault {
        return ctx.lock().fail(&id, Fault::new(code, message));
    }
    tokio::time::sleep(step).await;
    let spec = {
        let mut state = ctx.lock();
        if state.in_building(&id).is_none() {
            return;
        }
        let plugged = state.plug_in(&id, &plugs, &groups);
        if let Err(why) = plugged.and_then(|()| state.attach_disks(&ctx, &id, &disks)) {
            let message = format!("Build of instance {id} aborted: {why}");
            return state.fail(&id, Fault::new(500, message));
        }
        if let Some(server) = state.in_building(&id) {
            server.task = Some("spawning");
        }
        state.spec(&ctx, &id)
    };
    tokio::time::sleep(step).await;
    boot(&ctx, &id, spec).await;
}

async fn boot(ctx: &Ctx, id: &str, spec: Option<MachineSpec>) {
    let booted = match &spec {
        Some(spec) => ctx.cloud.machines.boot(spec).await,
        None => Ok(()),
    };
    let gone = {
        let mut state = ctx.lock();
        match (state.in_building(id), &booted) {
            (None, _) => true,
            (Some(_), Err(why)) => {
                state.fail(id, Fault::new(500, why.to_string()));
                false
            }
            (Some(server), Ok(())) => {
                server.vm_state = VmState::Active;
                server.task = None;
                server.has_machine = spec.is_some();
                server.rules = None;
                server.launched = Some(clock::now());
                server.updated = clock::now();
                false
            }
        }
    };
    if gone {
        remove_machine(ctx, id).await;
    } else {
        settle(ctx).await;
    }
}

async fn remove_machine(ctx: &Ctx, id: &str) {
    if let Err(error) = ctx.cloud.machines.delete(id).await {
        tracing::error!(server = id, %error, "deleting a machine");
    }
}

/// Takes a server away with all that was made for it.
pub async fn destroy(ctx: Ctx, id: String) {
    tokio::time::sleep(ctx.cloud.pace.step).await;
    remove_machine(&ctx, &id).await;
    {
        let mut state = ctx.lock();
        let Some(place) = state.compute.servers.iter().position(|s| s.id == id) else {
            return;
        };
        let server = state.compute.servers.remove(place);
        for nic in &server.nics {
            state.unplug(nic);
        }
        for attachment in &server.attachments {
            state.volumes.detach(&attachment.volume_id);
            if attachment.delete_on_termination {
                state
                    .volumes
                    .remove(&attachment.volume_id, &ctx.cloud.state_dir);
            }
        }
    }
    settle(&ctx).await;
}

/// Starts, stops or reboots.
pub async fn make_move(ctx: Ctx, id: String, to: Move) {
    tokio::time::sleep(ctx.cloud.pace.step).await;
    let has_machine = ctx.lock().any_server(&id).is_some_and(|s| s.has_machine);
    let machines = &ctx.cloud.machines;
    let done = match to {
        _ if !has_machine => Ok(()),
        Move::Start => machines.start(&id).await,
        Move::Stop => machines.stop(&id).await,
        Move::Reboot { .. } => machines.reboot(&id).await,
    };
    {
        let mut state = ctx.lock();
        match done {
            Err(why) => state.fail(&id, Fault::new(500, why.to_string())),
            Ok(()) => {
                if let Some(server) = state.in_building(&id) {
                    server.task = None;
                    server.fault = None;
                    server.updated = clock::now();
                    server.vm_state = if to == Move::Stop {
                        VmState::Stopped
                    } else {
                        VmState::Active
                    };
                    // A machine that starts may have lost them.
                    server.rules = None;
                }
            }
        }
    }
    settle(&ctx).await;
}

/// A new disk under the same server.
pub async fn rebuild(ctx: Ctx, id: String) {
    tokio::time::sleep(ctx.cloud.pace.step).await;
    remove_machine(&ctx, &id).await;
    let spec = {
        let mut state = ctx.lock();
        state.bound.retain(|(_, server)| *server != id);
        state.spec(&ctx, &id)
    };
    boot(&ctx, &id, spec).await;
}

/// Notices machines that powered themselves off, as Nova's periodic look does.
pub async fn look(ctx: &Ctx) {
    let running: Vec<String> = {
        let state = ctx.lock();
        let watched =
            |s: &&Server| s.has_machine && s.task.is_none() && s.vm_state == VmState::Active;
        state
            .compute
            .servers
            .iter()
            .filter(watched)
            .map(|s| s.id.clone())
            .collect()
    };
    for id in running {
        if !ctx.cloud.machines.is_running(&id).await
            && let Some(server) = ctx
                .lock()
                .any_server(&id)
                .filter(|s| s.task.is_none() && s.vm_state == VmState::Active)
        {
            server.vm_state = VmState::Stopped;
            server.updated = clock::now();
        }
    }
}

/// What the machines have to be told.
#[derive(Debug, Default)]
struct Orders {
    unbind: Vec<Ipv4Addr>,
    bind: Vec<(Ipv4Addr, String)>,
    rules: Vec<(String, Vec<Rule>)>,
}

fn orders(state: &State) -> Orders {
    let has_machine = |id: &String| {
        state
            .compute
            .servers
            .iter()
            .any(|s| s.id == *id && s.has_machine)
    };
    let net = &state.network;
    let floating = net.floating_ips.iter().filter_map(|f| {
        let port = net
            .ports
            .iter()
            .find(|p| Some(&p.std.id) == f.port_id.as_ref())?;
        Some((f.address, port.device_id.clone()))
    });
    let is_reachable = |id: &str| net.subnets.iter().any(|s| s.std.id == id && s.reachable);
    let direct = net.ports.iter().filter_map(|port| {
        let ip = port
            .fixed_ips
            .iter()
            .find(|ip| is_reachable(&ip.subnet_id))?;
        match ip.address {
            IpAddr::V4(address) => Some((address, port.device_id.clone())),
            IpAddr::V6(_) => None,
        }
    });
    let wanted: Vec<(Ipv4Addr, String)> = floating
        .chain(direct)
        .filter(|(_, id)| has_machine(id))
        .collect();
    let rules = state
        .compute
        .servers
        .iter()
        .filter(|s| s.has_machine)
        .filter_map(|server| {
            let rules = rules::of(state, server);
            (server.rules.as_ref() != Some(&rules)).then(|| (server.id.clone(), rules))
        });
    let kept = |address: &Ipv4Addr| wanted.iter().any(|(a, _)| a == address);
    Orders {
        unbind: state
            .bound
            .iter()
            .map(|(a, _)| *a)
            .filter(|a| !kept(a))
            .collect(),
        rules: rules.collect(),
        bind: wanted
            .iter()
            .filter(|w| !state.bound.contains(w))
            .cloned()
            .collect(),
    }
}

/// Brings rules and floating addresses of the machines in line with the state.
pub async fn settle(ctx: &Ctx) {
    let _turn = ctx.region.machines_turn.lock().await;
    let orders = orders(&ctx.lock());
    let machines = &ctx.cloud.machines;
    for (id, rules) in orders.rules {
        match machines.set_rules(&id, &rules).await {
            Ok(()) => {
                if let Some(server) = ctx.lock().any_server(&id) {
                    server.rules = Some(rules);
                }
            }
            Err(error) => tracing::error!(server = id, %error, "setting a machine's rules"),
        }
    }
    for address in orders.unbind {
        match machines.unbind(address).await {
            Ok(()) => ctx.lock().bound.retain(|(a, _)| *a != address),
            Err(error) => tracing::error!(%address, %error, "unbinding a floating address"),
        }
    }
    for (address, id) in orders.bind {
        match machines.bind(address, &id).await {
            Ok(()) => {
                let mut state = ctx.lock();
                state.bound.retain(|(a, _)| *a != address);
                state.bound.push((address, id));
            }
            Err(error) => {
                tracing::error!(%address, server = id, %error, "binding a floating address")
            }
        }
    }
}
