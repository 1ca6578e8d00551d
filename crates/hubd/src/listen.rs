//! Where connections come in: bound by the hub, or passed by systemd under the names `public` and `internal`.

mod timely;

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
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt;

use self::timely::Timely;

/// What a client may take.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at once at each place.
    pub connections: usize,
    /// How long it may take to say what it wants, and to keep a connection without saying more.
    pub headers: Duration,
    /// How long it may take to send what belongs to that.
    pub body: Duration,
}

impl Limits {
    pub fn of(config: &Listen) -> Self {
        Self {
            connections: config.connections.max(1),
            headers: Duration::from_secs(30),
            body: Duration::from_secs(60),
        }
    }
}

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
pub async fn serve(
    listeners: Listeners,
    router: Router,
    limits: Limits,
    ended: impl Future<Output = ()>,
) {
    let graceful = Arc::new(GracefulShutdown::new());
    let public = tokio::spawn(accept(
        listeners.public,
        true,
        router.clone(),
        limits,
        graceful.clone(),
    ));
    let internal = tokio::spawn(accept(
        listeners.internal,
        false,
        router,
        limits,
        graceful.clone(),
    ));
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

async fn accept(
    listener: Listener,
    public: bool,
    router: Router,
    limits: Limits,
    graceful: Arc<GracefulShutdown>,
) {
    let places = Arc::new(Semaphore::new(
        limits.connections.min(Semaphore::MAX_PERMITS),
    ));
    loop {
        // The rest waits in the socket's queue. The semaphore is never closed.
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let seat = Seat { limits, place };
        let accepted = match &listener {
            Listener::Tcp(tcp) => tcp.accept().await.map(|(stream, peer)| {
                // Answers are small and whole: waiting to join them with more only delays them.
                let _slower_without = stream.set_nodelay(true);
                let arrival = Arrival {
                    public,
                    peer: Some(peer),
                };
                connection(stream, arrival, &router, seat, &graceful);
            }),
            Listener::Unix(unix) => unix.accept().await.map(|(stream, _)| {
                connection(
                    stream,
                    Arrival { public, peer: None },
                    &router,
                    seat,
                    &graceful,
                );
            }),
        };
        if let Err(error) = accepted {
            tracing::warn!(%error, "taking in a connection");
            // Out of file descriptors, most likely: some will be given back.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// A connection's place among those there may be, given back when it ends.
struct Seat {
    limits: Limits,
    place: OwnedSemaphorePermit,
}

fn connection<S>(
    stream: S,
    arrival: Arrival,
    router: &Router,
    seat: Seat,
    graceful: &GracefulShutdown,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let Seat { limits, place } = seat;
    let service = router
        .clone()
        .map_request(move |mut request: http::Request<Incoming>| {
            request.extensions_mut().insert(arrival);
            request.map(|body| Body::new(Timely::new(body, limits.body)))
        });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.headers)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let connection = graceful.watch(connection);
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection broke");
        }
        drop(place);
    });
}

#[cfg(test)]
mod tests {
    use axum::routing::post;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpStream, UnixStream};
    use tokio::sync::oneshot;

    use super::*;

    const SOON: Duration = Duration::from_secs(20);

    struct Place {
        address: SocketAddr,
        _folder: tempfile::TempDir,
        public: std::path::PathBuf,
        end: oneshot::Sender<()>,
        serving: tokio::task::JoinHandle<()>,
    }

    async fn place(limits: Limits) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let public = folder.path().join("public.sock");
        let config = Listen {
            public: hub_api::hub::Place::Unix(public.clone()),
            internal: hub_api::hub::Internal {
                bind: SocketAddr::from(([127, 0, 0, 1], 0)),
                url: None,
            },
            ..Listen::default()
        };
        let listeners = Listeners::bind(&config).unwrap();
        let Some(hub_api::hub::Place::Tcp(address)) = listeners.internal.place() else {
            panic!("no port");
        };
        let router = Router::new().route("/", post(|body: String| async move { body }));
        let (end, ended) = oneshot::channel();
        let serving = tokio::spawn(serve(listeners, router, limits, async {
            let _ended = ended.await;
        }));
        Place {
            address,
            _folder: folder,
            public,
            end,
            serving,
        }
    }

    /// Everything until the other end closes.
    async fn rest(mut stream: impl AsyncRead + Unpin) -> String {
        let mut text = String::new();
        let read = tokio::time::timeout(SOON, stream.read_to_string(&mut text));
        let _reset = read.await.expect("it is not cut off");
        text
    }

    const WHOLE: &[u8] =
        b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";

    #[tokio::test]
    async fn who_says_nothing_or_half_of_it_is_cut_off() {
        let place = place(Limits {
            connections: 8,
            headers: Duration::from_millis(200),
            body: Duration::from_millis(200),
        })
        .await;
        for half in [
            &b""[..],
            b"POST / HTTP/1.1\r\nHo",
            &WHOLE[..WHOLE.len() - 1],
        ] {
            let mut tcp = TcpStream::connect(place.address).await.unwrap();
            tcp.write_all(half).await.unwrap();
            let said = rest(tcp).await;
            assert!(!said.starts_with("HTTP/1.1 200"), "{said}");
            let mut unix = UnixStream::connect(&place.public).await.unwrap();
            unix.write_all(half).await.unwrap();
            let said = rest(unix).await;
            assert!(!said.starts_with("HTTP/1.1 200"), "{said}");
        }
        place.end.send(()).unwrap();
        place.serving.await.unwrap();
    }

    #[tokio::test]
    async fn more_connections_than_there_may_be_wait_for_one_another() {
        let place = place(Limits {
            connections: 2,
            headers: SOON,
            body: SOON,
        })
        .await;
        let mut held = Vec::new();
        for _ in 0..2 {
            let mut stream = TcpStream::connect(place.address).await.unwrap();
            stream.write_all(&WHOLE[..20]).await.unwrap();
            held.push(stream);
        }
        let mut third = TcpStream::connect(place.address).await.unwrap();
        third.write_all(WHOLE).await.unwrap();
        let mut byte = [0];
        let early = tokio::time::timeout(Duration::from_millis(200), third.read(&mut byte));
        assert!(early.await.is_err(), "there was room for a third");
        // The other listener has places of its own.
        let mut unix = UnixStream::connect(&place.public).await.unwrap();
        unix.write_all(WHOLE).await.unwrap();
        assert!(rest(unix).await.ends_with("hi"));
        held.pop();
        assert!(rest(third).await.ends_with("hi"));
        drop(held);
        place.end.send(()).unwrap();
        place.serving.await.unwrap();
    }
}
