//! What exists: one look at the project, and what in it belongs to a deployment.

use std::net::{IpAddr, Ipv4Addr};

use super::plan::{Item, Kind};
use super::tag;
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
}

/// What of a project belongs to one deployment, and what is around it. More than one of a kind is possible (two runs
/// at once, a create repeated by another program); the first is the one in use.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    pub name: String,
    pub servers: Vec<Server>,
    pub key_pair: Option<KeyPair>,
    pub security_groups: Vec<SecurityGroup>,
    pub networks: Vec<Network>,
    pub subnets: Vec<Subnet>,
    pub routers: Vec<Router>,
    pub ports: Vec<Port>,
    pub floating_ips: Vec<FloatingIp>,
    pub volumes: Vec<Volume>,
    pub recordsets: Vec<Recordset>,
    /// The whole project, the deployment's own resources included.
    pub around: Survey,
}

/// Observes the deployment `name`, by its marks.
pub async fn observe(cloud: &Cloud, name: &str) -> Result<Inventory, CloudError> {
    let key_pair = async {
        Ok(cloud
            .find_key_pair(&tag::name(name))
            .await?
            .into_iter()
            .collect())
    };
    Ok(Inventory::of(name, survey(cloud, key_pair).await?))
}

/// Observes the whole project.
pub(super) async fn observe_all(cloud: &Cloud) -> Result<Survey, CloudError> {
    survey(cloud, cloud.list_key_pairs()).await
}

async fn survey(
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
            cloud.list_volumes(&all).await
        } else {
            Ok(Vec::new())
        }
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
        (zones, recordsets),
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
        recordsets(cloud, dns),
    )?;
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
    })
}

/// Zones and the recordsets in them: there is seldom more than one zone.
async fn recordsets(cloud: &Cloud, dns: bool) -> Result<(Vec<Zone>, Vec<Recordset>), CloudError> {
    if !dns {
        return Ok((Vec::new(), Vec::new()));
    }
    let zones = cloud.list_zones().await?;
    let all = Filter::all();
    let recordsets = futures::future::try_join_all(
        zones
            .iter()
            .map(|zone| cloud.list_recordsets(&zone.id, &all)),
    )
    .await?;
    Ok((zones, recordsets.into_iter().flatten().collect()))
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

    /// Whether servers on `network` are reached from everywhere with no floating IP.
    pub(super) fn is_direct(&self, network: &Network) -> bool {
        network.external
            || self.subnets.iter().any(|subnet| {
                subnet.network_id == network.id
                    && matches!(subnet.cidr.addr(), IpAddr::V4(address) if is_public(address))
            })
    }
}

