//! One command over a session: its input, output and end, without either side ever waiting for the other.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::time::Instant;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ssh2::{BlockDirections, Channel, ErrorCode};
use tokio::sync::mpsc::UnboundedSender;

use super::session::Connection;
use super::{HostError, Limits, Output};

/// What is to be run and where its output goes.
pub(super) struct Job {
    pub(super) name: String,
    pub(super) command: String,
    pub(super) input: Vec<u8>,
    /// Further input; its end is the input's end.
    pub(super) more: Receiver<Vec<u8>>,
    pub(super) lines: UnboundedSender<String>,
    pub(super) limits: Limits,
    pub(super) cancelled: Arc<AtomicBool>,
}

const LIBSSH2_ERROR_EAGAIN: i32 = -37;
const STDERR_KEPT: usize = 16 * 1024;
/// A line longer than this is handed over in pieces, so that a remote side cannot fill our memory.
const LINE_LIMIT: usize = 64 * 1024 * 1024;

/// Runs a command to its end. After an error the connection is closed, which ends what still runs on the other side.
pub(super) fn run(connection: &mut Connection, job: Job) -> Result<Output, HostError> {
    let outcome = exchange(connection, job);
    if matches!(&outcome, Err(error) if !matches!(error, HostError::Signal { .. })) {
        let _ = connection.socket.shutdown(Shutdown::Both);
    }
    outcome
}

fn exchange(connection: &mut Connection, job: Job) -> Result<Output, HostError> {
    let started = Instant::now();
    let mut heard = started;
    let watch = |heard: Instant| -> Result<(), HostError> {
        if job.cancelled.load(Ordering::Relaxed) {
            return Err(HostError::Cancelled);
        }
        if started.elapsed() > job.limits.total {
            return Err(HostError::TooLong {
                address: connection.address,
                command: job.name.clone(),
                total: job.limits.total,
            });
        }
        if heard.elapsed() > job.limits.silence {
            return Err(HostError::Silent {
                address: connection.address,
                command: job.name.clone(),
                silence: job.limits.silence,
            });
        }
        Ok(())
    };
    let lost = |source: ssh2::Error| connection.lost(&job.name, source);

    let mut channel = patiently(
        connection,
        || watch(heard),
        || connection.session.channel_session(),
    )?
    .map_err(lost)?;
    patiently(connection, || watch(heard), || channel.exec(&job.command))?.map_err(lost)?;

    let mut pump = Pump::new(&job);
    loop {
        let moved = pump
            .step(&mut channel)
            .map_err(|source| connection.lost(&job.name, source))?;
        if moved {
            heard = Instant::now();
        } else if channel.eof() {
            break;
        } else {
            watch(heard)?;
            match connection.session.keepalive_send() {
                Ok(_) => {}
                Err(error) if would_block(&error) => {}
                Err(error) => return Err(lost(error)),
            }
            rest(connection)?;
        }
    }
    // The exit status may follow the end of the output.
    patiently(connection, || watch(heard), || channel.close())?.map_err(lost)?;
    patiently(connection, || watch(heard), || channel.wait_close())?.map_err(lost)?;
    let exit_status = channel.exit_status().map_err(lost)?;
    let signal = channel.exit_signal().map_err(lost)?.exit_signal;
    let stderr = pump.finish();
    if let Some(signal) = signal {
        return Err(HostError::Signal {
            command: job.name.clone(),
            signal,
            stderr,
        });
    }
    Ok(Output {
        lines: Vec::new(),
        stderr,
        exit_status,
    })
}

/// Repeats a call of the session until it need not wait.
fn patiently<T>(
    connection: &Connection,
    watch: impl Fn() -> Result<(), HostError>,
    mut call: impl FnMut() -> Result<T, ssh2::Error>,
) -> Result<Result<T, ssh2::Error>, HostError> {
    loop {
        match call() {
            Err(error) if would_block(&error) => {
                watch()?;
                rest(connection)?;
            }
            outcome => return Ok(outcome),
        }
    }
}

fn would_block(error: &ssh2::Error) -> bool {
    error.code() == ErrorCode::Session(LIBSSH2_ERROR_EAGAIN)
}

