//! Subnets.

use std::net::IpAddr;

use ipnet::IpNet;
use serde_json::{Value, json};

use super::address::Pool;
use super::collection::Collection;
use super::port::Port;
use super::standard::{self, Resource, Standard};
use super::{Net, NeutronError, quota};
use crate::api::{Caller, Fields, State};

#[derive(Debug, Clone)]
pub struct Subnet {
    pub std: Standard,
    pub network_id: String,
    pub cidr: IpNet,
    pub gateway: Option<IpAddr>,
    pub pools: Vec<Pool>,
    pub dhcp: bool,
    pub name_servers: Vec<String>,
    pub host_routes: Value,
    pub ipv6_ra_mode: Option<String>,
    pub ipv6_address_mode: Option<String>,
    /// As its network is.
    pub shared: bool,
    /// Whether the host reaches its addresses themselves, with no floating IP before them.
    pub reachable: bool,
}

impl Resource for Subnet {
    const POLICY: &'static str = "subnet";

    fn standard(&self) -> &Standard {
        &self.std
    }

    fn standard_mut(&mut self) -> &mut Standard {
        &mut self.std
    }

    fn not_found(id: &str) -> NeutronError {
        not_found(id)
    }

    fn shared(&self) -> bool {
        self.shared
    }
}

pub fn not_found(id: &str) -> NeutronError {
    NeutronError::not_found("SubnetNotFound", format!("Subnet {id} could not be found."))
}

impl Subnet {
    /// A subnet with the defaults for its range.
    pub fn new(std: Standard, network_id: &str, cidr: IpNet, gateway: Option<IpAddr>) -> Self {
        Self {
            std,
            network_id: network_id.to_owned(),
            cidr,
            gateway,
            pools: Pool::default_for(cidr, gateway),
            dhcp: true,
            name_servers: Vec::new(),
            host_routes: json!([]),
            ipv6_ra_mode: None,
            ipv6_address_mode: None,
            shared: false,
            reachable: false,
        }
    }

    fn from_body(std: Standard, network_id: &str, body: &Value) -> Result<Self, NeutronError> {
        let text = body.text("cidr").ok_or_else(|| {
            NeutronError::bad(
                "BadRequest",
                "Bad subnets request: a subnetpool must be specified in the absence of a cidr.",
            )
        })?;
        let cidr: IpNet = text
            .parse()
            .map_err(|_| NeutronError::invalid(format!("'{text}' is not a valid IP subnet")))?;
        let cidr = cidr.trunc();
        let version = body.number("ip_version").unwrap_or(4);
        if (version == 4) != cidr.addr().is_ipv4() {
            return Err(NeutronError::invalid(format!(
                "ip_version {version} does not match the IP version of the cidr {cidr}"
            )));
        }
        let gateway = match body.get("gateway_ip") {
            None => Some(Pool::after(cidr.network())),
            Some(Value::Null) => None,
            Some(value) => {
                let text = value.as_str().unwrap_or_default();
                let parsed = text.parse::<IpAddr>().ok();
                Some(parsed.ok_or_else(|| {
                    NeutronError::invalid(format!("'{text}' is not a valid IP address"))
                })?)
            }
        };
        let mut subnet = Self::new(std, network_id, cidr, gateway);
        if let Some(pools) = body.get("allocation_pools").and_then(Value::as_array) {
            subnet.pools = pools
                .iter()
                .map(|p| pool(p, cidr))
                .collect::<Result<_, _>>()?;
        }
        if subnet
            .pools
            .iter()
            .any(|p| gateway.is_some_and(|g| p.contains(g)))
        {
            return Err(NeutronError::conflict(
                "GatewayConflictWithAllocationPools",
                format!(
                    "Gateway ip {} conflicts with allocation pool",
                    gateway.map(|g| g.to_string()).unwrap_or_default()
                ),
            ));
        }
        subnet.dhcp = body.flag("enable_dhcp").unwrap_or(true);
        subnet.name_servers = body.texts("dns_nameservers").unwrap_or_default();
        subnet.host_routes = body
            .get("host_routes")
            .cloned()
            .unwrap_or_else(|| json!([]));
        subnet.ipv6_ra_mode = body.text("ipv6_ra_mode");
        subnet.ipv6_address_mode = body.text("ipv6_address_mode");
        Ok(subnet)
    }

