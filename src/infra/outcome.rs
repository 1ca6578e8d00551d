//! What the cloud half hands on: the server, how it is reached, and what it has.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::inventory::Inventory;
use super::survey::{is_global, is_public};
use super::tag;

/// A deployment's server as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    pub server_id: String,
    pub server_name: String,
    /// Nova's status: `ACTIVE`, `SHUTOFF`, ….
    pub status: String,
    /// Whether the run that hands this on made the server.
    pub is_new: bool,
    /// The address to reach it under: the floating IP, else its own.
    pub address: IpAddr,
    /// Its own addresses, inside its network.
    pub fixed_addresses: Vec<IpAddr>,
    /// The IPv4 address it is reached under from everywhere.
    pub public_v4: Option<Ipv4Addr>,
    /// The IPv6 address it is reached under from everywhere.
    pub public_v6: Option<Ipv6Addr>,
    /// The image's sudo user, where the server's metadata tells.
    pub login: Option<String>,
    /// Fingerprints (`SHA256:…`) of the SSH host keys by type (`ssh-ed25519`), as recorded after the first contact.
    pub host_keys: BTreeMap<String, String>,
    /// Name of the flavor.
    pub flavor: Option<String>,
    /// The flavor's memory in MiB, and its CPUs. `None` on clouds before microversion 2.47.
    pub memory_mib: Option<u64>,
    pub vcpus: Option<u64>,
    /// The data volume: `/dev/disk/by-id/virtio-` and the first 20 characters, in the guest.
    pub volume_id: Option<String>,
    /// When the server was made (RFC 3339).
    pub created: Option<String>,
    /// When the deployment may be removed (RFC 3339).
    pub expires: Option<String>,
}

impl Outcome {
    /// Every address the server is reached under, IPv4 first.
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut all: Vec<IpAddr> = self
            .public_v4
            .map(IpAddr::V4)
            .into_iter()
            .chain(self.public_v6.map(IpAddr::V6))
            .chain([self.address])
            .collect();
        all.sort();
        all.dedup();
        all
    }

    /// Reads it off an inventory; `None` where there is no server with an address.
    pub fn of(inventory: &Inventory) -> Option<Self> {
        let server = inventory.server()?;
        let port = inventory
            .ports
            .iter()
            .find(|port| port.device_id == server.id || port.device_id.is_empty());
        let mut fixed_addresses: Vec<IpAddr> = port
            .into_iter()
            .flat_map(|port| &port.fixed_ips)
            .map(|fixed| fixed.ip_address)
            .collect();
        if fixed_addresses.is_empty() {
            fixed_addresses = server
                .addresses
                .values()
                .flatten()
                .filter(|address| address.kind.as_deref() != Some("floating"))
                .map(|address| address.addr)
                .collect();
        }
        fixed_addresses.sort();
        let floating = inventory
            .floating_ips
            .iter()
            .find(|ip| port.is_some_and(|port| ip.port_id.as_ref() == Some(&port.id)))
            .map(|ip| ip.floating_ip_address);
        let fixed_v4 = fixed_addresses.iter().find_map(|address| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        });
        let public_v4 = floating.or(fixed_v4.filter(|address| is_public(*address)));
        let public_v6 = fixed_addresses.iter().find_map(|address| match address {
            IpAddr::V6(address) if is_global(*address) => Some(*address),
            _ => None,
        });
        let number = |key: &str| server.flavor.get(key).and_then(serde_json::Value::as_u64);
        Some(Self {
            server_id: server.id.clone(),
            server_name: server.name.clone(),
            status: server.status.clone(),
            is_new: false,
            address: floating
                .or(fixed_v4)
                .map(IpAddr::V4)
                .or_else(|| fixed_addresses.first().copied())?,
            public_v4,
            public_v6,
            fixed_addresses,
            login: server.metadata.get(tag::LOGIN).cloned(),
            host_keys: server
                .metadata
                .iter()
                .filter_map(|(key, value)| {
                    Some((key.strip_prefix(tag::HOST_KEY)?.to_owned(), value.clone()))
                })
                .collect(),
            flavor: server.flavor_name().map(str::to_owned),
            memory_mib: number("ram"),
            vcpus: number("vcpus"),
            volume_id: inventory.volumes.first().map(|volume| volume.id.clone()),
            created: server.created.clone(),
            expires: tag::expires_of_metadata(&server.metadata).map(str::to_owned),
        })
    }
}
