//! Every documented exit status, by the program itself; and what an interrupted run says.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::{Fault, Kind, Options, Sandbox, Scenario, Service};
use serde_json::Value;

/// A cloud, and a folder to work in with a spec for it.
struct Bed {
    sandbox: Sandbox,
    folder: tempfile::TempDir,
}

struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Bed {
    fn new(scenario: Scenario) -> Self {
        let sandbox = Sandbox::start(Options {
            scenario,
            ..Options::default()
        })
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("hub.yaml"), "name: class\n").unwrap();
        Self { sandbox, folder }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hubctl"));
        command
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("OS_CLIENT_CONFIG_FILE", &self.sandbox.clouds_yaml)
            .env("OS_CLOUD", "sandbox")
            .env("HUBCTL_STATE_DIR", self.folder.path().join("state"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, args: &[&str]) -> Said {
        let output = self.command(args).output().unwrap();
        Said {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// That it ends with this status and says so: in words, and in JSON with the same number in it.
    fn ends(&self, args: &[&str], code: i32, words: &str) {
        let said = self.run(args);
        let all = format!("{}{}", said.out, said.err);
        assert_eq!(said.code, Some(code), "{args:?}: {all}");
        assert!(all.contains(words), "{args:?}: {words} is not in\n{all}");
        if (1..=7).contains(&code) {
            let said = self.run(&[args, &["--output", "json"]].concat());
            assert_eq!(said.code, Some(code), "{}", said.out);
            let last: Value = match said.out.lines().last() {
                Some(line) => serde_json::from_str(line).unwrap(),
                // The command line itself is wrong.
                None => return,
            };
            if last["event"] == "failed" {
                assert_eq!(last["exit"], code, "{last}");
            }
        }
    }
}

/// Ends with the test, whatever becomes of it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn zero_is_done_and_ten_is_changes_pending() {
    let bed = Bed::new(Scenario::default());
    bed.ends(&["validate"], 0, "hub.yaml is valid");
    bed.ends(&["list"], 0, "no deployment in this project");
    bed.ends(&["gc", "--yes"], 0, "nothing has had its time");
    bed.ends(&["destroy", "--yes"], 0, "there was nothing");
    bed.ends(&["plan"], 0, "+ create server hubctl-class");
    bed.ends(
        &["plan", "--detailed-exitcode"],
        10,
        "+ create server hubctl-class",
    );
}

#[test]
fn one_is_an_error_of_another_kind() {
    let bed = Bed::new(Scenario::default());
    // Another run has the deployment.
    let folder = bed.folder.path().join("state/class");
    fs::create_dir_all(&folder).unwrap();
    let lock = fs::File::create(folder.join("lock")).unwrap();
    lock.lock().unwrap();
    bed.ends(&["destroy", "--yes"], 1, "another hubctl works on class");
    drop(lock);
    // Nobody is there to say yes.
    bed.ends(&["provision"], 1, "--yes");
}

#[test]
fn two_is_the_command_line_or_the_spec() {
    let bed = Bed::new(Scenario::default());
    bed.ends(&["provisoin"], 2, "provision");
    bed.ends(&["provision", "--ttl", "8"], 2, "90m, 8h or 2d");
    bed.ends(&["gc", "--older-than", "never"], 2, "90m, 8h or 2d");
    bed.ends(&["add-users"], 2, "required");
    bed.ends(&["add-users", "Ada"], 2, "did you mean ada?");
    fs::write(
        bed.folder.path().join("people.csv"),
        "name,admin\nada,perhaps\nAda,no\n",
    )
    .unwrap();
    bed.ends(
        &["add-users", "--from", "people.csv"],
        2,
        "line 2: admin is \"perhaps\"",
    );
    bed.ends(
        &["add-users", "--from", "people.csv"],
        2,
        "line 3: \"Ada\" has 'A' in it",
    );
    bed.ends(&["plan", "--set", "server.image=none-such"], 2, "none-such");
    bed.ends(&["plan", "--os-cloud", "elsewhere"], 2, "elsewhere");
    fs::write(
        bed.folder.path().join("hub.yaml"),
        "name: class\nseats: 3\n",
    )
    .unwrap();
    for verb in ["validate", "plan", "provision"] {
        bed.ends(&[verb], 2, "hub.yaml:2:1: seats");
    }
}

#[test]
fn three_is_a_quota_found_early_or_late() {
    let mut scenario = Scenario::default();
    scenario.quotas.insert("floatingip".into(), 0);
    let bed = Bed::new(scenario);
    bed.ends(&["provision", "--yes"], 3, "floating IP");
    let made = bed.sandbox.control.requests();
    let only_looked = made
        .iter()
        .all(|asked| asked.method == "GET" || asked.path.starts_with("/auth"));
    assert!(
        only_looked,
        "something was made before the quota was looked at"
    );

    let bed = Bed::new(Scenario::default());
    let late = Kind::Quota {
        resource: "router".into(),
    };
    bed.sandbox.control.fault(
        Fault::new(late)
            .on(Service::Network, "POST", "/routers")
            .always(),
    );
    bed.ends(&["provision", "--yes"], 3, "router");
}

#[test]
fn four_is_credentials_that_are_not_accepted() {
    let bed = Bed::new(Scenario::default());
    let text = fs::read_to_string(&bed.sandbox.clouds_yaml).unwrap();
    let mut all: Value = serde_yaml::from_str(&text).unwrap();
    all["clouds"]["sandbox"]["auth"]["password"] = "wrong".into();
    let wrong = bed.folder.path().join("clouds.yaml");
    fs::write(&wrong, all.to_string()).unwrap();
    for args in [
        &["list"][..],
        &["plan"],
        &["destroy", "--yes"],
        &["gc", "--yes"],
    ] {
        let output = bed
            .command(args)
            .env("OS_CLIENT_CONFIG_FILE", &wrong)
            .output()
            .unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{args:?}: {said}");
        assert!(said.contains("password"), "{said}");
    }
}

#[test]
fn five_is_a_cloud_that_refuses_or_breaks() {
    let bed = Bed::new(Scenario::default());
    let broken = Kind::Status {
        status: 403,
        retry_after: None,
        message: Some("not today".into()),
    };
    bed.sandbox.control.fault(
        Fault::new(broken)
            .on(Service::Network, "POST", "/networks")
            .always(),
    );
    bed.ends(&["provision", "--yes"], 5, "not today");

    let bed = Bed::new(Scenario::default());
    bed.sandbox
        .control
        .fault(Fault::server_error(500, "No valid host was found.").always());
    bed.ends(&["provision", "--yes"], 5, "No valid host was found.");
    bed.sandbox.control.clear_faults();
    bed.ends(&["destroy", "--yes"], 0, "nothing is left");
}

#[test]
fn six_is_ssh() {
    let bed = Bed::new(Scenario::default());
    // A server that is known, at an address where nobody, or somebody else, answers.
    let state = bed.folder.path().join("state/class");
    fs::create_dir_all(&state).unwrap();
    let receipt = r#"{"version": 1, "address": "127.99.0.1", "login": "debian", "server_id": "x"}"#;
    fs::write(state.join("receipt.json"), receipt).unwrap();
    fs::write(
        state.join("known_hosts"),
        "127.99.0.1 ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKsHkM3fbsgEo5gQjhHi4wGnkKqJGlSbnbDHOGJ6nhLn\n",
    )
    .unwrap();
    for args in [
        &["logs"][..],
        &["add-users", "ada"],
        &["list-users"],
        &["reset-password", "ada"],
        &["remove-users", "ada", "--yes"],
    ] {
        bed.ends(args, 6, "127.99.0.1");
    }
}

/// Waits for the server, interrupted by each signal in turn; what remains is told, stands, and goes.
#[test]
fn seven_is_health_and_a_hundred_and_thirty_an_interrupt() {
    let bed = Bed::new(Scenario::default());
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let mut command = bed.command(&["provision", "--yes", "--ttl", "8h", "--output", "json"]);
        let mut running = Running(command.spawn().unwrap());
        let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
        // There is no machine behind this server: it waits for SSH until somebody stops it.
        lines
            .by_ref()
            .map(Result::unwrap)
            .find(|line| line.contains("phase-started") && line.contains("\"ssh\""))
            .expect("it comes to SSH");
        let pid = Pid::from_raw(i32::try_from(running.0.id()).unwrap());
        kill(pid, signal).unwrap();
        let last = lines.map(Result::unwrap).last().expect("it says something");
        assert_eq!(running.0.wait().unwrap().code(), Some(130), "{signal}");
        let last: Value = serde_json::from_str(&last).unwrap();
        assert_eq!(
            (&last["event"], &last["signal"]),
            (&"interrupted".into(), &signal.as_str().into())
        );
        let remains = last["remains"].as_array().unwrap();
        let all: Vec<&str> = remains.iter().map(|item| item.as_str().unwrap()).collect();
        assert!(
            all.iter()
                .any(|item| item.starts_with("server hubctl-class")),
            "{all:?}"
        );
    }
    bed.ends(&["status", "class", "--file", "none.yaml"], 7, "");
    bed.ends(&["list"], 0, "class ");
    bed.ends(&["destroy", "--yes"], 0, "nothing is left");
}
