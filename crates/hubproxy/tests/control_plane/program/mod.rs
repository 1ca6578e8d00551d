//! The real binary, started on free ports and ended with the test that started it.
#![allow(
    dead_code,
    reason = "each test file is a crate of its own and uses a part"
)]

pub mod backend;
pub mod certificates;
pub mod client;
pub mod directory;

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long anything may take here.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A running program whose lines can be waited for.
pub struct Program {
    child: Child,
    lines: Receiver<String>,
    /// What it has said so far.
    pub said: Vec<String>,
}

impl Program {
    /// Starts a command; it dies with this process.
    pub fn spawn(command: &Command) -> Self {
        let mut dying = Command::new("setpriv");
        dying
            .args(["--pdeathsig", "KILL", "--"])
            .arg(command.get_program())
            .args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => dying.env(name, value),
                None => dying.env_remove(name),
            };
        }
        let mut child = dying
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (say, lines) = channel();
        let streams: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().unwrap()),
            Box::new(child.stderr.take().unwrap()),
        ];
        for stream in streams {
            let say = say.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    let _ = say.send(line);
                }
            });
        }
        Self {
            child,
            lines,
            said: Vec::new(),
        }
    }

    /// Waits for a line that holds `text`, among those said before, too.
    pub fn wait_for(&mut self, text: &str) -> String {
        if let Some(line) = self.said.iter().find(|line| line.contains(text)) {
            return line.clone();
        }
        self.wait_for_next(text)
    }

    /// Waits for a line that holds `text` and was not seen before.
    pub fn wait_for_next(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self
                .lines
                .recv_timeout(deadline.saturating_duration_since(Instant::now()))
            {
                Ok(line) => {
                    self.said.push(line.clone());
                    if line.contains(text) {
                        return line;
                    }
                }
                Err(RecvTimeoutError::Timeout) => {
                    panic!("no \"{text}\" within {PATIENCE:?} in {:#?}", self.said)
                }
                Err(RecvTimeoutError::Disconnected) => {
                    panic!("it ended without \"{text}\": {:#?}", self.said)
                }
            }
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill(
            Pid::from_raw(i32::try_from(self.child.id()).unwrap()),
            signal,
        )
        .unwrap();
    }

    /// Waits for the end.
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.said.extend(self.lines.iter());
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "it does not end: {:#?}",
                self.said
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// SIGTERM, and the exit code.
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal(Signal::SIGTERM);
        self.wait().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The proxy's binary with nothing of this process's environment that it reads.
pub fn hubproxy() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubproxy"));
    for name in [
        "CONFIGPROXY_AUTH_TOKEN",
        "LISTEN_FDS",
        "LISTEN_PID",
        "NOTIFY_SOCKET",
        "JOURNAL_STREAM",
    ] {
        command.env_remove(name);
    }
    command
}

/// A running proxy and where it listens.
pub struct Proxy {
    pub program: Program,
    /// Where it serves first.
    pub public: SocketAddr,
    pub api: SocketAddr,
}

impl Proxy {
    /// Starts it with configurable-http-proxy's command line on free ports.
    pub fn chp(options: &[&str], token: Option<&str>) -> Self {
        let mut command = hubproxy();
        command
            .args(["--ip", "127.0.0.1", "--port", "0", "--api-ip", "127.0.0.1"])
            .args(options);
        if let Some(token) = token {
            command.env("CONFIGPROXY_AUTH_TOKEN", token);
        }
        Self::started(Program::spawn(&command))
    }

    /// Starts it with a file; the API must be on a port.
    pub fn file(path: &Path) -> Self {
        let mut command = hubproxy();
        command.arg("--config").arg(path);
        Self::started(Program::spawn(&command))
    }

    /// Waits until a program that was started says where it listens.
    pub fn started(mut program: Program) -> Self {
        let public = address(&program.wait_for("Proxying http"));
        let api = address(&program.wait_for("Proxy API at http"));
        Self {
            program,
            public,
            api,
        }
    }

    /// Adds a route.
    pub fn route(&self, path: &str, target: &str) {
        let body = serde_json::json!({ "target": target }).to_string();
        let answer = client::request(
            self.api,
            "POST",
            &format!("/api/routes{path}"),
            &[],
            body.as_bytes(),
        );
        assert_eq!(answer.status, 201, "{answer:?}");
    }

    /// What `/api/status` says.
    pub fn status(&self) -> hub_api::proxy::Status {
        let answer = client::request(self.api, "GET", "/api/status", &[], b"");
        assert_eq!(answer.status, 200, "{answer:?}");
        serde_json::from_slice(&answer.body).unwrap()
    }
}

/// The address in a line like `Proxying http://127.0.0.1:1 to …`.
pub fn address(line: &str) -> SocketAddr {
    let rest = line
        .split("://")
        .nth(1)
        .unwrap_or_else(|| panic!("no URL in {line}"));
    rest.split([' ', '/'])
        .next()
        .unwrap()
        .parse()
        .unwrap_or_else(|error| panic!("{line}: {error}"))
}

/// A port that was free a moment ago.
pub fn free_port() -> u16 {
    std::net::TcpListener::bind(("127.0.0.1", 0))
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Writes a file into a folder.
pub fn write(folder: &Path, name: &str, content: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, content).unwrap();
    path
}

/// Asks again and again until the answer is something, within [`PATIENCE`].
pub fn eventually<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