/// Waits until the socket has news, a little while at most: deadlines and further input are looked after in between.
fn rest(connection: &Connection) -> Result<(), HostError> {
    let flags = match connection.session.block_directions() {
        BlockDirections::Outbound => PollFlags::POLLOUT,
        BlockDirections::Both => PollFlags::POLLIN | PollFlags::POLLOUT,
        BlockDirections::Inbound | BlockDirections::None => PollFlags::POLLIN,
    };
    let mut fds = [PollFd::new(connection.socket.as_fd(), flags)];
    match poll(&mut fds, PollTimeout::from(50_u8)) {
        Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
        Err(errno) => Err(connection.lost("poll", io::Error::from(errno))),
    }
}

/// Moves bytes in all three directions.
struct Pump<'a> {
    job: &'a Job,
    input: Vec<u8>,
    sent: usize,
    input_open: bool,
    eof_sent: bool,
    partial: Vec<u8>,
    stderr: Vec<u8>,
    buffer: Vec<u8>,
}

impl<'a> Pump<'a> {
    fn new(job: &'a Job) -> Self {
        Self {
            job,
            input: job.input.clone(),
            sent: 0,
            input_open: true,
            eof_sent: false,
            partial: Vec::new(),
            stderr: Vec::new(),
            buffer: vec![0; 64 * 1024],
        }
    }

    /// Moves what can be moved now; whether the remote side said anything or took anything.
    fn step(&mut self, channel: &mut Channel) -> io::Result<bool> {
        Ok(self.feed(channel)? | self.drain_stdout(channel)? | self.drain_stderr(channel)?)
    }

    fn feed(&mut self, channel: &mut Channel) -> io::Result<bool> {
        if self.sent == self.input.len() && self.input_open {
            match self.job.more.try_recv() {
                Ok(bytes) => (self.input, self.sent) = (bytes, 0),
                Err(TryRecvError::Empty) => return Ok(false),
                Err(TryRecvError::Disconnected) => self.input_open = false,
            }
        }
        if self.sent < self.input.len() {
            match channel.write(&self.input[self.sent..]) {
                Ok(count) => {
                    self.sent += count;
                    return Ok(count > 0);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // A command that ends before it read all of its input says why in its own words.
                Err(_) if channel.eof() => self.sent = self.input.len(),
                Err(error) => return Err(error),
            }
        } else if !self.input_open && !self.eof_sent {
            match channel.send_eof() {
                Ok(()) => self.eof_sent = true,
                Err(error) if would_block(&error) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }

    fn drain_stdout(&mut self, channel: &mut Channel) -> io::Result<bool> {
        let count = match channel.read(&mut self.buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        for piece in self.buffer[..count].split_inclusive(|byte| *byte == b'\n') {
            self.partial.extend_from_slice(piece);
            if piece.ends_with(b"\n") || self.partial.len() > LINE_LIMIT {
                let line = String::from_utf8_lossy(&self.partial);
                let _ = self
                    .job
                    .lines
                    .send(line.trim_end_matches(['\n', '\r']).to_owned());
                self.partial.clear();
            }
        }
        Ok(count > 0)
    }

    fn drain_stderr(&mut self, channel: &mut Channel) -> io::Result<bool> {
        let count = match channel.stderr().read(&mut self.buffer) {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error),
        };
        self.stderr.extend_from_slice(&self.buffer[..count]);
        if self.stderr.len() > 2 * STDERR_KEPT {
            let surplus = self.stderr.len() - STDERR_KEPT;
            self.stderr.drain(..surplus);
        }
        Ok(count > 0)
    }

    /// Hands over an unfinished last line; gives the end of standard error.
    fn finish(self) -> String {
        if !self.partial.is_empty() {
            let line = String::from_utf8_lossy(&self.partial).into_owned();
            let _ = self.job.lines.send(line);
        }
        let surplus = self.stderr.len().saturating_sub(STDERR_KEPT);
        String::from_utf8_lossy(&self.stderr[surplus..]).into_owned()
    }
}
