//! Flavors and availability zones (Nova).

use serde::Deserialize;

use super::{Cloud, CloudError, Filter, Flavor, Service};

const COMPUTE: Service = Service::Compute;

impl Cloud {
    pub async fn list_flavors(&self) -> Result<Vec<Flavor>, CloudError> {
        self.pages(
            "listing flavors",
            COMPUTE,
            &["flavors", "detail"],
            "flavors",
            &Filter::all(),
        )
        .await
    }

    pub async fn get_flavor(&self, id: &str) -> Result<Flavor, CloudError> {
        self.fetch(
            &format!("reading flavor {id}"),
            COMPUTE,
            &["flavors", id],
            "flavor",
        )
        .await
    }

    /// Names of the availability zones servers can be made in.
    pub async fn list_availability_zones(&self) -> Result<Vec<String>, CloudError> {
        #[derive(Deserialize)]
        struct Zone {
            #[serde(rename = "zoneName")]
            name: String,
            #[serde(rename = "zoneState")]
            state: State,
        }
        #[derive(Deserialize)]
        struct State {
            available: bool,
        }
        let zones: Vec<Zone> = self
            .fetch(
                "listing availability zones",
                COMPUTE,
                &["os-availability-zone"],
                "availabilityZoneInfo",
            )
            .await?;
        Ok(zones
            .into_iter()
            .filter(|zone| zone.state.available)
            .map(|zone| zone.name)
            .collect())
    }
}
