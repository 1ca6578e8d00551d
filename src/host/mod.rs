//! The SSH seam: a session to the server, the server's identity, and exchanges over it.
//!
//! An *exchange* is one command with what it is fed and what it answers; what a run costs is counted in them.

mod channel;
mod command;
pub mod console;
mod error;
mod keys;
mod session;
mod tunnel;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc;

pub use command::Command;
pub use error::HostError;
pub use keys::{Fingerprint, KnownHosts, Trust};
pub use tunnel::{Destination, Passage};

use crate::event::Observer;
use crate::wait::{Probe, Wait, WaitError};
use session::Connection;

/// Where the server is, who logs in, and how both sides prove who they are.
#[derive(Debug, Clone)]
pub struct Target {
    pub address: SocketAddr,
    /// A user that may `sudo` without a password.
    pub login: String,
    /// Tried in this order.
    pub identities: Vec<Identity>,
    /// This deployment's own list of host keys, never the user's.
    pub known_hosts: PathBuf,
    /// What makes an unknown host key good.
    pub trust: Trust,
}

/// One way to prove who logs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A private key file without passphrase; skipped where the file does not exist.
    File(PathBuf),
    /// The keys that the running SSH agent serves.
    Agent,
}

/// How long an exchange may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Longest silence of the remote side.
    pub silence: Duration,
    /// Longest time in all.
    pub total: Duration,
}

impl Limits {
    pub const fn new(silence: Duration, total: Duration) -> Self {
        Self { silence, total }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::new(Duration::from_secs(60), Duration::from_secs(300))
    }
}

/// What an exchange left.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Output {
    /// The lines of standard output, unless they were taken one by one.
    pub lines: Vec<String>,
    /// The end of standard error, at most 16 KiB.
    pub stderr: String,
    pub exit_status: i32,
}

/// A session to the server. Cheap to clone; exchanges of one session run one after the other.
#[derive(Clone)]
pub struct Host {
    target: Target,
    connection: Arc<Mutex<Connection>>,
    exchanges: Arc<AtomicUsize>,
}

impl Host {
    /// Connects, checks the host key and logs in; tries once, for at most `within`.
    pub async fn connect(
        target: &Target,
        within: Duration,
        observer: &dyn Observer,
    ) -> Result<Self, HostError> {
        let (wanted, copy) = (target.clone(), target.address);
        let opened = tokio::task::spawn_blocking(move || Connection::open(&wanted, within));
        // The blocking half keeps to the deadline at each of its steps; this one covers their sum.
        let (connection, first_seen) = tokio::time::timeout(within * 2, opened)
            .await
            .map_err(|_| HostError::Timeout {
                address: copy,
                during: "logging in",
            })?
            .map_err(|_| HostError::Internal)??;
        if let Some(fingerprint) = first_seen {
            observer.warn(format!(
                "host key of {} believed on first use: {fingerprint}",
                target.address.ip()
            ));
        }
        Ok(Self {
            target: target.clone(),
            connection: Arc::new(Mutex::new(connection)),
            exchanges: Arc::new(AtomicUsize::new(0)),
        })
    }

    /// Connects as soon as the server lets us: refused connections, silence and refused keys are waited out (cloud-init
    /// places the key a while after SSH answers), a wrong host key is not.
    pub async fn wait(
        target: &Target,
        within: Duration,
        observer: &dyn Observer,
    ) -> Result<Self, HostError> {
        let wait = Wait::new(
            format!("SSH on {}", target.address.ip()),
            Duration::from_secs(1),
            within,
        );
        let mut refusals = 0_u32;
        let outcome = wait
            .until(observer, async || {
                match Self::connect(target, Duration::from_secs(10), observer).await {
                    Ok(host) => Ok(Probe::Ready(host)),
                    Err(error) if error.heals() => {
                        if matches!(error, HostError::LoginRefused { .. }) {
                            // sshd closes its door to clients that hammer it with refused keys.
                            refusals += 1;
                            tokio::time::sleep(Duration::from_secs(u64::from(refusals.min(5))))
                                .await;
                        }
                        Ok(Probe::Pending(error.looks_like()))
                    }
                    Err(error) => Err(error),
                }
            })
            .await;
        outcome.map_err(|error| match error {
            WaitError::Failed(error) => error,
            WaitError::Deadline { state, within, .. } => HostError::NeverUp {
                address: target.address,
                login: target.login.clone(),
                state,
                within,
            },
        })
    }

