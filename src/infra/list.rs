//! All deployments of the project.

use serde::Serialize;

use super::inventory::Inventory;
use super::outcome::Outcome;
use super::plan::Item;
use super::survey::observe_all;
use crate::cloud::{Cloud, CloudError};

/// A deployment in a list.
#[derive(Debug, Clone, Serialize)]
pub struct Deployment {
    pub name: String,
    /// Its server; `None` for what a destroy kept or a killed provision left.
    pub server: Option<Outcome>,
    /// Status of a server that has no address, and so is none yet.
    pub status: Option<String>,
    /// Everything of it.
    pub items: Vec<Item>,
}

/// Lists the deployments of the project, by their marks. Key pairs belong to users: another user's are not seen.
pub async fn list(cloud: &Cloud) -> Result<Vec<Deployment>, CloudError> {
    let survey = Box::pin(observe_all(cloud)).await?;
    Ok(survey
        .deployments()
        .into_iter()
        .map(|name| {
            let inventory = Inventory::of(&name, survey.clone());
            Deployment {
                server: Outcome::of(&inventory),
                status: inventory.server().map(|server| server.status.clone()),
                items: inventory.items(),
                name,
            }
        })
        .collect())
}