    pub fn json(&self) -> Value {
        let pools: Vec<Value> = self
            .pools
            .iter()
            .map(|p| json!({"start": p.start, "end": p.end}))
            .collect();
        self.std.onto(json!({
            "network_id": self.network_id,
            "ip_version": if self.cidr.addr().is_ipv4() { 4 } else { 6 },
            "cidr": self.cidr.to_string(),
            "gateway_ip": self.gateway,
            "allocation_pools": pools,
            "enable_dhcp": self.dhcp,
            "dns_nameservers": self.name_servers,
            "host_routes": self.host_routes,
            "ipv6_ra_mode": self.ipv6_ra_mode,
            "ipv6_address_mode": self.ipv6_address_mode,
            "subnetpool_id": null,
            "segment_id": null,
            "service_types": [],
            "dns_publish_fixed_ip": false,
        }))
    }
}

fn pool(body: &Value, cidr: IpNet) -> Result<Pool, NeutronError> {
    let end = |key: &str| body.text(key).and_then(|text| text.parse::<IpAddr>().ok());
    match (end("start"), end("end")) {
        (Some(start), Some(end))
            if cidr.contains(&start) && cidr.contains(&end) && start <= end =>
        {
            Ok(Pool { start, end })
        }
        (Some(start), Some(end)) => Err(NeutronError::bad(
            "OutOfBoundsAllocationPool",
            format!("The allocation pool {start}-{end} spans beyond the subnet cidr {cidr}."),
        )),
        _ => Err(NeutronError::invalid(format!(
            "'{body}' is not a valid allocation pool"
        ))),
    }
}

impl Collection for Subnet {
    const PATH: &'static str = "subnets";

    fn all(net: &Net) -> &Vec<Self> {
        &net.subnets
    }

    fn all_mut(net: &mut Net) -> &mut Vec<Self> {
        &mut net.subnets
    }

    fn view(&self, _: &Net) -> Value {
        self.json()
    }

    fn create(net: &mut Net, caller: &Caller, body: &Value) -> Result<Value, NeutronError> {
        let network_id = body
            .text("network_id")
            .ok_or_else(|| NeutronError::missing("network_id"))?;
        let network = standard::get_mut(
            &mut net.networks,
            caller,
            &network_id,
            "create_subnet:network",
        )?;
        network.std.touch();
        quota::check(net, "subnet", &caller.project_id)?;
        let subnet = Self::from_body(Standard::new(&caller.project_id, body), &network_id, body)?;
        let siblings = net.subnets.iter().filter(|s| s.network_id == network_id);
        for sibling in siblings {
            let (a, b) = (sibling.cidr, subnet.cidr);
            if a.addr().is_ipv4() == b.addr().is_ipv4() && (a.contains(&b) || b.contains(&a)) {
                return Err(NeutronError::invalid(format!(
                    "Requested subnet with cidr: {b} for network: {network_id} overlaps with another subnet"
                )));
            }
        }
        let view = subnet.json();
        let (id, dhcp) = (subnet.std.id.clone(), subnet.dhcp);
        net.announce(&subnet);
        net.subnets.push(subnet);
        if dhcp {
            Port::add_dhcp(net, &network_id, &id);
        }
        Ok(view)
    }

    fn update(&mut self, _: &Net, _: &Caller, body: &Value) -> Result<(), NeutronError> {
        self.dhcp = body.flag("enable_dhcp").unwrap_or(self.dhcp);
        if let Some(servers) = body.texts("dns_nameservers") {
            self.name_servers = servers;
        }
        if let Some(gateway) = body.get("gateway_ip") {
            self.gateway = gateway.as_str().and_then(|text| text.parse().ok());
        }
        Ok(())
    }

    fn may_go(&self, net: &Net, _: &Caller) -> Result<(), NeutronError> {
        let id = &self.std.id;
        if net
            .ports
            .iter()
            .any(|p| p.is_on(id) && !p.goes_with_network())
        {
            return Err(NeutronError::conflict(
                "SubnetInUse",
                format!(
                    "Unable to complete operation on subnet {id}: One or more ports have an IP allocation from this subnet."
                ),
            ));
        }
        Ok(())
    }

    fn remove(state: &mut State, id: &str) {
        state.network.ports.retain(|p| !p.is_on(id));
        state.network.subnets.retain(|s| s.std.id != id);
    }
}
