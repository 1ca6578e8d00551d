//! What a rotation does in the cloud: the key pair gets another key, whatever goes wrong on the way.

use std::time::Duration;

use hubctl::event::Silent;
use hubctl::infra::{InfraError, Local, apply, observe, prepare, replace_key_pair};
use sandbox::{Fault, Kind, Scenario};
use serde_json::json;

use crate::cloud::{Bed, KEY, bed, connect, log_in, pace};

const NEW: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEOylrXF8ChRLU7pgEYIpcfHTm2ULNEBo8lQ9OYlwUBZ me@desk";

async fn standing() -> Bed {
    let bed = bed(Scenario::default(), json!({})).await;
    bed.provision().await.unwrap();
    bed
}

/// The cloud's part of `hubctl rotate`, from the login on: what drifted is repaired with the key that this machine has by
/// then, then the key pair gets the new one.
async fn rotate(bed: &Bed, has: &str) -> Result<bool, InfraError> {
    let cloud = log_in(&bed.sandbox).await?;
    let local = Local {
        public_key: Some(has.to_owned()),
        ..Local::default()
    };
    let plan = prepare(&cloud, &bed.spec, &local).await?;
    apply(&cloud, &plan, &pace(), &Silent).await?;
    replace_key_pair(&cloud, &bed.spec.name, NEW, &pace()).await
}

async fn held(bed: &Bed) -> Option<String> {
    let found = bed.cloud.find_key_pair("hubctl-class").await.unwrap();
    found.map(|pair| pair.public_key)
}

/// The server is the one it was, the key pair has the new key, nothing is left to do, and nothing is left at the end.
async fn rotated(bed: &mut Bed, server: &str, what: &str) {
    assert_eq!(held(bed).await.as_deref(), Some(NEW), "{what}");
    let inventory = observe(&bed.cloud, "class").await.unwrap();
    assert_eq!(inventory.server().unwrap().id, server, "{what}");
    bed.local.public_key = Some(NEW.to_owned());
    bed.converged().await;
    bed.destroyed().await;
}

async fn server_of(bed: &Bed) -> String {
    let inventory = observe(&bed.cloud, "class").await.unwrap();
    inventory.server().unwrap().id.clone()
}

#[tokio::test]
async fn the_key_pair_gets_the_new_key_and_the_server_stays() {
    let mut bed = standing().await;
    let server = server_of(&bed).await;
    assert!(rotate(&bed, KEY).await.unwrap());
    // Twice is as good as once.
    bed.sandbox.control.reset();
    assert!(!rotate(&bed, NEW).await.unwrap());
    let requests = bed.sandbox.control.requests();
    let writes = requests
        .iter()
        .filter(|request| request.method != "GET" && request.service != sandbox::Service::Identity);
    assert_eq!(writes.count(), 0);
    rotated(&mut bed, &server, "whole").await;
}

#[tokio::test]
async fn another_laptop_rotates_with_a_key_of_its_own() {
    let mut bed = standing().await;
    let server = server_of(&bed).await;
    // It has never seen the deployment: its own first key is neither the cloud's nor the new one.
    let own = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJx0wQGl0RYzr0iPAAGrkRAEb6Nkh2J0wJ1lJZ2tQWmX other@desk";
    let other = connect(&bed.sandbox).await;
    let local = Local {
        public_key: Some(own.to_owned()),
        ..Local::default()
    };
    let plan = prepare(&other, &bed.spec, &local).await.unwrap();
    assert!(plan.is_empty(), "{plan}");
    assert!(plan.to_string().contains("another machine's key"), "{plan}");
    assert!(rotate(&bed, own).await.unwrap());
    rotated(&mut bed, &server, "from another laptop").await;
}

/// Runs a rotation during which the so-manieth call goes wrong; false where there was no such call.
///
/// `has` is the key of this machine: the old one, or, since the key of the machine is replaced first, the new one.
async fn harmed(bed: &Bed, kind: Kind, skip: u32, killed: bool) -> bool {
    let control = &bed.sandbox.control;
    control.fault(Fault::new(kind).skip(skip));
    let struck = async {
        while !control.faults().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let done = if killed {
        tokio::select! {
            biased;
            () = struck => None,
            done = rotate(bed, KEY) => Some(done),
        }
    } else {
        Some(rotate(bed, KEY).await)
    };
    let was_struck = control.faults().is_empty();
    control.clear_faults();
    if let Some(done) = done {
        // What goes wrong once, a run gets over by itself.
        done.unwrap_or_else(|error| panic!("call {skip} ended the run: {error}"));
    }
    was_struck
}

async fn survives(kind: impl Fn() -> Kind, killed: bool) {
    let mut calls = 0;
    let mut without = 0;
    loop {
        let mut bed = standing().await;
        let server = server_of(&bed).await;
        if !harmed(&bed, kind(), calls, killed).await {
            break;
        }
        without += u32::from(held(&bed).await.is_none());
        // The next one goes on: by then this machine has the new key, and the cloud perhaps not.
        rotate(&bed, NEW)
            .await
            .unwrap_or_else(|error| panic!("after call {calls}: {error}"));
        rotated(&mut bed, &server, &format!("after call {calls}")).await;
        calls += 1;
    }
    assert!(calls > 8, "a rotation makes {calls} calls");
    // One run at least died between the old key pair and the new one.
    assert_eq!(without > 0, killed, "{without} without a key pair");
}

#[tokio::test]
async fn a_rotation_is_killed_at_any_call() {
    survives(|| Kind::LoseAnswer, true).await;
}

#[tokio::test]
async fn an_answer_to_a_rotation_is_lost() {
    survives(|| Kind::LoseAnswer, false).await;
}

#[tokio::test]
async fn a_call_of_a_rotation_fails() {
    let status = || Kind::Status {
        status: 500,
        retry_after: None,
        message: None,
    };
    survives(status, false).await;
}
