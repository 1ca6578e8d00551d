//! Networks, who may connect, and the DNS record.

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::format;

/// Networks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Network {
    /// Network name or id for the server. Default: the project's only one; a network, subnet and router of our own
    /// where the project has none.
    pub name: Option<String>,
    /// External network (floating IPs and the router's gateway), name or id. Default: the only one there is.
    pub external: Option<String>,
    /// Range of a network of our own. Default: `10.42.0.0/24`.
    #[schemars(with = "Option<format::Ipv4Network>")]
    pub cidr: Option<ipnet::Ipv4Net>,
    /// Name servers of a network of our own. Default: the cloud's.
    #[schemars(with = "Vec<format::Address>")]
    pub dns: Vec<std::net::IpAddr>,
}

/// Who may connect: the security group, exactly.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Access {
    /// Where SSH may come from: networks in CIDR form, or `operator` for the address this machine is seen under.
    pub ssh: Vec<Source>,
    /// Where HTTP and HTTPS may come from: networks in CIDR form, or `operator`.
    pub web: Vec<Source>,
}

impl Default for Access {
    fn default() -> Self {
        Self {
            ssh: anywhere(),
            web: anywhere(),
        }
    }
}

#[expect(clippy::expect_used, reason = "constants")]
fn anywhere() -> Vec<Source> {
    ["0.0.0.0/0", "::/0"]
        .into_iter()
        .map(|net| Source::Net(net.parse().expect("a network")))
        .collect()
}

/// A network in CIDR form, or `operator`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The address this machine is seen under by the cloud.
    Operator,
    Net(IpNet),
}

/// The DNS record for `domain`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Dns {
    /// Designate zone of the record. Default: the longest zone of the project that `domain` lies in. Without a zone
    /// the record to make is printed.
    #[schemars(with = "Option<format::Domain>")]
    pub zone: Option<String>,
    /// Wait until `domain` resolves to the server before the hub is checked.
    pub wait: bool,
}
