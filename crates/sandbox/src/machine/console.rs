//! A machine's console: a terminal, and what was written to it.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};

use super::MachineError;

/// A console that writes without end does not fill the sandbox: its beginning is forgotten.
const KEPT: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Console {
    /// The machine's end; held open, so that the terminal outlives reboots.
    _terminal: OwnedFd,
    path: String,
    text: Arc<Mutex<Vec<u8>>>,
}

impl Console {
    pub(super) fn open() -> Result<Self, MachineError> {
        let opening =
            |error: io::Error| MachineError(format!("opening the machine's console: {error}"));
        let pty = nix::pty::openpty(None, None).map_err(|error| opening(error.into()))?;
        let path = nix::unistd::ttyname(&pty.slave).map_err(|error| opening(error.into()))?;
        let text = Arc::new(Mutex::new(Vec::new()));
        let (master, written) = (File::from(pty.master), Arc::clone(&text));
        std::thread::spawn(move || read(master, &written));
        Ok(Self {
            _terminal: pty.slave,
            path: path.display().to_string(),
            text,
        })
    }

    /// The terminal's name on the host.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Writes what firmware and kernel would have written.
    pub(super) fn announce(&self, line: &str) {
        append(&self.text, format!("{line}\r\n").as_bytes());
    }

    pub(super) fn text(&self) -> String {
        let text = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&text).into_owned()
    }
}

/// Ends when the last holder of the machine's end is gone: the machine's processes, then the console itself.
fn read(mut master: File, text: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    loop {
        match master.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => append(text, &buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

fn append(text: &Mutex<Vec<u8>>, bytes: &[u8]) {
    let mut text = text.lock().unwrap_or_else(PoisonError::into_inner);
    text.extend_from_slice(bytes);
    if text.len() > KEPT {
        let surplus = text.len() - KEPT / 2;
        text.drain(..surplus);
    }
}
