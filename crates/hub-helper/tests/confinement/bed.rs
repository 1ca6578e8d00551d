//! A machine with the helper, its units, a hub's account and two users, set up by hand.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Stdio;

use sandbox::machine::namespaces::View;
use serde_json::{Value, json};
use tera::{Context, Tera};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::support::{Cloud, Said, patience};

const SINGLEUSER: &str = include_str!("singleuser.py");
pub const PASSWORD: &str = "correct horse 4711";

pub struct Bed {
    cloud: Cloud,
    address: Ipv4Addr,
}

/// What a command inside a user's server said.
#[derive(Debug)]
pub struct Inside {
    pub succeeded: bool,
    pub out: String,
}

impl Bed {
    pub async fn start(view: View) -> Self {
        let cloud = Cloud::with(|options| options.view = view).await;
        let spec = cloud.spec("hub-1", [10, 20, 0, 5]);
        let address = cloud.floating(0).await;
        cloud.boot(&spec, address).await;
        let bed = Self { cloud, address };
        bed.install().await;
        bed
    }

    pub async fn end(self) {
        self.cloud.end().await;
    }

    async fn install(&self) {
        build(&["--package", "hub-helper", "--example", "spawner"]).await;
        let helper = program("hub-helper").await;
        let spawner = program("examples/spawner").await;
        self.put("/opt/hubctl/bin/hub-helper", "755", &helper).await;
        self.put("/opt/hubd/bin/spawner", "755", &spawner).await;
        let singleuser = format!("#!/usr/bin/python3 -I\n{SINGLEUSER}");
        let program = "/opt/notebook/bin/jupyterhub-singleuser";
        self.put(program, "755", singleuser.as_bytes()).await;
        for (template, path) in [
            ("jupyter@.service", "/etc/systemd/system/jupyter@.service"),
            ("jupyter.slice", "/etc/systemd/system/jupyter.slice"),
            (
                "hub-helper.service",
                "/etc/systemd/system/hub-helper.service",
            ),
            ("hub-helper.socket", "/etc/systemd/system/hub-helper.socket"),
            ("run-jupyter.mount", "/etc/systemd/system/run-jupyter.mount"),
            ("helper.toml", "/etc/hub-helper/helper.toml"),
            ("pam", "/etc/pam.d/hubd"),
        ] {
            self.put(path, "644", rendered(template).as_bytes()).await;
        }
        let script = format!(
            "set -e
             groupadd -r hubproxy
             groupadd hub-users
             useradd -r -s /usr/sbin/nologin -G hubproxy hubd
             for name in ada bob; do
                 useradd -m -s /bin/bash -G hub-users $name
                 chmod 700 /home/$name
                 echo \"$name:{PASSWORD}\" | chpasswd
             done
             echo \"debian:{PASSWORD}\" | chpasswd
             usermod -aG hub-users debian
             systemctl daemon-reload
             systemctl enable --quiet --now run-jupyter.mount
             systemctl start hub-helper.socket"
        );
        self.root(&script).await;
    }

    /// Writes a file of root's.
    pub async fn put(&self, path: &str, mode: &str, content: &[u8]) {
        let folder = Path::new(path).parent().unwrap().display();
        let command =
            format!("sudo sh -c 'mkdir -p {folder} && cat >\"{path}\" && chmod {mode} \"{path}\"'");
        let said = self.say(&command, content).await;
        assert_eq!(said.code, Some(0), "{path}: {said:?}");
    }

    /// Unpacks a tarball as root's.
    pub async fn unpack(&self, folder: &str, tar: &[u8]) {
        let command =
            format!("sudo sh -c 'mkdir -p {folder} && tar -C {folder} --no-same-owner -x'");
        let said = self.say(&command, tar).await;
        assert_eq!(said.code, Some(0), "{folder}: {said:?}");
    }

