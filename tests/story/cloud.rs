//! The sandbox cloud with real machines, and hands in it besides hubctl's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use hubctl::cloud::{self, CloudConfig, Filter, Places};
use hubctl::event::Silent;
use hubctl::infra;
use sandbox::{Options, Pace, Sandbox};

use crate::disk::Disk;
use crate::hubctl::Operator;

pub(crate) struct Cloud {
    sandbox: Sandbox,
    runtime: tokio::runtime::Runtime,
    /// Of the machines, where it has a size of its own: goes after the sandbox, and before the folder.
    #[expect(dead_code, reason = "held")]
    disk: Option<Disk>,
    folder: tempfile::TempDir,
}

impl Cloud {
    pub(crate) fn start() -> Self {
        Self::in_folder(tempfile::tempdir_in("/var/tmp").unwrap(), None)
    }

    /// One whose machines share a disk of this size, such as `4G`.
    pub(crate) fn with_disk(size: &str) -> Self {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let place = folder.path().join("cloud/machines");
        let disk = Disk::mount(size, &folder.path().join("machines.ext4"), &place);
        Self::in_folder(folder, Some(disk))
    }

    fn in_folder(folder: tempfile::TempDir, disk: Option<Disk>) -> Self {
        let options = Options {
            state_dir: Some(folder.path().join("cloud")),
            pace: Pace::REAL,
            ..Options::default()
        };
        Self {
            sandbox: Sandbox::start_with(options, sandbox::namespaces())
                .expect("the sandbox starts (as root)"),
            runtime: tokio::runtime::Runtime::new().unwrap(),
            disk,
            folder,
        }
    }

    /// Someone with a laptop and this spec.
    pub(crate) fn operator(&self, spec: &str) -> Operator {
        Operator::new(
            &self.folder.path().join("laptop"),
            &self.sandbox.clouds_yaml,
            spec,
        )
    }

    fn client(&self) -> cloud::Cloud {
        let environment = BTreeMap::from([(
            "OS_CLIENT_CONFIG_FILE".to_owned(),
            self.sandbox.clouds_yaml.display().to_string(),
        )]);
        let places = Places {
            cwd: PathBuf::from("/"),
            system: PathBuf::from("/nonexistent"),
            ..Places::default()
        };
        let config = CloudConfig::load(&environment, &places, Some("sandbox")).unwrap();
        let connected = cloud::Cloud::connect(config, Arc::new(Silent));
        self.runtime.block_on(connected).unwrap()
    }

    pub(crate) fn has_server(&self) -> bool {
        let created = |entry: &sandbox::control::Entry| {
            entry.method == "POST" && entry.path.ends_with("/servers") && entry.status == 202
        };
        self.sandbox.control.requests().iter().any(created)
    }

    /// Removes the rules for a port by hand, as someone in the dashboard would.
    pub(crate) fn remove_rule(&self, group: &str, port: u16) {
        let client = self.client();
        self.runtime.block_on(async {
            let groups = client.list_security_groups(&Filter::all()).await.unwrap();
            let group = groups.iter().find(|found| found.name == group).unwrap();
            let mut removed = 0;
            for rule in &group.security_group_rules {
                if rule.rule.port_range_min == Some(port) {
                    client.delete_security_group_rule(&rule.id).await.unwrap();
                    removed += 1;
                }
            }
            assert!(removed > 0);
        });
    }

    /// What a name's A record leads to.
    pub(crate) fn record(&self, name: &str) -> Vec<String> {
        let client = self.client();
        let records = self
            .runtime
            .block_on(client.list_all_recordsets(&Filter::all()))
            .unwrap();
        let ours = records
            .into_iter()
            .filter(|record| record.name == name && record.kind == "A");
        ours.flat_map(|record| record.records).collect()
    }

    /// Nothing of a deployment is in the cloud, and no machine runs.
    pub(crate) fn assert_empty(&self, deployment: &str) {
        let client = self.client();
        let inventory = self
            .runtime
            .block_on(infra::observe(&client, deployment))
            .unwrap();
        assert_eq!(inventory.items(), Vec::new());
        let all = self.runtime.block_on(async {
            let all = Filter::all();
            (
                client.list_servers(&all).await.unwrap().len(),
                client.list_ports(&all).await.unwrap().len(),
                client.list_floating_ips(&all).await.unwrap().len(),
                client.list_routers(&all).await.unwrap().len(),
            )
        });
        assert_eq!(all, (0, 0, 0, 0), "servers, ports, floating IPs, routers");
    }
}
