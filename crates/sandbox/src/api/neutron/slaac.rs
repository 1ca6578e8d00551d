//! Addresses that ports make up themselves: in subnets with SLAAC or stateless DHCP, out of prefix and MAC (RFC 4291,
//! appendix A).

use std::net::{IpAddr, Ipv6Addr};

use ipnet::IpNet;

use super::Net;
use super::address::FixedIp;
use super::port::ROUTER_INTERFACE;
use super::subnet::Subnet;

impl Subnet {
    /// Whether nobody chooses the addresses in it.
    pub fn is_automatic(&self) -> bool {
        matches!(
            self.ipv6_address_mode.as_deref(),
            Some("slaac" | "dhcpv6-stateless")
        )
    }

    /// The address of a port with this MAC.
    pub fn automatic(&self, mac: &str) -> Option<FixedIp> {
        let address = self
            .is_automatic()
            .then(|| modified_eui64(self.cidr, mac))
            .flatten()?;
        Some(FixedIp {
            subnet_id: self.std.id.clone(),
            address: address.into(),
        })
    }
}

impl Net {
    /// What a port has on a network whether it was asked for or not: an address in each such subnet.
    pub fn automatic_addresses(&self, network_id: &str, mac: &str) -> Vec<FixedIp> {
        self.subnets
            .iter()
            .filter(|subnet| subnet.network_id == network_id)
            .filter_map(|subnet| subnet.automatic(mac))
            .collect()
    }

    /// Ports that are there before their subnet have an address in it all the same.
    pub fn announce(&mut self, subnet: &Subnet) {
        for port in &mut self.ports {
            if port.network_id == subnet.network_id && port.device_owner != ROUTER_INTERFACE {
                port.fixed_ips.extend(subnet.automatic(&port.mac));
            }
        }
    }
}

fn modified_eui64(prefix: IpNet, mac: &str) -> Option<Ipv6Addr> {
    let IpAddr::V6(network) = prefix.network() else {
        return None;
    };
    let bytes: Vec<u8> = mac
        .split(':')
        .map(|byte| u8::from_str_radix(byte, 16).ok())
        .collect::<Option<_>>()?;
    let [a, b, c, d, e, f] = bytes.try_into().ok()?;
    let interface = u64::from_be_bytes([a ^ 2, b, c, 0xff, 0xfe, d, e, f]);
    Some(Ipv6Addr::from(u128::from(network) | u128::from(interface)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_made_of_prefix_and_mac() {
        let address = |mac| modified_eui64("2001:db8:20::/64".parse().unwrap(), mac);
        assert_eq!(
            address("fa:16:3e:12:34:56").unwrap().to_string(),
            "2001:db8:20:0:f816:3eff:fe12:3456"
        );
        assert_eq!(address("fa:16:3e"), None);
        assert_eq!(
            modified_eui64("10.0.0.0/24".parse().unwrap(), "fa:16:3e:12:34:56"),
            None
        );
    }
}
