//! What the cloud offers to make things from. Fetched only when something is to be made.

use crate::cloud::{Cloud, CloudError, Filter, Flavor, Image, Quotas};

/// Flavors, images, zones and quotas, as the project sees them.
#[derive(Debug, Clone, Default)]
pub struct Offer {
    pub flavors: Vec<Flavor>,
    pub images: Vec<Image>,
    pub availability_zones: Vec<String>,
    /// A quota the cloud does not tell is absent, and not checked.
    pub quotas: Quotas,
}

/// Asks for the offer: six API calls, all at once.
pub async fn offer(cloud: &Cloud, block_storage: bool) -> Result<Offer, CloudError> {
    let volume_quotas = async {
        if block_storage {
            cloud.volume_quotas().await
        } else {
            Ok(Quotas::new())
        }
    };
    let all = Filter::all();
    let (flavors, images, compute, network, volume, availability_zones) = tokio::join!(
        cloud.list_flavors(),
        cloud.list_images(&all),
        cloud.compute_quotas(),
        cloud.network_quotas(),
        volume_quotas,
        cloud.list_availability_zones(),
    );
    let mut quotas = Quotas::new();
    for part in [compute, network, volume] {
        quotas.extend(optional(part)?);
    }
    Ok(Offer {
        flavors: flavors?,
        images: images?,
        availability_zones: optional(availability_zones)?,
        quotas,
    })
}

/// Some clouds do not tell their users these; a check less is no reason to stop.
fn optional<T: Default>(answer: Result<T, CloudError>) -> Result<T, CloudError> {
    match answer {
        Err(CloudError::Forbidden(_) | CloudError::NotFound(_) | CloudError::Refused(_)) => {
            Ok(T::default())
        }
        other => other,
    }
}
