//! What the cloud is asked for: filters of lists, and the documents sent to create things.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;

/// Which of a kind to list. Filters add up: what is listed matches all of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter(pub(crate) Vec<(String, String)>);

impl Filter {
    /// Everything the project sees (shared and public things included).
    pub fn all() -> Self {
        Self::default()
    }

    /// What carries this tag (Nova and Neutron).
    pub fn tag(tag: impl Into<String>) -> Self {
        Self::all().and("tags", tag)
    }

    /// What has exactly this name. (Nova reads server names as regular expressions; this one is quoted.)
    pub fn name(name: impl Into<String>) -> Self {
        Self::all().and("name", name)
    }

    /// Neutron: what has this description. The one mark that can be set in the same call as a create.
    pub fn description(description: impl Into<String>) -> Self {
        Self::all().and("description", description)
    }

    /// Adds a filter in the service's own words, e.g. `("router:external", "true")`, `("network_id", id)`,
    /// `("device_id", server)`, `("floating_ip_address", address)`.
    #[must_use]
    pub fn and(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.push((key.into(), value.into()));
        self
    }
}

/// A server to create.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NewServer {
    pub name: String,
    pub flavor_id: String,
    pub image_id: String,
    /// Boot from a new volume of so many GiB made from the image; it is deleted with the server.
    pub boot_volume: Option<u32>,
    /// Ids of volumes that are attached from the start, and outlive the server.
    pub volume_ids: Vec<String>,
    pub key_name: Option<String>,
    /// Ids of the ports it gets, the first one first. Security groups belong to the ports.
    pub port_ids: Vec<String>,
    /// As cloud-init will read it: not encoded yet, at most 48 KiB.
    pub user_data: Option<Vec<u8>>,
    pub metadata: BTreeMap<String, String>,
    pub tags: Vec<String>,
    pub availability_zone: Option<String>,
    pub description: Option<String>,
    pub config_drive: Option<bool>,
}

/// What a rebuild makes anew; `None` keeps what the server has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rebuild {
    pub image_id: String,
    pub user_data: Option<Vec<u8>>,
    pub key_name: Option<String>,
    pub metadata: Option<BTreeMap<String, String>>,
}

/// What is asked of a server that exists.
#[derive(Debug, Clone, PartialEq)]
pub enum ServerAction {
    Start,
    Stop,
    /// The guest's own restart.
    Reboot,
    /// Power off and on.
    HardReboot,
    Unpause,
    Resume,
    Unshelve,
    Rebuild(Rebuild),
}

/// A network to create.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewNetwork {
    pub name: String,
    pub description: String,
}

/// A subnet to create, with DHCP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewSubnet {
    pub name: String,
    pub description: String,
    pub network_id: String,
    pub cidr: IpNet,
    /// Empty: the cloud's own.
    pub dns_nameservers: Vec<IpAddr>,
}

/// A router to create.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewRouter {
    pub name: String,
    pub description: String,
    /// External network of its gateway.
    pub external_network_id: Option<String>,
}

/// A port to create.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewPort {
    pub name: String,
    pub description: String,
    pub network_id: String,
    /// Empty: the project's `default` group.
    pub security_group_ids: Vec<String>,
    /// Subnets to take an address of; empty: the network's choice (one IPv4, one IPv6 where it has them).
    pub subnet_ids: Vec<String>,
}

/// A floating IP to allocate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewFloatingIp {
    /// External network it is taken from.
    pub network_id: String,
    pub description: String,
    /// Port it leads to at once.
    pub port_id: Option<String>,
    /// This very address (most clouds reserve that for administrators).
    pub address: Option<Ipv4Addr>,
}

/// A volume to create; `size` in GiB.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewVolume {
    pub name: String,
    pub description: String,
    pub size: u32,
    pub volume_type: Option<String>,
    pub availability_zone: Option<String>,
    pub metadata: BTreeMap<String, String>,
}

/// A DNS recordset to create. `name` is absolute (ends with a dot).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewRecordset {
    pub name: String,
    /// `A`, `AAAA`, …
    pub kind: String,
    pub records: Vec<String>,
    /// Seconds; `None` is the zone's.
    pub ttl: Option<u32>,
    pub description: String,
}

/// The kinds of Neutron thing that carry tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taggable {
    Network,
    Subnet,
    Router,
    Port,
    SecurityGroup,
    FloatingIp,
}

/// A service of the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    Compute,
    Image,
    Network,
    BlockStorage,
    Dns,
}
