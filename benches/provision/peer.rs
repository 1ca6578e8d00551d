//! The same work by Ansible, in the same run on the same cloud and machine: what we compare with.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, ensure};
use hubctl::secret::Secret;
use hubctl::users::password;
use serde_json::{Value, json};

use crate::program::Operator;

const PACKAGES: [&str; 2] = ["ansible==12.3.0", "openstacksdk==4.14.0"];
const PLAYBOOKS: [(&str, &str); 4] = [
    ("cloud.yml", include_str!("peer/cloud.yml")),
    ("cloud-away.yml", include_str!("peer/cloud-away.yml")),
    ("users-loop.yml", include_str!("peer/users-loop.yml")),
    ("newusers.yml", include_str!("peer/newusers.yml")),
];

/// An Ansible of its own, outside the repository.
pub struct Peer {
    environment: PathBuf,
    playbooks: PathBuf,
}

impl Peer {
    /// Installs it with pip, unless an earlier run did.
    pub fn install(folder: &Path) -> anyhow::Result<Self> {
        let home = std::env::var_os("HOME").context("no HOME")?;
        let environment = Path::new(&home).join(".cache/hubctl-bench/ansible-12.3.0");
        let complete = environment.join("complete");
        if !complete.exists() {
            run(Command::new("python3")
                .args(["-m", "venv"])
                .arg(&environment))?;
            run(Command::new(environment.join("bin/pip"))
                .args(["install", "--quiet", "--disable-pip-version-check"])
                .args(PACKAGES))?;
            fs::write(complete, "")?;
        }
        let playbooks = folder.join("peer");
        fs::create_dir_all(&playbooks)?;
        for (name, text) in PLAYBOOKS {
            fs::write(playbooks.join(name), text)?;
        }
        Ok(Self {
            environment,
            playbooks,
        })
    }

    /// Runs one of the playbooks and returns its seconds.
    fn play(
        &self,
        playbook: &str,
        variables: &Value,
        operator: &Operator,
        to: &[String],
    ) -> anyhow::Result<f64> {
        let variables_file = self.playbooks.join("variables.json");
        fs::write(&variables_file, variables.to_string())?;
        // A connection of its own for each run, as for hubctl; the path of a socket must be short.
        let sockets = tempfile::tempdir_in("/tmp")?;
        let mut command = Command::new(self.environment.join("bin/ansible-playbook"));
        command
            .args(to)
            .arg("-e")
            .arg(format!("@{}", variables_file.display()))
            .arg(self.playbooks.join(playbook))
            .current_dir(&self.playbooks)
            .env_clear()
            .envs(operator.environment())
            .env("ANSIBLE_PIPELINING", "True")
            .env("ANSIBLE_NOCOLOR", "1")
            .env("ANSIBLE_LOCALHOST_WARNING", "False")
            .env("ANSIBLE_SSH_CONTROL_PATH_DIR", sockets.path());
        let started = Instant::now();
        run(&mut command)?;
        Ok(started.elapsed().as_secs_f64())
    }

    /// The cloud half: makes it, or finds that nothing is to be done.
    pub fn cloud(&self, operator: &Operator, public_key: &str) -> anyhow::Result<f64> {
        self.locally("cloud.yml", &json!({"public_key": public_key}), operator)
    }

    pub fn cloud_away(&self, operator: &Operator) -> anyhow::Result<f64> {
        self.locally("cloud-away.yml", &json!({}), operator)
    }

    fn locally(
        &self,
        playbook: &str,
        variables: &Value,
        operator: &Operator,
    ) -> anyhow::Result<f64> {
        let python = self.environment.join("bin/python");
        let interpreter = format!("ansible_python_interpreter={}", python.display());
        let to = ["-i", "localhost,", "-e", &interpreter].map(str::to_owned);
        self.play(playbook, variables, operator, &to)
    }

    /// Makes so many accounts on the deployment's server, with the `user` module in a loop.
    pub fn loop_of_users(
        &self,
        operator: &Operator,
        name: &str,
        count: usize,
    ) -> anyhow::Result<f64> {
        let users = users(&format!("loop{count}-"), count);
        self.play("users-loop.yml", &users, operator, &server(operator, name)?)
    }

    /// The same with `newusers`.
    pub fn newusers(&self, operator: &Operator, name: &str, count: usize) -> anyhow::Result<f64> {
        let users = users(&format!("new{count}-"), count);
        self.play("newusers.yml", &users, operator, &server(operator, name)?)
    }
}

/// New users. Their passwords are chosen and hashed before the clock runs.
fn users(prefix: &str, count: usize) -> Value {
    let passwords: Vec<Secret> = (0..count).map(|_| password::generate()).collect();
    let hashes: Vec<String> = passwords.iter().map(password::hash).collect();
    let users: Vec<Value> = passwords
        .iter()
        .zip(hashes)
        .enumerate()
        .map(|(number, (password, hash))| {
            let name = format!("{prefix}{number:04}");
            json!({"name": name, "password": password.reveal(), "hash": hash})
        })
        .collect();
    json!({ "users": users })
}

/// The way to a deployment's server, with the key and the known hosts that hubctl keeps.
fn server(operator: &Operator, name: &str) -> anyhow::Result<Vec<String>> {
    let state = operator.state(name);
    let receipt: Value = serde_json::from_slice(&fs::read(state.join("receipt.json"))?)?;
    let field = |field: &str| {
        let value = receipt[field].as_str();
        value.with_context(|| format!("no {field} in the receipt"))
    };
    let arguments = format!(
        "-o UserKnownHostsFile={} -o ControlMaster=auto -o ControlPersist=15s",
        state.join("known_hosts").display()
    );
    let inventory = format!("{},", field("address")?);
    Ok(vec![
        "-i".to_owned(),
        inventory,
        "-u".to_owned(),
        field("login")?.to_owned(),
        "--private-key".to_owned(),
        state.join("id_ed25519").display().to_string(),
        format!("--ssh-common-args={arguments}"),
        // Looking for one costs an exchange.
        "-e".to_owned(),
        "ansible_python_interpreter=/usr/bin/python3".to_owned(),
    ])
}

fn run(command: &mut Command) -> anyhow::Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("starting {name}"))?;
    ensure!(
        output.status.success(),
        "{name}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
