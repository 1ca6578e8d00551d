//! Networks.

use serde_json::{Value, json};

use super::collection::Collection;
use super::standard::{Resource, Standard};
use super::{Net, NeutronError, quota};
use crate::api::{Caller, Fields, State};

#[derive(Debug, Clone)]
pub struct Network {
    pub std: Standard,
    pub admin_state_up: bool,
    pub shared: bool,
    /// A pool of floating IPs.
    pub external: bool,
    pub port_security: bool,
    pub mtu: u32,
}

impl Resource for Network {
    const POLICY: &'static str = "network";

    fn standard(&self) -> &Standard {
        &self.std
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.std
    }

    fn not_found(id: &str) -> NeutronError {
        NeutronError::not_found(
            "NetworkNotFound",
            format!("Network {id} could not be found."),
        )
    }

    fn shared(&self) -> bool {
        self.shared || self.external
    }
}

impl Network {
    pub fn new(std: Standard) -> Self {
        Self {
            std,
            admin_state_up: true,
            shared: false,
            external: false,
            port_security: true,
            mtu: 1500,
        }
    }

    pub fn json(&self, net: &Net) -> Value {
        let subnets: Vec<&str> = net
            .subnets
            .iter()
            .filter(|s| s.network_id == self.std.id)
            .map(|s| s.std.id.as_str())
            .collect();
        let mut view = json!({
            "admin_state_up": self.admin_state_up,
            "status": "ACTIVE",
            "mtu": self.mtu,
            "shared": self.shared,
            "subnets": subnets,
            "router:external": self.external,
            "port_security_enabled": self.port_security,
            "availability_zone_hints": [],
            "availability_zones": ["nova"],
            "ipv4_address_scope": null,
            "ipv6_address_scope": null,
            "l2_adjacency": true,
            "qos_policy_id": null,
            "dns_domain": "",
        });
        if self.external {
            view["is_default"] = json!(false);
        }
        self.std.onto(view)
    }
}

impl Collection for Network {
    const PATH: &'static str = "networks";

    fn all(net: &Net) -> &Vec<Self> {
        &net.networks
    }

    fn all_mut(net: &mut Net) -> &mut Vec<Self> {
        &mut net.networks
    }

    fn view(&self, net: &Net) -> Value {
        self.json(net)
    }

    fn create(net: &mut Net, caller: &Caller, body: &Value) -> Result<Value, NeutronError> {
        if body.flag("router:external") == Some(true) && !caller.admin {
            return Err(NeutronError::policy("create_network:router:external"));
        }
        if body.flag("shared") == Some(true) && !caller.admin {
            return Err(NeutronError::policy("create_network:shared"));
        }
        net.default_group(&caller.project_id);
        quota::check(net, "network", &caller.project_id)?;
        let network = Self {
            admin_state_up: body.flag("admin_state_up").unwrap_or(true),
            shared: body.flag("shared").unwrap_or(false),
            external: body.flag("router:external").unwrap_or(false),
            port_security: body.flag("port_security_enabled").unwrap_or(true),
            mtu: body
                .number("mtu")
                .and_then(|m| u32::try_from(m).ok())
                .filter(|m| *m > 0)
                .unwrap_or(1450),
            ..Self::new(Standard::new(&caller.project_id, body))
        };
        let view = network.json(net);
        net.networks.push(network);
        Ok(view)
    }

    fn update(&mut self, _: &Net, _: &Caller, body: &Value) -> Result<(), NeutronError> {
        self.admin_state_up = body.flag("admin_state_up").unwrap_or(self.admin_state_up);
        self.port_security = body
            .flag("port_security_enabled")
            .unwrap_or(self.port_security);
        Ok(())
    }

    fn may_go(&self, net: &Net, _: &Caller) -> Result<(), NeutronError> {
        let id = &self.std.id;
        let mut in_the_way = net
            .ports
            .iter()
            .filter(|p| p.network_id == *id && !p.goes_with_network());
        let gateways = net
            .routers
            .iter()
            .any(|r| r.gateway.as_ref().is_some_and(|g| g.network_id == *id));
        let floating = net.floating_ips.iter().any(|f| f.network_id == *id);
        if in_the_way.next().is_some() || gateways || floating {
            return Err(NeutronError::conflict(
                "NetworkInUse",
                format!(
                    "Unable to complete operation on network {id}. There are one or more ports still in use on the network."
                ),
            ));
        }
        Ok(())
    }

    fn remove(state: &mut State, id: &str) {
        let net = &mut state.network;
        net.ports.retain(|p| p.network_id != id);
        net.subnets.retain(|s| s.network_id != id);
        net.networks.retain(|n| n.std.id != id);
    }
}