    async fn say(&self, command: &str, input: &[u8]) -> Said {
        let mut child = Command::new("ssh")
            .arg("-i")
            .arg(self.cloud.key())
            .args(["-F", "none", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"])
            .args([
                "-o",
                "StrictHostKeyChecking=no",
                // One connection for all: most of the time of a command would be that of its login.
                "-o",
                "ControlMaster=auto",
                "-o",
                "ControlPersist=30",
                "-o",
                &format!("ControlPath={}/ssh", self.cloud.dir.path().display()),
                "-o",
                "UserKnownHostsFile=/dev/null",
            ])
            .args([
                "-o",
                "IdentitiesOnly=yes",
                &format!("debian@{}", self.address),
                command,
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_owned();
        let written = tokio::spawn(async move { stdin.write_all(&input).await });
        let output = child.wait_with_output().await.unwrap();
        let _ = written.await;
        Said {
            code: output.status.code(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a script as an account of the machine, outside of any unit of the hub's.
    pub async fn as_account(&self, account: &str, script: &str) -> Said {
        self.say(&format!("sudo -u {account} sh -s"), script.as_bytes())
            .await
    }

    /// Runs a script as root that must succeed; what it printed, trimmed.
    pub async fn root(&self, script: &str) -> String {
        let said = self.as_account("root", script).await;
        assert_eq!(said.code, Some(0), "{script}: {said:?}");
        said.out.trim().to_owned()
    }

    /// What a hub that was started anew does; the error is what it says.
    pub async fn hub(&self, verb: &str, server: &str, given: Value) -> Result<Value, String> {
        let command = format!("sudo -u hubd /opt/hubd/bin/spawner {verb} {server}");
        let said = self.say(&command, given.to_string().as_bytes()).await;
        if said.code != Some(0) {
            return Err(said.err);
        }
        Ok(serde_json::from_str(&said.out).unwrap())
    }

    /// Starts a server and waits until it listens; its state.
    pub async fn started(&self, server: &str, token: &str) -> Value {
        let environment = json!({"environment": {"JUPYTERHUB_API_TOKEN": token, "JUPYTERHUB_USER": "x \"$y` \\z"}});
        let started = match self.hub("start", server, environment).await {
            Ok(started) => started,
            Err(error) => {
                let journal = "journalctl --no-pager -n 40 -u 'jupyter@*' -u hub-helper.service";
                panic!("{error}\n{}", self.root(journal).await);
            }
        };
        let socket = started["target"].as_str().unwrap();
        let seconds = 10 * patience();
        let wait = format!("timeout {seconds} sh -c 'until [ -S {socket} ]; do sleep 0.02; done'");
        let said = self.as_account("hubd", &wait).await;
        assert_eq!(said.code, Some(0), "{started} {said:?}");
        started
    }

    pub async fn poll(&self, server: &str, state: &Value) -> Value {
        self.hub("poll", server, json!({"state": state}))
            .await
            .unwrap()
    }

    /// Runs a command inside a user's server, as a kernel of it, asked by the hub over its socket.
    pub async fn inside(&self, server: &str, command: &str) -> Inside {
        self.post(server, "/run", command).await
    }

    pub async fn post(&self, server: &str, path: &str, body: &str) -> Inside {
        let (user, name) = server.split_once(' ').unwrap_or((server, ""));
        let socket = if name.is_empty() {
            "server.sock".to_owned()
        } else {
            format!("server-{name}.sock")
        };
        let seconds = 30 * patience();
        let curl = format!(
            "sudo -u hubd curl -s --max-time {seconds} --unix-socket /run/jupyter/{user}/{socket} -w '\\n%{{http_code}}' \
             --data-binary @- http://server{path}"
        );
        let said = self.say(&curl, body.as_bytes()).await;
        let (out, code) = said
            .out
            .trim_end()
            .rsplit_once('\n')
            .unwrap_or(("", &said.out));
        Inside {
            succeeded: code == "200",
            out: out.trim().to_owned(),
        }
    }

    /// Asks for a command that leaves no answer, and does not wait for one.
    pub async fn post_and_leave(&self, server: &str, command: &str) {
        let socket = format!("/run/jupyter/{server}/server.sock");
        let curl = format!(
            "sudo -u hubd curl -s --max-time 1 --unix-socket {socket} --data-binary @- http://server/run"
        );
        self.say(&curl, command.as_bytes()).await;
    }

    /// Tries inside what must not work, and says so where it did, or could not even be tried.
    pub async fn could(&self, server: &str, command: &str) -> Option<String> {
        let said = self.inside(server, command).await;
        let tried = !said.out.contains("not found") && !said.out.is_empty();
        (said.succeeded || !tried).then(|| format!("{command}: {said:?}"))
    }

    /// One line to the helper as an account, and what it answers.
    pub async fn ask(&self, account: &str, request: Value) -> String {
        let script = format!(
            "python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX); s.settimeout({})
s.connect(\"/run/hub-helper.sock\"); s.sendall(sys.argv[1].encode() + b\"\\n\"); print(s.makefile().readline())
' {}",
            30 * patience(),
            quoted(&request.to_string())
        );
        let said = self.as_account(account, &script).await;
        format!("{}{}", said.out, said.err).trim().to_owned()
    }
}

/// A word for a shell.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

fn rendered(template: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates/hubd");
    let source = std::fs::read_to_string(folder.join(format!("{template}.tera"))).unwrap();
    let mut tera = Tera::default();
    tera.autoescape_on(Vec::<&'static str>::new());
    tera.add_raw_template(template, &source).unwrap();
    let mut context = Context::new();
    context.insert("memory_mb", &256);
    context.insert("slice_memory_mb", &800);
    context.insert("user_groups", &["hub-users"]);
    context.insert("refused_groups", &Vec::<String>::new());
    context.insert("environment_names", &Vec::<String>::new());
    context.insert("default_profile", "small");
    context.insert(
        "profiles",
        &json!([
            {"slug": "small", "memory_mb": 96, "tasks": 64},
            {"slug": "large", "memory_mb": 400, "tasks": 128, "cpu_percent": 80},
        ]),
    );
    tera.render(template, &context).unwrap()
}

/// Builds what this test runs beside its own program. `scripts/test-vm` has built it, where there is a compiler.
pub async fn build(what: &[&str]) {
    if std::env::var_os("HUBCTL_TEST_BUILT").is_some() {
        return;
    }
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet"])
        .args(what)
        .kill_on_drop(true)
        .status()
        .await
        .unwrap();
    assert!(built.success());
}

/// A program beside the helper's, without what only a debugger reads: it goes over SSH.
pub async fn program(name: &str) -> Vec<u8> {
    let beside = Path::new(env!("CARGO_BIN_EXE_hub-helper"))
        .parent()
        .unwrap();
    if std::env::var_os("HUBCTL_TEST_BUILT").is_some() {
        return std::fs::read(beside.join(name)).unwrap();
    }
    let folder = tempfile::tempdir().unwrap();
    let small = folder.path().join("small");
    let done = Command::new("strip")
        .arg("-o")
        .args([&small, &beside.join(name)])
        .status()
        .await
        .unwrap();
    assert!(done.success());
    std::fs::read(small).unwrap()
}
