//! All deployments of the project.

use serde::Serialize;

use super::inventory::Inventory;
use super::outcome::Outcome;
use super::plan::Item;
use super::survey::observe_all;
use super::tag;
use crate::cloud::{Cloud, CloudError};

/// A deployment in a list.
#[derive(Debug, Clone, Serialize)]
pub struct Deployment {
    pub name: String,
    /// Its server; `None` for what a destroy kept or a killed provision left.
    pub server: Option<Outcome>,
    /// Status of a server that has no address, and so is none yet.
    pub status: Option<String>,
    /// From when on it may be removed (RFC 3339), or `never`; `None` where nobody said.
    pub expires: Option<String>,
    /// When the newest thing of it was made, as the cloud writes it.
    pub newest: Option<String>,
    /// Everything of it.
    pub items: Vec<Item>,
}

/// Lists the deployments of the project, by their marks. Key pairs belong to users: another user's are not seen.
pub async fn list(cloud: &Cloud) -> Result<Vec<Deployment>, CloudError> {
    let survey = Box::pin(observe_all(cloud)).await?;
    let mut all = Vec::new();
    for name in survey.deployments() {
        let mut inventory = Inventory::of(&name, survey.clone());
        // Of a key pair alone, which a run that was killed at once leaves, the list tells no age.
        if inventory.newest().is_none() && inventory.key_pair.is_some() {
            inventory.key_pair = cloud.find_key_pair(&tag::name(&name)).await?;
        }
        all.push(Deployment {
            server: Outcome::of(&inventory),
            status: inventory.server().map(|server| server.status.clone()),
            expires: inventory.expires().map(str::to_owned),
            newest: inventory.newest().map(str::to_owned),
            items: inventory.items(),
            name,
        });
    }
    Ok(all)
}
