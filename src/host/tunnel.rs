//! Local connections that come out on the server, any number at a time over one session.

mod link;

use std::collections::VecDeque;
use std::io::{self, Read};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use ssh2::{BlockDirections, Channel, ErrorCode};
use tokio::sync::mpsc;

use super::session::Connection;
use super::{Host, HostError};
use link::Link;

/// Where connections come out, as the server sees it: `127.0.0.1`, 443.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    pub host: String,
    pub port: u16,
}

/// What happened to one connection through a tunnel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Passage {
    Opened,
    /// Nothing takes connections there.
    Refused,
    Closed,
}

/// Connections at a time; further ones wait their turn.
const MOST: usize = 128;
/// A session with nothing to carry says so after that long, lest something in between forgets it.
const IDLE: Duration = Duration::from_secs(10);
/// How long the server may take to open a channel.
const PATIENCE: Duration = Duration::from_secs(20);
const EAGAIN: i32 = -37;

/// Stops the tunnel's thread when the future that waits for it is dropped.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Host {
    /// Carries every connection to `listener` to `destination`, until the session ends or this is dropped. The session
    /// can do nothing else meanwhile.
    pub async fn tunnel(
        &self,
        listener: TcpListener,
        destination: Destination,
        mut on_passage: impl FnMut(Passage) + Send,
    ) -> Result<(), HostError> {
        let (say, mut heard) = mpsc::unbounded_channel();
        let stop = Stop(Arc::new(AtomicBool::new(false)));
        let stopped = Arc::clone(&stop.0);
        let connection = Arc::clone(&self.connection);
        let thread = tokio::task::spawn_blocking(move || {
            let connection = connection.lock().map_err(|_| HostError::Internal)?;
            Tunnel {
                connection: &connection,
                listener,
                destination,
                say,
                waiting: VecDeque::new(),
                links: Vec::new(),
                stuck: None,
                spoke: Instant::now(),
            }
            .run(&stopped)
        });
        while let Some(passage) = heard.recv().await {
            on_passage(passage);
        }
        thread.await.map_err(|_| HostError::Internal)?
    }
}

/// What of the session's could not be finished because the network takes no more now: nothing else may be sent before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stuck {
    Opening,
    On(usize),
}

struct Tunnel<'a> {
    connection: &'a Connection,
    listener: TcpListener,
    destination: Destination,
    say: mpsc::UnboundedSender<Passage>,
    waiting: VecDeque<TcpStream>,
    links: Vec<Link>,
    stuck: Option<Stuck>,
    spoke: Instant,
}

