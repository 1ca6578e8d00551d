//! The sandbox cloud with real machines, and hands in it besides hubctl's.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use hubctl::cloud::{self, CloudConfig, Filter, Places};
use hubctl::event::Silent;
use hubctl::infra;
use sandbox::{Options, Pace, Sandbox};

use self::disk::Disk;
use crate::hubctl::Operator;

#[path = "disk.rs"]
mod disk;

pub(crate) struct Cloud {
    sandbox: Sandbox,
    runtime: tokio::runtime::Runtime,
    /// Of the machines: goes after the sandbox, and before the folder.
    _disk: Disk,
    folder: tempfile::TempDir,
}

impl Cloud {
    /// Its machines have a file system to themselves: on this machine's, which may tell its disk of every block that is
    /// free again, a machine's hundred thousand files can take minutes to go.
    pub(crate) fn start() -> Self {
        Self::with_disk("24G")
    }

    /// One whose machines share a disk of this size, such as `4G`.
    pub(crate) fn with_disk(size: &str) -> Self {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        let place = folder.path().join("cloud/machines");
        let disk = Disk::mount(size, &folder.path().join("machines.ext4"), &place);
        let options = Options {
            state_dir: Some(folder.path().join("cloud")),
            pace: Pace::REAL,
            ..Options::default()
        };
        Self {
            sandbox: Sandbox::start_with(options, sandbox::namespaces())
                .expect("the sandbox starts (as root)"),
            runtime: tokio::runtime::Runtime::new().unwrap(),
            _disk: disk,
            folder,
        }
    }

    pub(crate) fn clouds_yaml(&self) -> &std::path::Path {
        &self.sandbox.clouds_yaml
    }

    /// Someone with a laptop and this spec.
    pub(crate) fn operator(&self, spec: &str) -> Operator {
        Operator::new(
            &self.folder.path().join("laptop"),
            &self.sandbox.clouds_yaml,
            spec,
        )
    }

    /// A place for somebody's things.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The public half of a key pair, as the cloud has it.
    pub(crate) fn key_pair(&self, name: &str) -> String {
        let client = self.client();
        let found = self.runtime.block_on(client.find_key_pair(name)).unwrap();
        found.expect("the key pair is there").public_key
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

    /// Whether a deployment may stay yet, by its tags.
    pub(crate) fn has_time(&self, deployment: &str) -> bool {
        let client = self.client();
        let inventory = self
            .runtime
            .block_on(infra::observe(&client, deployment))
            .unwrap();
        let server = inventory.server().expect("a server");
        let text = &server.metadata[infra::tag::EXPIRES];
        let format = &time::format_description::well_known::Rfc3339;
        time::OffsetDateTime::parse(text, format).unwrap() > time::OffsetDateTime::now_utc()
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

    /// Detaches the floating IP by hand.
    pub(crate) fn detach_floating_ip(&self) {
        let client = self.client();
        self.runtime.block_on(async {
            let all = client.list_floating_ips(&Filter::all()).await.unwrap();
            assert_eq!(all.len(), 1);
            client.set_floating_ip_port(&all[0].id, None).await.unwrap();
        });
    }

    /// Switches the server off by hand.
    pub(crate) fn stop_server(&self) {
        let client = self.client();
        self.runtime.block_on(async {
            let all = client.list_servers(&Filter::all()).await.unwrap();
            let id = &all[0].id;
            client
                .server_action(id, &cloud::ServerAction::Stop)
                .await
                .unwrap();
            while client.get_server(id).await.unwrap().status != "SHUTOFF" {
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
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
