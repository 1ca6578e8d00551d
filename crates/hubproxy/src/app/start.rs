//! The life of the proxy: bind, load, serve, drain.

use std::future::Future;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use hub_api::proxy::LogLevel;
use serde_json::{Map, Value};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{Notify, watch};
use tracing::{error, info, warn};

use super::certificates::Certificates;
use super::listening::Listening;
use super::pid_file::PidFile;
use super::reload::{Changeable, Reload};
use super::side::Side;
use super::{AppError, service_manager, wiring};
use crate::api::Api;
use crate::forward::Forwarder;
use crate::log::{AccessLog, LogHandle, Metrics, Watcher};
use crate::overview::Overview;
use crate::routes::Table;
use crate::serve::{Listener, Observer, Server};
use crate::settings::Settings;
use crate::state::{self, Loaded};
use crate::tls::acme::{AcmeError, Renewer, Tokens};

/// How often certificate files are looked at.
const LOOK: Duration = Duration::from_secs(5);

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ended {
    /// By SIGINT rather than SIGTERM.
    pub interrupted: bool,
}

/// Serves until SIGINT or SIGTERM. Must be called before other threads are started.
pub fn run(settings: Settings, log: LogHandle, reload: Option<Reload>) -> Result<Ended, AppError> {
    let listening = Listening::open(&settings)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .thread_keep_alive(Duration::from_secs(2))
        .build()
        .map_err(|source| AppError::System {
            act: "starting the runtime",
            source,
        })?;
    let made = listening.made.clone();
    let result = runtime.block_on(serve(settings, listening, log, reload));
    runtime.shutdown_timeout(Duration::from_secs(1));
    for socket in made {
        socket.remove();
    }
    result
}

async fn serve(
    mut settings: Settings,
    listening: Listening,
    log: LogHandle,
    reload: Option<Reload>,
) -> Result<Ended, AppError> {
    let mut signals = Signals::new().map_err(|source| AppError::System {
        act: "listening for signals",
        source,
    })?;
    say_notes(&settings);

    let certificates = Certificates::load(&settings)?;
    let tokens = Arc::<Tokens>::default();
    let kick = Arc::<Notify>::default();
    let renewer = renewer(&settings, certificates.as_ref(), &tokens, &kick)?;
    let options = wiring::options(&settings, Arc::clone(&tokens))?;
    let table = Table::new();
    let state_warning = load_state(&settings, &table)?;
    add_default(&settings, &table);

    let access = AccessLog::open(&settings.access_log).map_err(|source| {
        let path = PathBuf::from(String::from(settings.access_log.clone()));
        AppError::Write { path, source }
    })?;
    let metrics = Arc::<Metrics>::default();
    let watcher = Arc::new(Watcher::new(
        Arc::clone(&metrics),
        settings.metrics.is_some(),
        access,
    ));
    let forwarder = Forwarder::new(
        Arc::clone(&table),
        options,
        Arc::clone(&watcher) as Arc<dyn Observer>,
    );

    // The overview is made before the server whose connections it counts.
    let server: Arc<OnceLock<Server>> = Arc::default();
    let asked = Arc::clone(&server);
    let overview = Arc::new(Overview::new(
        Arc::clone(&table),
        certificates
            .as_ref()
            .map(|certificates| Arc::clone(&certificates.store)),
        renewer.as_ref().map(Renewer::status),
        move || asked.get().map_or(0, |server| server.connections() as u64),
    ));
    state_warning
        .into_iter()
        .for_each(|warning| overview.warn(warning));
    let api = Arc::new(Api {
        table: Arc::clone(&table),
        token: ArcSwapOption::from(settings.api.token.clone().map(Arc::new)),
        host_routing: settings.host_routing,
        logs_calls: settings.is_chp,
        metrics: Arc::clone(&metrics),
        overview: Arc::clone(&overview),
    });

    listening.say(&settings);
    let (stop, stopping) = watch::channel(false);
    let mut side = Side::new(stopping.clone());
    side.serve_api(listening.api, &settings, &api)?;
    side.serve_metrics(listening.metrics, &metrics, &overview)?;
    let listeners = listening
        .public
        .into_iter()
        .map(|(socket, is_tls)| Listener {
            socket,
            tls: certificates
                .as_ref()
                .filter(|_| is_tls)
                .map(|certificates| Arc::clone(&certificates.config)),
        });
    let started = Server::start(
        listeners.collect(),
        Arc::clone(&forwarder),
        settings.limits.clone(),
        settings.workers,
    )
    .map_err(|source| AppError::System {
        act: "starting the workers",
        source,
    })?;
    let _ = server.set(started);
    let renewing = renewer.map(|renewer| tokio::spawn(renewer.run()));
    let keeper = settings
        .state_file
        .clone()
        .map(|path| tokio::spawn(state::keep(path, table, stopping)));
    let pid_file = write_pid(&settings)?;
    service_manager::ready("serving");
    let watchdog = tokio::spawn(service_manager::watchdog());

    let mut changeable = Changeable {
        log,
        watcher,
        api,
        forwarder,
        certificates,
        overview,
        tokens,
    };
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
                kick.notify_one();
                match &reload {
                    None => changeable.refresh(),
                    Some(reload) => match reload() {
                        Some(new) => changeable.change(&mut settings, new, server.get()),
                        None => changeable.refresh(),
                    },
                }
                service_manager::ready("serving");
            }
            _ = look.tick() => {
                if let Some(certificates) = &mut changeable.certificates {
                    certificates.look(&changeable.overview);
                }
            }
        }
    };

    service_manager::stopping(settings.drain);
    changeable.overview.drain();
    drain(server.get(), settings.drain, &mut signals).await;
    if let Some(renewing) = renewing {
        renewing.abort();
    }
    let _ = stop.send(true);
    if let Some(keeper) = keeper {
        within(Duration::from_secs(5), keeper).await;
    }
    within(Duration::from_secs(3), side.ended()).await;
    watchdog.abort();
    changeable.watcher.close();
    drop(pid_file);
    Ok(Ended { interrupted })
}