impl Tunnel<'_> {
    fn run(mut self, stopped: &AtomicBool) -> Result<(), HostError> {
        let lost = |source: io::Error| self.connection.lost("the tunnel", source);
        self.listener.set_nonblocking(true).map_err(lost)?;
        let mut ear = self.listening()?;
        while !stopped.load(Ordering::Relaxed) {
            if self.stuck.is_none() {
                self.hear(&mut ear)?;
            }
            let mut moved = self.accept();
            match self.stuck {
                None => {
                    moved |= self.open()?;
                    for at in 0..self.links.len() {
                        if self.stuck.is_none() {
                            moved |= self.carry(at)?;
                        }
                    }
                }
                Some(Stuck::Opening) => moved |= self.open()?,
                Some(Stuck::On(at)) => moved |= self.carry(at)?,
            }
            if self.stuck.is_none() {
                self.bury()?;
            }
            if moved {
                self.spoke = Instant::now();
            } else {
                self.keep_alive()?;
                self.rest()?;
            }
        }
        Ok(())
    }

    /// A channel on which nothing is ever said. Reading it takes in what the server sends while there is no connection, and
    /// tells when it is gone.
    fn listening(&self) -> Result<Channel, HostError> {
        let begun = Instant::now();
        loop {
            match self.connection.session.channel_session() {
                Err(error) if would_block(&error) && begun.elapsed() < PATIENCE => self.rest()?,
                Err(error) => return Err(self.connection.lost("the tunnel", error)),
                Ok(channel) => return Ok(channel),
            }
        }
    }

    fn hear(&self, ear: &mut Channel) -> Result<(), HostError> {
        let gone = || io::Error::from(io::ErrorKind::ConnectionReset);
        match ear.read(&mut [0]) {
            Err(error) if link::blocks(&error) => Ok(()),
            Err(error) => Err(self.connection.lost("the tunnel", error)),
            Ok(_) if ear.eof() => Err(self.connection.lost("the tunnel", gone())),
            Ok(_) => Ok(()),
        }
    }

    fn accept(&mut self) -> bool {
        let mut moved = false;
        while self.links.len() + self.waiting.len() < MOST {
            match self.listener.accept() {
                Ok((client, _)) => {
                    if client.set_nonblocking(true).is_ok() {
                        let _ = client.set_nodelay(true);
                        self.waiting.push_back(client);
                        moved = true;
                    }
                }
                // None now, or one that was gone again.
                Err(_) => break,
            }
        }
        moved
    }

    /// Whether what would block does so because nothing more can be sent.
    fn is_stuck(&self) -> bool {
        matches!(
            self.connection.session.block_directions(),
            BlockDirections::Outbound | BlockDirections::Both
        )
    }

    /// Opens a channel for the client that waits longest. The session opens one at a time.
    fn open(&mut self) -> Result<bool, HostError> {
        if self.waiting.is_empty() {
            return Ok(false);
        }
        let Destination { host, port } = &self.destination;
        let opened = self
            .connection
            .session
            .channel_direct_tcpip(host, *port, None);
        match opened {
            Err(error) if would_block(&error) => {
                self.stuck = self.is_stuck().then_some(Stuck::Opening);
                return Ok(false);
            }
            Err(error) if matches!(error.code(), ErrorCode::Session(-21)) => {
                // LIBSSH2_ERROR_CHANNEL_FAILURE: the server cannot connect there.
                self.waiting.pop_front();
                let _ = self.say.send(Passage::Refused);
            }
            Err(error) => return Err(self.connection.lost("the tunnel", error)),
            Ok(channel) => {
                if let Some(client) = self.waiting.pop_front() {
                    self.links.push(Link::new(client, channel));
                    let _ = self.say.send(Passage::Opened);
                }
            }
        }
        self.stuck = None;
        Ok(true)
    }

    /// Moves what can be moved on one connection.
    fn carry(&mut self, at: usize) -> Result<bool, HostError> {
        self.stuck = None;
        let outcome = self.links[at].step();
        let (moved, blocked) = match outcome {
            Ok(found) => found,
            Err(source) => return Err(self.connection.lost("the tunnel", source)),
        };
        if blocked && self.is_stuck() {
            self.stuck = Some(Stuck::On(at));
        }
        Ok(moved)
    }

    /// Closes what has ended.
    fn bury(&mut self) -> Result<(), HostError> {
        let mut at = 0;
        while at < self.links.len() {
            if !self.links[at].is_over() {
                at += 1;
                continue;
            }
            match self.links[at].channel.close() {
                Err(error) if would_block(&error) => {
                    // Tried again with the next round, or alone where nothing else can be sent.
                    if self.is_stuck() {
                        self.stuck = Some(Stuck::On(at));
                        return Ok(());
                    }
                    at += 1;
                }
                Err(error) if matches!(error.code(), ErrorCode::Session(code) if code == -43 || code == -13) =>
                {
                    // LIBSSH2_ERROR_SOCKET_RECV, SOCKET_DISCONNECT
                    return Err(self.connection.lost("the tunnel", error));
                }
                _ => {
                    self.links.swap_remove(at);
                    let _ = self.say.send(Passage::Closed);
                }
            }
        }
        Ok(())
    }

    fn keep_alive(&mut self) -> Result<(), HostError> {
        if self.stuck.is_some() || self.spoke.elapsed() < IDLE {
            return Ok(());
        }
        self.spoke = Instant::now();
        match self.connection.session.keepalive_send() {
            Ok(_) => Ok(()),
            Err(error) if would_block(&error) => Ok(()),
            Err(error) => Err(self.connection.lost("the tunnel", error)),
        }
    }

    /// Waits until something can be done; a while at most, lest nobody notices that the tunnel is not wanted any more.
    fn rest(&self) -> Result<(), HostError> {
        let mut fds = Vec::with_capacity(self.links.len() + 2);
        let outbound = if self.stuck.is_some() {
            PollFlags::POLLOUT
        } else {
            PollFlags::empty()
        };
        fds.push(PollFd::new(
            self.connection.socket.as_fd(),
            PollFlags::POLLIN | outbound,
        ));
        if self.stuck.is_none() {
            if self.links.len() + self.waiting.len() < MOST {
                fds.push(PollFd::new(self.listener.as_fd(), PollFlags::POLLIN));
            }
            for link in &self.links {
                let flags = link.wishes();
                if !flags.is_empty() {
                    fds.push(PollFd::new(link.client.as_fd(), flags));
                }
            }
        }
        match poll(&mut fds, PollTimeout::from(200_u8)) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => Ok(()),
            Err(errno) => Err(self.connection.lost("the tunnel", io::Error::from(errno))),
        }
    }
}

fn would_block(error: &ssh2::Error) -> bool {
    error.code() == ErrorCode::Session(EAGAIN)
}
