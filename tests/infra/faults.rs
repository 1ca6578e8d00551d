//! Every call of a run that changes something goes wrong once: the next run converges, and destroy leaves nothing.
//!
//! Calls that only read change nothing, so a run killed at one of them leaves what the call before it left.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use hubctl::infra::DestroyOptions;
use sandbox::{Fault, Kind, Scenario};
use serde_json::json;

use crate::cloud::{Bed, bed};

async fn everything() -> Bed {
    bed(
        Scenario::default(),
        json!({ "domain": "hub.sandbox.test", "volume": { "size": 2 } }),
    )
    .await
}

/// How a call goes wrong.
#[derive(Debug, Clone, Copy)]
enum Harm {
    /// The service fails, once.
    Fails,
    /// The work is done, and its answer lost, once.
    Lost,
    /// The run is killed once the work is done.
    Killed,
}

/// A call of a run: the so-manieth of its method.
type Call = (&'static str, u32);

/// Runs something while a call goes wrong; `None` where it was killed.
async fn harmed<T>(
    bed: &Bed,
    harm: Harm,
    (method, skip): Call,
    run: impl Future<Output = T>,
) -> Option<T> {
    let control = &bed.sandbox.control;
    let kind = match harm {
        Harm::Fails => Kind::Status {
            status: 500,
            retry_after: None,
            message: None,
        },
        Harm::Lost | Harm::Killed => Kind::LoseAnswer,
    };
    control.fault(Fault {
        method: Some(method.to_owned()),
        ..Fault::new(kind).skip(skip)
    });
    let struck = async {
        while !control.faults().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    match harm {
        Harm::Killed => tokio::select! {
            biased;
            () = struck => None,
            _ = run => panic!("{method} call {skip} was never made"),
        },
        _ => {
            let done = run.await;
            assert!(
                control.faults().is_empty(),
                "{method} call {skip} was never made"
            );
            Some(done)
        }
    }
}

/// The calls of a run that change something.
async fn writes<T>(bed: &Bed, run: impl Future<Output = T>) -> Vec<Call> {
    bed.sandbox.control.reset();
    run.await;
    let mut counts: BTreeMap<&'static str, u32> = BTreeMap::new();
    for request in bed.sandbox.control.requests() {
        if let Some(method) = ["POST", "PUT", "DELETE"]
            .into_iter()
            .find(|method| *method == request.method)
        {
            *counts.entry(method).or_default() += 1;
        }
    }
    counts
        .into_iter()
        .flat_map(|(method, count)| (0..count).map(move |skip| (method, skip)))
        .collect()
}

/// Runs the case for each call, a few at a time: each has a cloud of its own.
async fn each<F: Future<Output = ()>>(calls: Vec<Call>, case: impl Fn(Call) -> F) {
    futures::stream::iter(calls)
        .map(case)
        .buffer_unordered(4)
        .collect::<Vec<()>>()
        .await;
}

async fn provision_survives(harm: Harm) {
    let bed = everything().await;
    let calls = writes(&bed, bed.provision()).await;
    assert!(
        (18..30).contains(&calls.len()),
        "a whole provision makes {} changes",
        calls.len()
    );
    each(calls, |call| async move {
        let bed = everything().await;
        // What the service does once, or an answer that is lost once, a run gets over by itself.
        if let Some(done) = harmed(&bed, harm, call, bed.provision()).await {
            done.unwrap_or_else(|error| panic!("{harm:?} at {call:?} ended the run: {error}"));
        }
        let outcome = bed
            .provision()
            .await
            .unwrap_or_else(|error| panic!("{harm:?} at {call:?}: {error}"));
        assert_eq!(outcome.status, "ACTIVE");
        bed.converged().await;
        bed.destroyed().await;
    })
    .await;
}

async fn destroy_survives(harm: Harm) {
    let bed = everything().await;
    bed.provision().await.unwrap();
    let calls = writes(&bed, bed.destroy(DestroyOptions::default())).await;
    assert!(
        (10..20).contains(&calls.len()),
        "a whole destroy makes {} changes",
        calls.len()
    );
    each(calls, |call| async move {
        let bed = everything().await;
        bed.provision().await.unwrap();
        if let Some(left) = harmed(&bed, harm, call, bed.destroy(DestroyOptions::default())).await {
            assert!(left.is_clean(), "{harm:?} at {call:?}: {left:?}");
        }
        bed.destroyed().await;
    })
    .await;
}

#[tokio::test]
async fn a_call_of_provision_fails() {
    provision_survives(Harm::Fails).await;
}

#[tokio::test]
async fn an_answer_to_provision_is_lost() {
    provision_survives(Harm::Lost).await;
}

#[tokio::test]
async fn provision_is_killed_after_any_call() {
    provision_survives(Harm::Killed).await;
}

#[tokio::test]
async fn destroy_finds_all_that_a_killed_provision_left() {
    let bed = everything().await;
    let calls = writes(&bed, bed.provision()).await;
    each(calls, |call| async move {
        let bed = everything().await;
        harmed(&bed, Harm::Killed, call, bed.provision()).await;
        bed.destroyed().await;
    })
    .await;
}

#[tokio::test]
async fn a_call_of_destroy_fails() {
    destroy_survives(Harm::Fails).await;
}

#[tokio::test]
async fn an_answer_to_destroy_is_lost() {
    destroy_survives(Harm::Lost).await;
}

#[tokio::test]
async fn destroy_is_killed_after_any_call() {
    destroy_survives(Harm::Killed).await;
}

#[tokio::test]
async fn reads_that_fail_are_repeated() {
    let bed = everything().await;
    let failing = || {
        Fault::new(Kind::Status {
            status: 503,
            retry_after: None,
            message: None,
        })
    };
    for skip in [0, 5, 9, 14, 20, 25] {
        bed.sandbox.control.fault(Fault {
            method: Some("GET".into()),
            ..failing().skip(skip)
        });
    }
    bed.provision().await.unwrap();
    bed.converged().await;
    bed.destroyed().await;
}
