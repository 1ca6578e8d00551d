//! One look at the project: everything in it that can matter.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::tag;
use crate::cloud::config::ConfiguredNetwork;
use crate::cloud::{
    Cloud, CloudError, Filter, FloatingIp, KeyPair, Network, Port, Recordset, Router,
    SecurityGroup, Server, Service, Subnet, Volume, Zone,
};

/// One look at everything in the project that can matter: at most eleven API calls, all at once.
#[derive(Debug, Clone, Default)]
pub struct Survey {
    pub project_id: String,
    pub block_storage: bool,
    pub dns: bool,
    pub servers: Vec<Server>,
    pub key_pairs: Vec<KeyPair>,
    pub security_groups: Vec<SecurityGroup>,
    pub networks: Vec<Network>,
    pub subnets: Vec<Subnet>,
    pub routers: Vec<Router>,
    pub ports: Vec<Port>,
    pub floating_ips: Vec<FloatingIp>,
    pub volumes: Vec<Volume>,
    pub zones: Vec<Zone>,
    pub recordsets: Vec<Recordset>,
    /// What the `clouds.yaml` entry says of networks.
    pub configured: Vec<ConfiguredNetwork>,
}

/// Observes the whole project.
pub(super) async fn observe_all(cloud: &Cloud) -> Result<Survey, CloudError> {
    survey(cloud, cloud.list_key_pairs()).await
}

pub(super) async fn survey(
    cloud: &Cloud,
    key_pairs: impl Future<Output = Result<Vec<KeyPair>, CloudError>>,
) -> Result<Survey, CloudError> {
    let project_id = cloud.project().id;
    let block_storage = cloud.has_service(Service::BlockStorage);
    let dns = cloud.has_service(Service::Dns);
    let all = Filter::all();
    // Only what is the project's own is ours, whatever it carries: the calls ask for the project's, but for networks and
    // subnets, where those of others matter too.
    let volumes = async {
        if block_storage {
            allowed(cloud.list_volumes(&all).await)
        } else {
            Ok(None)
        }
    };
    let dns = async {
        if !dns {
            return Ok(None);
        }
        allowed(tokio::try_join!(
            cloud.list_zones(),
            cloud.list_all_recordsets(&all)
        ))
    };
    let (
        servers,
        key_pairs,
        security_groups,
        networks,
        subnets,
        routers,
        ports,
        floating_ips,
        volumes,
        dns,
    ) = tokio::try_join!(
        cloud.list_servers(&all),
        key_pairs,
        cloud.list_security_groups(&all),
        cloud.list_networks(&all),
        cloud.list_subnets(&all),
        cloud.list_routers(&all),
        cloud.list_ports(&all),
        cloud.list_floating_ips(&all),
        volumes,
        dns,
    )?;
    let (block_storage, volumes) = (volumes.is_some(), volumes.unwrap_or_default());
    let (dns, (zones, recordsets)) = (dns.is_some(), dns.unwrap_or_default());
    Ok(Survey {
        project_id,
        block_storage,
        dns,
        servers,
        key_pairs,
        security_groups,
        networks,
        subnets,
        routers,
        ports,
        floating_ips,
        volumes,
        zones,
        recordsets,
        configured: cloud.config().networks.clone(),
    })
}

