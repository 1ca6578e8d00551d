//! The sandbox cloud with real machines.

use hubctl::cloud::Filter;
use hubctl::infra;
use sandbox::{Options, Pace, Sandbox};

use crate::cloud::log_in;
use crate::hubctl::Operator;

pub(crate) struct Machines {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
}

impl Machines {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let options = Options {
            state_dir: Some(folder.path().join("cloud")),
            pace: Pace::REAL,
            ..Options::default()
        };
        Self {
            sandbox: Sandbox::start_with(options, sandbox::namespaces())
                .expect("the sandbox starts (as root)"),
            folder,
        }
    }

    /// Someone with a laptop and this spec.
    pub(crate) fn operator(&self, spec: &str) -> Operator {
        let laptop = self.folder.path().join("laptop");
        Operator::new(&laptop, &self.sandbox.clouds_yaml, spec)
    }

    /// Nothing of a deployment is in the cloud, and no machine runs.
    pub(crate) fn assert_empty(&self, deployment: &str) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let (items, servers) = runtime.block_on(async {
            let cloud = log_in(&self.sandbox).await.unwrap();
            let inventory = infra::observe(&cloud, deployment).await.unwrap();
            let servers = cloud.list_servers(&Filter::all()).await.unwrap();
            (inventory.items(), servers.len())
        });
        assert_eq!(items, Vec::new());
        assert_eq!(servers, 0);
    }
}
