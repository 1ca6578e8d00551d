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

pub use control::{Control, Fault, Kind, Service};
pub use no_machines::NoMachines;
pub use options::{Options, Pace};
pub use running::{Made, Maker, Sandbox};
pub use scenario::Scenario;

/// Servers that are machines of their own, in namespaces of this host. Needs root; the first time on a box it builds a
/// Debian image, which takes about a minute. Images are kept in `~/.cache/hubctl-sandbox`.
pub fn namespaces() -> Maker {
    use machine::namespaces::{Namespaces, Options};
    Box::new(|dir| {
        Box::pin(async move {
            let namespaces = Namespaces::new(Options::new(dir.join("machines"), cache())).await?;
            Ok(Made {
                image: namespaces.prepare().await?,
                pool: namespaces.pool().await,
                machines: std::sync::Arc::new(namespaces),
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
