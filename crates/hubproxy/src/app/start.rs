//! The life of the proxy: bind, load, serve, reload, drain.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::{Method, Response, StatusCode};
use hub_api::proxy::LogLevel;
use rustls::ServerConfig;
use serde_json::{Map, Value};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Mutex, Notify, watch};
use tokio::task::JoinSet;
use tracing::{error, info, warn};

use super::pid_file::PidFile;
use super::sockets::{self, Role, SocketError};
use super::{AppError, service_manager, wiring};
use crate::api::{Api, Server as ApiServer, serve_http};
use crate::forward::Forwarder;
use crate::log::{AccessLog, CONTENT_TYPE, LogHandle, Metrics, Watcher, exposition};
use crate::overview::Overview;
use crate::routes::Table;
use crate::serve::{Listener, Observer, Server, Socket};
use crate::settings::{Address, Settings};
use crate::state::{self, Loaded};
use crate::tls::acme::{Renewer, Tokens};
use crate::tls::{FileCertificates, Store, api_config, public_config};

/// How often certificate files are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// What a warning about certificate files begins with.
const FILES: &str = "certificate files: ";

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// By SIGINT rather than SIGTERM.
    pub interrupted: bool,
}

/// Reads the settings again on SIGHUP; none with a command line, which stays as it is. Problems have been said.
pub type Reload = Box<dyn Fn() -> Option<Settings> + Send>;

/// All sockets, by what they are for.
struct Sockets {
    public: Vec<(Socket, bool)>,
    api: Vec<Socket>,
    metrics: Vec<Socket>,
    made: Vec<PathBuf>,
}

/// Serves until SIGINT or SIGTERM. Must be called before other threads are started.
pub fn run(settings: Settings, log: LogHandle, reload: Option<Reload>) -> Result<Ended, AppError> {
    let system = |act| move |source| AppError::System { act, source };
    let roles = roles(&settings);
    let activated = sockets::activated(&roles)?;
    let sockets = bind(&settings, activated)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .thread_keep_alive(Duration::from_secs(2))
        .build()
        .map_err(system("starting the runtime"))?;
    let made = sockets.made.clone();
    let result = runtime.block_on(serve(settings, sockets, log, reload));
    runtime.shutdown_timeout(Duration::from_secs(1));
    for path in made {
        // Somebody may have taken its place already.
        let _ = std::fs::remove_file(path);
    }
    result
}

fn roles(settings: &Settings) -> Vec<Role> {
    let mut roles = Vec::new();
    if settings.listeners.iter().any(|listener| !listener.tls) {
        roles.push(Role::Http);
    }
    if settings.listeners.iter().any(|listener| listener.tls) {
        roles.push(Role::Https);
    }
    roles.push(Role::Api);
    if settings.metrics.is_some() {
        roles.push(Role::Metrics);
    }
    roles
}

/// Binds what systemd did not hand over.
fn bind(settings: &Settings, activated: Vec<(Role, Socket)>) -> Result<Sockets, SocketError> {
    let mut all = Sockets {
        public: Vec::new(),
        api: Vec::new(),
        metrics: Vec::new(),
        made: Vec::new(),
    };
    let mut has = Vec::new();
    for (role, socket) in activated {
        has.push(role);
        match role {
            Role::Http => all.public.push((socket, false)),
            Role::Https => all.public.push((socket, true)),
            Role::Api => all.api.push(socket),
            Role::Metrics => all.metrics.push(socket),
        }
    }
    let others: Vec<&Address> = settings
        .listeners
        .iter()
        .map(|listener| &listener.address)
        .collect();
    for listener in &settings.listeners {
        if has.contains(&if listener.tls {
            Role::Https
        } else {
            Role::Http
        }) {
            continue;
        }
        let (sockets, made) = sockets::bind(&listener.address, &others)?;
        all.public
            .extend(sockets.into_iter().map(|socket| (socket, listener.tls)));
        all.made.extend(made);
    }
    if !has.contains(&Role::Api) {
        let (sockets, made) = sockets::bind(&settings.api.address, &[])?;
        all.api = sockets;
        all.made.extend(made);
    }
    if let Some(address) = settings
        .metrics
        .as_ref()
        .filter(|_| !has.contains(&Role::Metrics))
    {
        let (sockets, made) = sockets::bind(address, &[])?;
        all.metrics = sockets;
        all.made.extend(made);
    }
    Ok(all)
}

