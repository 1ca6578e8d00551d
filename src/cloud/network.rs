//! Networks, subnets, routers and ports (Neutron).

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::session::Request;
use super::{
    Cloud, CloudError, Filter, FloatingIp, Network, NewNetwork, NewPort, NewRouter, NewSubnet,
    Port, Router, SecurityGroup, Service, Subnet, Taggable,
};

const NETWORK: Service = Service::Network;

impl Cloud {
    pub async fn list_networks(&self, filter: &Filter) -> Result<Vec<Network>, CloudError> {
        self.neutron("listing networks", "networks", filter).await
    }

    pub async fn create_network(&self, network: &NewNetwork) -> Result<Network, CloudError> {
        self.create(
            &format!("creating network {}", network.name),
            NETWORK,
            &["networks"],
            "network",
            json!({ "network": { "name": network.name, "description": network.description } }),
        )
        .await
    }

    pub async fn delete_network(&self, id: &str) -> Result<(), CloudError> {
        self.remove(
            &format!("deleting network {id}"),
            NETWORK,
            &["networks", id],
        )
        .await
    }

    pub async fn list_subnets(&self, filter: &Filter) -> Result<Vec<Subnet>, CloudError> {
        self.neutron("listing subnets", "subnets", filter).await
    }

    pub async fn create_subnet(&self, subnet: &NewSubnet) -> Result<Subnet, CloudError> {
        let mut body = json!({
            "name": subnet.name,
            "description": subnet.description,
            "network_id": subnet.network_id,
            "cidr": subnet.cidr,
            "ip_version": if subnet.cidr.addr().is_ipv4() { 4 } else { 6 },
            "enable_dhcp": true,
        });
        if !subnet.dns_nameservers.is_empty() {
            body["dns_nameservers"] = json!(subnet.dns_nameservers);
        }
        self.create(
            &format!("creating subnet {}", subnet.name),
            NETWORK,
            &["subnets"],
            "subnet",
            json!({ "subnet": body }),
        )
        .await
    }

    pub async fn delete_subnet(&self, id: &str) -> Result<(), CloudError> {
        self.remove(&format!("deleting subnet {id}"), NETWORK, &["subnets", id])
            .await
    }

    pub async fn list_routers(&self, filter: &Filter) -> Result<Vec<Router>, CloudError> {
        self.neutron("listing routers", "routers", &self.ours(filter))
            .await
    }

    pub async fn create_router(&self, router: &NewRouter) -> Result<Router, CloudError> {
        let mut body = json!({ "name": router.name, "description": router.description });
        if let Some(network) = &router.external_network_id {
            body["external_gateway_info"] = json!({ "network_id": network });
        }
        self.create(
            &format!("creating router {}", router.name),
            NETWORK,
            &["routers"],
            "router",
            json!({ "router": body }),
        )
        .await
    }

    /// Sets the external network of the router, or takes it away.
    pub async fn set_router_gateway(
        &self,
        id: &str,
        external_network_id: Option<&str>,
    ) -> Result<(), CloudError> {
        let gateway = match external_network_id {
            Some(network) => json!({ "network_id": network }),
            None => json!({}),
        };
        self.put(
            &format!("setting the gateway of router {id}"),
            NETWORK,
            &["routers", id],
            json!({ "router": { "external_gateway_info": gateway } }),
        )
        .await?;
        Ok(())
    }

    /// Gives the router the gateway address of the subnet. Content where it has it already.
    pub async fn add_router_interface(
        &self,
        router_id: &str,
        subnet_id: &str,
    ) -> Result<(), CloudError> {
        let outcome = self
            .put(
                &format!("connecting subnet {subnet_id} to router {router_id}"),
                NETWORK,
                &["routers", router_id, "add_router_interface"],
                json!({ "subnet_id": subnet_id }),
            )
            .await;
        match outcome {
            Err(CloudError::Refused(refusal) | CloudError::Conflict(refusal))
                if refusal.message.contains("already has a port on subnet") =>
            {
                Ok(())
            }
            other => other.map(drop),
        }
    }

    /// Content where it has none in that subnet.
    pub async fn remove_router_interface(
        &self,
        router_id: &str,
        subnet_id: &str,
    ) -> Result<(), CloudError> {
        let outcome = self
            .put(
                &format!("disconnecting subnet {subnet_id} from router {router_id}"),
                NETWORK,
                &["routers", router_id, "remove_router_interface"],
                json!({ "subnet_id": subnet_id }),
            )
            .await;
        match outcome {
            Ok(_) | Err(CloudError::NotFound(_)) => Ok(()),
            Err(error) => Err(error),
        }
    }

