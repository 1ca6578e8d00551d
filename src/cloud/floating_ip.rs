//! Floating IPs (Neutron).

use serde_json::json;

use super::{Cloud, CloudError, Filter, FloatingIp, NewFloatingIp, Service};

const NETWORK: Service = Service::Network;

impl Cloud {
    pub async fn list_floating_ips(&self, filter: &Filter) -> Result<Vec<FloatingIp>, CloudError> {
        self.neutron("listing floating IPs", "floatingips", &self.ours(filter))
            .await
    }

    pub async fn create_floating_ip(
        &self,
        floating_ip: &NewFloatingIp,
    ) -> Result<FloatingIp, CloudError> {
        let mut body = json!({
            "floating_network_id": floating_ip.network_id,
            "description": floating_ip.description,
        });
        if let Some(port) = &floating_ip.port_id {
            body["port_id"] = json!(port);
        }
        if let Some(address) = &floating_ip.address {
            body["floating_ip_address"] = json!(address);
        }
        self.create(
            "allocating a floating IP",
            NETWORK,
            &["floatingips"],
            "floatingip",
            json!({ "floatingip": body }),
        )
        .await
    }

    /// Lets it lead to a port, or nowhere.
    pub async fn set_floating_ip_port(
        &self,
        id: &str,
        port_id: Option<&str>,
    ) -> Result<FloatingIp, CloudError> {
        self.replace(
            &format!("binding floating IP {id}"),
            &["floatingips", id],
            "floatingip",
            json!({ "port_id": port_id }),
        )
        .await
    }

    pub async fn set_floating_ip_description(
        &self,
        id: &str,
        description: &str,
    ) -> Result<FloatingIp, CloudError> {
        self.replace(
            &format!("describing floating IP {id}"),
            &["floatingips", id],
            "floatingip",
            json!({ "description": description }),
        )
        .await
    }

    pub async fn delete_floating_ip(&self, id: &str) -> Result<(), CloudError> {
        self.remove(
            &format!("releasing floating IP {id}"),
            NETWORK,
            &["floatingips", id],
        )
        .await
    }
}
