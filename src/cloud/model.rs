//! What the cloud says: records of its JSON, and the documents sent to create things. Field names are OpenStack's.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize};

/// An absent or `null` list, map or text is an empty one.
pub(super) fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Something that is named and found by its id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reference {
    pub id: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
}

/// Nova server (`GET /servers/{id}`).
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Server {
    pub id: String,
    pub name: String,
    /// `BUILD`, `ACTIVE`, `SHUTOFF`, `ERROR`, …
    pub status: String,
    #[serde(default, rename = "OS-EXT-STS:task_state")]
    pub task_state: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub metadata: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub tags: Vec<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub addresses: BTreeMap<String, Vec<ServerAddress>>,
    /// With microversion 2.47 and later: what the flavor was at create.
    #[serde(default)]
    pub flavor: serde_json::Value,
    /// `{"id": …}`, or `""` for a server that booted from a volume.
    #[serde(default)]
    pub image: serde_json::Value,
    #[serde(default)]
    pub key_name: Option<String>,
    #[serde(default)]
    pub fault: Option<Fault>,
    #[serde(default)]
    pub created: Option<String>,
    /// When it first ran; a server without it never did.
    #[serde(default, rename = "OS-SRV-USG:launched_at")]
    pub launched_at: Option<String>,
    #[serde(default, rename = "OS-EXT-AZ:availability_zone")]
    pub availability_zone: Option<String>,
    #[serde(default, rename = "os-extended-volumes:volumes_attached")]
    pub volumes_attached: Vec<AttachedVolume>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ServerAddress {
    pub addr: IpAddr,
    pub version: u8,
    /// `fixed` or `floating`.
    #[serde(default, rename = "OS-EXT-IPS:type")]
    pub kind: Option<String>,
}

/// Why a server is in `ERROR`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Fault {
    pub code: u16,
    pub message: String,
    #[serde(default)]
    pub created: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct AttachedVolume {
    pub id: String,
}

/// Nova flavor. Memory in MiB, disk in GiB (0: boots from volumes only).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Flavor {
    pub id: String,
    pub name: String,
    pub ram: u64,
    pub vcpus: u64,
    pub disk: u64,
}

impl Server {
    /// Id of the image it was made from; `None` for a server that booted from a volume.
    pub fn image_id(&self) -> Option<&str> {
        self.image.get("id")?.as_str()
    }

    /// Name of its flavor (microversion 2.47 and later), or the flavor's id before that.
    pub fn flavor_name(&self) -> Option<&str> {
        self.flavor
            .get("original_name")
            .or_else(|| self.flavor.get("id"))?
            .as_str()
    }

    /// Whether it is gone, or going.
    pub fn is_deleted(&self) -> bool {
        matches!(self.status.as_str(), "DELETED" | "SOFT_DELETED")
    }
}

/// Nova key pair.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct KeyPair {
    pub name: String,
    pub public_key: String,
    pub fingerprint: String,
    /// Told by [`find_key_pair`](super::Cloud::find_key_pair), not in lists.
    #[serde(default)]
    pub created_at: Option<String>,
}

/// Glance image. `min_disk` in GiB, `min_ram` in MiB, `size` in bytes.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Image {
    pub id: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
    pub status: String,
    #[serde(default)]
    pub visibility: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub min_disk: u64,
    #[serde(default, deserialize_with = "null_is_default")]
    pub min_ram: u64,
    #[serde(default)]
    pub size: Option<u64>,
    #[serde(default)]
    pub virtual_size: Option<u64>,
    #[serde(default)]
    pub created_at: Option<String>,
    #[serde(default)]
    pub os_distro: Option<String>,
    #[serde(default)]
    pub os_version: Option<String>,
    #[serde(default)]
    pub os_admin_user: Option<String>,
    #[serde(default)]
    pub architecture: Option<String>,
}