    pub async fn delete_router(&self, id: &str) -> Result<(), CloudError> {
        self.remove(&format!("deleting router {id}"), NETWORK, &["routers", id])
            .await
    }

    pub async fn list_ports(&self, filter: &Filter) -> Result<Vec<Port>, CloudError> {
        self.neutron("listing ports", "ports", &self.ours(filter))
            .await
    }

    pub async fn create_port(&self, port: &NewPort) -> Result<Port, CloudError> {
        let mut body = json!({
            "name": port.name,
            "description": port.description,
            "network_id": port.network_id,
        });
        if !port.security_group_ids.is_empty() {
            body["security_groups"] = json!(port.security_group_ids);
        }
        if !port.subnet_ids.is_empty() {
            body["fixed_ips"] = port
                .subnet_ids
                .iter()
                .map(|id| json!({ "subnet_id": id }))
                .collect();
        }
        self.create(
            &format!("creating port {}", port.name),
            NETWORK,
            &["ports"],
            "port",
            json!({ "port": body }),
        )
        .await
    }

    /// Replaces the security groups of a port.
    pub async fn set_port_security_groups(
        &self,
        id: &str,
        group_ids: &[String],
    ) -> Result<Port, CloudError> {
        self.replace(
            &format!("setting the security groups of port {id}"),
            &["ports", id],
            "port",
            json!({ "security_groups": group_ids }),
        )
        .await
    }

    pub async fn delete_port(&self, id: &str) -> Result<(), CloudError> {
        self.remove(&format!("deleting port {id}"), NETWORK, &["ports", id])
            .await
    }

    /// Replaces all tags.
    pub async fn set_tags(
        &self,
        kind: Taggable,
        id: &str,
        tags: &[String],
    ) -> Result<(), CloudError> {
        let (collection, name) = kind.words();
        self.put(
            &format!("tagging {name} {id}"),
            NETWORK,
            &[collection, id, "tags"],
            json!({ "tags": tags }),
        )
        .await?;
        Ok(())
    }

    /// Many a list is of every project for an administrator: only ours counts.
    pub(super) fn ours(&self, filter: &Filter) -> Filter {
        filter.clone().and("project_id", self.project().id)
    }

    pub(super) async fn neutron<T: DeserializeOwned + Marked>(
        &self,
        act: &str,
        collection: &str,
        filter: &Filter,
    ) -> Result<Vec<T>, CloudError> {
        let key = collection.replace('-', "_");
        let mut items: Vec<T> = self
            .pages(act, NETWORK, &[collection], &key, filter)
            .await?;
        // Old Neutrons pass over a filter they do not know and list everything.
        items.retain(|item| {
            filter.0.iter().all(|(key, value)| match key.as_str() {
                "tags" => item.tags().contains(value),
                "name" => item.name().is_none_or(|name| name == value),
                "description" => item.description() == value,
                _ => true,
            })
        });
        Ok(items)
    }

    pub(super) async fn replace<T: DeserializeOwned>(
        &self,
        act: &str,
        path: &[&str],
        key: &str,
        changes: Value,
    ) -> Result<T, CloudError> {
        let body = Value::Object(Map::from_iter([(key.to_owned(), changes)]));
        let answer = self
            .send(&Request {
                method: Method::PUT,
                body: Some(body),
                ..Request::get(act, NETWORK, path)
            })
            .await?;
        self.record(act, &answer, key)
    }
}

impl Taggable {
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Network => ("networks", "network"),
            Self::Subnet => ("subnets", "subnet"),
            Self::Router => ("routers", "router"),
            Self::Port => ("ports", "port"),
            Self::SecurityGroup => ("security-groups", "security group"),
            Self::FloatingIp => ("floatingips", "floating IP"),
        }
    }
}

/// What lists are filtered by.
pub(super) trait Marked {
    fn name(&self) -> Option<&str>;
    fn description(&self) -> &str;
    fn tags(&self) -> &[String];
}

macro_rules! marked {
    ($($kind:ty),*) => {$(
        impl Marked for $kind {
            fn name(&self) -> Option<&str> {
                Some(&self.name)
            }
            fn description(&self) -> &str {
                &self.description
            }
            fn tags(&self) -> &[String] {
                &self.tags
            }
        }
    )*};
}

marked!(Network, Subnet, Router, Port, SecurityGroup);

impl Marked for FloatingIp {
    fn name(&self) -> Option<&str> {
        None
    }
    fn description(&self) -> &str {
        &self.description
    }
    fn tags(&self) -> &[String] {
        &self.tags
    }
}
