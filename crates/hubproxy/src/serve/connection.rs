//! One client's connection, from accept to its end.

use std::convert::Infallible;
use std::future::poll_fn;
use std::net::IpAddr;
use std::ops::Deref;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;
use std::time::Duration;

use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsAcceptor;

use super::address::Held;
use super::clock::{Clock, Due};
use super::limits::Limits;
use super::multiplex::{Streams, Watched};
use super::stream::{ClientStream, Layer};
use super::worker::{Live, Worker};
use crate::stream::Stream;

/// What is known of a client's connection. It is held by its exchanges and, once it is a WebSocket, by its tunnel.
pub(crate) struct Client {
    /// The other end; none on a Unix socket. An IPv4 address is never in IPv6's clothes.
    pub address: Option<IpAddr>,
    /// The same, as text.
    pub address_text: String,
    pub tls: bool,
    pub clock: Arc<Clock>,
    pub worker: Arc<Worker>,
    pub limits: Arc<Limits>,
    /// Set by an answer that went out before the request's body was read: what still comes is read and dropped for a
    /// moment, lest a reset overtakes the answer.
    lingers: AtomicBool,
    _live: Live,
    _held: Option<Held>,
}

impl Client {
    /// Has what still comes when the connection ends read and dropped for a moment.
    pub fn linger(&self) {
        self.lingers.store(true, Relaxed);
    }
}

/// One exchange of a connection: the connection is not idle until it is dropped.
pub(crate) struct InFlight(Arc<Client>);

impl InFlight {
    fn begin(client: &Arc<Client>) -> Self {
        client.clock.begin();
        Self(Arc::clone(client))
    }

    /// The same exchange, held twice.
    pub(crate) fn again(&self) -> Self {
        Self::begin(&self.0)
    }
}

impl Deref for InFlight {
    type Target = Arc<Client>;

    fn deref(&self) -> &Arc<Client> {
        &self.0
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.clock.end();
    }
}

/// A connection that was accepted and may stay.
pub(super) struct Accepted {
    pub stream: Stream,
    pub address: Option<IpAddr>,
    pub tls: Option<Arc<ServerConfig>>,
    pub live: Live,
    pub held: Option<Held>,
}

/// How long what still comes is read and dropped after an early answer.
const LINGER: Duration = Duration::from_secs(2);

/// How long a connection that was just accepted may take to send its first request once the worker stops.
const FIRST_REQUEST: Duration = Duration::from_secs(1);

/// Serves a connection to its end.
pub(super) async fn serve(accepted: Accepted, worker: Arc<Worker>, limits: Arc<Limits>) {
    let Accepted {
        stream,
        address,
        tls,
        live,
        held,
    } = accepted;
    let mut http2 = false;
    let encrypted = tls.is_some();
    let layer = match tls {
        None => Layer::Plain(stream),
        Some(config) => {
            let accept = TlsAcceptor::from(config).accept(stream);
            let mut stream = match timeout(limits.header_timeout, accept).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return tracing::debug!(%error, "TLS handshake failed"),
                Err(_) => return tracing::debug!("TLS handshake took too long"),
            };
            match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => http2 = true,
                // The handshake was all that the authority wanted to see.
                Some(b"acme-tls/1") => {
                    let _ = timeout(limits.header_timeout, stream.shutdown()).await;
                    return;
                }
                _ => {}
            }
            Layer::Tls(Box::new(stream))
        }
    };
    let clock = Arc::new(Clock::new(limits.client_timeout.is_some()));
    let stream = ClientStream::new(layer, Arc::clone(&clock), limits.send_timeout);
    let client = Arc::new(Client {
        address,
        address_text: address
            .map(|address| address.to_string())
            .unwrap_or_default(),
        tls: encrypted,
        clock,
        worker,
        limits,
        lingers: AtomicBool::new(false),
        _live: live,
        _held: held,
    });
    if http2 {
        serve_http2(stream, client).await;
    } else {
        serve_http1(stream, client).await;
    }
}