async fn serve(
    settings: Settings,
    sockets: Sockets,
    log: LogHandle,
    reload: Option<Reload>,
) -> Result<Ended, AppError> {
    let system = |act| move |source| AppError::System { act, source };
    let mut signals = Signals::new().map_err(system("listening for signals"))?;
    for note in &settings.notes {
        match note.level {
            LogLevel::Warn => warn!("{}", note.text),
            LogLevel::Error => error!("{}", note.text),
            _ => info!("{}", note.text),
        }
    }

    let tls = Certificates::load(&settings)?;
    let tokens = Arc::<Tokens>::default();
    let kick = Arc::<Notify>::default();
    let renewer = match (&settings.tls, &tls) {
        (Some(wanted), Some(tls)) => {
            let acme = wanted.acme.clone();
            acme.map(|acme| {
                Renewer::new(
                    acme,
                    Arc::clone(&tls.store),
                    Arc::clone(&tokens),
                    Arc::clone(&kick),
                )
            })
            .transpose()?
        }
        _ => None,
    };
    let options = wiring::options(&settings, tokens)?;
    let api_tls = api_config(&settings.api)?.map(Arc::new);

    let table = Table::new();
    let mut warnings = Vec::new();
    if let Some(path) = &settings.state_file {
        match state::load(path, &table)? {
            Loaded::Nothing => {}
            Loaded::Routes(count) => info!("{count} routes are back from {}", path.display()),
            Loaded::Broken { aside, reason } => {
                let warning = format!(
                    "the saved routes were broken ({reason}) and lie in {} now",
                    aside.display()
                );
                error!("{warning}");
                warnings.push(warning);
            }
        }
    }
    add_default(&settings, &table);

    let access = AccessLog::open(&settings.access_log).map_err(|source| AppError::Write {
        path: PathBuf::from(String::from(settings.access_log.clone())),
        source,
    })?;
    let metrics = Arc::<Metrics>::default();
    let watcher = Arc::new(Watcher::new(
        Arc::clone(&metrics),
        settings.metrics.is_some(),
        access,
    ));
    let observer: Arc<dyn Observer> = Arc::clone(&watcher) as _;
    let forwarder = Forwarder::new(Arc::clone(&table), options, observer);

    // The server knows its connections, the overview is asked for them, and the API needs the overview first.
    let server: Arc<OnceLock<Arc<Mutex<Option<Server>>>>> = Arc::default();
    let asked = Arc::clone(&server);
    let connections = move || {
        let server = asked.get().and_then(|server| server.try_lock().ok());
        server
            .and_then(|server| server.as_ref().map(|server| server.connections() as u64))
            .unwrap_or_default()
    };
    let overview = Arc::new(Overview::new(
        Arc::clone(&table),
        tls.as_ref().map(|tls| Arc::clone(&tls.store)),
        renewer.as_ref().map(Renewer::status),
        connections,
    ));
    warnings
        .into_iter()
        .for_each(|warning| overview.warn(warning));

    let (stop, stopping) = watch::channel(false);
    let mut tasks = JoinSet::new();
    let api = Arc::new(Api {
        table: Arc::clone(&table),
        token: settings.api.token.clone(),
        host_routing: settings.host_routing,
        logs_calls: settings.is_chp,
        metrics: Arc::clone(&metrics),
        overview: Arc::clone(&overview),
    });
    say_where(&settings, &sockets);
    for socket in sockets.api {
        let socket = ApiServer::new(socket).map_err(system("taking up the API's socket"))?;
        let api = Arc::clone(&api);
        let handler = move |request| {
            let api = Arc::clone(&api);
            async move { api.answer(request).await }
        };
        tasks.spawn(serve_http(
            socket,
            api_tls.clone(),
            handler,
            stopping.clone(),
        ));
    }
    for socket in sockets.metrics {
        let socket = ApiServer::new(socket).map_err(system("taking up the metrics' socket"))?;
        let (metrics, overview) = (Arc::clone(&metrics), Arc::clone(&overview));
        let handler = move |request: http::Request<hyper::body::Incoming>| {
            let answer =
                metrics_answer(request.method(), request.uri().path(), &metrics, &overview);
            async move { answer }
        };
        tasks.spawn(serve_http(socket, None, handler, stopping.clone()));
    }

    let listeners = sockets
        .public
        .into_iter()
        .map(|(socket, is_tls)| Listener {
            socket,
            tls: tls
                .as_ref()
                .filter(|_| is_tls)
                .map(|tls| Arc::clone(&tls.config)),
        })
        .collect();
    let started = Server::start(
        listeners,
        forwarder,
        settings.limits.clone(),
        settings.workers,
    )
    .map_err(system("starting the workers"))?;
    let held = server.get_or_init(|| Arc::new(Mutex::new(Some(started))));

    if let Some(renewer) = renewer {
        tokio::spawn(renewer.run());
    }
    let keeper = settings
        .state_file
        .clone()
        .map(|path| tokio::spawn(state::keep(path, table, stopping.clone())));
    let pid_file = match settings.pid_file.clone() {
        Some(path) => {
            info!("Writing pid {} to {}", std::process::id(), path.display());
            Some(PidFile::write(path.clone()).map_err(|source| AppError::Write { path, source })?)
        }
        None => None,
    };
    service_manager::ready("serving");
    tokio::spawn(service_manager::watchdog());

    let mut files = tls.map(|tls| tls.files);
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let interrupted = loop {
        tokio::select! {
            _ = signals.interrupt.recv() => {
                warn!("Interrupted");
                break true;
            }
            _ = signals.terminate.recv() => {
                warn!("Terminated");
                break false;
            }
            _ = signals.hangup.recv() => {
                service_manager::reloading();
                watcher.reopen();
                if let Some(files) = &mut files {
                    reload_files(files, &overview);
                }
                kick.notify_one();
                if let Some(settings) = reload.as_ref().and_then(|reload| reload()) {
                    log.set_level(settings.log_level);
                    if let Some(server) = &*held.lock().await {
                        server.set_limits(settings.limits.clone());
                    }
                    info!("limits, log level, certificates and access log are taken up again; the rest of a changed file at the next restart");
                }
                service_manager::ready("serving");
            }
            _ = look.tick() => {
                if let Some(files) = files.as_mut().filter(|files| files.changed()) {
                    reload_files(files, &overview);
                }
            }
        }
    };

    service_manager::stopping(settings.drain);
    overview.drain();
    let server = held.lock().await.take();
    if let Some(server) = server {
        let drained = tokio::select! {
            drained = server.drain(settings.drain) => Some(drained),
            // The second time, it is meant.
            _ = signals.interrupt.recv() => None,
            _ = signals.terminate.recv() => None,
        };
        match drained {
            Some(drained) if drained.cut > 0 => {
                info!(
                    "{} connections were cut after {} ms",
                    drained.cut,
                    settings.drain.as_millis()
                );
            }
            _ => {}
        }
    }
    let _ = stop.send(true);
    if let Some(keeper) = keeper {
        within(Duration::from_secs(5), keeper).await;
    }
    within(Duration::from_secs(3), async {
        while tasks.join_next().await.is_some() {}
    })
    .await;
    watcher.close();
    drop(pid_file);
    Ok(Ended { interrupted })
}

