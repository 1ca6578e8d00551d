//! A deployment's cloud half from nothing to nothing, against an OpenStack in this process.

use std::collections::BTreeMap;

use hubctl::cloud::{Filter, FixedIp, NewFloatingIp, Server, ServerAction};
use hubctl::infra::{DestroyOptions, Kind, list, record_host_keys};
use sandbox::Scenario;
use serde_json::json;

use crate::cloud::{Bed, bed, connect, pace};

/// A spec that uses everything the sandbox has.

#[tokio::test]
async fn made_found_again_and_taken_away() {
    let bed = bed(Scenario::default(), json!({ "volume": { "size": 2 } })).await;
    let outcome = bed.provision().await.unwrap();
    assert!(outcome.is_new);
    assert_eq!(outcome.status, "ACTIVE");
    assert_eq!(outcome.login.as_deref(), Some("debian"));
    assert_eq!(outcome.address, outcome.public_v4.unwrap());
    assert!(outcome.memory_mib.is_some() && outcome.vcpus.is_some() && outcome.volume_id.is_some());

    // From another machine: one login, then ten calls at most.
    let other = connect(&bed.sandbox).await;
    let plan = hubctl::infra::prepare(&other, &bed.spec, &bed.local)
        .await
        .unwrap();
    assert!(plan.is_empty(), "{plan}");
    let again = hubctl::infra::apply(&other, &plan, &pace(), &hubctl::event::Silent)
        .await
        .unwrap();
    assert!(other.api_calls() <= 12, "{} calls", other.api_calls());
    assert_eq!(
        again,
        hubctl::infra::Outcome {
            is_new: false,
            ..outcome.clone()
        }
    );

    let keys = BTreeMap::from([("ssh-ed25519".to_owned(), "SHA256:abc".to_owned())]);
    record_host_keys(&bed.cloud, &outcome.server_id, &keys)
        .await
        .unwrap();
    let all = list(&other).await.unwrap();
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].name, "class");
    assert_eq!(all[0].server.as_ref().unwrap().host_keys, keys);
    bed.converged().await;

    let gone = bed.destroy(DestroyOptions::default()).await;
    assert!(gone.is_clean(), "{gone:?}");
    assert_eq!(gone.gone.len(), 9, "{:?}", gone.gone);
    bed.destroyed().await;
    assert!(list(&other).await.unwrap().is_empty());
}

#[tokio::test]
async fn probe() {
    let t = std::time::Instant::now();
    let bed = bed(Scenario::default(), json!({ "domain": "hub.example.org", "volume": { "size": 2 } })).await;
    println!("bed {:?}", t.elapsed());
    bed.sandbox.control.reset();
    println!("{}", bed.plan().await.unwrap());
    bed.sandbox.control.reset();
    bed.provision().await.unwrap();
    println!("provision {:?}", t.elapsed());
    for r in bed.sandbox.control.requests() { println!("{} {:?} {}?{} {}", r.method, r.service, r.path, r.query, r.status); }
    bed.sandbox.control.reset();
    bed.converged().await;
    println!("converged {:?}", t.elapsed());
    for r in bed.sandbox.control.requests() { println!("{} {:?} {}?{} {}", r.method, r.service, r.path, r.query, r.status); }
    bed.sandbox.control.reset();
    bed.destroyed().await;
    println!("destroyed {:?}", t.elapsed());
    for r in bed.sandbox.control.requests() { println!("{} {:?} {}?{} {}", r.method, r.service, r.path, r.query, r.status); }
    drop(bed);
    println!("down {:?}", t.elapsed());
}
