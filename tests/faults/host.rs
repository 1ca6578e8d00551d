//! A spread of the steps on the host goes wrong, one after the other on one server: a step fails, its runner is killed,
//! its connection is cut, and hubctl itself dies. `matrix` takes every step.
//!
//! The faults are the machine's own: hubctl and its runner know nothing of them (`strike.py`). Needs root: the sandbox
//! makes its servers of namespaces.

use std::collections::BTreeMap;

use serde_json::json;

use super::bed::{Bed, LOCK, PROVISION};
use crate::hubctl::{Run, done};

const SPEC: &str = "name: class\nlimits:\n  seats: 2\nvolume:\n  size: 1\n";
const HARMS: [&str; 4] = ["error", "gone", "killed", "cut"];
/// Each so-manieth step is struck, at its first act.
const EVERY: u32 = 6;
/// Fewer blows than this would prove nothing.
const AT_LEAST: usize = 6;

#[test]
fn steps_on_the_host_go_wrong_and_the_next_run_finishes_them() {
    let mut bed = Bed::make(SPEC);
    bed.arm(&json!({"lock": LOCK, "harms": HARMS, "every": EVERY}));

    let mut blows = Vec::new();
    loop {
        let run = bed
            .operator
            .run_until(&PROVISION, |line| line.contains("struck at "));
        let struck: Vec<String> = bed.noted("struck").lines().map(str::to_owned).collect();
        let Some(blow) = struck.get(blows.len()) else {
            assert!(
                run.status.success(),
                "nothing struck: {}{}",
                run.stdout,
                run.stderr
            );
            break;
        };
        assert_eq!(struck.len(), blows.len() + 1, "one blow a run: {struck:?}");
        told(&run, blow);
        blows = struck;
    }
    let counts = count(&blows);
    assert!(blows.len() >= AT_LEAST, "{counts}");

    // What the last run left is what was asked for, and the hub works: provision saw a user compute.
    bed.server.run("sudo rm -rf /run/faults");
    let events = bed.operator.events(&["provision", "--yes"]);
    assert_eq!(done(&events)["changed"], 0, "{:?}", done(&events));
    bed.operator.events(&["destroy", "--yes"]);
    bed.machines.assert_empty("class");
    eprintln!("{counts}");
}

/// What the operator is told of a blow, as far as hubctl lived to tell it.
fn told(run: &Run, blow: &str) {
    let harm = blow.split('\t').next().unwrap();
    let said = format!("{}{}", run.stdout, run.stderr);
    match harm {
        "gone" => assert_eq!(run.status.code(), None, "{blow}: {said}"),
        // A step that can do without what failed goes on.
        "error" => assert!(
            run.status.success() || said.contains("Read-only file system"),
            "{blow}: {said}"
        ),
        _ => assert_eq!(run.status.code(), Some(6), "{blow}: {said}"),
    }
}

/// How many blows of each kind, and at how many steps.
fn count(blows: &[String]) -> String {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    let mut steps: Vec<&str> = Vec::new();
    for blow in blows {
        let mut words = blow.split('\t');
        *kinds.entry(words.next().unwrap()).or_default() += 1;
        steps.extend(words.next());
    }
    steps.sort_unstable();
    steps.dedup();
    format!(
        "{} blows at {} steps: {kinds:?}\n{}",
        blows.len(),
        steps.len(),
        blows.join("\n")
    )
}
