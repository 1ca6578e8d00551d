//! The network, its way out, and the server's port on it.

use super::super::InfraError;
use super::super::desired::NetworkWish;
use super::super::plan::Work;
use super::Run;
use crate::cloud::{NewNetwork, NewPort, NewRouter, NewSubnet, Port, Taggable};

impl Run<'_> {
    /// The id of the network, with its way out; `None` where none was chosen, which only a port that is there allows.
    pub(super) async fn network(&self) -> Result<Option<String>, InfraError> {
        let (cidr, dns, external) = match &self.desired().network {
            None => return Ok(None),
            Some(NetworkWish::Existing { network, .. }) => return Ok(Some(network.id.clone())),
            Some(NetworkWish::Own {
                cidr,
                dns,
                external,
            }) => (cidr, dns, external),
        };
        let subnet = async {
            let network = match self.has(&Work::CreateNetwork) {
                Some(change) => self.step(change, self.create_network()).await?,
                None => self
                    .inventory()
                    .networks
                    .first()
                    .map(|network| network.id.clone())
                    .ok_or(InfraError::Incomplete("network"))?,
            };
            let wish = NewSubnet {
                name: self.name.clone(),
                description: self.mark.clone(),
                network_id: network.clone(),
                cidr: (*cidr).into(),
                dns_nameservers: dns.clone(),
            };
            let subnet = match self.has(&Work::CreateSubnet) {
                Some(change) => self.step(change, self.create_subnet(&wish)).await?,
                None => self
                    .inventory()
                    .subnets
                    .iter()
                    .find(|subnet| subnet.network_id == network)
                    .map(|subnet| subnet.id.clone())
                    .ok_or(InfraError::Incomplete("subnet"))?,
            };
            Ok::<_, InfraError>((network, subnet))
        };
        let router = async {
            if let Some(change) = self.has(&Work::CreateRouter) {
                let id = self.step(change, self.create_router(&external.id)).await?;
                return Ok((id, true));
            }
            let router = self
                .inventory()
                .routers
                .first()
                .ok_or(InfraError::Incomplete("router"))?
                .id
                .clone();
            if let Some(change) = self.has(&Work::SetGateway {
                router: router.clone(),
            }) {
                self.step(change, async {
                    Ok(self
                        .cloud
                        .set_router_gateway(&router, Some(&external.id))
                        .await?)
                })
                .await?;
            }
            Ok::<_, InfraError>((router, false))
        };
        let (subnet, router) = tokio::join!(subnet, router);
        let ((network, subnet), (router, is_new)) = (subnet?, router?);
        let interface = async { Ok(self.cloud.add_router_interface(&router, &subnet).await?) };
        match self.has(&Work::AddInterface) {
            Some(change) => self.step(change, interface).await?,
            None if is_new => interface.await?,
            None => {}
        }
        Ok(Some(network))
    }

    async fn create_network(&self) -> Result<String, InfraError> {
        let wish = NewNetwork {
            name: self.name.clone(),
            description: self.mark.clone(),
        };
        let network = self
            .made(
                async || self.cloud.create_network(&wish).await,
                async || {
                    Ok(self
                        .cloud
                        .list_networks(&self.own)
                        .await?
                        .into_iter()
                        .next())
                },
            )
            .await?;
        self.tag_later(Taggable::Network, &network.id);
        Ok(network.id)
    }

    async fn create_subnet(&self, wish: &NewSubnet) -> Result<String, InfraError> {
        let subnet = self
            .made(
                async || self.cloud.create_subnet(wish).await,
                async || {
                    let filter = self.own.clone().and("network_id", &wish.network_id);
                    Ok(self.cloud.list_subnets(&filter).await?.into_iter().next())
                },
            )
            .await?;
        self.tag_later(Taggable::Subnet, &subnet.id);
        Ok(subnet.id)
    }

    async fn create_router(&self, external: &str) -> Result<String, InfraError> {
        let wish = NewRouter {
            name: self.name.clone(),
            description: self.mark.clone(),
            external_network_id: Some(external.to_owned()),
        };
        let router = self
            .made(
                async || self.cloud.create_router(&wish).await,
                async || Ok(self.cloud.list_routers(&self.own).await?.into_iter().next()),
            )
            .await?;
        self.tag_later(Taggable::Router, &router.id);
        Ok(router.id)
    }

    /// The server's port, with the deployment's security group and no other.
    pub(super) async fn port(
        &self,
        network: Option<&str>,
        group: &str,
    ) -> Result<Port, InfraError> {
        let filtered = !matches!(
            self.desired().network,
            Some(NetworkWish::Existing {
                filtered: false,
                ..
            })
        );
        let groups = if filtered {
            vec![group.to_owned()]
        } else {
            Vec::new()
        };
        if let Some(change) = self.has(&Work::CreatePort) {
            let wish = NewPort {
                name: self.name.clone(),
                description: self.mark.clone(),
                network_id: network.ok_or(InfraError::Incomplete("network"))?.to_owned(),
                security_group_ids: groups,
                subnet_ids: Vec::new(),
            };
            return self
                .step(change, async {
                    let port = self
                        .made(
                            async || self.cloud.create_port(&wish).await,
                            async || {
                                let filter = self.own.clone().and("network_id", &wish.network_id);
                                Ok(self.cloud.list_ports(&filter).await?.into_iter().next())
                            },
                        )
                        .await?;
                    self.tag_later(Taggable::Port, &port.id);
                    Ok(port)
                })
                .await;
        }
        let port = self
            .inventory()
            .ports
            .first()
            .ok_or(InfraError::Incomplete("port"))?;
        if let Some(change) = self.has(&Work::SetPortGroups {
            port: port.id.clone(),
        }) {
            return self
                .step(change, async {
                    Ok(self
                        .cloud
                        .set_port_security_groups(&port.id, &groups)
                        .await?)
                })
                .await;
        }
        Ok(port.clone())
    }
}
