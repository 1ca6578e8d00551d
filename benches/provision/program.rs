//! The program as an operator runs it, with a clock beside it.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use serde_json::Value;

/// A folder with a hub.yaml in it, and the way to one cloud.
pub struct Operator {
    pub folder: PathBuf,
    pub clouds_yaml: PathBuf,
}

/// One run that ended well.
pub struct Run {
    /// From the start of the process to its end.
    pub seconds: f64,
    /// What it told, and after how many seconds.
    events: Vec<(f64, Value)>,
}

impl Operator {
    pub fn new(folder: PathBuf, clouds_yaml: &Path, spec: &str) -> anyhow::Result<Self> {
        fs::create_dir_all(&folder)?;
        fs::write(folder.join("hub.yaml"), spec)?;
        Ok(Self {
            folder,
            clouds_yaml: clouds_yaml.to_owned(),
        })
    }

    pub fn state(&self, name: &str) -> PathBuf {
        self.folder.join("state").join(name)
    }

    /// What a process needs to find the cloud, and nothing else of ours.
    pub fn environment(&self) -> Vec<(&'static str, OsString)> {
        vec![
            ("PATH", std::env::var_os("PATH").unwrap_or_default()),
            ("HOME", self.folder.clone().into()),
            ("LANG", "C.UTF-8".into()),
            ("OS_CLIENT_CONFIG_FILE", self.clouds_yaml.clone().into()),
            ("OS_CLOUD", "sandbox".into()),
            ("HUBCTL_STATE_DIR", self.folder.join("state").into()),
        ]
    }

    /// Runs `hubctl ARGS --output json` to its end.
    pub fn run(&self, args: &[&str]) -> anyhow::Result<Run> {
        let started = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_hubctl"))
            .args(args)
            .args(["--output", "json"])
            .current_dir(&self.folder)
            .env_clear()
            .envs(self.environment())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("starting hubctl")?;
        let mut stderr = child.stderr.take().context("no standard error")?;
        let complaint = std::thread::spawn(move || {
            let mut text = Vec::new();
            // What cannot be read is not shown.
            let _read = stderr.read_to_end(&mut text);
            String::from_utf8_lossy(&text).into_owned()
        });
        let mut events = Vec::new();
        let lines = BufReader::new(child.stdout.take().context("no standard output")?).lines();
        for line in lines {
            let event: Value = serde_json::from_str(&line?).context("reading the events")?;
            events.push((started.elapsed().as_secs_f64(), event));
        }
        let status = child.wait()?;
        let seconds = started.elapsed().as_secs_f64();
        let complaint = complaint.join().unwrap_or_default();
        let last: Vec<String> = events
            .iter()
            .rev()
            .take(20)
            .map(|e| e.1.to_string())
            .collect();
        ensure!(
            status.success(),
            "hubctl {}: {status}\n{complaint}\nits last events, the latest first:\n{}",
            args.join(" "),
            last.join("\n")
        );
        Ok(Run { seconds, events })
    }
}

impl Run {
    fn named<'a>(&'a self, event: &'a str, name: &'a str) -> impl Iterator<Item = (String, f64)> {
        self.events.iter().filter_map(move |(_, line)| {
            let is_it = line["event"] == event;
            let found = is_it.then(|| (line[name].as_str(), line["seconds"].as_f64()));
            found.and_then(|(name, seconds)| Some((name?.to_owned(), seconds?)))
        })
    }

    /// When, in seconds from SSH answering, a step was over.
    pub fn since_ssh(&self, step: &str) -> anyhow::Result<f64> {
        let when = |event: &str, key: &str, name: &str| {
            let found = self
                .events
                .iter()
                .find(|(_, line)| line["event"] == event && line[key] == name);
            let missing = || format!("{name} was never over");
            found.map(|(at, _)| *at).with_context(missing)
        };
        Ok(when("step-finished", "name", step)? - when("phase-finished", "phase", "ssh")?)
    }

    /// The phases in order, each with its seconds.
    pub fn phases(&self) -> Vec<(String, f64)> {
        self.named("phase-finished", "phase").collect()
    }

    /// The steps, slowest first.
    pub fn slowest_steps(&self) -> Vec<(String, f64)> {
        let mut steps: Vec<_> = self.named("step-finished", "name").collect();
        steps.sort_by(|a, b| b.1.total_cmp(&a.1));
        steps
    }

    /// A number of the closing event.
    pub fn number(&self, field: &str) -> anyhow::Result<u64> {
        let (_, done) = self.events.last().context("a run that said nothing")?;
        let number = done[field].as_u64();
        number.with_context(|| format!("no {field} in {done}"))
    }

    /// The length of a list of the closing event.
    pub fn length(&self, field: &str) -> anyhow::Result<usize> {
        let (_, done) = self.events.last().context("a run that said nothing")?;
        let list = done[field].as_array();
        Ok(list.with_context(|| format!("no {field} in {done}"))?.len())
    }
}