async fn serve_http1(stream: ClientStream, client: Arc<Client>) {
    let limits = Arc::clone(&client.limits);
    let mut builder = http1::Builder::new();
    // The clock keeps the times; hyper's own timer would be made anew for each request.
    builder.header_read_timeout(None);
    builder.max_buf_size(limits.header_bytes.max(8192));
    if limits.headers != 100 {
        // 100 is hyper's own limit, and the one for which it does not allocate.
        builder.max_headers(limits.headers);
    }
    let service = {
        let client = Arc::clone(&client);
        service_fn(move |request| {
            let exchange = InFlight::begin(&client);
            async move { Ok::<_, Infallible>(crate::forward::handle(exchange, request).await) }
        })
    };
    let mut connection = builder
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let ended = drive(
        &mut connection,
        |connection| connection.graceful_shutdown(),
        &client,
    )
    .await;
    let lingers = client.lingers.load(Relaxed);
    if ended != Some(Due::Head) && !lingers {
        return;
    }
    let Some(parts) = connection.into_parts() else {
        return;
    };
    let mut stream = parts.io.into_inner();
    if ended == Some(Due::Head) {
        // Best effort: whoever trickles a head may not read.
        let answer =
            b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        let _ = timeout(Duration::from_secs(1), async {
            stream.write_all(answer).await?;
            stream.shutdown().await
        })
        .await;
    }
    let mut scrap = [0; 4096];
    let _ = timeout(LINGER, async {
        while stream.read(&mut scrap).await.is_ok_and(|read| read > 0) {}
    })
    .await;
}

async fn serve_http2(stream: ClientStream, client: Arc<Client>) {
    client.clock.set_multiplexed();
    let limits = Arc::clone(&client.limits);
    let mut builder = http2::Builder::new(Streams {
        send_timeout: limits.send_timeout,
    });
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(limits.streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .initial_stream_window_size(256 * 1024)
        .initial_connection_window_size(1024 * 1024)
        .max_send_buf_size(64 * 1024)
        // A client that vanished holds its streams until this is not answered.
        .keep_alive_interval(Duration::from_secs(60))
        .keep_alive_timeout(Duration::from_secs(20));
    let service = {
        let client = Arc::clone(&client);
        service_fn(move |request| {
            let exchange = InFlight::begin(&client);
            async move {
                let answer = crate::forward::handle(exchange, request).await;
                Ok::<_, Infallible>(answer.map(Watched::new))
            }
        })
    };
    let connection = builder.serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let mut slot = connection.as_mut();
    drive(
        &mut slot,
        |connection| connection.get_mut().as_mut().graceful_shutdown(),
        &client,
    )
    .await;
}

/// Polls a connection to its end, drains it when the worker stops, and ends it when its clock says so (and says why).
async fn drive<C>(connection: &mut C, drain: impl Fn(Pin<&mut C>), client: &Client) -> Option<Due>
where
    C: Future<Output = hyper::Result<()>> + Unpin,
{
    let worker = &client.worker;
    // Polled once: the task's waker does not change, and a poll for each request would cost.
    let mut stop = Box::pin(Arc::clone(&worker.stopping).notified_owned());
    let mut subscribed = false;
    let mut draining = false;
    let mut closing = false;
    let mut grace: Option<Pin<Box<tokio::time::Sleep>>> = None;
    let mut timer = None;
    let mut armed: Option<Instant> = None;
    poll_fn(|cx| {
        if !subscribed {
            subscribed = true;
            let _ = stop.as_mut().poll(cx);
        }
        if !draining && worker.is_stopping.load(Relaxed) {
            // hyper closes a connection that it has read nothing of, though the first request may be on its way.
            if let Poll::Ready(result) = Pin::new(&mut *connection).poll(cx) {
                if let Err(error) = result {
                    tracing::debug!(%error, "connection ended");
                }
                return Poll::Ready(None);
            }
            let grace = grace.get_or_insert_with(|| Box::pin(tokio::time::sleep(FIRST_REQUEST)));
            if !client.clock.is_fresh() || grace.as_mut().poll(cx).is_ready() {
                draining = true;
                drain(Pin::new(connection));
            }
        }
        loop {
            if let Poll::Ready(result) = Pin::new(&mut *connection).poll(cx) {
                if let Err(error) = result {
                    tracing::debug!(%error, "connection ended");
                }
                return Poll::Ready(None);
            }
            let Some((at, due)) = client.clock.due(&client.limits) else {
                return Poll::Pending;
            };
            let timer = timer.get_or_insert_with(|| {
                armed = Some(at);
                Box::pin(tokio::time::sleep_until(at))
            });
            if armed.is_none_or(|armed| armed > at) {
                timer.as_mut().reset(at);
                armed = Some(at);
            }
            if timer.as_mut().poll(cx).is_pending() {
                return Poll::Pending;
            }
            // It may have been armed for an earlier request.
            armed = None;
            if at > Instant::now() {
                continue;
            }
            if due != Due::KeepAlive || closing {
                return Poll::Ready(Some(due));
            }
            closing = true;
            drain(Pin::new(connection));
            timer
                .as_mut()
                .reset(Instant::now() + client.limits.header_timeout);
            armed = Some(at);
        }
    })
    .await
}
