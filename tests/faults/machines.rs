//! The sandbox cloud with real machines, which go back to what was saved of them.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use hubctl::cloud::Filter;
use hubctl::infra;
use sandbox::machine::namespaces::{Namespaces, Saved};
use sandbox::{Options, Pace, Sandbox};
use tokio::runtime::Runtime;

use crate::cloud::log_in;
use crate::disk::Disk;
use crate::hubctl::Operator;

/// Fields go in this order: the machines need the runtime to the last, and lie on the disk.
pub(crate) struct Machines {
    sandbox: Sandbox,
    namespaces: Arc<OnceLock<Arc<Namespaces>>>,
    runtime: Runtime,
    _disk: Disk,
    folder: tempfile::TempDir,
}

impl Machines {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let place = folder.path().join("cloud/machines");
        let disk = Disk::mount("24G", &folder.path().join("machines.ext4"), &place);
        let options = Options {
            state_dir: Some(folder.path().join("cloud")),
            pace: Pace::REAL,
            ..Options::default()
        };
        let namespaces = Arc::default();
        Self {
            sandbox: Sandbox::start_with(options, sandbox::namespaces_held(&namespaces))
                .expect("the sandbox starts (as root)"),
            namespaces,
            runtime: Runtime::new().unwrap(),
            _disk: disk,
            folder,
        }
    }

    /// Someone with a laptop and this spec.
    pub(crate) fn operator(&self, spec: &str) -> Operator {
        Operator::new(&self.place("laptop"), &self.sandbox.clouds_yaml, spec)
    }

    /// A place for somebody's things.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Keeps the one server's machine as it is now.
    pub(crate) fn save(&self, name: &str) -> Saved {
        let machines = self.namespaces.get().expect("the machines are there");
        self.runtime.block_on(async {
            let cloud = log_in(&self.sandbox).await.unwrap();
            let servers = cloud.list_servers(&Filter::all()).await.unwrap();
            machines.save(&servers[0].id, name).await.unwrap()
        })
    }

    pub(crate) fn restore(&self, saved: &Saved) {
        let machines = self.namespaces.get().expect("the machines are there");
        self.runtime.block_on(machines.restore(saved)).unwrap();
    }

    /// Nothing of a deployment is in the cloud, and no machine runs.
    pub(crate) fn assert_empty(&self, deployment: &str) {
        let (items, servers) = self.runtime.block_on(async {
            let cloud = log_in(&self.sandbox).await.unwrap();
            let inventory = infra::observe(&cloud, deployment).await.unwrap();
            let servers = cloud.list_servers(&Filter::all()).await.unwrap();
            (inventory.items(), servers.len())
        });
        assert_eq!(items, Vec::new());
        assert_eq!(servers, 0);
    }
}
