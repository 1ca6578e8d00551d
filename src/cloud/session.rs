//! session
use std::sync::Arc;

use super::{CloudConfig, CloudError, Reference, Service};
use crate::event::Observer;

/// One cloud, as one project of one user sees it. Cheap to clone; clones share token, connections and counter.
#[derive(Clone)]
pub struct Cloud;

impl Cloud {
    /// Authenticates: one API call.
    pub async fn connect(
        config: CloudConfig,
        observer: Arc<dyn Observer>,
    ) -> Result<Self, CloudError> {
        let _ = (config, observer);
        todo!()
    }

    /// How many HTTP requests were sent so far, repeats included.
    pub fn api_calls(&self) -> u64 {
        todo!()
    }

    /// Whether the catalog has the service for our region and interface.
    pub fn has_service(&self, service: Service) -> bool {
        let _ = service;
        todo!()
    }

    /// The entry's name: of `clouds.yaml`, or `envvars`.
    pub fn name(&self) -> &str {
        todo!()
    }

    /// The project everything is made in.
    pub fn project(&self) -> Reference {
        todo!()
    }

    /// Who we are.
    pub fn user(&self) -> Reference {
        todo!()
    }

    pub fn region(&self) -> Option<&str> {
        todo!()
    }
}
