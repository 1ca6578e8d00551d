//! The OpenStack services, as their clients see them.
//!
//! Each service is a folder, each of its resources a file: the record, its JSON, the operations on the state (pure,
//! under one lock) and the handlers that call them. What takes time or moves a machine is in [`life`].

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::Router;

use crate::machine::Machines;
use crate::options::Pace;
use crate::scenario::Scenario;

pub mod caller;
pub mod cinder;
pub mod clock;
pub mod designate;
pub mod glance;
pub mod id;
pub mod keystone;
pub mod life;
pub mod neutron;
pub mod nova;
pub mod payload;
pub mod query;
mod seed;
mod settle;
mod spec;

pub use caller::Caller;
pub use payload::{Fields, Payload};
pub use query::Query;
pub use seed::{Owners, seed};
pub use settle::settle;

/// The whole cloud.
pub struct Cloud {
    /// `http://127.0.0.1:PORT`, no slash at the end.
    pub base_url: String,
    pub identity: Mutex<keystone::Identity>,
    pub regions: Vec<Arc<Region>>,
    pub machines: Arc<dyn Machines>,
    pub pace: Pace,
    pub scenario: Scenario,
    /// Where volumes are kept.
    pub state_dir: PathBuf,
    /// Root of the image's tree, for the machines.
    pub image_root: PathBuf,
}

/// A region: its services share one state and one lock.
pub struct Region {
    pub name: String,
    /// What its services' paths start with: empty for the first region.
    pub prefix: String,
    state: Mutex<State>,
    /// Held while the machines are brought in line with the state, so that the last word stays last.
    pub machines_turn: tokio::sync::Mutex<()>,
}

/// What the services of a region know.
#[derive(Default)]
pub struct State {
    pub images: Vec<glance::image::Image>,
    pub compute: nova::Compute,
    pub network: neutron::Net,
    pub volumes: cinder::Volumes,
    pub dns: designate::Dns,
    /// Floating addresses the machines were told of.
    pub bound: Vec<(Ipv4Addr, String)>,
}

impl Region {
    pub fn new(name: &str, prefix: &str, state: State) -> Self {
        Self {
            name: name.to_owned(),
            prefix: prefix.to_owned(),
            state: Mutex::new(state),
            machines_turn: tokio::sync::Mutex::new(()),
        }
    }

    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Cloud {
    pub fn identity(&self) -> MutexGuard<'_, keystone::Identity> {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What every handler is given: the cloud, and the region it was asked in.
#[derive(Clone)]
pub struct Ctx {
    pub cloud: Arc<Cloud>,
    pub region: Arc<Region>,
}

impl Ctx {
    pub fn lock(&self) -> MutexGuard<'_, State> {
        self.region.lock()
    }

    /// The URL of one of the region's services: `url("/compute/v2.1/servers")`.
    pub fn url(&self, path: &str) -> String {
        format!("{}{}{path}", self.cloud.base_url, self.region.prefix)
    }
}

/// Every service of every region on one router.
pub fn router(cloud: &Arc<Cloud>) -> Router {
    let mut router = Router::new();
    for region in &cloud.regions {
        let ctx = Ctx {
            cloud: cloud.clone(),
            region: region.clone(),
        };
        let at = |service: &str| format!("{}/{service}", region.prefix);
        router = router
            .nest(&at("image"), glance::router(&ctx))
            .nest(&at("compute"), nova::router(&ctx))
            .nest(&at("network"), neutron::router(&ctx));
        if cloud.scenario.volumes {
            router = router.nest(&at("volume"), cinder::router(&ctx));
        }
        if cloud.scenario.dns {
            router = router.nest(&at("dns"), designate::router(&ctx));
        }
    }
    router.merge(keystone::router(cloud))
}