    /// A further session to the same server, e.g. to prove that logging in still works. Counts its own exchanges here.
    pub async fn again(
        &self,
        within: Duration,
        observer: &dyn Observer,
    ) -> Result<Self, HostError> {
        let mut other = Self::connect(&self.target, within, observer).await?;
        other.exchanges = Arc::clone(&self.exchanges);
        Ok(other)
    }

    pub fn target(&self) -> &Target {
        &self.target
    }

    /// Exchanges so far.
    pub fn exchanges(&self) -> usize {
        self.exchanges.load(Ordering::Relaxed)
    }

    /// Runs a command with `input` on its standard input, and hands over each line of its output as it comes.
    ///
    /// A command that ends by a signal is an error, one that exits with another status than 0 is not: see
    /// [`Output::exit_status`]. Dropping the future closes the channel, which ends the command's input.
    pub async fn exchange(
        &self,
        command: &Command,
        input: Vec<u8>,
        limits: Limits,
        mut on_line: impl FnMut(String) + Send,
    ) -> Result<Output, HostError> {
        let mut running = self.start(command, input, limits);
        running.finish();
        while let Some(line) = running.line().await {
            on_line(line);
        }
        running.end().await
    }

    /// Runs a command to its end and keeps its output. An exit status other than 0 is an error here.
    pub async fn run(
        &self,
        command: &Command,
        input: Vec<u8>,
        limits: Limits,
    ) -> Result<Output, HostError> {
        let mut lines = Vec::new();
        let mut output = self
            .exchange(command, input, limits, |line| lines.push(line))
            .await?;
        if output.exit_status != 0 {
            return Err(HostError::Failed {
                command: command.name(),
                status: output.exit_status,
                stderr: output.stderr,
            });
        }
        output.lines = lines;
        Ok(output)
    }

    /// Starts a command whose input stays open: more can be sent while its lines are read.
    pub fn start(&self, command: &Command, input: Vec<u8>, limits: Limits) -> Running {
        self.exchanges.fetch_add(1, Ordering::Relaxed);
        let (line_sender, lines) = mpsc::unbounded_channel();
        let (more, more_receiver) = std::sync::mpsc::channel();
        let cancelled = Arc::new(AtomicBool::new(false));
        let job = channel::Job {
            name: command.name(),
            command: command.to_string(),
            input,
            more: more_receiver,
            lines: line_sender,
            limits,
            cancelled: Arc::clone(&cancelled),
        };
        let connection = Arc::clone(&self.connection);
        let done = tokio::task::spawn_blocking(move || {
            let mut connection = connection.lock().map_err(|_| HostError::Internal)?;
            channel::run(&mut connection, job)
        });
        Running {
            lines,
            more: Some(more),
            cancelled,
            done: Some(done),
        }
    }
}

/// A command under way.
pub struct Running {
    lines: mpsc::UnboundedReceiver<String>,
    more: Option<std::sync::mpsc::Sender<Vec<u8>>>,
    cancelled: Arc<AtomicBool>,
    done: Option<tokio::task::JoinHandle<Result<Output, HostError>>>,
}

impl Running {
    /// The next line of its output, `None` after the last.
    pub async fn line(&mut self) -> Option<String> {
        self.lines.recv().await
    }

    /// Sends more input. Whether it still reads shows in how it ends.
    pub fn send(&self, bytes: &[u8]) {
        if let Some(more) = &self.more {
            let _ = more.send(bytes.to_vec());
        }
    }

    /// Ends its input.
    pub fn finish(&mut self) {
        self.more = None;
    }

    /// How it ended.
    pub async fn end(mut self) -> Result<Output, HostError> {
        self.finish();
        match self.done.take() {
            Some(done) => done.await.map_err(|_| HostError::Internal)?,
            None => Err(HostError::Internal),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }
}
