//! Where connections come in: bound by the hub, or passed by systemd under the names `public` and `internal`.

use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hub_api::hub::{Listen, Place};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tower::ServiceExt;

/// How long a client may take to say what it wants.
const HEADERS_WITHIN: Duration = Duration::from_secs(30);
/// How long requests may go on after the hub was told to end.
const DRAIN: Duration = Duration::from_secs(10);

/// Why the hub cannot listen.
#[derive(Debug, thiserror::Error)]
#[error("listening on {place} ({name}): {cause}{}", hint(cause))]
pub struct ListenError {
    name: &'static str,
    place: String,
    cause: io::Error,
}

fn hint(cause: &io::Error) -> &'static str {
    match cause.kind() {
        io::ErrorKind::PermissionDenied => {
            "; a port under 1024 needs CAP_NET_BIND_SERVICE or a socket unit, a Unix socket a folder that the hub may write"
        }
        io::ErrorKind::AddrInUse => "; another program listens there, or another hubd",
        io::ErrorKind::NotFound => {
            "; the folder is not there: RuntimeDirectory= of the unit makes it"
        }
        _ => "",
    }
}

/// By which way a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// Whether it came through the proxy, whose `X-Forwarded-*` headers are then to be believed.
    pub public: bool,
    /// The other end, if it has an address.
    pub peer: Option<SocketAddr>,
}

/// A place where connections come in.
#[derive(Debug)]
pub enum Listener {
    Unix(UnixListener),
    Tcp(TcpListener),
}

impl Listener {
    /// Where it listens, for the log and for tests that bind to port 0.
    pub fn place(&self) -> Option<Place> {
        match self {
            Self::Unix(listener) => listener
                .local_addr()
                .ok()?
                .as_pathname()
                .map(|path| Place::Unix(path.to_owned())),
            Self::Tcp(listener) => listener.local_addr().ok().map(Place::Tcp),
        }
    }
}

/// Both places.
#[derive(Debug)]
pub struct Listeners {
    pub public: Listener,
    pub internal: Listener,
}

impl Listeners {
    /// Takes what systemd passed, and binds the rest.
    pub fn bind(config: &Listen) -> Result<Self, ListenError> {
        let mut passed = Passed::take();
        let internal = Place::Tcp(config.internal.bind);
        Ok(Self {
            public: passed.or_bind("public", &config.public)?,
            internal: passed.or_bind("internal", &internal)?,
        })
    }
}

impl Listeners {
    /// Puts into the configuration where it is listened in truth: the hub tells others.
    pub fn tell(&self, config: &mut Listen) {
        if let Some(place) = self.public.place() {
            config.public = place;
        }
        if let Some(Place::Tcp(address)) = self.internal.place() {
            config.internal.bind = address;
        }
    }
}

/// Sockets that systemd passed, by name.
struct Passed {
    names: Vec<String>,
    sockets: listenfd::ListenFd,
}

impl Passed {
    fn take() -> Self {
        // Names first: taking the sockets removes what says that they are ours.
        let names = sd_notify::listen_fds_with_names()
            .map(|fds| fds.map(|(_, name)| name).collect())
            .unwrap_or_default();
        Self {
            names,
            sockets: listenfd::ListenFd::from_env(),
        }
    }

    fn or_bind(&mut self, name: &'static str, place: &Place) -> Result<Listener, ListenError> {
        let error = |cause| ListenError {
            name,
            place: place.to_string(),
            cause,
        };
        match self.names.iter().position(|passed| passed == name) {
            Some(at) => self.listener(at).map_err(error),
            None => bind(place).map_err(error),
        }
    }

    fn listener(&mut self, at: usize) -> io::Result<Listener> {
        let gone = || io::Error::other("systemd named a socket and passed none");
        match self.sockets.take_tcp_listener(at) {
            Ok(found) => tcp(found.ok_or_else(gone)?),
            Err(_not_tcp) => unix(self.sockets.take_unix_listener(at)?.ok_or_else(gone)?),
        }
    }
}

fn tcp(listener: std::net::TcpListener) -> io::Result<Listener> {
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener).map(Listener::Tcp)
}

fn unix(listener: std::os::unix::net::UnixListener) -> io::Result<Listener> {
    listener.set_nonblocking(true)?;
    UnixListener::from_std(listener).map(Listener::Unix)
}

fn bind(place: &Place) -> io::Result<Listener> {
    match place {
        Place::Tcp(address) => tcp(std::net::TcpListener::bind(address)?),
        Place::Unix(path) => {
            remove_leftover(path)?;
            let listener = std::os::unix::net::UnixListener::bind(path)?;
            // The folder says who may reach it: the proxy's group, nobody else.
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
            unix(listener)
        }
    }
}

/// Removes the socket of a hub that is gone; one that answers is left, and binding fails.
fn remove_leftover(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Ok(found) if found.file_type().is_socket() => {
            match std::os::unix::net::UnixStream::connect(path) {
                Ok(_) => Err(io::Error::from(io::ErrorKind::AddrInUse)),
                Err(_) => std::fs::remove_file(path),
            }
        }
        _ => Ok(()),
    }
}

/// Answers requests at both places until `ended`; then takes no more, and lets those that run end.
pub async fn serve(listeners: Listeners, router: Router, ended: impl Future<Output = ()>) {
    let graceful = Arc::new(GracefulShutdown::new());
    let public = tokio::spawn(accept(
        listeners.public,
        true,
        router.clone(),
        graceful.clone(),
    ));
    let internal = tokio::spawn(accept(listeners.internal, false, router, graceful.clone()));
    ended.await;
    for task in [public, internal] {
        task.abort();
        // Its listener and its share of `graceful` are gone only now.
        let _cancelled = task.await;
    }
    let Ok(graceful) = Arc::try_unwrap(graceful) else {
        return;
    };
    if tokio::time::timeout(DRAIN, graceful.shutdown())
        .await
        .is_err()
    {
        tracing::warn!(
            "requests that had not ended in {} s were cut off",
            DRAIN.as_secs()
        );
    }
}

async fn accept(listener: Listener, public: bool, router: Router, graceful: Arc<GracefulShutdown>) {
    loop {
        let accepted = match &listener {
            Listener::Tcp(tcp) => tcp.accept().await.map(|(stream, peer)| {
                // Answers are small and whole: waiting to join them with more only delays them.
                let _slower_without = stream.set_nodelay(true);
                let arrival = Arrival {
                    public,
                    peer: Some(peer),
                };
                connection(stream, arrival, &router, &graceful);
            }),
            Listener::Unix(unix) => unix.accept().await.map(|(stream, _)| {
                connection(stream, Arrival { public, peer: None }, &router, &graceful);
            }),
        };
        if let Err(error) = accepted {
            tracing::warn!(%error, "taking in a connection");
            // Out of file descriptors, most likely: some will be given back.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn connection<S>(stream: S, arrival: Arrival, router: &Router, graceful: &GracefulShutdown)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let service = router
        .clone()
        .map_request(move |mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(arrival);
            request.map(Body::new)
        });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection broke");
        }
    });
}
