//! The OpenStack server.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::format;

/// The OpenStack server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Server {
    /// Image name or id. Default: the newest public Debian 12 image.
    pub image: Option<String>,
    /// Flavor name or id. Default: the smallest that holds `limits.seats` seats.
    pub flavor: Option<String>,
    /// The image's login, a sudo user. Default: the image's `os_admin_user`, else by its distribution (`debian`, `ubuntu`).
    #[schemars(with = "Option<format::UserName>")]
    pub login: Option<String>,
    /// `auto` (a new one, kept in later runs), `none` (the server's own address is reachable), or the address of one
    /// that the project already has.
    pub floating_ip: FloatingIpChoice,
    /// Availability zone of the server and its volumes. Default: the cloud's choice.
    pub availability_zone: Option<String>,
    /// Size in GiB of a boot volume. Default: none where the flavor's disk is large enough, else what the hub needs.
    #[schemars(range(min = 1, max = 16384))]
    pub boot_volume: Option<u32>,
    /// Rebuild the server when `image` names another image than it was made from. Otherwise the image is not compared.
    pub rebuild: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            image: None,
            flavor: None,
            login: None,
            floating_ip: FloatingIpChoice::Auto,
            availability_zone: None,
            boot_volume: None,
            rebuild: false,
        }
    }
}

/// How the server is reached from outside: `auto`, `none` or an IPv4 address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FloatingIpChoice {
    Auto,
    None,
    Address(std::net::Ipv4Addr),
}
