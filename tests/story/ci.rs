//! The example for CI, by itself: a hub for a night's check, and what a run leaves that is killed.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::cloud::Cloud;

struct Ci {
    reports: PathBuf,
    child: Child,
}

/// Starts the script as a CI system does, in a process group of its own.
fn start(cloud: &Cloud, folder: &Path, name: &str, ttl: &str, spec: &Path) -> Ci {
    let reports = folder.join(format!("reports-{name}"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci/smoke");
    let child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL"])
        .arg(script)
        .args([spec, &reports])
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", folder)
        .env("HUBCTL", env!("CARGO_BIN_EXE_hubctl"))
        .env("NAME", name)
        .env("TTL", ttl)
        .env("OS_CLIENT_CONFIG_FILE", cloud.clouds_yaml())
        .env("OS_CLOUD", "sandbox")
        .stdin(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("setpriv starts");
    Ci { reports, child }
}

impl Drop for Ci {
    fn drop(&mut self) {
        // What it started ends with it.
        let _ = killpg(self.group(), Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

impl Ci {
    fn group(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// Steps and how each ended. What each took is kept for who wants to know.
    fn steps(&self) -> Vec<(String, String)> {
        let text = fs::read_to_string(self.reports.join("steps.csv")).unwrap();
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let name = self.reports.file_name().unwrap().to_string_lossy();
        fs::write(folder.join(format!("ci-{name}.csv")), &text).unwrap();
        println!("examples/ci/smoke ({name}):");
        for line in text.lines() {
            let cells: Vec<&str> = line.split(',').collect();
            println!(
                "  {:<10} {:>8} {:>10} {:>7}",
                cells[0], cells[1], cells[2], cells[3]
            );
        }
        let rows = text.lines().skip(1).map(|line| line.split(',').collect());
        rows.map(|row: Vec<&str>| (row[0].to_owned(), row[3].to_owned()))
            .collect()
    }
}

fn steps(all: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(step, status): &(&str, &str)| ((*step).to_owned(), (*status).to_owned());
    all.iter().map(owned).collect()
}

#[test]
fn the_ci_example_leaves_nothing_whatever_happens() {
    let cloud = Cloud::start();
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci");

    // A run that is killed together with all it started leaves a hub, which has its time from the beginning.
    let mut killed = start(
        &cloud,
        folder.path(),
        "killed",
        "1s",
        &examples.join("hub.yaml"),
    );
    let begun = Instant::now();
    while !cloud.has_server() {
        assert!(killed.child.try_wait().unwrap().is_none(), "it ended");
        assert!(begun.elapsed() < Duration::from_secs(120), "no server");
        std::thread::sleep(Duration::from_millis(50));
    }
    drop(killed);
    // Until its time is over, as the cloud's tags have it.
    while cloud.has_time("killed") {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "its time is never over"
        );
        std::thread::sleep(Duration::from_millis(50));
    }

    // The next takes that away first, makes its own, has it examined, and takes it away.
    let mut ci = start(
        &cloud,
        folder.path(),
        "night",
        "2h",
        &examples.join("hub.yaml"),
    );
    assert!(ci.child.wait().unwrap().success());
    assert_eq!(
        ci.steps(),
        steps(&[
            ("gc", "0"),
            ("provision", "0"),
            ("doctor", "0"),
            ("destroy", "0")
        ])
    );
    let gone = fs::read_to_string(ci.reports.join("gc.jsonl")).unwrap();
    assert!(gone.contains(r#""gone":["killed"]"#), "{gone}");
    let junit = fs::read_to_string(ci.reports.join("doctor.xml")).unwrap();
    assert_eq!(junit.matches("<testcase ").count(), 17, "{junit}");
    assert!(!junit.contains("<failure"), "{junit}");
    cloud.assert_empty("night");

    // One that cannot be made is taken away as well, and the run's status is the reason's.
    let broken = folder.path().join("broken.yaml");
    fs::write(&broken, "name: smoke\nserver:\n  image: none-such\n").unwrap();
    let mut ci = start(&cloud, folder.path(), "broken", "2h", &broken);
    assert_eq!(ci.child.wait().unwrap().code(), Some(2));
    assert_eq!(
        ci.steps(),
        steps(&[("gc", "0"), ("provision", "2"), ("destroy", "0")])
    );
    cloud.assert_empty("broken");
}
