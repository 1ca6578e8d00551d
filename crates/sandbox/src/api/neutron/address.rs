//! Addresses: which are free in a subnet, and which of them a port gets.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use serde_json::{Value, json};

use super::subnet::Subnet;
use super::{Net, NeutronError};
use crate::api::Fields;

/// An address of a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FixedIp {
    pub subnet_id: String,
    pub address: IpAddr,
}

impl FixedIp {
    pub fn json(&self) -> Value {
        json!({"subnet_id": self.subnet_id, "ip_address": self.address})
    }
}

/// A range of addresses, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    pub start: IpAddr,
    pub end: IpAddr,
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u32::from(v4).into(),
        IpAddr::V6(v6) => v6.into(),
    }
}

fn like(shape: IpAddr, number: u128) -> IpAddr {
    match shape {
        IpAddr::V4(_) => Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX)).into(),
        IpAddr::V6(_) => Ipv6Addr::from(number).into(),
    }
}

impl Pool {
    pub fn contains(&self, address: IpAddr) -> bool {
        self.start.is_ipv4() == address.is_ipv4()
            && (number(self.start)..=number(self.end)).contains(&number(address))
    }

    /// The address after another one.
    pub fn after(address: IpAddr) -> IpAddr {
        like(address, number(address) + 1)
    }

    /// What is left of a subnet without its gateway, its own and its broadcast address.
    pub fn default_for(cidr: IpNet, gateway: Option<IpAddr>) -> Vec<Self> {
        let (mut first, mut last) = (number(cidr.network()), number(cidr.broadcast()));
        let width = if cidr.addr().is_ipv4() { 32 } else { 128 };
        if cidr.prefix_len() + 1 < width {
            first += 1;
            last -= u128::from(width == 32);
        }
        let pool = |from: u128, to: u128| {
            (from <= to).then(|| Self {
                start: like(cidr.addr(), from),
                end: like(cidr.addr(), to),
            })
        };
        match gateway.map(number) {
            Some(g) if (first..=last).contains(&g) => {
                [pool(first, g.saturating_sub(1)), pool(g + 1, last)]
                    .into_iter()
                    .flatten()
                    .collect()
            }
            _ => pool(first, last).into_iter().collect(),
        }
    }

    fn free(&self, used: &BTreeSet<IpAddr>) -> Option<IpAddr> {
        (number(self.start)..=number(self.end))
            .map(|n| like(self.start, n))
            .find(|a| !used.contains(a))
    }
}

impl Net {
    /// Every address of a subnet that is taken.
    fn used(&self, subnet: &Subnet) -> BTreeSet<IpAddr> {
        let ports = self
            .ports
            .iter()
            .flat_map(|p| &p.fixed_ips)
            .filter(|ip| ip.subnet_id == subnet.std.id);
        let gateways = self
            .routers
            .iter()
            .filter_map(|r| r.gateway.as_ref())
            .flat_map(|g| &g.fixed_ips);
        let floating = self
            .floating_ips
            .iter()
            .filter(|f| f.network_id == subnet.network_id)
            .map(|f| f.address);
        ports
            .chain(gateways)
            .map(|ip| ip.address)
            .chain(floating.map(IpAddr::V4))
            .collect()
    }

    /// The first free address of a subnet.
    pub fn free_address(&self, subnet: &Subnet) -> Option<IpAddr> {
        let used = self.used(subnet);
        subnet.pools.iter().find_map(|pool| pool.free(&used))
    }

    /// Checks an address asked for.
    pub fn take_address(&self, subnet: &Subnet, address: IpAddr) -> Result<FixedIp, NeutronError> {
        if !subnet.cidr.contains(&address) {
            return Err(NeutronError::bad(
                "InvalidIpForSubnet",
                format!("IP address {address} is not a valid IP for the specified subnet."),
            ));
        }
        if self.used(subnet).contains(&address) {
            return Err(NeutronError::conflict(
                "IpAddressAlreadyAllocated",
                format!(
                    "IP address {address} already allocated in subnet {}",
                    subnet.std.id
                ),
            ));
        }
        Ok(FixedIp {
            subnet_id: subnet.std.id.clone(),
            address,
        })
    }

