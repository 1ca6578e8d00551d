//! The account program against a server's folders in a temporary place, run by the very Python that runs it there.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use async_trait::async_trait;
use sha_crypt::{PasswordHash, PasswordVerifier, ShaCrypt};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::remote::{Root, Talk};
use super::*;
use crate::event::Silent;
use crate::host::{Limits, Output};
use crate::state::State;

/// Ends the program at its Nth step that changes something on disk.
const KILLER: &str = r#"
import os
steps = KILL_AT
def deadly(function):
    def step(*words, **named):
        global steps
        steps -= 1
        if steps == 0:
            try:
                if KILL_AFTER:
                    function(*words, **named)
            finally:
                os._exit(9)
        return function(*words, **named)
    return step
for name in ("rename", "mkdir", "chown", "fchown", "chmod", "rmdir", "unlink"):
    setattr(os, name, deadly(getattr(os, name)))
"#;

/// The interpreter itself: what stands in its place on a developer's machine may take longer than the program.
fn python() -> &'static str {
    static PYTHON: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    PYTHON.get_or_init(|| {
        let found = std::process::Command::new("python3")
            .args(["-c", "import sys; print(sys.executable)"])
            .output()
            .unwrap();
        String::from_utf8(found.stdout).unwrap().trim().to_owned()
    })
}

/// A server that is a folder.
struct Folder {
    root: PathBuf,
    /// At which step the program is killed.
    kill_at: Option<usize>,
    /// It still does that step.
    kill_after: bool,
    /// Where its hub's API is.
    hub: Option<String>,
    /// Whether it is one that can end sessions.
    ends_sessions: bool,
}

struct Process {
    child: Child,
    input: Option<ChildStdin>,
    start: Option<String>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Root for Folder {
    fn start_as_root(&self, words: &[&str], input: Vec<u8>, _: Limits) -> Box<dyn Talk> {
        // What the program is, and what it is told first, with the folder to work in.
        let text = String::from_utf8(input).unwrap();
        let (length, rest) = text.split_once('\n').unwrap();
        let (program, first) = rest.split_at(length.parse().unwrap());
        let mut settings: serde_json::Value = serde_json::from_str(first).unwrap();
        settings["root"] = self.root.to_str().unwrap().into();
        if settings.get("hubs").is_some() {
            settings["hubs"] = self.hubs();
        }
        let killer = self
            .kill_at
            .map(|step| {
                let after = if self.kill_after { "True" } else { "False" };
                KILLER
                    .replace("KILL_AT", &step.to_string())
                    .replace("KILL_AFTER", after)
            })
            .unwrap_or_default();
        let program = format!("{killer}{program}");
        let (_, words) = words.split_first().unwrap();
        let mut child = Command::new(python())
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Box::new(Process {
            input: child.stdin.take(),
            start: Some(format!("{}\n{program}{settings}\n", program.len())),
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        })
    }
}

impl Folder {
    /// The hub of this server, in the place of those of servers.
    fn hubs(&self) -> serde_json::Value {
        let Some(api) = &self.hub else {
            return serde_json::json!([]);
        };
        let token_file = self.root.join("run/token");
        std::fs::write(&token_file, hub::TOKEN).unwrap();
        serde_json::json!([
            {"token_file": "/nowhere/token", "api": "http://192.0.2.1/", "units": [], "folders": []},
            {
                "token_file": token_file, "api": api, "units": [], "folders": ["/run/jupyter/{name}"],
                "ends_sessions": self.ends_sessions,
            },
        ])
    }
}

impl Process {
    async fn begin(&mut self) {
        if let Some(start) = self.start.take() {
            self.say(start.as_bytes()).await;
        }
    }
}

#[async_trait]
impl Talk for Process {
    async fn say(&mut self, bytes: &[u8]) {
        // Whether a killed program still reads shows in how it ends.
        let _ = self.input.as_mut().unwrap().write_all(bytes).await;
    }

    async fn hush(&mut self) {
        self.input = None;
    }

    async fn hear(&mut self) -> Option<String> {
        self.begin().await;
        self.lines.next_line().await.unwrap()
    }

