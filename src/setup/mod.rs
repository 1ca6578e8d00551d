//! The host half: what the server should look like, what it looks like, and the steps between.
//!
//! [`diff`] is the runbook: every step there is, in order, each with what makes it needed. It compares and does nothing
//! else. A run costs one exchange to [`observe`] and, if anything is to be done, one to [`apply`].

mod apply;
mod desired;
mod distribution;
mod edit;
mod error;
pub mod facts;
mod hub;
mod lock;
pub mod names;
mod observe;
mod plan;
mod render;
mod routes;
mod runbook;
mod step;
mod template;
mod vitals;

pub use apply::{Applied, apply};
pub use desired::{Content, Desired, ManagedFile, Site, StatusPlace, Upgrade, desired, programs};
pub use distribution::{DISTRIBUTIONS, Distribution};
pub use error::SetupError;
pub use facts::Facts;
pub use hub::HubPlaces;
pub use lock::{Lock, LockError, Locks, unkept as unkept_locks};
pub use observe::{observe, proxy_status};
pub use plan::{HostPlan, Problem};
pub use render::render;
pub use routes::routes;
pub use step::Step;
pub use template::APPLY;
pub use vitals::{Disk, Memory, Seat, Service, Vitals, vitals};

use runbook::Runbook;

/// The steps from what was observed to what is desired. Nothing where they are the same.
///
/// The order lets a run that is killed anywhere be finished by the next one: what something needs comes before it, a
/// stamp after what it stands for, and whether a unit must restart shows in the times of what it reads.
pub fn diff(desired: &Desired, facts: &Facts) -> HostPlan {
    let mut run = Runbook::new(desired, facts);

    run.look_for_problems();

    // What downloads need, and the distribution's packages, unless the login page can be there before them.
    run.finish_interrupted_packages();
    run.files(desired::Part::Downloads);
    run.absent_files();
    run.page_packages();
    if !desired.page_first {
        run.packages();
    }

    // The system, before there is anybody to keep apart.
    run.data_volume();
    run.swap();
    run.timezone();
    run.edits();
    run.groups_and_accounts();
    run.private_homes();
    run.files(desired::Part::System);
    if !desired.page_first {
        run.units(true);
    }
    run.ssh_door();

    // The hub's programs, each in a folder of its own.
    if !desired.page_first {
        run.uv();
        run.environments();
        run.conda();
        run.proxy();
    }
    run.containers();

    // The hub: files first, then what reads them. What other choices left ends as late as can be.
    run.folders();
    run.files(desired::Part::Hub);
    run.retired_units();
    run.takeover();
    run.units(false);
    if desired.page_first {
        // The login page is there already. Before the first notebook can be, what keeps it apart is.
        run.packages();
        run.units(true);
        run.uv();
        run.environments();
        run.conda();
    }
    run.absent_folders();

    run.finish()
}
