//! The program as an operator runs it: from a folder with a hub.yaml, with every word it says kept.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::thread;

use serde_json::Value;

/// A folder to work in, and the environment that leads to one cloud.
pub(crate) struct Operator {
    pub(crate) folder: PathBuf,
    program: PathBuf,
    clouds_yaml: PathBuf,
    /// The socket of their SSH agent.
    pub(crate) agent: Option<PathBuf>,
    runs: usize,
}

/// One run that has ended.
pub(crate) struct Run {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Operator {
    pub(crate) fn new(folder: &Path, clouds_yaml: &Path, spec: &str) -> Self {
        fs::create_dir_all(folder.join("logs")).unwrap();
        fs::write(folder.join("hub.yaml"), spec).unwrap();
        Self {
            folder: folder.to_owned(),
            program: installed(&folder.join("bin")),
            clouds_yaml: clouds_yaml.to_owned(),
            agent: None,
            runs: 0,
        }
    }

    pub(crate) fn clouds_yaml(&self) -> &Path {
        &self.clouds_yaml
    }

    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.folder.join("state").join(name)
    }

    pub(crate) fn receipt(&self, name: &str) -> Value {
        let text = fs::read_to_string(self.state(name).join("receipt.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    /// Passwords by user, as they were handed out.
    pub(crate) fn passwords(&self, name: &str) -> BTreeMap<String, String> {
        fs::read_to_string(self.state(name).join("credentials.csv"))
            .unwrap()
            .lines()
            .skip(1)
            .map(|line| {
                let fields: Vec<&str> = line.split(',').collect();
                (fields[1].to_owned(), fields[2].to_owned())
            })
            .collect()
    }

    pub(crate) fn password(&self, name: &str, user: &str) -> String {
        self.passwords(name)[user].clone()
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(args)
            .current_dir(&self.folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", &self.folder)
            .env("OS_CLIENT_CONFIG_FILE", &self.clouds_yaml)
            .env("OS_CLOUD", "sandbox")
            .env("HUBCTL_STATE_DIR", self.folder.join("state"))
            .envs(self.agent.iter().map(|socket| ("SSH_AUTH_SOCK", socket)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs to the end.
    pub(crate) fn run(&mut self, args: &[&str]) -> Run {
        self.run_until(args, |_| false)
    }

    /// Runs with `--output json` to the end, which must be good, and returns the events.
    pub(crate) fn events(&mut self, args: &[&str]) -> Vec<Value> {
        let run = self.run(&[args, &["--output", "json"]].concat());
        assert!(
            run.status.success(),
            "{args:?}: {}\n{}\n{}",
            run.status,
            run.stdout,
            run.stderr
        );
        run.events()
    }

    /// Runs until a line of standard output is the one waited for, then kills the process with SIGKILL.
    pub(crate) fn run_until(&mut self, args: &[&str], stop: impl Fn(&str) -> bool) -> Run {
        self.runs += 1;
        let mut child = self.command(args).spawn().expect("hubctl starts");
        let stderr = collect(child.stderr.take());
        let mut stdout = String::new();
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let Ok(line) = line else { break };
            stdout.push_str(&line);
            stdout.push('\n');
            if stop(&line) {
                child.kill().expect("hubctl is killed");
            }
        }
        let status = child.wait().expect("hubctl ends");
        let run = Run {
            status,
            stdout,
            stderr: stderr.join().expect("standard error is read"),
        };
        let log = format!(
            "$ hubctl {}\n{}{}\n{}\n",
            args.join(" "),
            run.stdout,
            run.stderr,
            run.status
        );
        fs::write(
            self.folder
                .join(format!("logs/{:02}-{}.log", self.runs, args[0])),
            log,
        )
        .unwrap();
        run
    }
}

/// hubctl as it is installed: beside it what it sends to servers, without what only a debugger reads.
fn installed(bin: &Path) -> PathBuf {
    let hubctl = Path::new(env!("CARGO_BIN_EXE_hubctl"));
    fs::create_dir_all(bin).unwrap();
    for name in ["hubctl", "hubproxy", "hubd", "hub-helper"] {
        let done = Command::new("strip")
            .arg("-o")
            .args([bin.join(name), hubctl.with_file_name(name)])
            .status();
        assert!(done.expect("strip starts").success(), "{name} is built");
    }
    bin.join("hubctl")
}

fn collect(source: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        if let Some(mut source) = source {
            let mut bytes = Vec::new();
            let _ = source.read_to_end(&mut bytes);
            text = String::from_utf8_lossy(&bytes).into_owned();
        }
        text
    })
}

impl Run {
    /// The events of `--output json`.
    pub(crate) fn events(&self) -> Vec<Value> {
        self.stdout
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}")))
            .collect()
    }
}

/// The closing event of a run.
pub(crate) fn done(events: &[Value]) -> &Value {
    let last = events.last().expect("events");
    assert_eq!(last["event"], "done", "{last}");
    last
}
