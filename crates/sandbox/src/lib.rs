//! A small OpenStack on loopback whose servers are real machines.
//!
//! [`api`] speaks Keystone v3, Glance v2, Nova 2.1, Neutron 2.0, Cinder v3 and Designate v2 out of memory; [`machine`]
//! is what a server is made of. The two meet in the [`machine::Machines`] trait and nowhere else. [`control`] is the
//! way in for tests: faults on demand, and what was asked.
//!
//! A test starts one in milliseconds, as many as it likes at once:
//!
//! ```
//! let sandbox = sandbox::Sandbox::start(sandbox::Options::default())?;
//! assert!(sandbox.clouds_yaml.exists());
//! # anyhow::Ok(())
//! ```

pub mod api;
mod clouds_yaml;
pub mod control;
pub mod machine;
mod no_machines;
pub mod options;
mod rules;
mod running;
pub mod scenario;
mod serve;
mod tls;

use std::sync::{Arc, OnceLock};

use machine::namespaces::Namespaces;

pub use control::{Control, Fault, Kind, Service};
pub use no_machines::NoMachines;
pub use options::{Options, Pace};
pub use running::{Made, Maker, Sandbox};
pub use scenario::Scenario;

/// Servers that are machines of their own, in namespaces of this host. Needs root; the first time on a box it builds a
/// Debian image, which takes about a minute. Images are kept in `~/.cache/hubctl-sandbox`.
pub fn namespaces() -> Maker {
    namespaces_held(&Arc::default())
}

/// The same, and the machines are put where whoever asked finds them.
pub fn namespaces_held(hold: &Arc<OnceLock<Arc<Namespaces>>>) -> Maker {
    let hold = Arc::clone(hold);
    Box::new(|dir| {
        Box::pin(async move {
            let options = machine::namespaces::Options::new(dir.join("machines"), cache());
            let namespaces = Arc::new(Namespaces::new(options).await?);
            let _ = hold.set(Arc::clone(&namespaces));
            Ok(Made {
                image: namespaces.prepare().await?,
                pool: namespaces.pool().await,
                machines: namespaces,
            })
        })
    })
}

/// The root of the base image of machines; built where it is not there yet, which takes about a minute and needs root.
pub async fn image() -> Result<std::path::PathBuf, machine::MachineError> {
    machine::image(&cache()).await
}

fn cache() -> std::path::PathBuf {
    let home = std::env::var_os("HOME").unwrap_or_else(|| "/root".into());
    std::path::Path::new(&home).join(".cache/hubctl-sandbox")
}
