//! The time that a deployment was given: on everything it has, in lists, and what gc makes of it.

use std::path::Path;
use std::process::Stdio;

use hubctl::cloud::{NewNetwork, NewPort};
use hubctl::event::Silent;
use hubctl::infra::{Inventory, apply, gc, list, observe, tag};
use sandbox::{Fault, Kind, Scenario, Service};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::cloud::{Bed, bed, pace};

const SOON: &str = "2099-11-26T08:00:00Z";
const LATER: &str = "2099-11-27T08:00:00Z";
const PAST: &str = "2020-11-26T08:00:00Z";

async fn everything(scenario: Scenario) -> Bed {
    let spec = json!({ "domain": "hub.sandbox.test", "volume": { "size": 2 } });
    bed(scenario, spec).await
}

/// What each thing of a deployment that can say it says of its time.
fn said(inventory: &Inventory) -> Vec<Option<String>> {
    let metadata = inventory
        .servers
        .iter()
        .map(|x| &x.metadata)
        .chain(inventory.volumes.iter().map(|x| &x.metadata));
    let tags = inventory
        .security_groups
        .iter()
        .map(|x| &x.tags)
        .chain(inventory.networks.iter().map(|x| &x.tags))
        .chain(inventory.subnets.iter().map(|x| &x.tags))
        .chain(inventory.routers.iter().map(|x| &x.tags))
        .chain(inventory.ports.iter().map(|x| &x.tags))
        .chain(inventory.floating_ips.iter().map(|x| &x.tags));
    metadata
        .map(|metadata| tag::expires_of_metadata(metadata).map(str::to_owned))
        .chain(tags.map(|tags| tag::expires_of_tags(tags).map(str::to_owned)))
        .collect()
}

async fn all_say(bed: &Bed, time: Option<&str>) {
    let inventory = observe(&bed.cloud, "class").await.unwrap();
    let said = said(&inventory);
    assert_eq!(said, vec![time.map(str::to_owned); 8]);
    assert_eq!(list(&bed.cloud).await.unwrap()[0].expires.as_deref(), time);
}

#[tokio::test]
async fn a_time_is_on_everything_and_stays_until_another_is_given() {
    let mut bed = everything(Scenario::default()).await;
    bed.provision().await.unwrap();
    all_say(&bed, None).await;

    // Onto what stands.
    bed.local.expires = Some(SOON.into());
    let plan = bed.plan().await.unwrap();
    assert!(!plan.touches_server(), "{plan}");
    assert_eq!(plan.changes.len(), 8, "{plan}");
    assert!(
        plan.to_string()
            .contains(&format!("~ update server: may be removed from {SOON} on"))
    );
    apply(&bed.cloud, &plan, &pace(), &Silent).await.unwrap();
    all_say(&bed, Some(SOON)).await;
    bed.converged().await;

    // A run that gives none leaves it, and says so; so does one that makes something anew.
    bed.local.expires = None;
    bed.converged().await;
    assert!(
        bed.text()
            .await
            .contains(&format!("note: it may be removed from {SOON} on"))
    );
    let before = observe(&bed.cloud, "class").await.unwrap();
    bed.cloud
        .delete_floating_ip(&before.floating_ips[0].id)
        .await
        .unwrap();
    bed.cloud
        .delete_server(&before.servers[0].id)
        .await
        .unwrap();
    while bed
        .cloud
        .find_server(&before.servers[0].id)
        .await
        .unwrap()
        .is_some()
    {
        tokio::time::sleep(pace().every).await;
    }
    bed.provision().await.unwrap();
    all_say(&bed, Some(SOON)).await;

    for time in [LATER, tag::NEVER] {
        bed.local.expires = Some(time.into());
        bed.provision().await.unwrap();
        all_say(&bed, Some(time)).await;
        bed.converged().await;
    }
    bed.destroyed().await;
}

#[tokio::test]
async fn a_new_deployment_has_its_time_from_the_first() {
    for scenario in ["default", "no-tags", "no-volumes"] {
        let mut bed = bed(scenario.parse().unwrap(), json!({})).await;
        bed.local.expires = Some(SOON.into());
        let outcome = bed.provision().await.unwrap();
        assert_eq!(outcome.expires.as_deref(), Some(SOON), "{scenario}");
        bed.converged().await;
        bed.destroyed().await;
    }
}

#[tokio::test]
async fn an_address_that_the_project_had_is_given_back_without_the_time() {
    let mut bed = everything(Scenario::default()).await;
    let network = bed
        .cloud
        .list_networks(&hubctl::cloud::Filter::all())
        .await
        .unwrap();
    let external = network.iter().find(|network| network.external).unwrap();
    let ip = bed
        .cloud
        .create_floating_ip(&hubctl::cloud::NewFloatingIp {
            network_id: external.id.clone(),
            description: "for the web shop".into(),
            ..Default::default()
        })
        .await
        .unwrap();
    bed.spec.server.floating_ip =
        serde_json::from_value(json!(ip.floating_ip_address.to_string())).unwrap();
    bed.local.expires = Some(SOON.into());
    bed.provision().await.unwrap();
    all_say(&bed, Some(SOON)).await;
    bed.converged().await;
    bed.destroy(hubctl::infra::DestroyOptions::default()).await;
    let left = observe(&bed.cloud, "class")
        .await
        .unwrap()
        .around
        .floating_ips;
    assert_eq!(left.len(), 1);
    assert_eq!(
        (left[0].tags.len(), left[0].description.as_str()),
        (0, "for the web shop")
    );
}

