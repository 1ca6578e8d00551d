//! What the machine of a server is made from.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};
use serde_json::{Value, json};

use super::nova::keypair::Keypair;
use super::nova::server::{Nic, Server};
use super::nova::zone;
use super::{Ctx, State, cinder};
use crate::machine::MachineSpec;

impl State {
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
    pub fn spec(&self, ctx: &Ctx, id: &str) -> Option<MachineSpec> {
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
        "availability_zone": zone::ZONE,
        "launch_index": 0,
        "project_id": server.project_id,
        "meta": server.metadata,
        "public_keys": server.keypair.iter().map(|k| (k.name.clone(), json!(k.public_key))).collect::<serde_json::Map<_, _>>(),
        "keys": server.keypair.as_ref().map_or_else(|| json!([]), keys),
        "devices": [],
    })
}
