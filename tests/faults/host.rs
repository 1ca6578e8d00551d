//! Every step on the host goes wrong once, on a real machine: it fails, its runner is killed, its connection is cut, and
//! hubctl itself dies. The faults are the machine's own: hubctl and its runner know nothing of them (`strike.py`).
//!
//! Needs root: the sandbox makes its servers of namespaces.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::hubctl::{Run, done};
use crate::machines::Machines;
use crate::server::Server;

const STRIKE: &str = include_str!("strike.py");
/// Where the runner on the server keeps others off.
const LOCK: &str = "/run/lock/hubctl.lock";

const SPEC: &str = "name: class\nprofile: rust\nlimits:\n  seats: 2\nvolume:\n  size: 1\n";

/// How much is tried.
struct Spread {
    harms: &'static [&'static str],
    /// Each so-manieth step at its first act; 0 is each act of each step, with each of the harms.
    every: u32,
    /// Fewer blows than this would prove nothing.
    at_least: usize,
}

const SHORT: Spread = Spread {
    harms: &["error", "gone", "killed", "cut"],
    every: 6,
    at_least: 6,
};
const WHOLE: Spread = Spread {
    harms: &["error", "killed"],
    every: 0,
    at_least: 100,
};

#[test]
fn steps_on_the_host_go_wrong_and_the_next_run_finishes_them() {
    let whole = std::env::var("HUBCTL_TEST_FAULTS").is_ok_and(|word| word == "all");
    let spread = if whole { WHOLE } else { SHORT };
    let cloud = Machines::start();
    let mut operator = cloud.operator(SPEC);
    let release = format!("release.source={}", release(&operator.folder).display());

    // The server is there and nothing was done to it when its Python is made to fail.
    let provision = ["provision", "--yes", "--output", "json", "--set", &release];
    operator.run_until(&provision, |line| {
        line.contains("phase-started") && line.contains("\"host\"")
    });
    let server = Server::of(&operator, "class");
    arm(&server, &spread);

    let mut blows = Vec::new();
    loop {
        let run = operator.run_until(&provision, |line| line.contains("struck at "));
        let struck = server.run("cat /run/faults/struck 2>/dev/null || true");
        let struck: Vec<String> = struck.lines().map(str::to_owned).collect();
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
    assert!(blows.len() >= spread.at_least, "{counts}");

    // What the last run left is what was asked for, and the hub works: provision saw a user compute.
    server.run("sudo rm -rf /run/faults");
    let events = operator.events(&["provision", "--yes", "--set", &release]);
    assert_eq!(done(&events)["changed"], 0, "{:?}", done(&events));
    operator.events(&["destroy", "--yes"]);
    cloud.assert_empty("class");
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

/// Puts the faults into the server's Python.
fn arm(server: &Server, spread: &Spread) {
    let plan = json!({"harms": spread.harms, "every": spread.every, "lock": LOCK});
    server.run_with(
        "file=$(python3 -c 'import sitecustomize as s; print(s.__file__)' 2>/dev/null) || \
         file=/usr/lib/python3/dist-packages/sitecustomize.py; sudo tee -a $file >/dev/null",
        STRIKE,
    );
    server.run_with(
        "sudo install -d /run/faults && sudo tee /run/faults/plan >/dev/null",
        &plan.to_string(),
    );
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

/// The programs as they are installed: without what only a debugger reads.
fn release(folder: &Path) -> PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_hubctl")).parent().unwrap();
    let release = folder.join("release");
    std::fs::create_dir_all(&release).unwrap();
    for name in ["hubproxy", "hubd", "hub-helper"] {
        let done = Command::new("strip")
            .arg("-o")
            .args([release.join(name), built.join(name)])
            .status();
        assert!(done.expect("strip starts").success(), "{name} is built");
    }
    release
}