/// A service that the project may not use is one it does not have.
fn allowed<T>(answer: Result<T, CloudError>) -> Result<Option<T>, CloudError> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(CloudError::Forbidden(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Survey {
    /// Names of all deployments, in order.
    pub(super) fn deployments(&self) -> Vec<String> {
        let marks = |tags: &[String], description: &str| mark(tags, description).map(str::to_owned);
        let mut names: Vec<String> = self
            .servers
            .iter()
            .filter_map(|server| tag::of_metadata(&server.metadata).map(str::to_owned))
            .chain(
                self.key_pairs
                    .iter()
                    .filter_map(|pair| tag::of_name(&pair.name).map(str::to_owned)),
            )
            .chain(
                self.security_groups
                    .iter()
                    .filter_map(|group| marks(&group.tags, &group.description)),
            )
            .chain(
                self.networks
                    .iter()
                    .filter(|network| self.owns(network))
                    .filter_map(|network| marks(&network.tags, &network.description)),
            )
            .chain(
                self.routers
                    .iter()
                    .filter_map(|router| marks(&router.tags, &router.description)),
            )
            .chain(
                self.ports
                    .iter()
                    .filter_map(|port| marks(&port.tags, &port.description)),
            )
            .chain(
                self.floating_ips
                    .iter()
                    .filter_map(|ip| marks(&ip.tags, &ip.description)),
            )
            .chain(
                self.volumes
                    .iter()
                    .filter_map(|volume| tag::of_metadata(&volume.metadata).map(str::to_owned)),
            )
            .chain(
                self.recordsets
                    .iter()
                    .filter_map(|set| marks(&[], &set.description)),
            )
            .collect();
        names.sort();
        names.dedup();
        names
    }

    pub(super) fn owns(&self, network: &Network) -> bool {
        network
            .project_id
            .as_ref()
            .is_none_or(|owner| *owner == self.project_id)
    }

    /// The project's own networks that no deployment made.
    pub(super) fn project_networks(&self) -> impl Iterator<Item = &Network> {
        self.networks.iter().filter(|network| {
            self.owns(network)
                && !network.external
                && mark(&network.tags, &network.description).is_none()
        })
    }

    /// Whether `clouds.yaml` says this of the network.
    pub(super) fn is_configured(
        &self,
        network: &Network,
        says: impl Fn(&ConfiguredNetwork) -> bool,
    ) -> bool {
        self.configured
            .iter()
            .any(|entry| (entry.name == network.name || entry.name == network.id) && says(entry))
    }

    pub(super) fn network(&self, id: &str) -> Option<&Network> {
        self.networks.iter().find(|network| network.id == id)
    }

    /// Floating IPs that lead nowhere and that no deployment holds.
    pub(super) fn unattached(&self) -> impl Iterator<Item = &FloatingIp> {
        self.floating_ips
            .iter()
            .filter(|ip| ip.port_id.is_none() && mark(&ip.tags, &ip.description).is_none())
    }

    /// Whether a router of the project leads from `network` to `external`. `None` where that cannot be seen: routers
    /// of other projects are not shown.
    pub(super) fn leads_to(&self, network: &Network, external: &str) -> Option<bool> {
        if !self.owns(network) {
            return None;
        }
        Some(self.ports.iter().any(|port| {
            port.network_id == network.id
                && port.device_owner.starts_with("network:")
                && self.routers.iter().any(|router| {
                    router.id == port.device_id
                        && router
                            .external_gateway_info
                            .as_ref()
                            .is_some_and(|gateway| gateway.network_id == external)
                })
        }))
    }

    /// Whether servers on `network` are reached from everywhere with no floating IP: by an IPv4 address of their own, or
    /// by IPv6 where the network has no IPv4.
    pub(super) fn is_direct(&self, network: &Network) -> bool {
        let public = |subnet: &Subnet| matches!(subnet.cidr.addr(), IpAddr::V4(address) if is_public(address));
        network.external
            || self.subnets_of(network).any(public)
            || (self.has_v6_only(network) && self.has_global_v6(network))
    }

    fn subnets_of<'a>(&'a self, network: &'a Network) -> impl Iterator<Item = &'a Subnet> {
        self.subnets
            .iter()
            .filter(|subnet| subnet.network_id == network.id)
    }

    /// Whether servers on `network` get an IPv6 address that is reached from everywhere.
    pub(super) fn has_global_v6(&self, network: &Network) -> bool {
        self.subnets_of(network)
            .any(|subnet| matches!(subnet.cidr.addr(), IpAddr::V6(address) if is_global(address)))
    }

    /// Whether servers on `network` get IPv6 addresses alone: no floating IP can lead to them.
    pub(super) fn has_v6_only(&self, network: &Network) -> bool {
        let mut subnets = self.subnets_of(network).peekable();
        subnets.peek().is_some() && subnets.all(|subnet| subnet.cidr.addr().is_ipv6())
    }
}

/// The deployment that tags and description name; the description first, since creates set it.
pub(super) fn mark<'a>(tags: &'a [String], description: &'a str) -> Option<&'a str> {
    tag::of_description(description).or_else(|| tag::of_tags(tags))
}

/// Whether an IPv6 address is reached from everywhere (2000::/3).
pub(super) fn is_global(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xe000 == 0x2000
}

/// Whether an address is reached from everywhere.
pub(super) fn is_public(address: Ipv4Addr) -> bool {
    let [a, b, ..] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_broadcast()
        // Shared by carriers (RFC 6598), and benchmarks (RFC 2544).
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (b == 18 || b == 19))
        || a >= 240)
}