    async fn end(mut self: Box<Self>) -> Result<Output, HostError> {
        self.input = None;
        let output = self.child.wait_with_output().await.unwrap();
        Ok(Output {
            lines: Vec::new(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            exit_status: output.status.code().unwrap_or(-1),
        })
    }
}

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
    daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n\
    debian:x:1000:1000:Debian,,,:/home/debian:/bin/bash\n";
const GROUP_FILE: &str = "root:x:0:\ndaemon:x:1:\nsudo:x:27:debian\nrobotics:x:999:\ndebian:x:1000:\n\
    jupyterhub-users:x:998:\njupyterhub-admins:x:997:\n";
const SHADOW: &str =
    "root:*:20000:0:99999:7:::\ndaemon:*:20000:0:99999:7:::\ndebian:!:20000:0:99999:7:::\n";
const GSHADOW: &str = "root:*::\ndaemon:*::\nsudo:*::debian\nrobotics:!::\ndebian:!::\n\
    jupyterhub-users:!::\njupyterhub-admins:!::\n";

struct Bed {
    base: tempfile::TempDir,
    state: State,
    server: Folder,
}

/// `None` where files cannot be given to others: these tests need root, as the program on the server has it.
fn bed() -> Option<Bed> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    // In memory where that is: hundreds of runs each sync what they write.
    let base = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let root = base.path().join("root");
    for folder in ["etc/skel", "home/debian", "run"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    for (file, text, mode) in [
        ("etc/passwd", PASSWD, 0o644),
        ("etc/group", GROUP_FILE, 0o644),
        ("etc/shadow", SHADOW, 0o640),
        ("etc/gshadow", GSHADOW, 0o640),
        ("etc/skel/.bashrc", "# skel\n", 0o644),
    ] {
        std::fs::write(root.join(file), text).unwrap();
        std::fs::set_permissions(root.join(file), PermissionsExt::from_mode(mode)).unwrap();
    }
    chown(root.join("etc/shadow"), Some(0), Some(42)).unwrap();
    symlink("/etc/motd", root.join("etc/skel/.motd")).unwrap();
    chown(root.join("home/debian"), Some(1000), Some(1000)).unwrap();
    let state = State::open(&base.path().join("state"), "class").unwrap();
    let server = Folder {
        root,
        kill_at: None,
        kill_after: false,
        hub: None,
        ends_sessions: false,
    };
    Some(Bed {
        base,
        state,
        server,
    })
}

macro_rules! bed {
    () => {
        match bed() {
            Some(bed) => bed,
            None => return,
        }
    };
}

impl Bed {
    fn path(&self, path: &str) -> PathBuf {
        self.server.root.join(path)
    }

    fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    fn row(&self, file: &str, name: &str) -> Option<Vec<String>> {
        let rows: Vec<Vec<String>> = self
            .text(file)
            .lines()
            .map(|line| line.split(':').map(str::to_owned).collect())
            .filter(|row: &Vec<String>| row.first().is_some_and(|field| field == name))
            .collect();
        assert!(rows.len() < 2, "{name} is in {file} twice");
        rows.into_iter().next()
    }

    async fn add(&self, request: &Request) -> Result<Added, UsersError> {
        let ahead = request.passwords();
        add(&self.server, &self.state, request, ahead, &Silent).await
    }

    /// That `name` is all there, and its password is the one in the credentials file.
    fn assert_whole(&self, name: &str) {
        let passwd = self.row("etc/passwd", name).expect(name);
        let (uid, gid) = (
            passwd[2].parse::<u32>().unwrap(),
            passwd[3].parse::<u32>().unwrap(),
        );
        assert!((1001..59000).contains(&uid), "{name} {uid}");
        assert_eq!(passwd[5..], [format!("/home/{name}"), "/bin/bash".into()]);
        let shadow = self.row("etc/shadow", name).expect(name);
        let credentials = Credentials::load(&self.state).unwrap();
        let password = &credentials.of(name).expect(name).password;
        assert_matches(password, &shadow[1]);
        assert_eq!(self.row("etc/group", name).expect(name)[2], gid.to_string());
        assert!(self.row("etc/gshadow", name).is_some());
        assert!(self.in_group(USERS_GROUP, name), "{name}");
        let home = std::fs::metadata(self.path(&format!("home/{name}"))).expect(name);
        assert_eq!(
            (home.uid(), home.gid(), home.mode() & 0o7777),
            (uid, gid, 0o700),
            "{name}"
        );
        let bashrc = std::fs::metadata(self.path(&format!("home/{name}/.bashrc"))).expect(name);
        assert_eq!((bashrc.uid(), bashrc.gid()), (uid, gid), "{name}");
        let link = std::fs::symlink_metadata(self.path(&format!("home/{name}/.motd"))).expect(name);
        assert_eq!((link.uid(), link.is_symlink()), (uid, true), "{name}");
    }

    fn in_group(&self, group: &str, name: &str) -> bool {
        ["etc/group", "etc/gshadow"].iter().all(|file| {
            self.row(file, group).unwrap()[3]
                .split(',')
                .filter(|member| *member == name)
                .count()
                == 1
        })
    }
}

fn assert_matches(password: &crate::secret::Secret, hash: &str) {
    let hash = PasswordHash::new(hash.to_owned()).unwrap();
    ShaCrypt::SHA512
        .verify_password(password.reveal().as_bytes(), &hash)
        .unwrap();
}

fn numbered(count: usize) -> Request {
    Request {
        count,
        prefix: "training".into(),
        url: "https://203.0.113.7/".into(),
        ..Request::default()
    }
}

fn named(names: &[&str]) -> Request {
    Request {
        people: names.iter().map(|name| Person::from(*name)).collect(),
        url: "https://203.0.113.7/".into(),
        ..Request::default()
    }
}

fn users(added: &Added) -> Vec<&str> {
    added
        .created
        .iter()
        .map(|credential| credential.user.as_str())
        .collect()
}

fn mode(path: &Path) -> (u32, u32, u32) {
    let found = std::fs::metadata(path).unwrap();
    (found.uid(), found.gid(), found.mode() & 0o7777)
}

mod adding;
mod checking;
mod hub;
mod people;
