//! A deployment's life on the sandbox, and the same on any other cloud: HUBCTL_TEST_CLOUD names its entry in the file that
//! OS_CLIENT_CONFIG_FILE names (`make test-openstack`). It has an image `debian-12` and one external network.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hubctl::cloud::{Cloud, CloudConfig, Filter, Places};
use hubctl::event::Silent;
use hubctl::infra::{DestroyOptions, Local, Outcome, Pace, apply, destroy, prepare};
use hubctl::spec::Spec;
use sandbox::{Options, Sandbox};
use serde_json::json;

use crate::cloud::{KEY, traces};

/// Whoever is asked.
struct Subject {
    cloud: Cloud,
    pace: Pace,
    _sandbox: Option<Sandbox>,
}

async fn subject() -> Subject {
    let (file, entry, sandbox, every) = match std::env::var("HUBCTL_TEST_CLOUD") {
        Ok(entry) => {
            let file = std::env::var("OS_CLIENT_CONFIG_FILE")
                .expect("OS_CLIENT_CONFIG_FILE says where HUBCTL_TEST_CLOUD's entry is");
            (file, entry, None, Duration::from_secs(1))
        }
        Err(_) => {
            let sandbox = Sandbox::start(Options::default()).unwrap();
            let file = sandbox.clouds_yaml.display().to_string();
            let every = Duration::from_millis(5);
            (file, "sandbox".to_owned(), Some(sandbox), every)
        }
    };
    let environment = BTreeMap::from([("OS_CLIENT_CONFIG_FILE".to_owned(), file)]);
    let nowhere = PathBuf::from("/nonexistent");
    let places = Places {
        cwd: nowhere.clone(),
        system: nowhere,
        ..Places::default()
    };
    let config = CloudConfig::load(&environment, &places, Some(&entry)).unwrap();
    Subject {
        cloud: Cloud::connect(config, Arc::new(Silent)).await.unwrap(),
        pace: Pace {
            every,
            ..Pace::default()
        },
        _sandbox: sandbox,
    }
}

impl Subject {
    async fn provision(&self, spec: &Spec, local: &Local) -> Outcome {
        let plan = prepare(&self.cloud, spec, local).await.unwrap();
        apply(&self.cloud, &plan, &self.pace, &Silent)
            .await
            .unwrap()
    }

    /// What is left to do, in words.
    async fn left(&self, spec: &Spec, local: &Local) -> String {
        let plan = prepare(&self.cloud, spec, local).await.unwrap();
        if plan.is_empty() {
            String::new()
        } else {
            plan.to_string()
        }
    }
}

#[tokio::test]
async fn a_deployment_is_made_kept_and_taken_away() {
    let subject = subject().await;
    let cloud = &subject.cloud;
    let spec: Spec = serde_json::from_value(json!({
        "name": "class",
        "server": {"image": "debian-12", "flavor": "m1.medium"},
        "limits": {"seats": 2},
    }))
    .unwrap();
    let local = Local {
        public_key: Some(KEY.into()),
        ..Local::default()
    };

    let before = traces(cloud).await;
    assert_eq!(before, Vec::<String>::new(), "the project is not empty");
    let outcome = subject.provision(&spec, &local).await;
    assert_eq!(outcome.status, "ACTIVE");
    assert_eq!(subject.left(&spec, &local).await, "", "a second run");

    // Somebody opens a door, closes another, and takes the address away.
    let groups = cloud.list_security_groups(&Filter::all()).await.unwrap();
    let group = groups.iter().find(|group| group.name == "hubctl-class");
    let rules = &group.unwrap().security_group_rules;
    let https = rules
        .iter()
        .find(|rule| rule.rule.port_range_min == Some(443))
        .unwrap();
    cloud.delete_security_group_rule(&https.id).await.unwrap();
    let addresses = cloud.list_floating_ips(&Filter::all()).await.unwrap();
    let address = addresses
        .iter()
        .find(|ip| ip.floating_ip_address.to_string() == outcome.address.to_string())
        .unwrap();
    cloud.set_floating_ip_port(&address.id, None).await.unwrap();
    let left = subject.left(&spec, &local).await;
    for part in ["tcp 443", &outcome.address.to_string()] {
        assert!(left.contains(part), "{part} is not in the plan:\n{left}");
    }
    let repaired = subject.provision(&spec, &local).await;
    assert_eq!(
        (repaired.server_id, repaired.address),
        (outcome.server_id, outcome.address)
    );
    assert_eq!(subject.left(&spec, &local).await, "", "after the repair");

    let options = DestroyOptions::default();
    let left = destroy(cloud, "class", options, &subject.pace, &Silent)
        .await
        .unwrap();
    assert!(left.is_clean() && left.kept.is_empty(), "left: {left:?}");
    assert_eq!(traces(cloud).await, Vec::<String>::new());
}