/// The deployment that tags and description name; the description first, since creates set it.
fn mark<'a>(tags: &'a [String], description: &'a str) -> Option<&'a str> {
    tag::of_description(description).or_else(|| tag::of_tags(tags))
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

impl Inventory {
    /// Picks what belongs to the deployment out of the project.
    pub fn of(name: &str, around: Survey) -> Self {
        let ours = |tags: &[String], description: &str| mark(tags, description) == Some(name);
        let mut servers: Vec<Server> = around
            .servers
            .iter()
            .filter(|server| {
                tag::of_metadata(&server.metadata) == Some(name) && !server.is_deleted()
            })
            .cloned()
            .collect();
        // The one that works before one that does not, the older first.
        servers.sort_by_key(|server| {
            (
                server.status == "ERROR",
                server.created.clone(),
                server.id.clone(),
            )
        });
        let server = servers.first().map(|server| server.id.clone());

        let mut ports: Vec<Port> = around
            .ports
            .iter()
            .filter(|port| ours(&port.tags, &port.description))
            .cloned()
            .collect();
        ports.sort_by_key(|port| (Some(&port.device_id) != server.as_ref(), port.id.clone()));
        let port = ports.first();

        let mut security_groups: Vec<SecurityGroup> = around
            .security_groups
            .iter()
            .filter(|group| ours(&group.tags, &group.description))
            .cloned()
            .collect();
        security_groups.sort_by_key(|group| {
            (
                !port.is_some_and(|port| port.security_groups.contains(&group.id)),
                group.id.clone(),
            )
        });

        let mut networks: Vec<Network> = around
            .networks
            .iter()
            .filter(|network| around.owns(network) && ours(&network.tags, &network.description))
            .cloned()
            .collect();
        networks.sort_by_key(|network| {
            (
                port.is_none_or(|port| port.network_id != network.id),
                network.subnets.is_empty(),
                network.id.clone(),
            )
        });
        let mut subnets: Vec<Subnet> = around
            .subnets
            .iter()
            .filter(|subnet| {
                ours(&subnet.tags, &subnet.description)
                    && networks
                        .iter()
                        .any(|network| network.id == subnet.network_id)
            })
            .cloned()
            .collect();
        subnets.sort_by_key(|subnet| {
            (
                networks
                    .iter()
                    .position(|network| network.id == subnet.network_id),
                subnet.id.clone(),
            )
        });
        let mut routers: Vec<Router> = around
            .routers
            .iter()
            .filter(|router| ours(&router.tags, &router.description))
            .cloned()
            .collect();
        let has_interface =
            |router: &Router| around.ports.iter().any(|port| port.device_id == router.id);
        routers.sort_by_key(|router| (!has_interface(router), router.id.clone()));

        let mut floating_ips: Vec<FloatingIp> = around
            .floating_ips
            .iter()
            .filter(|ip| ours(&ip.tags, &ip.description))
            .cloned()
            .collect();
        floating_ips.sort_by_key(|ip| {
            (
                port.is_none_or(|port| ip.port_id.as_ref() != Some(&port.id)),
                ip.port_id.is_none(),
                ip.id.clone(),
            )
        });
        let mut volumes: Vec<Volume> = around
            .volumes
            .iter()
            .filter(|volume| {
                tag::of_metadata(&volume.metadata) == Some(name) && volume.status != "deleting"
            })
            .cloned()
            .collect();
        volumes.sort_by_key(|volume| (volume.attachments.is_empty(), volume.id.clone()));
        let recordsets = around
            .recordsets
            .iter()
            .filter(|set| ours(&[], &set.description))
            .cloned()
            .collect();
        let key_pair = around
            .key_pairs
            .iter()
            .find(|pair| pair.name == tag::name(name))
            .cloned();
        Self {
            name: name.to_owned(),
            servers,
            key_pair,
            security_groups,
            networks,
            subnets,
            routers,
            ports,
            floating_ips,
            volumes,
            recordsets,
            around,
        }
    }

    /// The server in use.
    pub fn server(&self) -> Option<&Server> {
        self.servers.first()
    }

    /// Everything of the deployment, in the order it is made.
    pub fn items(&self) -> Vec<Item> {
        fn item(resource: Kind, id: &str, name: impl ToString) -> Item {
            Item {
                resource,
                id: id.to_owned(),
                name: name.to_string(),
            }
        }
        let mut items: Vec<Item> = Vec::new();
        items.extend(
            self.key_pair
                .iter()
                .map(|pair| item(Kind::KeyPair, &pair.name, &pair.name)),
        );
        items.extend(
            self.security_groups
                .iter()
                .map(|group| item(Kind::SecurityGroup, &group.id, &group.name)),
        );
        items.extend(
            self.networks
                .iter()
                .map(|network| item(Kind::Network, &network.id, &network.name)),
        );
        items.extend(
            self.subnets
                .iter()
                .map(|subnet| item(Kind::Subnet, &subnet.id, &subnet.name)),
        );
        items.extend(
            self.routers
                .iter()
                .map(|router| item(Kind::Router, &router.id, &router.name)),
        );
        items.extend(
            self.ports
                .iter()
                .map(|port| item(Kind::Port, &port.id, &port.name)),
        );
        items.extend(
            self.volumes
                .iter()
                .map(|volume| item(Kind::Volume, &volume.id, &volume.name)),
        );
        items.extend(
            self.floating_ips
                .iter()
                .map(|ip| item(Kind::FloatingIp, &ip.id, ip.floating_ip_address)),
        );
        items.extend(
            self.servers
                .iter()
                .map(|server| item(Kind::Server, &server.id, &server.name)),
        );
        items.extend(
            self.recordsets
                .iter()
                .map(|set| item(Kind::Record, &set.id, format!("{} {}", set.name, set.kind))),
        );
        items
    }

    /// Whether nothing of the deployment exists.
    pub fn is_empty(&self) -> bool {
        self.items().is_empty()
    }
}
