//! Quotas: what the project may have, and has (Nova, Cinder, Neutron).

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Cloud, CloudError, Quota, Quotas, Service};

const COMPUTE: Service = Service::Compute;
const NETWORK: Service = Service::Network;
const VOLUMES: Service = Service::BlockStorage;

impl Cloud {
    /// `instances`, `cores`, `ram` (MiB), `key_pairs` (whose use is not told: 0), `server_groups`.
    pub async fn compute_quotas(&self) -> Result<Quotas, CloudError> {
        #[derive(Deserialize)]
        struct Limits {
            absolute: BTreeMap<String, i64>,
        }
        let limits: Limits = self
            .fetch("reading compute quotas", COMPUTE, &["limits"], "limits")
            .await?;
        Ok(absolute_limits(
            &limits.absolute,
            &[
                ("instances", "maxTotalInstances", "totalInstancesUsed"),
                ("cores", "maxTotalCores", "totalCoresUsed"),
                ("ram", "maxTotalRAMSize", "totalRAMUsed"),
                ("key_pairs", "maxTotalKeypairs", ""),
                ("server_groups", "maxServerGroups", "totalServerGroupsUsed"),
            ],
        ))
    }

    /// `floatingip`, `security_group`, `security_group_rule`, `network`, `subnet`, `router`, `port`. A cloud that does
    /// not tell what is used counts as using nothing.
    pub async fn network_quotas(&self) -> Result<Quotas, CloudError> {
        let act = "reading network quotas";
        let project = self.project().id;
        let details: Result<BTreeMap<String, Detail>, _> = self
            .fetch(act, NETWORK, &["quotas", &project, "details.json"], "quota")
            .await;
        let details = match details {
            Err(CloudError::NotFound(_)) => {
                self.fetch(act, NETWORK, &["quotas", &project], "quota")
                    .await?
            }
            other => other?,
        };
        Ok(details
            .into_iter()
            .filter_map(|(name, detail)| Some((name, detail.quota()?)))
            .collect())
    }

    /// `volumes`, `gigabytes`, `snapshots`.
    pub async fn volume_quotas(&self) -> Result<Quotas, CloudError> {
        #[derive(Deserialize)]
        struct Limits {
            absolute: BTreeMap<String, i64>,
        }
        let limits: Limits = self
            .fetch("reading volume quotas", VOLUMES, &["limits"], "limits")
            .await?;
        Ok(absolute_limits(
            &limits.absolute,
            &[
                ("volumes", "maxTotalVolumes", "totalVolumesUsed"),
                ("gigabytes", "maxTotalVolumeGigabytes", "totalGigabytesUsed"),
                ("snapshots", "maxTotalSnapshots", "totalSnapshotsUsed"),
            ],
        ))
    }
}

/// Picks quotas out of the `absolute` limits of Nova and Cinder; -1 is no limit.
fn absolute_limits(absolute: &BTreeMap<String, i64>, wanted: &[(&str, &str, &str)]) -> Quotas {
    wanted
        .iter()
        .filter_map(|(name, limit, used)| {
            let quota = Quota {
                limit: u64::try_from(*absolute.get(*limit)?).ok(),
                used: absolute
                    .get(*used)
                    .and_then(|used| u64::try_from(*used).ok())
                    .unwrap_or_default(),
            };
            Some(((*name).to_owned(), quota))
        })
        .collect()
}

/// A quota with its use, or the bare limit.
#[derive(Deserialize)]
#[serde(untagged)]
enum Detail {
    Used {
        limit: i64,
        used: i64,
        #[serde(default)]
        reserved: i64,
    },
    Limit(i64),
    Other(serde::de::IgnoredAny),
}

impl Detail {
    fn quota(&self) -> Option<Quota> {
        match self {
            Self::Used {
                limit,
                used,
                reserved,
            } => Some(Quota {
                limit: u64::try_from(*limit).ok(),
                used: u64::try_from(used + reserved).unwrap_or_default(),
            }),
            Self::Limit(limit) => Some(Quota {
                limit: u64::try_from(*limit).ok(),
                used: 0,
            }),
            Self::Other(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_without_end_are_none() {
        let absolute = BTreeMap::from([
            ("maxTotalCores".to_owned(), -1),
            ("totalCoresUsed".to_owned(), 3),
            ("maxTotalInstances".to_owned(), 10),
        ]);
        let quotas = absolute_limits(
            &absolute,
            &[
                ("cores", "maxTotalCores", "totalCoresUsed"),
                ("instances", "maxTotalInstances", "totalInstancesUsed"),
                ("ram", "maxTotalRAMSize", "totalRAMUsed"),
            ],
        );
        assert_eq!(
            quotas["cores"],
            Quota {
                limit: None,
                used: 3
            }
        );
        assert_eq!(
            quotas["instances"],
            Quota {
                limit: Some(10),
                used: 0
            }
        );
        assert!(!quotas.contains_key("ram"));
    }
}
