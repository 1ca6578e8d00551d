//! What the cloud has: the differences between clouds that a client must cope with.

use std::collections::BTreeMap;
use std::str::FromStr;

/// What a cloud has. Words turn the default into another: `no-external,no-dns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// External networks with floating IPs, by name.
    pub external: Vec<String>,
    /// A shared network on which servers get a reachable address with no floating IP.
    pub provider_network: bool,
    /// A shared network on which servers get an IPv6 address that is reached from everywhere, and no other.
    pub provider_v6: bool,
    /// Whether the project starts with a network, a subnet and a router of its own.
    pub project_network: bool,
    /// Further networks, shared by another project: enough that a server needs to be told which.
    pub shared_networks: Vec<String>,
    pub volumes: bool,
    pub dns: bool,
    /// A second region, empty and apart, beside `RegionOne`.
    pub two_regions: bool,
    /// A second image of the first one's name.
    pub twin_image: bool,
    /// Whether Neutron has its tag extensions.
    pub tags: bool,
    /// Whether Nova serves console logs.
    pub console: bool,
    /// Nova's newest microversion: the N of 2.N.
    pub microversion: u16,
    /// An IPv6 subnet on the project's network and on the provider's, where there are such.
    pub ipv6: bool,
    /// Quotas other than the services' defaults, by the service's word: `cores`, `floatingip`, `gigabytes`.
    pub quotas: BTreeMap<String, i64>,
}

impl Default for Scenario {
    fn default() -> Self {
        Self {
            external: vec!["public".to_owned()],
            provider_network: false,
            provider_v6: false,
            project_network: false,
            shared_networks: Vec::new(),
            volumes: true,
            dns: true,
            two_regions: false,
            twin_image: false,
            tags: true,
            console: true,
            microversion: 95,
            ipv6: false,
            quotas: BTreeMap::new(),
        }
    }
}

/// The words [`Scenario::from_str`] knows.
pub const WORDS: [&str; 15] = [
    "default",
    "provider-network",
    "provider-v6",
    "no-external",
    "two-externals",
    "project-network",
    "shared-networks",
    "no-volumes",
    "no-dns",
    "no-tags",
    "no-console",
    "old-nova",
    "ipv6",
    "two-regions",
    "twin-image",
];

impl Scenario {
    /// Sets one quota.
    pub fn quota(mut self, resource: &str, limit: i64) -> Self {
        self.quotas.insert(resource.to_owned(), limit);
        self
    }

    fn word(&mut self, word: &str) -> Result<(), String> {
        match word {
            "default" => {}
            "provider-network" => {
                self.provider_network = true;
                self.external.clear();
            }
            "provider-v6" => {
                self.provider_v6 = true;
                self.external.clear();
            }
            "no-external" => self.external.clear(),
            "two-externals" => self.external = vec!["public".to_owned(), "public2".to_owned()],
            "project-network" => self.project_network = true,
            "shared-networks" => {
                self.shared_networks = vec!["campus-a".to_owned(), "campus-b".to_owned()]
            }
            "no-volumes" => self.volumes = false,
            "no-dns" => self.dns = false,
            "no-tags" => self.tags = false,
            "no-console" => self.console = false,
            "old-nova" => self.microversion = 60,
            "ipv6" => self.ipv6 = true,
            "two-regions" => self.two_regions = true,
            "twin-image" => self.twin_image = true,
            other => {
                return Err(format!(
                    "no scenario {other:?}; known: {}",
                    WORDS.join(", ")
                ));
            }
        }
        Ok(())
    }
}

impl FromStr for Scenario {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut scenario = Self::default();
        for word in text.split(',').map(str::trim).filter(|w| !w.is_empty()) {
            match word.split_once('=') {
                Some((resource, limit)) => {
                    let limit = limit
                        .parse()
                        .map_err(|_| format!("{word:?}: a quota is a number"))?;
                    scenario = scenario.quota(resource, limit);
                }
                None => scenario.word(word)?,
            }
        }
        Ok(scenario)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_quotas_add_up() {
        let scenario: Scenario = "two-externals,no-dns,cores=2".parse().unwrap();
        assert_eq!(scenario.external, ["public", "public2"]);
        assert!(!scenario.dns && scenario.volumes);
        assert_eq!(scenario.quotas["cores"], 2);
        for word in WORDS {
            assert!(word.parse::<Scenario>().is_ok(), "{word}");
        }
        assert!(
            "no-such"
                .parse::<Scenario>()
                .unwrap_err()
                .contains("two-regions")
        );
    }
}
