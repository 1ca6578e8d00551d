//! Where a request came from, as far as the proxy is to be believed.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::HeaderMap;
use http::request::Parts;

use crate::listen::Arrival;

/// Where a request came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// The client's address.
    pub address: IpAddr,
    /// Whether the browser speaks https.
    pub is_https: bool,
    /// The host the browser asked for, with its port.
    pub host: Option<String>,
}

impl Origin {
    /// Reads it from a request.
    pub fn of(parts: &Parts) -> Self {
        let arrival = parts.extensions.get::<Arrival>();
        let peer = arrival
            .and_then(|arrival| arrival.peer)
            .map(|peer| peer.ip());
        let believed = arrival.is_some_and(|arrival| arrival.public);
        Self::read(&parts.headers, peer, believed)
    }

    fn read(headers: &HeaderMap, peer: Option<IpAddr>, believed: bool) -> Self {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let forwarded = |name: &str| text(name).filter(|_| believed);
        // Proxies append: what the client itself sent comes first, what our proxy saw last.
        let address = headers
            .get_all("x-forwarded-for")
            .iter()
            .filter(|_| believed)
            .filter_map(|value| value.to_str().ok())
            .flat_map(|line| line.split(','))
            .next_back()
            .and_then(|address| parse(address.trim()));
        // Of several the first speaks to the browser (JupyterHub reads it so, too).
        let proto = forwarded("x-scheme").or_else(|| forwarded("x-forwarded-proto"));
        let proto = proto
            .and_then(|proto| proto.split(',').next())
            .map(str::trim);
        let host = forwarded("x-forwarded-host").or_else(|| text("host"));
        Self {
            address: address
                .or(peer)
                .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
                .to_canonical(),
            is_https: proto.is_some_and(|proto| matches!(proto, "https" | "wss")),
            host: host
                .and_then(|host| host.split(',').next())
                .map(|host| host.trim().to_owned())
                .filter(|host| is_host(host)),
        }
    }

    /// The address of a page on this hub as the browser names it. `public_url` of the configuration goes first.
    pub fn absolute(&self, public_url: Option<&str>, path: &str) -> Option<String> {
        if let Some(public) = public_url.filter(|url| !url.is_empty()) {
            return url::Url::parse(public)
                .ok()?
                .join(path)
                .ok()
                .map(String::from);
        }
        let scheme = if self.is_https { "https" } else { "http" };
        self.host
            .as_ref()
            .map(|host| format!("{scheme}://{host}{path}"))
    }
}

/// An address, with or without a port.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = text
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .map_or(text, |(inside, _)| inside);
    bare.parse()
        .ok()
        .or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

fn is_host(host: &str) -> bool {
    !host.is_empty()
        && host.len() <= 255
        && host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn only_the_proxy_is_believed() {
        let sent = headers(&[
            ("x-forwarded-for", "203.0.113.9, 192.0.2.7"),
            ("x-forwarded-proto", "https,http"),
            ("x-forwarded-host", "evil.example"),
            ("host", "hub.example:8000"),
        ]);
        let peer: IpAddr = "127.0.0.1".parse().unwrap();
        let origin = Origin::read(&sent, Some(peer), true);
        assert_eq!(origin.address, "192.0.2.7".parse::<IpAddr>().unwrap());
        assert!(origin.is_https);
        assert_eq!(origin.host.as_deref(), Some("evil.example"));
        let origin = Origin::read(&sent, Some(peer), false);
        assert_eq!((origin.address, origin.is_https), (peer, false));
        assert_eq!(origin.host.as_deref(), Some("hub.example:8000"));
    }

    #[test]
    fn addresses_are_read_in_every_form() {
        for (sent, expected) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7:4711", "192.0.2.7"),
            ("::ffff:192.0.2.7", "192.0.2.7"),
            ("2001:db8::1", "2001:db8::1"),
            ("[2001:db8::1]:4711", "2001:db8::1"),
            ("198.51.100.1, 192.0.2.7", "192.0.2.7"),
            ("unknown", "0.0.0.0"),
            ("", "0.0.0.0"),
        ] {
            let origin = Origin::read(&headers(&[("x-forwarded-for", sent)]), None, true);
            assert_eq!(origin.address.to_string(), expected, "{sent:?}");
        }
    }

    #[test]
    fn the_hub_s_own_address() {
        let origin = Origin {
            address: Ipv4Addr::LOCALHOST.into(),
            is_https: true,
            host: Some("hub.example".to_owned()),
        };
        assert_eq!(
            origin.absolute(None, "/hub/oauth_callback").unwrap(),
            "https://hub.example/hub/oauth_callback"
        );
        let configured =
            origin.absolute(Some("https://jupyter.uni.example/"), "/hub/oauth_callback");
        assert_eq!(
            configured.unwrap(),
            "https://jupyter.uni.example/hub/oauth_callback"
        );
        for (host, good) in [
            ("a.b:80", true),
            ("[::1]:8000", true),
            ("a b", false),
            ("a/b", false),
            ("a@b", false),
            ("", false),
        ] {
            assert_eq!(is_host(host), good, "{host}");
        }
    }
}
