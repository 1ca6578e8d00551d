//! One connection through a tunnel: bytes both ways, and both ends.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};

use nix::poll::PollFlags;
use ssh2::Channel;

use super::would_block;

const CHUNK: usize = 32 * 1024;

/// Bytes on their way in one direction. They stay where they are until all are gone: the session wants a write that could
/// not be finished to be repeated as it was.
#[derive(Default)]
struct Cargo {
    bytes: Vec<u8>,
    gone: usize,
}

impl Cargo {
    fn is_empty(&self) -> bool {
        self.gone == self.bytes.len()
    }

    fn rest(&self) -> &[u8] {
        &self.bytes[self.gone..]
    }

    fn load(&mut self, bytes: &[u8]) {
        self.bytes.clear();
        self.bytes.extend_from_slice(bytes);
        self.gone = 0;
    }
}

/// One connection.
pub(super) struct Link {
    pub(super) client: TcpStream,
    pub(super) channel: Channel,
    out: Cargo,
    back: Cargo,
    /// The client has said all it has to say.
    client_done: bool,
    told_done: bool,
    /// The same of the other end.
    channel_done: bool,
    shut: bool,
    /// One end is gone.
    broken: bool,
}

pub(super) fn blocks(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::WouldBlock
}

impl Link {
    pub(super) fn new(client: TcpStream, channel: Channel) -> Self {
        Self {
            client,
            channel,
            out: Cargo::default(),
            back: Cargo::default(),
            client_done: false,
            told_done: false,
            channel_done: false,
            shut: false,
            broken: false,
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.broken
            || (self.told_done && self.channel_done && self.out.is_empty() && self.back.is_empty())
    }

    /// What the client's socket is waited for.
    pub(super) fn wishes(&self) -> PollFlags {
        let mut flags = PollFlags::empty();
        if !self.client_done && self.out.is_empty() {
            flags |= PollFlags::POLLIN;
        }
        if !self.back.is_empty() {
            flags |= PollFlags::POLLOUT;
        }
        flags
    }

    /// Whether anything moved, and whether the session could not take or give more. An error is the session's.
    pub(super) fn step(&mut self) -> io::Result<(bool, bool)> {
        if self.broken {
            return Ok((false, false));
        }
        let mut moved = self.take_in();
        let (sent, blocked) = self.send_on()?;
        moved |= sent;
        if blocked {
            return Ok((moved, true));
        }
        let (read, blocked) = self.take_back()?;
        moved |= read;
        moved |= self.hand_over();
        Ok((moved, blocked))
    }

    fn take_in(&mut self) -> bool {
        if self.client_done || !self.out.is_empty() {
            return false;
        }
        let mut buffer = [0; CHUNK];
        match self.client.read(&mut buffer) {
            Ok(0) => self.client_done = true,
            Ok(count) => self.out.load(&buffer[..count]),
            Err(error) if blocks(&error) => return false,
            Err(_) => self.broken = true,
        }
        true
    }

    fn send_on(&mut self) -> io::Result<(bool, bool)> {
        let mut moved = false;
        while !self.out.is_empty() {
            match self.channel.write(self.out.rest()) {
                Ok(count) => {
                    self.out.gone += count;
                    moved = true;
                }
                Err(error) if blocks(&error) => return Ok((moved, true)),
                // The other end takes no more; what it says is still carried back.
                Err(_) if self.channel.eof() => {
                    self.out = Cargo::default();
                    self.broken = true;
                    moved = true;
                }
                Err(error) => return Err(error),
            }
        }
        if self.client_done && !self.told_done {
            match self.channel.send_eof() {
                Ok(()) => {
                    self.told_done = true;
                    moved = true;
                }
                Err(error) if would_block(&error) => return Ok((moved, true)),
                Err(error) => return Err(error.into()),
            }
        }
        Ok((moved, false))
    }

    fn take_back(&mut self) -> io::Result<(bool, bool)> {
        if self.channel_done || !self.back.is_empty() {
            return Ok((false, false));
        }
        let mut buffer = [0; CHUNK];
        match self.channel.read(&mut buffer) {
            Ok(0) if self.channel.eof() => {
                self.channel_done = true;
                Ok((true, false))
            }
            Ok(0) => Ok((false, false)),
            Ok(count) => {
                self.back.load(&buffer[..count]);
                Ok((true, false))
            }
            Err(error) if blocks(&error) => Ok((false, true)),
            Err(error) => Err(error),
        }
    }

    fn hand_over(&mut self) -> bool {
        let mut moved = false;
        while !self.back.is_empty() {
            match self.client.write(self.back.rest()) {
                Ok(count) => {
                    self.back.gone += count;
                    moved = true;
                }
                Err(error) if blocks(&error) => return moved,
                Err(_) => {
                    self.broken = true;
                    return true;
                }
            }
        }
        if self.channel_done && !self.shut {
            self.shut = true;
            let _ = self.client.shutdown(Shutdown::Write);
            moved = true;
        }
        moved
    }
}