async fn within(time: Duration, work: impl Future) {
    let _ = tokio::time::timeout(time, work).await;
}

/// Adds `/` as it was configured, unless a hub set it before a restart.
fn add_default(settings: &Settings, table: &Table) {
    let Some(target) = &settings.default_target else {
        return;
    };
    if !settings.is_chp && table.get("/").is_some() {
        return;
    }
    info!("Adding route / -> {target}");
    let mut data = Map::new();
    data.insert("target".to_owned(), Value::from(target.as_str()));
    match table.insert("/", data) {
        Ok(_) => info!("Route added / -> {target}"),
        Err(error) => error!("the default target: {error}"),
    }
}

fn say_where(settings: &Settings, sockets: &Sockets) {
    let target = settings.default_target.as_deref().unwrap_or("(no default)");
    let redirect = settings.redirect;
    for (socket, is_tls) in &sockets.public {
        match redirect.filter(|_| !is_tls) {
            Some(to) => info!(
                "Added HTTP to HTTPS redirection from {} to {to}",
                port_of(socket)
            ),
            None => info!(
                "Proxying {}://{} to {target}",
                if *is_tls { "https" } else { "http" },
                name_of(socket)
            ),
        }
    }
    for socket in &sockets.api {
        let scheme = if settings.api.tls.is_some() {
            "https"
        } else {
            "http"
        };
        info!("Proxy API at {scheme}://{}/api/routes", name_of(socket));
    }
    for socket in &sockets.metrics {
        info!("Serve metrics at http://{}/metrics", name_of(socket));
    }
}

