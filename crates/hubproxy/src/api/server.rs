//! Serves the API and the metrics: a plain HTTP/1.1 server, over TLS if wanted.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tracing::debug;

use crate::serve::Socket;

/// How long an idle connection is kept: longer than is announced, so that no caller writes into a closing one.
const KEPT: Duration = Duration::from_secs(65);
/// What callers are told.
const ANNOUNCED: HeaderValue = HeaderValue::from_static("timeout=60");
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Connections at a time; the hub uses ten.
const CONNECTIONS: usize = 512;
/// How long a caller that was just accepted may take to call once the server is to stop.
const FIRST_CALL: Duration = Duration::from_millis(500);
/// How long connections get to end once the server is to stop.
const GRACE: Duration = Duration::from_secs(2);

/// A listening socket of the API or the metrics.
pub enum Server {
    /// TCP.
    Tcp(TcpListener),
    /// A Unix socket.
    Unix(UnixListener),
}

impl Server {
    /// Takes a bound socket into the runtime.
    pub fn new(socket: Socket) -> io::Result<Self> {
        match socket {
            Socket::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                TcpListener::from_std(listener).map(Self::Tcp)
            }
            Socket::Unix(listener) => {
                listener.set_nonblocking(true)?;
                UnixListener::from_std(listener).map(Self::Unix)
            }
        }
    }

    async fn accept(&self) -> io::Result<Box<dyn Stream>> {
        match self {
            Self::Tcp(listener) => {
                let (stream, _) = listener.accept().await?;
                stream.set_nodelay(true)?;
                Ok(Box::new(stream))
            }
            Self::Unix(listener) => Ok(Box::new(listener.accept().await?.0)),
        }
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Serves until `stop` turns true, then lets open calls end.
pub async fn serve_http<H, F>(
    server: Server,
    tls: Option<Arc<ServerConfig>>,
    handler: H,
    mut stop: watch::Receiver<bool>,
) where
    H: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send,
{
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let acceptor = tls.map(TlsAcceptor::from);
    loop {
        let accepted = tokio::select! {
            accepted = server.accept() => accepted,
            () = stopped(&mut stop) => break,
        };
        let stream = match accepted {
            Ok(stream) => stream,
            Err(error) => {
                // Out of descriptors, most likely: it heals when others are closed.
                debug!("accepting a connection to the API: {error}");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            continue;
        };
        let (acceptor, handler, stop) = (acceptor.clone(), handler.clone(), stop.clone());
        tokio::spawn(async move {
            let _place = place;
            let Some(acceptor) = acceptor else {
                return connection(stream, handler, stop).await;
            };
            match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => connection(stream, handler, stop).await,
                Ok(Err(error)) => debug!("TLS handshake with a caller of the API: {error}"),
                Err(_) => debug!("TLS handshake with a caller of the API: it took too long"),
            }
        });
    }
    drop(server);
    let all = places.acquire_many(u32::try_from(CONNECTIONS).unwrap_or(u32::MAX));
    let _ = tokio::time::timeout(GRACE, all).await;
}

async fn connection<S, H, F>(stream: S, handler: H, mut stop: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
    H: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<Full<Bytes>>>,
{
    let called = AtomicBool::new(false);
    let service = service_fn(|request| {
        called.store(true, Ordering::Relaxed);
        let answer = handler(request);
        async {
            let mut answer = answer.await;
            answer.headers_mut().insert("keep-alive", ANNOUNCED);
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(KEPT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stopped(&mut stop) => {
            // hyper closes a connection that it has read nothing of, though the first call may be on its way.
            let first = async {
                if !called.load(Ordering::Relaxed) {
                    tokio::time::sleep(FIRST_CALL).await;
                }
            };
            tokio::select! {
                result = connection.as_mut() => result,
                () = first => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            }
        }
    };
    if let Err(error) = result {
        debug!("a connection to the API: {error}");
    }
}

/// Returns when it is time to stop.
async fn stopped(stop: &mut watch::Receiver<bool>) {
    // The sender is gone only when all of it ends.
    let _ = stop.wait_for(|stop| *stop).await;
}
