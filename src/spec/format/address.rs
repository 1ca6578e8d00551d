//! Addresses, networks and URLs.

use std::net::{IpAddr, Ipv4Addr};

use ipnet::{IpNet, Ipv4Net};

use super::Wrong;
use crate::spec::model::{FloatingIpChoice, Source};

pub(super) fn floating_ip(text: &str) -> Result<(), Wrong> {
    super::line(text)?;
    let hint = "`auto` makes a new one, `none` uses the server's own address, or give one that the project has: `192.0.2.7`";
    match text.parse::<FloatingIpChoice>() {
        Ok(FloatingIpChoice::Address(address)) => match useless(IpAddr::V4(address)) {
            Some(why) => Err(Wrong::new(format!("is {why}"), hint)),
            None => Ok(()),
        },
        Ok(_) => Ok(()),
        Err(_) if text.parse::<std::net::Ipv6Addr>().is_ok() => Err(Wrong::new(
            "is an IPv6 address; floating IPs are IPv4",
            hint,
        )),
        Err(message) => Err(Wrong::new(super::unlike(text, &message), hint)),
    }
}

/// Why an address can be no host's.
fn useless(address: IpAddr) -> Option<&'static str> {
    if address.is_unspecified() {
        Some("the address of no host")
    } else if address.is_loopback() {
        Some("a loopback address: each machine's own")
    } else if address.is_multicast() {
        Some("a multicast address")
    } else if matches!(address, IpAddr::V4(v4) if v4.is_broadcast()) {
        Some("the broadcast address")
    } else {
        None
    }
}

pub(super) fn source(text: &str) -> Result<(), Wrong> {
    super::line(text)?;
    let everyone = "everyone is `0.0.0.0/0` (IPv4) and `::/0` (IPv6)";
    if matches!(text, "0.0.0.0" | "::") {
        return Err(Wrong::new(
            "is a single address, which is no host's",
            everyone,
        ));
    }
    if matches!(
        text.to_lowercase().as_str(),
        "any" | "all" | "*" | "anywhere" | "everyone"
    ) {
        return Err(Wrong::new(
            super::unlike(
                text,
                "wants `operator` or a network in CIDR form such as 192.0.2.0/24",
            ),
            everyone,
        ));
    }
    if text.eq_ignore_ascii_case("operator") && text != "operator" {
        return Err(Wrong::new(
            format!("is `{text}`"),
            "write `operator`, in lower case",
        ));
    }
    if let Some((address, prefix)) = text.split_once('/')
        && let (Ok(address), Ok(prefix)) = (address.parse::<IpAddr>(), prefix.parse::<u16>())
    {
        let most = if address.is_ipv4() { 32 } else { 128 };
        if prefix > most {
            return Err(Wrong::new(
                format!("has /{prefix} behind the address; /{most} is the most"),
                format!("`{address}/{most}` is the one address"),
            ));
        }
    }
    if let Ok(net) = text.parse::<IpNet>()
        && net != net.trunc()
    {
        return Err(Wrong::new(
            "is an address within a network, not the network",
            format!(
                "write `{}` for the network, `{}` for the one address",
                net.trunc(),
                net.addr()
            ),
        ));
    }
    text.parse::<Source>().map(drop).map_err(|message| {
        Wrong::new(
            super::unlike(text, &message),
            "`operator` is the address this machine is seen under",
        )
    })
}

pub(super) fn name_server(text: &str) -> Result<(), Wrong> {
    super::line(text)?;
    match text.parse::<IpAddr>() {
        Ok(address) => match useless(address) {
            Some(why) => Err(Wrong::new(
                format!("is {why}"),
                "the address of a name server the server can reach",
            )),
            None => Ok(()),
        },
        Err(_) => Err(Wrong::new(
            super::unlike(text, "wants an IP address such as 192.0.2.53"),
            "the address of a name server, not its name",
        )),
    }
}

/// The range of a network we make: room for the gateway, DHCP and the server, and nothing the server needs elsewhere.
pub(super) fn own_network(text: &str) -> Result<(), Wrong> {
    super::line(text)?;
    let example = "for example `10.42.0.0/24`";
    if text.parse::<ipnet::Ipv6Net>().is_ok() {
        return Err(Wrong::new("is an IPv6 network, wants IPv4", example));
    }
    let net: Ipv4Net = text.parse().map_err(|_| {
        Wrong::new(
            super::unlike(text, "wants an IPv4 network in CIDR form"),
            example,
        )
    })?;
    if net != net.trunc() {
        return Err(Wrong::new(
            "is an address within a network, not the network",
            format!("write `{}`", net.trunc()),
        ));
    }
    if net.prefix_len() > 28 {
        return Err(Wrong::new(
            format!(
                "has {} addresses, too few for the gateway, DHCP and the server",
                1_u64 << (32 - net.prefix_len())
            ),
            format!("/28 is the smallest; {example}"),
        ));
    }
    if net.prefix_len() < 8 {
        return Err(Wrong::new(
            "takes more of the Internet than a network of our own may",
            example,
        ));
    }
    for (taken, whose) in TAKEN {
        let taken = Ipv4Net::new_assert(*taken, if *whose == LINK_LOCAL { 16 } else { 8 });
        if taken.contains(&net) || net.contains(&taken) {
            return Err(Wrong::new(format!("overlaps {taken}, {whose}"), example));
        }
    }
    if net.addr().octets()[0] >= 224 {
        return Err(Wrong::new("is a multicast or reserved range", example));
    }
    Ok(())
}

const LINK_LOCAL: &str = "where the cloud's metadata service answers";
const TAKEN: &[(Ipv4Addr, &str)] = &[
    (Ipv4Addr::new(169, 254, 0, 0), LINK_LOCAL),
    (Ipv4Addr::new(127, 0, 0, 0), "each machine's own addresses"),
    (Ipv4Addr::new(0, 0, 0, 0), "which is no network"),
];

pub(super) fn url(text: &str) -> Result<(), Wrong> {
    super::line(text)?;
    let example = "a whole URL: `https://host/path`";
    let url = url::Url::parse(text).map_err(|error| match error {
        url::ParseError::RelativeUrlWithoutBase => Wrong::new(
            "has no `https://` at its beginning",
            format!("write `https://{text}`"),
        ),
        error => Wrong::new(format!("is not a URL: {error}"), example),
    })?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(Wrong::new(
            format!("starts with `{}:`, wants `https:` or `http:`", url.scheme()),
            example,
        ));
    }
    if url.password().is_some() || !url.username().is_empty() {
        return Err(Wrong::new(
            "has a user name or password in it, which everyone on the server could read",
            "use an index, registry or proxy that needs none",
        ));
    }
    if text.contains(char::is_whitespace) {
        return Err(Wrong::new("has a space in it", "write `%20` for a space"));
    }
    Ok(())
}