fn name_of(socket: &Socket) -> String {
    match socket {
        Socket::Tcp(socket) => socket
            .local_addr()
            .map(|address| address.to_string())
            .unwrap_or_default(),
        Socket::Unix(socket) => socket
            .local_addr()
            .ok()
            .and_then(|address| {
                address
                    .as_pathname()
                    .map(|path| format!("unix:{}", path.display()))
            })
            .unwrap_or_default(),
    }
}

fn port_of(socket: &Socket) -> String {
    match socket {
        Socket::Tcp(socket) => socket
            .local_addr()
            .map(|address| address.port().to_string())
            .unwrap_or_default(),
        Socket::Unix(_) => name_of(socket),
    }
}

fn metrics_answer(
    method: &Method,
    path: &str,
    metrics: &Metrics,
    overview: &Overview,
) -> Response<http_body_util::Full<bytes::Bytes>> {
    let (status, kind, body) = match (path, method) {
        ("/metrics", &Method::GET | &Method::HEAD) => {
            (StatusCode::OK, CONTENT_TYPE, exposition(metrics, overview))
        }
        ("/metrics", _) => (
            StatusCode::METHOD_NOT_ALLOWED,
            "text/plain",
            "Method not supported".to_owned(),
        ),
        _ => (StatusCode::NOT_FOUND, "text/plain", "Not Found".to_owned()),
    };
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static(kind),
    );
    response
}

fn reload_files(files: &mut FileCertificates, overview: &Overview) {
    let errors = files.reload();
    overview.settle(FILES);
    for error in &errors {
        error!("the old certificate stays: {error}");
        overview.warn(format!("{FILES}{error}"));
    }
    if errors.is_empty() && !files.is_empty() {
        info!("the certificates are loaded again");
    }
}

/// The certificates of the public listeners.
struct Certificates {
    store: Arc<Store>,
    config: Arc<ArcSwap<ServerConfig>>,
    files: FileCertificates,
}

impl Certificates {
    fn load(settings: &Settings) -> Result<Option<Self>, AppError> {
        let Some(tls) = &settings.tls else {
            return Ok(None);
        };
        let store = Arc::<Store>::default();
        let files = FileCertificates::load(tls.files.clone(), Arc::clone(&store))?;
        let config = Arc::new(ArcSwap::from_pointee(public_config(
            tls,
            Arc::clone(&store),
        )?));
        Ok(Some(Self {
            store,
            config,
            files,
        }))
    }
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}
