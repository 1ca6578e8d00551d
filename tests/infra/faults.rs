//! Every API call of a run, failed once: the next run converges, and destroy leaves nothing.

use std::time::Duration;

use futures::StreamExt;
use sandbox::{Fault, Kind, Scenario};
use serde_json::json;

use crate::cloud::{Bed, bed, pace};

async fn everything() -> Bed {
    bed(Scenario::default(), json!({ "domain": "hub.example.org", "volume": { "size": 2 } })).await
}

/// How a call goes wrong.
#[derive(Debug, Clone, Copy)]
enum Harm {
    /// The service fails, once.
    Fails,
    /// The work is done, and its answer lost, once.
    Lost,
    /// The run is killed once the work is done; nothing it sent afterwards is carried out.
    Killed,
}

/// Arms the harm for the request after `skip` others.
fn arm(bed: &Bed, harm: Harm, skip: u32) {
    let control = &bed.sandbox.control;
    match harm {
        Harm::Fails => {
            control.fault(Fault::new(Kind::Status { status: 500, retry_after: None, message: None }).skip(skip));
        }
        Harm::Lost => control.fault(Fault::new(Kind::LoseAnswer).skip(skip)),
        Harm::Killed => {
            control.fault(Fault::new(Kind::LoseAnswer).skip(skip));
            control.fault(Fault::new(Kind::Reset).skip(skip + 1).always());
        }
    }
}

/// Waits until the first fault has struck, which uses it up.
async fn struck(bed: &Bed) {
    while bed.sandbox.control.faults().iter().any(|fault| fault.kind == Kind::LoseAnswer) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

async fn provision_with(bed: &Bed, harm: Harm, skip: u32) -> bool {
    arm(bed, harm, skip);
    let run = bed.provision();
    let done = match harm {
        Harm::Killed => tokio::select! {
            done = run => done.is_ok(),
            () = struck(bed) => false,
        },
        _ => run.await.is_ok(),
    };
    bed.sandbox.control.clear_faults();
    done
}

/// Runs the case for each of so many calls, a few at a time: each has a cloud of its own.
async fn each<F: Future<Output = ()>>(count: u32, case: impl Fn(u32) -> F) {
    futures::stream::iter(0..count).map(case).buffer_unordered(4).collect::<Vec<()>>().await;
}

async fn provision_survives(harm: Harm) {
    let bed = everything().await;
    bed.sandbox.control.reset();
    bed.provision().await.unwrap();
    let count = u32::try_from(bed.sandbox.control.requests().len()).unwrap();
    assert!((20..60).contains(&count), "{count} calls for a whole provision");
    each(count, |skip| async move {
        let bed = everything().await;
        let done = provision_with(&bed, harm, skip).await;
        // What the service does once, or an answer that is lost once, a run gets over by itself.
        if !matches!(harm, Harm::Killed) {
            assert!(done, "{harm:?} at call {skip} ended the run");
        }
        let outcome = bed.provision().await.unwrap_or_else(|error| panic!("{harm:?} at call {skip}: {error}"));
        assert_eq!(outcome.status, "ACTIVE");
        bed.converged().await;
        bed.destroyed().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_of_provision_fails() {
    provision_survives(Harm::Fails).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_to_provision_is_lost() {
    provision_survives(Harm::Lost).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn provision_is_killed_after_any_call() {
    provision_survives(Harm::Killed).await;
}
