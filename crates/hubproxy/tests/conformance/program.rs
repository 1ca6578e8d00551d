//! The two programs, each started as JupyterHub starts it.

use crate::address::free;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// What the REST API is asked with.
pub const TOKEN: &str = "a-token-of-this-test";
/// How long a start may take on a busy machine.
const START: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// The real one, from `scripts/peers`.
    Chp,
    Hubproxy,
}

impl Program {
    /// A command that dies with this test, even when the test is killed.
    pub fn command(self) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--"]).arg(match self {
            Self::Chp => peers().join("chp/node_modules/.bin/configurable-http-proxy"),
            Self::Hubproxy => PathBuf::from(env!("CARGO_BIN_EXE_hubproxy")),
        });
        command
            .env("CONFIGPROXY_AUTH_TOKEN", TOKEN)
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

/// Where `scripts/peers` installs.
fn peers() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers");
    assert!(
        folder.join("chp/.installed").exists(),
        "configurable-http-proxy is not there: run scripts/peers"
    );
    folder
}

/// A running proxy.
pub struct Proxy {
    pub program: Program,
    pub public: SocketAddr,
    pub api: SocketAddr,
    /// What files it was given are in.
    pub folder: tempfile::TempDir,
    child: Child,
    log: PathBuf,
}

impl Proxy {
    /// Starts it with these arguments beside the addresses. `{folder}` is a folder of its own, `{metrics}` and
    /// `{redirect}` free ports.
    pub async fn start(program: Program, arguments: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::start_in(program, arguments, folder).await
    }

    /// The same, in a folder with files that the arguments name.
    pub async fn start_in(program: Program, arguments: &[&str], folder: tempfile::TempDir) -> Self {
        let (public, api) = (free(), free());
        let log = folder.path().join("log");
        let file = std::fs::File::create(&log).expect("a log file");
        let mut command = program.command();
        command
            .args([
                "--ip",
                &public.ip().to_string(),
                "--port",
                &public.port().to_string(),
            ])
            .args([
                "--api-ip",
                &api.ip().to_string(),
                "--api-port",
                &api.port().to_string(),
            ]);
        for argument in arguments {
            command.arg(argument.replace("{folder}", &folder.path().display().to_string()));
        }
        let child = command
            .current_dir(folder.path())
            .stdout(file.try_clone().expect("a second handle"))
            .stderr(file)
            .spawn()
            .expect("setpriv, of util-linux");
        let mut proxy = Self {
            program,
            public,
            api,
            folder,
            child,
            log,
        };
        for address in [public, api] {
            proxy.wait_for(address).await;
        }
        proxy
    }

    /// Until somebody listens there.
    pub async fn wait_for(&mut self, address: SocketAddr) {
        let deadline = Instant::now() + START;
        while tokio::net::TcpStream::connect(address).await.is_err() {
            if let Some(status) = self.child.try_wait().expect("a child") {
                panic!("{:?} ended with {status}:\n{}", self.program, self.log());
            }
            assert!(
                Instant::now() < deadline,
                "{:?} does not listen on {address}:\n{}",
                self.program,
                self.log()
            );
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// What it has said so far, on either stream.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Until it has said this.
    pub async fn says(&self, text: &str) {
        let deadline = Instant::now() + START;
        while !self.log().contains(text) {
            assert!(
                Instant::now() < deadline,
                "{:?} never said {text:?}:\n{}",
                self.program,
                self.log()
            );
            sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = self.child.id().expect("a running child");
        let pid = nix::unistd::Pid::from_raw(pid.try_into().expect("a pid"));
        nix::sys::signal::kill(pid, signal).expect("a process to signal");
    }

    pub fn pid(&self) -> u32 {
        self.child.id().expect("a running child")
    }

    pub async fn ended(&mut self) -> ExitStatus {
        let ended = timeout(START, self.child.wait()).await;
        ended.expect("an end in time").expect("a status")
    }
}

/// A run that is to end by itself: its exit code, `None` if it was still running after `patience`, and what it said.
pub async fn run(
    program: Program,
    arguments: &[String],
    patience: Duration,
) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut child = program
        .command()
        .args(arguments)
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("setpriv, of util-linux");
    let mut out = child.stdout.take().expect("a pipe");
    let mut err = child.stderr.take().expect("a pipe");
    let (mut said, mut more) = (Vec::new(), Vec::new());
    let reading = async { tokio::join!(out.read_to_end(&mut said), err.read_to_end(&mut more)) };
    let code = match timeout(patience, reading).await {
        Ok(_) => child.wait().await.expect("a status").code(),
        Err(_) => None,
    };
    drop(child);
    said.extend(more);
    (code, String::from_utf8_lossy(&said).into_owned())
}