/// Makes a deployment with nothing on it.
async fn stands(bed: &mut Bed, name: &str, expires: Option<&str>) {
    bed.spec.name = name.into();
    bed.local.expires = expires.map(str::to_owned);
    bed.provision().await.unwrap();
}

struct Said {
    code: Option<i32>,
    out: Vec<Value>,
}

impl Said {
    fn done(&self) -> &Value {
        self.out.last().unwrap()
    }

    /// What is said to go.
    fn due(&self) -> Vec<&str> {
        self.out
            .iter()
            .filter(|line| line["event"] == "deployment" && line["due"] == true)
            .map(|line| line["name"].as_str().unwrap())
            .collect()
    }
}

/// The program itself.
async fn hubctl(bed: &Bed, folder: &Path, args: &[&str]) -> Said {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_hubctl"))
        .args(args)
        .args(["--output", "json"])
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("OS_CLIENT_CONFIG_FILE", &bed.sandbox.clouds_yaml)
        .env("OS_CLOUD", "sandbox")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    Said {
        code: output.status.code(),
        out: out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    }
}

async fn names(bed: &Bed) -> Vec<String> {
    list(&bed.cloud)
        .await
        .unwrap()
        .into_iter()
        .map(|found| found.name)
        .collect()
}

#[tokio::test]
async fn gc_takes_what_has_had_its_time_and_nothing_else() {
    let mut quotas = Scenario::default();
    for resource in [
        "instances",
        "cores",
        "ram",
        "floatingip",
        "router",
        "network",
        "security_group",
    ] {
        quotas.quotas.insert(resource.into(), 500_000);
    }
    let mut bed = bed(quotas, json!({})).await;
    for (name, expires) in [
        ("forever", Some(tag::NEVER)),
        ("gone", Some(PAST)),
        ("held", Some(PAST)),
        ("later", Some(SOON)),
        ("plain", None),
    ] {
        stands(&mut bed, name, expires).await;
    }
    // Somebody's server on the network of one: it cannot go whole. And things of nobody's.
    let cloud = &bed.cloud;
    let held = observe(cloud, "held").await.unwrap();
    let port = cloud
        .create_port(&NewPort {
            name: "theirs".into(),
            network_id: held.networks[0].id.clone(),
            ..Default::default()
        })
        .await
        .unwrap();
    let theirs = cloud
        .create_network(&NewNetwork {
            name: "hubctl-lookalike".into(),
            ..Default::default()
        })
        .await
        .unwrap();

    let folder = tempfile::tempdir().unwrap();
    let before = names(&bed).await;
    let looked = hubctl(&bed, folder.path(), &["gc", "--dry-run"]).await;
    assert_eq!((looked.code, looked.due()), (Some(0), vec!["gone", "held"]));
    assert_eq!(names(&bed).await, before);
    // Old is what was given no time; nothing here is that old.
    let looked = hubctl(
        &bed,
        folder.path(),
        &["gc", "--older-than", "6h", "--dry-run"],
    )
    .await;
    assert_eq!((looked.code, looked.due()), (Some(0), vec![]));
    // Nobody is there to say yes.
    let asked = hubctl(&bed, folder.path(), &["gc"]).await;
    assert_eq!(asked.code, Some(1));
    assert_eq!(names(&bed).await, before);

    let done = hubctl(&bed, folder.path(), &["gc", "--yes"]).await;
    assert_eq!(done.code, Some(5), "{:?}", done.out);
    assert_eq!(done.done()["gone"], json!(["gone"]));
    let failed = done.done()["failed"][0].clone();
    assert_eq!(failed[0], "held");
    assert!(
        failed[1]
            .as_str()
            .unwrap()
            .contains("which is not the deployment's")
            || failed[1]
                .as_str()
                .unwrap()
                .contains("is not the deployment's"),
        "{failed}"
    );
    assert_eq!(names(&bed).await, ["forever", "held", "later", "plain"]);

    // What stood in the way is gone, and the next run ends it; a call that fails does not keep the others.
    bed.cloud.delete_port(&port.id).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    let done = hubctl(
        &bed,
        folder.path(),
        &["gc", "--expired", "--older-than", "1s", "--yes"],
    )
    .await;
    assert_eq!(done.code, Some(0), "{:?}", done.out);
    assert_eq!(done.done()["gone"], json!(["held", "plain"]));
    assert_eq!(names(&bed).await, ["forever", "later"]);
    let networks = bed
        .cloud
        .list_networks(&hubctl::cloud::Filter::all())
        .await
        .unwrap();
    assert!(networks.iter().any(|network| network.id == theirs.id));
}

/// The first thing that a provision makes is a key pair, which can say nothing but its name.
#[tokio::test]
async fn what_a_provision_killed_at_once_left_has_an_age() {
    let bed = bed(Scenario::default(), json!({})).await;
    let refused = Kind::Status {
        status: 403,
        retry_after: None,
        message: None,
    };
    bed.sandbox.control.fault(
        Fault {
            service: Some(Service::Network),
            method: Some("POST".into()),
            ..Fault::new(refused)
        }
        .always(),
    );
    bed.provision().await.unwrap_err();
    bed.sandbox.control.clear_faults();
    let found = list(&bed.cloud).await.unwrap();
    let only: Vec<&str> = found[0]
        .items
        .iter()
        .map(|item| item.name.as_str())
        .collect();
    assert_eq!(only, ["hubctl-class"]);
    let rule = gc::Rule {
        older_than: Some(std::time::Duration::from_secs(6 * 3600)),
        ..gc::Rule::default()
    };
    let now = OffsetDateTime::now_utc();
    assert!(!gc::judge(&found[0], rule, now).is_due());
    assert!(gc::judge(&found[0], rule, now + Duration::hours(7)).is_due());
}
