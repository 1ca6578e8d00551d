//! Networking (Neutron).

use super::{
    Cloud, CloudError, Filter, FloatingIp, Network, NewFloatingIp, NewNetwork, NewPort, NewRouter,
    NewSubnet, Port, Quotas, Router, RuleSpec, SecurityGroup, SecurityGroupRule, Subnet, Taggable,
};

impl Cloud {
    pub async fn list_networks(&self, filter: &Filter) -> Result<Vec<Network>, CloudError> {
        let _ = filter;
        todo!()
    }

    pub async fn create_network(&self, network: &NewNetwork) -> Result<Network, CloudError> {
        let _ = network;
        todo!()
    }

    pub async fn delete_network(&self, id: &str) -> Result<(), CloudError> {
        let _ = id;
        todo!()
    }

    pub async fn list_subnets(&self, filter: &Filter) -> Result<Vec<Subnet>, CloudError> {
        let _ = filter;
        todo!()
    }

    pub async fn create_subnet(&self, subnet: &NewSubnet) -> Result<Subnet, CloudError> {
        let _ = subnet;
        todo!()
    }

    pub async fn delete_subnet(&self, id: &str) -> Result<(), CloudError> {
        let _ = id;
        todo!()
    }

    pub async fn list_routers(&self, filter: &Filter) -> Result<Vec<Router>, CloudError> {
        let _ = filter;
        todo!()
    }

    pub async fn create_router(&self, router: &NewRouter) -> Result<Router, CloudError> {
        let _ = router;
        todo!()
    }

    /// Sets the external network of the router, or takes it away.
    pub async fn set_router_gateway(
        &self,
        id: &str,
        external_network_id: Option<&str>,
    ) -> Result<(), CloudError> {
        let _ = (id, external_network_id);
        todo!()
    }

    /// Gives the router the gateway address of the subnet. Content where it has it already.
    pub async fn add_router_interface(
        &self,
        router_id: &str,
        subnet_id: &str,
    ) -> Result<(), CloudError> {
        let _ = (router_id, subnet_id);
        todo!()
    }

    /// Content where it has none in that subnet.
    pub async fn remove_router_interface(
        &self,
        router_id: &str,
        subnet_id: &str,
    ) -> Result<(), CloudError> {
        let _ = (router_id, subnet_id);
        todo!()
    }

    pub async fn delete_router(&self, id: &str) -> Result<(), CloudError> {
        let _ = id;
        todo!()
    }

    pub async fn list_ports(&self, filter: &Filter) -> Result<Vec<Port>, CloudError> {
        let _ = filter;
        todo!()
    }

    pub async fn create_port(&self, port: &NewPort) -> Result<Port, CloudError> {
        let _ = port;
        todo!()
    }

    /// Replaces the security groups of a port.
    pub async fn set_port_security_groups(
        &self,
        id: &str,
        group_ids: &[String],
    ) -> Result<Port, CloudError> {
        let _ = (id, group_ids);
        todo!()
    }

    pub async fn delete_port(&self, id: &str) -> Result<(), CloudError> {
        let _ = id;
        todo!()
    }

    /// With their rules.
    pub async fn list_security_groups(
        &self,
        filter: &Filter,
    ) -> Result<Vec<SecurityGroup>, CloudError> {
        let _ = filter;
        todo!()
    }

    /// With the rules Neutron puts in by itself (all egress).
    pub async fn create_security_group(
        &self,
        name: &str,
        description: &str,
    ) -> Result<SecurityGroup, CloudError> {
        let _ = (name, description);
        todo!()
    }

    pub async fn delete_security_group(&self, id: &str) -> Result<(), CloudError> {
        let _ = id;
        todo!()
    }

    /// Adds rules in one call: all or none.
    pub async fn create_security_group_rules(
        &self,
        group_id: &str,
        rules: &[RuleSpec],
    ) -> Result<Vec<SecurityGroupRule>, CloudError> {
        let _ = (group_id, rules);
        todo!()
    }

    pub async fn delete_security_group_rule(&self, id: &str) -> Result<(), CloudError> {
        let _ = id;
        todo!()
    }

    pub async fn list_floating_ips(&self, filter: &Filter) -> Result<Vec<FloatingIp>, CloudError> {
        let _ = filter;
        todo!()
    }

    pub async fn create_floating_ip(
        &self,
        floating_ip: &NewFloatingIp,
    ) -> Result<FloatingIp, CloudError> {
        let _ = floating_ip;
        todo!()
    }

    /// Lets it lead to a port, or nowhere.
    pub async fn set_floating_ip_port(
        &self,
        id: &str,
        port_id: Option<&str>,
    ) -> Result<FloatingIp, CloudError> {
        let _ = (id, port_id);
        todo!()
    }

    pub async fn set_floating_ip_description(
        &self,
        id: &str,
        description: &str,
    ) -> Result<FloatingIp, CloudError> {
        let _ = (id, description);
        todo!()
    }

    pub async fn delete_floating_ip(&self, id: &str) -> Result<(), CloudError> {
        let _ = id;
        todo!()
    }

    /// Replaces all tags.
    pub async fn set_tags(
        &self,
        kind: Taggable,
        id: &str,
        tags: &[String],
    ) -> Result<(), CloudError> {
        let _ = (kind, id, tags);
        todo!()
    }

    /// `floatingip`, `security_group`, `security_group_rule`, `network`, `subnet`, `router`, `port`.
    pub async fn network_quotas(&self) -> Result<Quotas, CloudError> {
        todo!()
    }
}