    /// The addresses of a port nobody asked particular ones for: one of IPv4 and one of IPv6, as far as there are any, and
    /// those that it makes up itself.
    pub fn any_addresses(&self, network_id: &str, mac: &str) -> Result<Vec<FixedIp>, NeutronError> {
        let mut found = Vec::new();
        for v4 in [true, false] {
            let of_version: Vec<&Subnet> = self
                .subnets
                .iter()
                .filter(|s| s.network_id == network_id && !s.is_automatic())
                .filter(|s| s.cidr.addr().is_ipv4() == v4)
                .collect();
            let free = of_version
                .iter()
                .find_map(|s| self.free_address(s).map(|a| (s, a)));
            match free {
                Some((subnet, address)) => found.push(FixedIp {
                    subnet_id: subnet.std.id.clone(),
                    address,
                }),
                None if of_version.is_empty() => {}
                None => return Err(exhausted(network_id)),
            }
        }
        found.extend(self.automatic_addresses(network_id, mac));
        Ok(found)
    }

    /// The addresses of a port whose body asks: `[{"subnet_id"}, {"ip_address"}, {both}]`; those that it makes up itself
    /// are there without being asked for.
    pub fn asked_addresses(
        &self,
        network_id: &str,
        asked: &[Value],
        mac: &str,
    ) -> Result<Vec<FixedIp>, NeutronError> {
        let mut found = asked
            .iter()
            .map(|one| self.asked_address(network_id, one, mac))
            .collect::<Result<Vec<_>, _>>()?;
        for automatic in self.automatic_addresses(network_id, mac) {
            if !found.contains(&automatic) {
                found.push(automatic);
            }
        }
        Ok(found)
    }

    fn asked_address(
        &self,
        network_id: &str,
        asked: &Value,
        mac: &str,
    ) -> Result<FixedIp, NeutronError> {
        let address = match asked.text("ip_address") {
            None => None,
            Some(text) => {
                let parsed = text.parse::<IpAddr>();
                Some(parsed.map_err(|_| {
                    NeutronError::invalid(format!("'{text}' is not a valid IP address"))
                })?)
            }
        };
        let subnet = match (asked.text("subnet_id"), address) {
            (Some(id), _) => {
                let found = self.subnets.iter().find(|s| s.std.id == id);
                let found = found.ok_or_else(|| super::subnet::not_found(&id))?;
                if found.network_id != network_id {
                    return Err(NeutronError::invalid(format!(
                        "Failed to create port on network {network_id}, because fixed_ips included invalid subnet {id}"
                    )));
                }
                found
            }
            (None, Some(address)) => {
                let mut on_network = self.subnets.iter().filter(|s| s.network_id == network_id);
                on_network.find(|s| s.cidr.contains(&address)).ok_or_else(|| {
                    NeutronError::bad(
                        "InvalidIpForNetwork",
                        format!("IP address {address} is not a valid IP for any of the subnets on the specified network."),
                    )
                })?
            }
            (None, None) => {
                return Err(NeutronError::invalid(
                    "IP allocation requires subnet_id or ip_address",
                ));
            }
        };
        if let Some(automatic) = subnet.automatic(mac) {
            return match address {
                Some(address) if address != automatic.address => Err(NeutronError::bad(
                    "AllocationOnAutoAddressSubnet",
                    format!(
                        "IPv6 address {address} cannot be directly assigned to a port on subnet {} as the subnet is configured for automatic addresses",
                        subnet.std.id
                    ),
                )),
                _ => Ok(automatic),
            };
        }
        match address {
            Some(address) => self.take_address(subnet, address),
            None => {
                let address = self
                    .free_address(subnet)
                    .ok_or_else(|| exhausted(network_id))?;
                Ok(FixedIp {
                    subnet_id: subnet.std.id.clone(),
                    address,
                })
            }
        }
    }
}

pub fn exhausted(network_id: &str) -> NeutronError {
    NeutronError::conflict(
        "IpAddressGenerationFailure",
        format!("No more IP addresses available on network {network_id}."),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_is_the_subnet_without_what_is_spoken_for() {
        let pools = |cidr: &str, gateway: Option<&str>| {
            Pool::default_for(cidr.parse().unwrap(), gateway.map(|g| g.parse().unwrap()))
                .iter()
                .map(|p| format!("{}-{}", p.start, p.end))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            pools("10.0.0.0/24", Some("10.0.0.1")),
            ["10.0.0.2-10.0.0.254"]
        );
        assert_eq!(
            pools("10.0.0.0/24", Some("10.0.0.10")),
            ["10.0.0.1-10.0.0.9", "10.0.0.11-10.0.0.254"]
        );
        assert_eq!(pools("10.0.0.0/30", None), ["10.0.0.1-10.0.0.2"]);
        assert_eq!(pools("fd00::/126", Some("fd00::1")), ["fd00::2-fd00::3"]);
    }
}
