//! Every call of a run goes wrong once, those that only read and the login too: the next run converges, and destroy
//! leaves nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;
use hubctl::event::Silent;
use hubctl::infra::{
    DestroyOptions, InfraError, Leftovers, Outcome, Pace, apply, destroy, prepare,
};
use sandbox::{Fault, Kind, Scenario};
use serde_json::json;

use crate::cloud::{Bed, bed, log_in, pace};

async fn everything() -> Bed {
    bed(
        Scenario::default(),
        json!({ "domain": "hub.sandbox.test", "volume": { "size": 2 } }),
    )
    .await
}

/// A whole run, from the login on.
async fn provision(bed: &Bed) -> Result<Outcome, InfraError> {
    let cloud = log_in(&bed.sandbox).await?;
    let plan = prepare(&cloud, &bed.spec, &bed.local).await?;
    apply(&cloud, &plan, &pace(), &Silent).await
}

/// What is refused stays, and what depends on it is waited for in vain: not for long.
async fn take_away(bed: &Bed) -> Result<Leftovers, InfraError> {
    let cloud = log_in(&bed.sandbox).await?;
    let options = DestroyOptions::default();
    let pace = Pace {
        delete: Duration::from_secs(10),
        ..pace()
    };
    destroy(&cloud, &bed.spec.name, options, &pace, &Silent).await
}

/// How a call goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Harm {
    /// The service fails, once.
    Fails,
    /// The service refuses: nothing that waiting would heal.
    Refused,
    /// The work is done, and its answer lost, once.
    Lost,
    /// The run is killed once the work is done.
    Killed,
}

impl Harm {
    fn kind(self) -> Kind {
        let status = |status| Kind::Status {
            status,
            retry_after: None,
            message: None,
        };
        match self {
            Self::Fails => status(500),
            Self::Refused => status(403),
            Self::Lost | Self::Killed => Kind::LoseAnswer,
        }
    }
}

/// A call of a run: the so-manieth of its method.
#[derive(Debug, Clone)]
struct Call {
    method: String,
    skip: u32,
}

impl Call {
    fn reads(&self) -> bool {
        self.method == "GET"
    }
}

/// Runs something while a call goes wrong; `None` where it was killed.
///
/// How often a run asks whether something is ready depends on the time of day: where it never came to the call, the call
/// is nobody's.
async fn harmed<T>(bed: &Bed, harm: Harm, call: &Call, run: impl Future<Output = T>) -> Option<T> {
    let control = &bed.sandbox.control;
    control.fault(Fault {
        method: Some(call.method.clone()),
        ..Fault::new(harm.kind()).skip(call.skip)
    });
    let struck = async {
        while !control.faults().is_empty() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let done = if harm == Harm::Killed {
        tokio::select! {
            biased;
            () = struck => None,
            done = run => Some(done),
        }
    } else {
        Some(run.await)
    };
    if !call.reads() {
        assert!(control.faults().is_empty(), "{call:?} was never made");
    }
    control.clear_faults();
    done
}

/// The calls of a run, those that only ask again whether something is ready left out.
async fn calls<T>(bed: &Bed, run: impl Future<Output = T>) -> Vec<Call> {
    bed.sandbox.control.reset();
    run.await;
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    let mut asked = BTreeSet::new();
    let mut calls = Vec::new();
    for request in bed.sandbox.control.requests() {
        let count = counts.entry(request.method.clone()).or_default();
        let call = Call {
            method: request.method,
            skip: *count,
        };
        *count += 1;
        if !call.reads() || asked.insert((request.path, request.query)) {
            calls.push(call);
        }
    }
    calls
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
    let calls = calls(&bed, provision(&bed)).await;
    let writes = calls.iter().filter(|call| !call.reads()).count();
    assert!(
        (18..30).contains(&writes) && calls.len() > writes + 12,
        "a whole provision makes {} calls, {writes} of them changes",
        calls.len()
    );
    each(calls, |call| async move {
        let bed = everything().await;
        let done = harmed(&bed, harm, &call, provision(&bed)).await;
        // What the service does once, or an answer that is lost once, a run gets over by itself.
        if let Some(Err(error)) = done
            && matches!(harm, Harm::Fails | Harm::Lost)
        {
            panic!("{harm:?} at {call:?} ended the run: {error}");
        }
        let outcome = provision(&bed)
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
    provision(&bed).await.unwrap();
    let calls = calls(&bed, take_away(&bed)).await;
    let writes = calls.iter().filter(|call| !call.reads()).count();
    assert!(
        (10..20).contains(&writes) && calls.len() > writes + 8,
        "a whole destroy makes {} calls, {writes} of them changes",
        calls.len()
    );
    each(calls, |call| async move {
        let bed = everything().await;
        provision(&bed).await.unwrap();
        let done = harmed(&bed, harm, &call, take_away(&bed)).await;
        if matches!(harm, Harm::Fails | Harm::Lost) {
            let left = done
                .unwrap()
                .unwrap_or_else(|error| panic!("{harm:?} at {call:?} ended the run: {error}"));
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
async fn a_call_of_provision_is_refused() {
    provision_survives(Harm::Refused).await;
}

#[tokio::test]
async fn an_answer_to_provision_is_lost() {
    provision_survives(Harm::Lost).await;
}

#[tokio::test]
async fn provision_is_killed_at_any_call() {
    provision_survives(Harm::Killed).await;
}

#[tokio::test]
async fn destroy_finds_all_that_a_killed_provision_left() {
    let bed = everything().await;
    let mut calls = calls(&bed, provision(&bed)).await;
    // One that reads leaves what the one before it left.
    calls.retain(|call| !call.reads());
    each(calls, |call| async move {
        let bed = everything().await;
        harmed(&bed, Harm::Killed, &call, provision(&bed)).await;
        bed.destroyed().await;
    })
    .await;
}

#[tokio::test]
async fn a_call_of_destroy_fails() {
    destroy_survives(Harm::Fails).await;
}

#[tokio::test]
async fn a_call_of_destroy_is_refused() {
    destroy_survives(Harm::Refused).await;
}

#[tokio::test]
async fn an_answer_to_destroy_is_lost() {
    destroy_survives(Harm::Lost).await;
}

#[tokio::test]
async fn destroy_is_killed_at_any_call() {
    destroy_survives(Harm::Killed).await;
}
