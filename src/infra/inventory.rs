//! What of the project belongs to one deployment.

use super::plan::{Item, Kind};
use super::survey::{Survey, mark, survey};
use super::tag;
use crate::cloud::{
    Cloud, CloudError, FloatingIp, KeyPair, Network, Port, Recordset, Router, SecurityGroup,
    Server, Subnet, Volume,
};

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

    /// From when on the deployment may be removed (RFC 3339, UTC): as its server says, else the latest that one of its
    /// other resources names.
    pub fn expires(&self) -> Option<&str> {
        if let Some(server) = self.server() {
            return tag::expires_of_metadata(&server.metadata);
        }
        self.tags()
            .filter_map(tag::expires_of_tags)
            .chain(
                self.volumes
                    .iter()
                    .filter_map(|volume| tag::expires_of_metadata(&volume.metadata)),
            )
            .max()
    }

    /// When the newest of its resources was made, as the cloud writes it. A floating IP or volume may be older than the
    /// deployment that holds it now, and a rebuilt server is younger: the newest is what somebody wanted last.
    pub fn newest(&self) -> Option<&str> {
        self.servers
            .iter()
            .map(|x| &x.created)
            .chain(self.security_groups.iter().map(|x| &x.created_at))
            .chain(self.networks.iter().map(|x| &x.created_at))
            .chain(self.routers.iter().map(|x| &x.created_at))
            .chain(self.ports.iter().map(|x| &x.created_at))
            .chain(self.floating_ips.iter().map(|x| &x.created_at))
            .chain(self.volumes.iter().map(|x| &x.created_at))
            .chain(self.key_pair.iter().map(|x| &x.created_at))
            .filter_map(Option::as_deref)
            .max()
    }

    fn tags(&self) -> impl Iterator<Item = &[String]> {
        let groups = self.security_groups.iter().map(|x| &x.tags[..]);
        groups
            .chain(self.networks.iter().map(|x| &x.tags[..]))
            .chain(self.subnets.iter().map(|x| &x.tags[..]))
            .chain(self.routers.iter().map(|x| &x.tags[..]))
            .chain(self.ports.iter().map(|x| &x.tags[..]))
            .chain(self.floating_ips.iter().map(|x| &x.tags[..]))
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
