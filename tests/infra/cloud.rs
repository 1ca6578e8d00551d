//! An OpenStack in this process, and runs against it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hubctl::cloud::{Cloud, CloudConfig, CloudError, Places};
use hubctl::event::Silent;
use hubctl::infra::{
    DestroyOptions, InfraError, Leftovers, Local, Outcome, Pace, Plan, apply, destroy, observe,
    prepare,
};
use hubctl::spec::Spec;
use sandbox::{Options, Sandbox, Scenario};
use serde_json::{Value, json};

pub const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKsHkM3fbsgEo5gQjhHi4wGnkKqJGlSbnbDHOGJ6nhLn hubctl-class";

pub struct Bed {
    pub sandbox: Sandbox,
    pub cloud: Cloud,
    pub spec: Spec,
    pub local: Local,
}

/// A cloud of this kind, and a spec that uses all there is.
pub async fn bed(scenario: Scenario, spec: Value) -> Bed {
    let pace = sandbox::Pace {
        step: Duration::from_millis(3),
        ..sandbox::Pace::FAST
    };
    let options = Options {
        scenario,
        pace,
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).unwrap();
    let cloud = connect(&sandbox).await;
    let mut all = json!({ "name": "class" });
    all.as_object_mut()
        .unwrap()
        .extend(spec.as_object().unwrap().clone());
    Bed {
        cloud,
        sandbox,
        spec: serde_json::from_value(all).unwrap(),
        local: Local {
            public_key: Some(KEY.into()),
            ..Local::default()
        },
    }
}

pub async fn connect(sandbox: &Sandbox) -> Cloud {
    log_in(sandbox).await.unwrap()
}

/// The first calls of a run.
pub async fn log_in(sandbox: &Sandbox) -> Result<Cloud, CloudError> {
    let env = BTreeMap::from([(
        "OS_CLIENT_CONFIG_FILE".to_owned(),
        sandbox.clouds_yaml.display().to_string(),
    )]);
    let nowhere = PathBuf::from("/nonexistent");
    let places = Places {
        cwd: nowhere.clone(),
        home: None,
        xdg_config_home: None,
        system: nowhere,
    };
    let mut config = CloudConfig::load(&env, &places, Some("sandbox")).unwrap();
    config.limits.pause = Duration::from_millis(1);
    Cloud::connect(config, Arc::new(Silent)).await
}

pub fn pace() -> Pace {
    Pace {
        every: Duration::from_millis(4),
        server: Duration::from_secs(60),
        volume: Duration::from_secs(60),
        delete: Duration::from_secs(60),
    }
}

impl Bed {
    pub async fn plan(&self) -> Result<Plan, InfraError> {
        prepare(&self.cloud, &self.spec, &self.local).await
    }

    pub async fn provision(&self) -> Result<Outcome, InfraError> {
        let plan = self.plan().await?;
        apply(&self.cloud, &plan, &pace(), &Silent).await
    }

    pub async fn destroy(&self, options: DestroyOptions) -> Leftovers {
        destroy(&self.cloud, &self.spec.name, options, &pace(), &Silent)
            .await
            .unwrap()
    }

    /// Plans again: there must be nothing left to do.
    pub async fn converged(&self) {
        let plan = self.plan().await.unwrap();
        assert!(plan.is_empty(), "left to do:\n{plan}");
    }

    /// Destroys everything, and looks for traces of any kind, marked or not.
    pub async fn destroyed(&self) {
        let left = self.destroy(DestroyOptions::default()).await;
        assert!(left.is_clean() && left.kept.is_empty(), "left: {left:?}");
        let traces = traces(&self.cloud).await;
        assert!(traces.is_empty(), "traces: {traces:?}");
    }

    pub async fn text(&self) -> String {
        self.plan().await.unwrap().to_string()
    }

    pub async fn floating_ips(&self) -> Vec<(Ipv4Addr, bool)> {
        let inventory = observe(&self.cloud, &self.spec.name).await.unwrap();
        inventory
            .around
            .floating_ips
            .iter()
            .map(|ip| (ip.floating_ip_address, ip.port_id.is_some()))
            .collect()
    }
}

/// Everything in the project that it did not have when it was new.
pub async fn traces(cloud: &Cloud) -> Vec<String> {
    let around = observe(cloud, "class").await.unwrap().around;
    let mut traces = Vec::new();
    traces.extend(around.servers.iter().map(|x| format!("server {}", x.name)));
    traces.extend(
        around
            .key_pairs
            .iter()
            .map(|x| format!("key pair {}", x.name)),
    );
    traces.extend(
        around
            .security_groups
            .iter()
            .filter(|x| x.name != "default")
            .map(|x| format!("group {}", x.name)),
    );
    traces.extend(
        around
            .networks
            .iter()
            .filter(|x| {
                x.project_id.as_ref() == Some(&around.project_id) && x.name.starts_with("hubctl")
            })
            .map(|x| format!("network {}", x.name)),
    );
    traces.extend(
        around
            .routers
            .iter()
            .filter(|x| x.name.starts_with("hubctl"))
            .map(|x| format!("router {}", x.name)),
    );
    traces.extend(
        around
            .ports
            .iter()
            .filter(|x| x.name.starts_with("hubctl"))
            .map(|x| format!("port {}", x.name)),
    );
    traces.extend(
        around
            .floating_ips
            .iter()
            .map(|x| format!("floating IP {}", x.floating_ip_address)),
    );
    traces.extend(
        around
            .volumes
            .iter()
            .map(|x| format!("volume {} {}", x.name, x.status)),
    );
    traces.extend(
        around
            .recordsets
            .iter()
            .filter(|x| x.kind == "A" || x.kind == "AAAA")
            .map(|x| format!("record {}", x.name)),
    );
    traces
}