/// Neutron network.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Network {
    pub id: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub description: String,
    #[serde(default, rename = "router:external")]
    pub external: bool,
    #[serde(default)]
    pub shared: bool,
    #[serde(default)]
    pub subnets: Vec<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub tags: Vec<String>,
    #[serde(default)]
    pub project_id: Option<String>,
    #[serde(default)]
    pub port_security_enabled: Option<bool>,
    /// Domain that Designate makes records of ports in, where the cloud does that.
    #[serde(default)]
    pub dns_domain: Option<String>,
    #[serde(default)]
    pub mtu: Option<u32>,
    #[serde(default)]
    pub created_at: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Subnet {
    pub id: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub description: String,
    pub network_id: String,
    pub cidr: IpNet,
    pub ip_version: u8,
    #[serde(default)]
    pub gateway_ip: Option<IpAddr>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub dns_nameservers: Vec<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub tags: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FixedIp {
    pub subnet_id: String,
    pub ip_address: IpAddr,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Port {
    pub id: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub description: String,
    pub network_id: String,
    pub status: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub device_id: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub device_owner: String,
    #[serde(default)]
    pub fixed_ips: Vec<FixedIp>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub security_groups: Vec<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub tags: Vec<String>,
    #[serde(default)]
    pub created_at: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Router {
    pub id: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub description: String,
    #[serde(default)]
    pub external_gateway_info: Option<GatewayInfo>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub tags: Vec<String>,
    #[serde(default)]
    pub created_at: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct GatewayInfo {
    pub network_id: String,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct SecurityGroup {
    pub id: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub description: String,
    #[serde(default)]
    pub security_group_rules: Vec<SecurityGroupRule>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub tags: Vec<String>,
    #[serde(default)]
    pub created_at: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SecurityGroupRule {
    pub id: String,
    #[serde(flatten)]
    pub rule: RuleSpec,
}

/// What a rule allows; equality is what Neutron compares for `SecurityGroupRuleExists` (not the description).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct RuleSpec {
    /// `ingress` or `egress`.
    pub direction: String,
    /// `IPv4` or `IPv6`.
    pub ethertype: String,
    #[serde(default)]
    pub protocol: Option<String>,
    #[serde(default)]
    pub port_range_min: Option<u16>,
    #[serde(default)]
    pub port_range_max: Option<u16>,
    #[serde(default)]
    pub remote_ip_prefix: Option<IpNet>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remote_group_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct FloatingIp {
    pub id: String,
    pub floating_ip_address: Ipv4Addr,
    pub floating_network_id: String,
    #[serde(default)]
    pub port_id: Option<String>,
    #[serde(default)]
    pub fixed_ip_address: Option<Ipv4Addr>,
    pub status: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub description: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub tags: Vec<String>,
    #[serde(default)]
    pub created_at: Option<String>,
}

/// Cinder volume; `size` in GiB.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Volume {
    pub id: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub name: String,
    /// `creating`, `available`, `in-use`, `error`, …
    pub status: String,
    pub size: u64,
    #[serde(default)]
    pub volume_type: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub metadata: BTreeMap<String, String>,
    #[serde(default)]
    pub attachments: Vec<VolumeAttachment>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub description: String,
    /// `"true"` or `"false"`, as Cinder says it.
    #[serde(default)]
    pub bootable: Option<String>,
    #[serde(default)]
    pub availability_zone: Option<String>,
    #[serde(default)]
    pub created_at: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct VolumeAttachment {
    pub server_id: String,
    #[serde(default)]
    pub device: Option<String>,
}

/// Designate zone; the name ends with a dot.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Zone {
    pub id: String,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Recordset {
    pub id: String,
    pub zone_id: String,
    pub name: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub records: Vec<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub description: String,
    pub status: String,
}

/// How much of one thing the project may have, and has. A `limit` of `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    pub limit: Option<u64>,
    pub used: u64,
}

impl Quota {
    /// What is left; `None` is no limit.
    pub fn left(&self) -> Option<u64> {
        self.limit.map(|limit| limit.saturating_sub(self.used))
    }
}

/// Quotas by OpenStack's own names: `instances`, `cores`, `ram`, `key_pairs`, `floatingip`, `security_group`,
/// `security_group_rule`, `network`, `subnet`, `router`, `port`, `volumes`, `gigabytes`.
pub type Quotas = BTreeMap<String, Quota>;
