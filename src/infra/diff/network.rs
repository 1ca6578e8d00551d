//! The network, its way out, and the server's port on it.

use super::super::desired::NetworkWish;
use super::super::inventory::Inventory;
use super::super::plan::{Kind, Work};
use super::Diff;
use crate::cloud::{Port, Router};

impl Diff<'_> {
    pub(super) fn network(&mut self) {
        let Some(NetworkWish::Own { cidr, external, .. }) = &self.desired.network else {
            return;
        };
        let inventory = self.inventory;
        let network = inventory.networks.first();
        if network.is_none() {
            self.create(Kind::Network, "", Work::CreateNetwork);
        }
        let subnet = inventory
            .subnets
            .iter()
            .find(|subnet| network.is_some_and(|network| network.id == subnet.network_id));
        match subnet {
            None => self.create(Kind::Subnet, &cidr.to_string(), Work::CreateSubnet),
            Some(subnet) if subnet.cidr != ipnet::IpNet::V4(cidr.trunc()) => self.notes.push(format!(
                "the network's range is {}, the spec says {cidr}: it stays until the deployment is destroyed",
                subnet.cidr
            )),
            Some(_) => {}
        }
        match inventory.routers.first() {
            None => self.create(
                Kind::Router,
                &format!("to {}", external.name),
                Work::CreateRouter,
            ),
            Some(router) => {
                if router.external_gateway_info.is_none() {
                    self.update(
                        Kind::Router,
                        format!("+ gateway to {}", external.name),
                        Work::SetGateway {
                            router: router.id.clone(),
                        },
                    );
                }
                if !subnet.is_some_and(|subnet| has_interface(inventory, router, &subnet.id)) {
                    self.update(
                        Kind::Router,
                        "+ interface in the network",
                        Work::AddInterface,
                    );
                }
            }
        }
    }

    pub(super) fn port(&mut self) {
        let Some(network) = &self.desired.network else {
            return;
        };
        let Some(port) = self.inventory.ports.first() else {
            let on = match network {
                NetworkWish::Own { .. } => self.name.clone(),
                NetworkWish::Existing { network, .. } => network.name.clone(),
            };
            self.create(Kind::Port, &format!("on {on}"), Work::CreatePort);
            self.attach_port();
            return;
        };
        let group = self
            .inventory
            .security_groups
            .first()
            .map(|group| group.id.as_str());
        let filtered = !matches!(
            network,
            NetworkWish::Existing {
                filtered: false,
                ..
            }
        );
        let groups: Vec<&str> = port.security_groups.iter().map(String::as_str).collect();
        if filtered && (group.is_none() || groups != group.into_iter().collect::<Vec<_>>()) {
            let surplus = groups
                .iter()
                .filter(|id| Some(**id) != group)
                .map(|id| self.group_name(id));
            let mut details: Vec<String> = surplus
                .map(|name| format!("- security group {name}"))
                .collect();
            if group.is_none_or(|group| !groups.contains(&group)) {
                details.insert(0, format!("+ security group {}", self.name));
            }
            self.update(
                Kind::Port,
                details.join(", "),
                Work::SetPortGroups {
                    port: port.id.clone(),
                },
            );
        }
        self.attach_port();
    }

    fn group_name(&self, id: &str) -> String {
        self.inventory
            .around
            .security_groups
            .iter()
            .find(|group| group.id == id)
            .map_or(id, |group| &group.name)
            .to_owned()
    }

    pub(super) fn attach_port(&mut self) {
        let port = self.inventory.ports.first();
        if let Some(server) = self.kept_server()
            && port.is_none_or(|port| port.device_id != server.id)
        {
            let server = server.id.clone();
            self.update(Kind::Server, "+ port", Work::AttachPort { server });
        }
    }
}

fn has_interface(inventory: &Inventory, router: &Router, subnet: &str) -> bool {
    inventory.around.ports.iter().any(|port: &Port| {
        port.device_id == router.id && port.fixed_ips.iter().any(|fixed| fixed.subnet_id == subnet)
    })
}
