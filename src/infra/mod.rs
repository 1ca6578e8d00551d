//! The cloud half: observe what exists by tag, compare, apply in dependency order.
//!
//! [`observe`] looks at the project, [`plan()`] compares it with the spec and talks to nothing, [`apply()`] carries the
//! plan out. [`destroy()`] and [`list()`] go by the marks alone ([`tag`]); no local file is needed for any of it.
//!
//! Planning fetches the [`Offer`] (flavors, images, quotas) only where something is to be made: [`prepare`] does both.

pub mod acme;
mod apply;
mod choose;
mod desired;
mod destroy;
mod diff;
pub mod door;
mod error;
pub mod gc;
mod inventory;
mod key_pair;
mod list;
mod network;
mod offer;
pub mod operator;
mod outcome;
mod plan;
mod preflight;
mod problem;
pub mod rule;
mod survey;
pub mod tag;

use std::collections::BTreeMap;

pub use apply::{Pace, apply};
pub use choose::is_debian_12 as is_default_image;
pub use desired::{Desired, HostKeyPair, Local};
pub use destroy::{DestroyOptions, Leftover, Leftovers, destroy};
pub use error::InfraError;
pub use inventory::{Inventory, observe};
pub use key_pair::{is_same_key, replace_key_pair};
pub use list::{Deployment, list};
pub use offer::{Offer, offer};
pub use outcome::Outcome;
pub use plan::{Change, Item, Kind, Plan, Verb};
pub use preflight::preflight;
pub use problem::{Problem, Problems};
pub use survey::Survey;

use crate::cloud::{Cloud, CloudError};
use crate::spec::Spec;

/// Observes and plans: eight API calls where nothing is to be made, one more for a cloud's volumes and two for its DNS,
/// six more for the offer.
pub async fn prepare(cloud: &Cloud, spec: &Spec, local: &Local) -> Result<Plan, InfraError> {
    let inventory = Box::pin(observe(cloud, &spec.name)).await?;
    let offer = if needs_offer(spec, &inventory, local) {
        Some(Box::pin(offer::offer(cloud, inventory.around.block_storage)).await?)
    } else {
        None
    };
    Ok(plan(spec, offer.as_ref(), &inventory, local)?)
}

/// Whether planning needs to know what the cloud offers: something is to be made.
pub fn needs_offer(spec: &Spec, inventory: &Inventory, local: &Local) -> bool {
    let (mut problems, mut notes) = (Problems::default(), Vec::new());
    let desired = Desired::new(spec, None, inventory, local, &mut problems, &mut notes);
    spec.server.rebuild
        || desired.server_due.is_some()
        || diff::diff(&desired, inventory, &mut problems, &mut notes)
            .iter()
            .any(|change| matches!(change.verb, Verb::Create | Verb::Replace) || change.is_growth())
}

/// Compares the spec with what there is. Pure: the same arguments give the same plan. Every problem is returned at
/// once, with its remedy; nothing was changed then.
pub fn plan(
    spec: &Spec,
    offer: Option<&Offer>,
    inventory: &Inventory,
    local: &Local,
) -> Result<Plan, Problems> {
    let (mut problems, mut notes) = (Problems::default(), Vec::new());
    let desired = Desired::new(spec, offer, inventory, local, &mut problems, &mut notes);
    let changes = diff::diff(&desired, inventory, &mut problems, &mut notes);
    if let Some(offer) = offer {
        problems
            .0
            .extend(preflight(spec, offer, inventory, &changes).0);
    }
    problems
        .0
        .extend(acme::address_problem(spec, &desired, inventory));
    if !problems.is_empty() {
        return Err(problems);
    }
    if let (Some(wanted), Some(has)) = (
        &spec.server.flavor,
        inventory.server().and_then(|server| server.flavor_name()),
    ) && desired.server_due.is_none()
        && wanted != has
        && !looks_like_id(wanted)
    {
        notes.push(format!(
            "the server's flavor is {has}, the spec says {wanted}: it stays; `openstack server resize --flavor {wanted}` changes it"
        ));
    }
    Ok(Plan {
        changes,
        notes,
        desired,
        inventory: inventory.clone(),
    })
}

/// Flavors are told by name once a server is made of them; an id cannot be compared.
fn looks_like_id(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

/// Records the fingerprints (`SHA256:…`) of a server's SSH host keys by type (`ssh-ed25519`) in its metadata, once they
/// are verified: another machine, or the one after this laptop, knows the server by them.
pub async fn record_host_keys(
    cloud: &Cloud,
    server_id: &str,
    fingerprints: &BTreeMap<String, String>,
) -> Result<(), CloudError> {
    let metadata = fingerprints
        .iter()
        .map(|(kind, print)| (format!("{}{kind}", tag::HOST_KEY), print.clone()))
        .collect();
    cloud.set_server_metadata(server_id, &metadata).await
}
