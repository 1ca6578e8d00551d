//! Accepting clients: listeners, workers, connections, limits.

mod address;
mod clock;
mod connection;
mod limits;
mod listener;
mod multiplex;
mod observer;
mod stream;
mod worker;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use arc_swap::ArcSwap;
use socket2::{SockRef, TcpKeepalive};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::Instant;

use crate::forward::Forwarder;

pub(crate) use connection::{Client, InFlight};
pub use limits::{Limits, LoginLimit};
pub use listener::{Listener, Socket};
pub use observer::{Exchange, Kind, Observer, Outcome, Silent};
pub(crate) use stream::ClientStream;
use worker::{Shared, Worker};

/// How long a connection may be silent before its other end is asked whether it is still there, how long after that it
/// is asked again, and how often.
const ASK_AFTER: Duration = Duration::from_secs(120);
const ASK_AGAIN: Duration = Duration::from_secs(30);
const ASKS: u32 = 4;

/// Has the connections that come of a socket, which inherit this, end once their client is gone without a word. A
/// WebSocket on which nobody speaks, or a request whose target is silent, would be held for ever.
fn watch_peers(socket: &std::net::TcpListener) -> io::Result<()> {
    let keep_alive = TcpKeepalive::new()
        .with_time(ASK_AFTER)
        .with_interval(ASK_AGAIN)
        .with_retries(ASKS);
    SockRef::from(socket).set_tcp_keepalive(&keep_alive)
}

/// The public side of the proxy, at work until it is drained or dropped.
pub struct Server {
    shared: Arc<Shared>,
    stop: watch::Sender<Option<Instant>>,
    /// Closed when the last worker ended.
    ended: Mutex<mpsc::Receiver<()>>,
    threads: Vec<JoinHandle<()>>,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server")
            .field("workers", &self.threads.len())
            .finish_non_exhaustive()
    }
}

/// How a drain went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut at the deadline.
    pub cut: usize,
}

impl Server {
    /// Serves `listeners` on so many `workers`, each a thread of its own.
    pub fn start(
        listeners: Vec<Listener>,
        forwarder: Arc<Forwarder>,
        limits: Limits,
        workers: usize,
    ) -> io::Result<Self> {
        for listener in &listeners {
            match &listener.socket {
                Socket::Tcp(socket) => {
                    socket.set_nonblocking(true)?;
                    watch_peers(socket)?;
                }
                Socket::Unix(socket) => socket.set_nonblocking(true)?,
            }
        }
        let shared = Arc::new(Shared {
            forwarder,
            limits: ArcSwap::from_pointee(limits),
            logins: address::Logins::default(),
            connections: AtomicUsize::new(0),
            cut: AtomicUsize::new(0),
            addresses: Arc::default(),
        });
        let (stop, stopped) = watch::channel(None);
        let (ends, ended) = mpsc::channel(1);
        let mut threads = Vec::new();
        for number in 0..workers.max(1) {
            let listeners = listeners
                .iter()
                .map(Listener::try_clone)
                .collect::<io::Result<Vec<_>>>()?;
            let worker = Arc::new(Worker::new(Arc::clone(&shared), stopped.clone()));
            let ends = ends.clone();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                // Names of targets are looked up on these.
                .max_blocking_threads(4)
                .thread_keep_alive(Duration::from_secs(2))
                .build()?;
            let thread = std::thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || {
                    if let Err(error) = runtime.block_on(worker.run(listeners)) {
                        tracing::error!(%error, "a worker ended");
                    }
                    // Cuts what is left.
                    runtime.shutdown_background();
                    drop(ends);
                })?;
            threads.push(thread);
        }
        Ok(Self {
            shared,
            stop,
            ended: Mutex::new(ended),
            threads,
        })
    }

    /// Open connections, WebSockets included.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Relaxed)
    }

    /// Sets the limits of connections that come from now on.
    pub fn set_limits(&self, limits: Limits) {
        self.shared.limits.store(Arc::new(limits));
    }

    /// Accepts no more, lets exchanges and WebSockets end, and cuts what is left at the deadline.
    pub async fn drain(&self, deadline: Duration) -> Drained {
        let deadline = Instant::now() + deadline;
        self.stop.send_replace(Some(deadline));
        // The workers keep the deadline themselves; a moment more, should one be stuck.
        let _ = tokio::time::timeout_at(deadline + Duration::from_secs(5), async {
            self.ended.lock().await.recv().await
        })
        .await;
        Drained {
            cut: self.shared.cut.load(Relaxed),
        }
    }
}