fn say_notes(settings: &Settings) {
    for note in &settings.notes {
        match note.level {
            LogLevel::Warn => warn!("{}", note.text),
            LogLevel::Error => error!("{}", note.text),
            LogLevel::Info | LogLevel::Debug => info!("{}", note.text),
        }
    }
}

fn renewer(
    settings: &Settings,
    certificates: Option<&Certificates>,
    tokens: &Arc<Tokens>,
    kick: &Arc<Notify>,
) -> Result<Option<Renewer>, AcmeError> {
    let acme = settings.tls.as_ref().and_then(|tls| tls.acme.clone());
    let (Some(acme), Some(certificates)) = (acme, certificates) else {
        return Ok(None);
    };
    Renewer::new(
        acme,
        Arc::clone(&certificates.store),
        Arc::clone(tokens),
        Arc::clone(kick),
    )
    .map(Some)
}

/// Fills the table with the saved routes; says what an operator should know of it.
fn load_state(settings: &Settings, table: &Table) -> Result<Option<String>, AppError> {
    let Some(path) = &settings.state_file else {
        return Ok(None);
    };
    match state::load(path, table)? {
        Loaded::Nothing => Ok(None),
        Loaded::Routes(count) => {
            info!("{count} routes are back from {}", path.display());
            Ok(None)
        }
        Loaded::Broken { aside, reason } => {
            let warning = format!(
                "the saved routes were broken ({reason}) and lie in {} now",
                aside.display()
            );
            error!("{warning}");
            Ok(Some(warning))
        }
    }
}

/// Adds `/` as it was configured, unless a hub set it before a restart: what a hub sets has more fields than a target.
fn add_default(settings: &Settings, table: &Table) {
    let Some(target) = &settings.default_target else {
        return;
    };
    if table.get("/").is_some_and(|route| route.fields().len() > 1) {
        return;
    }
    info!("Adding route / -> {target}");
    let mut data = Map::new();
    data.insert("target".to_owned(), Value::from(target.as_str()));
    match table.insert("/", data) {
        Ok(route) => {
            info!("Route added / -> {target}");
            if let Err(reason) = &route.target {
                warn!("requests to / will be answered 500: {reason}");
            }
        }
        Err(error) => error!("the default target: {error}"),
    }
}

fn write_pid(settings: &Settings) -> Result<Option<PidFile>, AppError> {
    let Some(path) = settings.pid_file.clone() else {
        return Ok(None);
    };
    info!("Writing pid {} to {}", std::process::id(), path.display());
    PidFile::write(path.clone())
        .map(Some)
        .map_err(|source| AppError::Write { path, source })
}

async fn drain(server: Option<&Server>, deadline: Duration, signals: &mut Signals) {
    let Some(server) = server else { return };
    tokio::select! {
        drained = server.drain(deadline) => {
            if drained.cut > 0 {
                info!("{} connections were cut after {} ms", drained.cut, deadline.as_millis());
            }
        }
        // The second time, it is meant.
        _ = signals.interrupt.recv() => {}
        _ = signals.terminate.recv() => {}
    }
}

async fn within(time: Duration, work: impl Future) {
    let _ = tokio::time::timeout(time, work).await;
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
