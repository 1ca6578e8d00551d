//! The access log: one JSON line a request, written by a thread of its own.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;

use http::{HeaderValue, Version};
use hub_api::proxy;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tracing::warn;

use super::redact::redact;
use crate::serve::{Exchange, Kind, Outcome};

/// Lines that may wait for a slow disk; more are dropped and counted, for requests do not wait.
const QUEUE: usize = 8192;

/// Takes lines on any thread.
pub struct AccessLog {
    queue: SyncSender<Message>,
    dropped: Arc<AtomicU64>,
    writer: Option<JoinHandle<()>>,
}

enum Message {
    Line(Vec<u8>),
    Reopen,
    End,
}

/// A line. Cookies, `Authorization` and other headers are not in it at all.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    client: Option<IpAddr>,
    method: &'a str,
    host: Option<String>,
    path: &'a str,
    protocol: &'static str,
    tls: bool,
    websocket: bool,
    status: u16,
    route: Option<&'a str>,
    seconds: f64,
    head_seconds: f64,
    received: u64,
    sent: u64,
    outcome: &'static str,
    user_agent: Option<String>,
}

impl AccessLog {
    /// Opens what it is written to; none if it is off.
    pub fn open(to: &proxy::AccessLog) -> io::Result<Option<Self>> {
        let target = match to {
            proxy::AccessLog::Off => return Ok(None),
            proxy::AccessLog::Stdout => Target::Stdout,
            proxy::AccessLog::File(path) => {
                Target::File(path.clone(), BufWriter::new(append(path)?))
            }
        };
        let (queue, messages) = sync_channel(QUEUE);
        let dropped = Arc::new(AtomicU64::new(0));
        let lost = Arc::clone(&dropped);
        let writer = std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || write_all(target, &messages, &lost))?;
        Ok(Some(Self {
            queue,
            dropped,
            writer: Some(writer),
        }))
    }

    /// Notes an exchange.
    pub fn note(&self, exchange: &Exchange<'_>) {
        let url = exchange.uri.path_and_query().map_or("", |url| url.as_str());
        let line = Line {
            time: OffsetDateTime::now_utc()
                .format(&Rfc3339)
                .unwrap_or_default(),
            client: exchange.peer,
            method: exchange.method.as_str(),
            host: exchange.host.map(lossy),
            path: &redact(url),
            protocol: protocol(exchange.version),
            tls: exchange.tls,
            websocket: exchange.kind == Kind::WebSocket,
            status: exchange.status.as_u16(),
            route: exchange.route,
            seconds: exchange.total.as_secs_f64(),
            head_seconds: exchange.until_head.as_secs_f64(),
            received: exchange.received,
            sent: exchange.sent,
            outcome: match exchange.outcome {
                Outcome::Complete => "complete",
                Outcome::Aborted => "aborted",
                Outcome::TargetFailed => "target-failed",
            },
            user_agent: exchange.user_agent.map(lossy),
        };
        let Ok(mut line) = serde_json::to_vec(&line) else {
            return;
        };
        line.push(b'\n');
        if self.queue.try_send(Message::Line(line)).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Opens the file again, after it was moved away.
    pub fn reopen(&self) {
        // If the queue is full the disk is the trouble; the next SIGHUP tries again.
        let _ = self.queue.try_send(Message::Reopen);
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        let _ = self.queue.send(Message::End);
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

enum Target {
    Stdout,
    File(PathBuf, BufWriter<File>),
}

impl Target {
    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        match self {
            Self::Stdout => io::stdout().lock().write_all(line),
            Self::File(_, file) => file.write_all(line),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout => io::stdout().lock().flush(),
            Self::File(_, file) => file.flush(),
        }
    }

    fn reopen(&mut self) -> io::Result<()> {
        if let Self::File(path, file) = self {
            // On a full disk this fails; the new file may well be on the room that the old one gives back.
            let flushed = file.flush();
            *file = BufWriter::new(append(path)?);
            flushed?;
        }
        Ok(())
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o640)
        .open(path)
}

fn write_all(mut target: Target, messages: &Receiver<Message>, dropped: &AtomicU64) {
    let mut failing = false;
    loop {
        let message = match messages.try_recv() {
            Ok(message) => message,
            Err(TryRecvError::Disconnected) => break,
            Err(TryRecvError::Empty) => {
                // Nothing waits: what was written may be read now.
                let _ = target.flush();
                let lost = dropped.swap(0, Ordering::Relaxed);
                if lost > 0 {
                    warn!("the access log could not keep up: {lost} lines were dropped");
                }
                match messages.recv() {
                    Ok(message) => message,
                    Err(_) => break,
                }
            }
        };
        let result = match message {
            Message::Line(line) => target.write(&line),
            Message::Reopen => target.reopen(),
            Message::End => break,
        };
        match result {
            Err(error) if !failing => {
                warn!("writing the access log: {error}");
                failing = true;
            }
            Err(_) => {}
            Ok(()) => failing = false,
        }
    }
    let _ = target.flush();
}

fn lossy(value: &HeaderValue) -> String {
    String::from_utf8_lossy(value.as_bytes()).into_owned()
}

fn protocol(version: Version) -> &'static str {
    match version {
        Version::HTTP_10 => "HTTP/1.0",
        Version::HTTP_2 => "HTTP/2",
        _ => "HTTP/1.1",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_on_a_full_disk_is_opened_again_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("access.log");
        let full = append(Path::new("/dev/full")).unwrap();
        let mut target = Target::File(path.clone(), BufWriter::new(full));
        target.write(b"lost\n").unwrap();
        assert!(target.reopen().is_err());
        target.write(b"kept\n").unwrap();
        target.flush().unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "kept\n");
    }
}
