//! The lives of servers: what happens after the answer, and the machines behind it.

use serde_json::{Value, json};

use super::neutron::port::Port;
use super::neutron::standard::Standard;
use super::nova::server::{Attachment, Fault, Nic, Server, VmState};
use super::{Ctx, State, cinder, clock, id, settle};
use crate::machine::MachineSpec;

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
    /// A network that is not for the project's servers.
    Forbidden,
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
    pub fn any_server(&mut self, id: &str) -> Option<&mut Server> {
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
                Plug::Forbidden => {
                    return Err("Failed to allocate the network(s), not rescheduling.".to_owned());
                }
                Plug::Network { id, fixed_ip } => {
                    let std = Standard::new(&project, &Value::Null);
                    let mut port = Port::new(net, std, id).map_err(|e| e.message)?;
                    if let Some(fixed) = fixed_ip {
                        let asked = [json!({"ip_address": fixed})];
                        port.fixed_ips = net
                            .asked_addresses(id, &asked, &port.mac)
                            .map_err(|e| e.message)?;
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
