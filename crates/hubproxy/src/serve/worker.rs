//! A worker: one thread, one runtime, its own connections to targets; no request crosses threads.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::address::{Connections, Logins};
use super::connection::{self, Accepted};
use super::limits::Limits;
use super::listener::{Listener, Socket};
use crate::forward::{Forwarder, Pool};
use crate::stream::Stream;

/// What all workers share.
pub(crate) struct Shared {
    pub forwarder: Arc<Forwarder>,
    pub limits: ArcSwap<Limits>,
    pub logins: Logins,
    pub(super) connections: AtomicUsize,
    /// Connections that were cut when a drain's deadline passed.
    pub(super) cut: AtomicUsize,
    pub(super) addresses: Arc<Connections>,
}

/// One worker.
pub(crate) struct Worker {
    pub shared: Arc<Shared>,
    pub pool: Pool,
    pub(super) is_stopping: AtomicBool,
    stop: watch::Receiver<Option<Instant>>,
    open: AtomicUsize,
    closed: Notify,
}

/// An open connection, counted until it is dropped.
pub(super) struct Live(Arc<Worker>);

impl Live {
    fn new(worker: &Arc<Worker>) -> Self {
        worker.shared.connections.fetch_add(1, Relaxed);
        worker.open.fetch_add(1, Relaxed);
        Self(Arc::clone(worker))
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.0.shared.connections.fetch_sub(1, Relaxed);
        if self.0.open.fetch_sub(1, Relaxed) == 1 {
            self.0.closed.notify_one();
        }
    }
}

impl Worker {
    pub(super) fn new(shared: Arc<Shared>, stop: watch::Receiver<Option<Instant>>) -> Self {
        Self {
            shared,
            pool: Pool::default(),
            is_stopping: AtomicBool::new(false),
            stop,
            open: AtomicUsize::new(0),
            closed: Notify::new(),
        }
    }

    /// Resolves when the worker is told to stop.
    pub(super) fn stopping(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stop = self.stop.clone();
        async move {
            // An error is a server that was dropped: that stops it too.
            let _ = stop.wait_for(Option::is_some).await;
        }
    }

    /// Serves until told to stop and then until the last connection ended or the deadline passed.
    pub(super) async fn run(self: Arc<Self>, listeners: Vec<Listener>) -> io::Result<()> {
        let mut accepting = Vec::new();
        for listener in listeners {
            accepting.push(tokio::spawn(Arc::clone(&self).accept(listener)));
        }
        let sweep = tokio::spawn({
            let worker = Arc::clone(&self);
            async move {
                loop {
                    tokio::time::sleep(Duration::from_secs(2)).await;
                    worker
                        .pool
                        .sweep(worker.shared.forwarder.options().pool_idle_timeout);
                }
            }
        });
        self.stopping().await;
        let deadline = self.stop.borrow().unwrap_or_else(Instant::now);
        for task in accepting {
            task.abort();
            // Its socket is closed once it is gone.
            let _ = task.await;
        }
        self.is_stopping.store(true, Relaxed);
        while self.open.load(Relaxed) > 0 {
            if tokio::time::timeout_at(deadline, self.closed.notified())
                .await
                .is_err()
            {
                self.shared.cut.fetch_add(self.open.load(Relaxed), Relaxed);
                break;
            }
        }
        sweep.abort();
        Ok(())
    }

    async fn accept(self: Arc<Self>, listener: Listener) {
        let accepted = match listener.socket {
            Socket::Tcp(socket) => match TcpListener::from_std(socket) {
                Ok(socket) => {
                    self.accept_from(Accepter::Tcp(socket), listener.tls.as_deref())
                        .await
                }
                Err(error) => Err(error),
            },
            Socket::Unix(socket) => match UnixListener::from_std(socket) {
                Ok(socket) => {
                    self.accept_from(Accepter::Unix(socket), listener.tls.as_deref())
                        .await
                }
                Err(error) => Err(error),
            },
        };
        if let Err(error) = accepted {
            tracing::error!(%error, "a listener ended");
        }
    }

    async fn accept_from(
        self: &Arc<Self>,
        accepter: Accepter,
        tls: Option<&ArcSwap<rustls::ServerConfig>>,
    ) -> io::Result<()> {
        loop {
            let (stream, address) = match accepter.accept().await {
                Ok(accepted) => accepted,
                Err(error) if is_of_the_connection(&error) => continue,
                Err(error) => {
                    // Out of descriptors or memory: the queue keeps what comes until some are free.
                    tracing::warn!(%error, "accepting a connection failed");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                    continue;
                }
            };
            let limits = self.shared.limits.load_full();
            let held = match address {
                Some(address) if limits.connections_per_address > 0 => {
                    match self
                        .shared
                        .addresses
                        .hold(address, limits.connections_per_address)
                    {
                        Some(held) => Some(held),
                        None => {
                            refuse(stream, tls.is_none(), "429 Too Many Requests");
                            continue;
                        }
                    }
                }
                _ => None,
            };
            if self.shared.connections.load(Relaxed) >= limits.connections {
                refuse(stream, tls.is_none(), "503 Service Unavailable");
                continue;
            }
            let accepted = Accepted {
                stream,
                address,
                tls: tls.map(ArcSwap::load_full),
                live: Live::new(self),
                held,
            };
            tokio::spawn(connection::serve(accepted, Arc::clone(self), limits));
        }
    }
}

enum Accepter {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Accepter {
    async fn accept(&self) -> io::Result<(Stream, Option<IpAddr>)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok((Stream::Tcp(stream), Some(peer.ip().to_canonical())))
            }
            Self::Unix(listener) => Ok((Stream::Unix(listener.accept().await?.0), None)),
        }
    }
}

/// Errors of one connection that was gone before it was accepted.
fn is_of_the_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, InvalidInput, NotConnected};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | InvalidInput | NotConnected
    )
}

/// Says why, where nothing is to be encrypted, and closes. What does not fit the socket's buffer is not said.
fn refuse(mut stream: Stream, plain: bool, status: &'static str) {
    if !plain {
        return;
    }
    tokio::spawn(async move {
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Length: 0\r\nRetry-After: 10\r\nConnection: close\r\n\r\n"
        );
        let _ = tokio::time::timeout(Duration::from_secs(1), async {
            stream.write_all(answer.as_bytes()).await?;
            stream.shutdown().await
        })
        .await;
    });
}
