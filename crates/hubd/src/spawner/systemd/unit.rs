//! The state of units, read over D-Bus as anybody may.

use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;
use zbus::{Connection, OwnedObjectPath, proxy};

#[proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    fn get_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
}

#[proxy(
    interface = "org.freedesktop.systemd1.Unit",
    default_service = "org.freedesktop.systemd1"
)]
trait Unit {
    #[zbus(property(emits_changed_signal = "false"))]
    fn active_state(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"), name = "InvocationID")]
    fn invocation_id(&self) -> zbus::Result<Vec<u8>>;
}

#[proxy(
    interface = "org.freedesktop.systemd1.Service",
    default_service = "org.freedesktop.systemd1"
)]
trait Service {
    #[zbus(property(emits_changed_signal = "false"))]
    fn result(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn exec_main_code(&self) -> zbus::Result<i32>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn exec_main_status(&self) -> zbus::Result<i32>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn control_group(&self) -> zbus::Result<String>;
}

/// How long systemd may take for an answer.
const WITHIN: Duration = Duration::from_secs(10);
/// `ExecMainCode` of a process that exited by itself.
const EXITED: i32 = 1;

/// What systemd says of a unit.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum State {
    /// It runs, starts or is about to end; systemd's id of the run.
    Running(String),
    Ended {
        code: Option<i32>,
        out_of_memory: bool,
    },
}

/// Why a unit's state is not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum UnitError {
    #[error("{0}")]
    Bus(#[from] zbus::Error),
    #[error("no answer within {} s", WITHIN.as_secs())]
    Late,
}

/// The service manager, on one connection that is made when it is first needed, and again when it broke.
#[derive(Default)]
pub(super) struct Units {
    connection: Mutex<Option<Connection>>,
}

impl Units {
    pub(super) async fn state(&self, unit: &str) -> Result<State, UnitError> {
        self.ask(async |connection| state(&connection, unit).await)
            .await
    }

    /// The control group of a unit that runs.
    pub(super) async fn control_group(&self, unit: &str) -> Result<Option<String>, UnitError> {
        self.ask(async |connection| {
            let Some(path) = find(&connection, unit).await? else {
                return Ok(None);
            };
            let service = ServiceProxy::new(&connection, path).await?;
            let group = service.control_group().await?;
            Ok(Some(group).filter(|group| !group.is_empty()))
        })
        .await
    }

    async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(Connection) -> zbus::Result<T>,
    ) -> Result<T, UnitError> {
        let asked = timeout(WITHIN, async {
            let connection = self.connection().await?;
            question(connection).await
        });
        let answer = match asked.await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => UnitError::Bus(error),
            Err(_) => UnitError::Late,
        };
        self.connection.lock().await.take();
        Err(answer)
    }

    async fn connection(&self) -> zbus::Result<Connection> {
        let mut kept = self.connection.lock().await;
        if let Some(connection) = &*kept {
            return Ok(connection.clone());
        }
        let connection = Connection::system().await?;
        *kept = Some(connection.clone());
        Ok(connection)
    }
}

/// Where a unit is that systemd remembers: what ended well is forgotten at once.
async fn find(connection: &Connection, unit: &str) -> zbus::Result<Option<OwnedObjectPath>> {
    let manager = ManagerProxy::new(connection).await?;
    match manager.get_unit(unit).await {
        Ok(path) => Ok(Some(path)),
        Err(zbus::Error::MethodError(name, _, _))
            if name.as_str() == "org.freedesktop.systemd1.NoSuchUnit" =>
        {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

async fn state(connection: &Connection, unit: &str) -> zbus::Result<State> {
    let Some(path) = find(connection, unit).await? else {
        return Ok(State::Ended {
            code: None,
            out_of_memory: false,
        });
    };
    let seen = UnitProxy::new(connection, &path).await?;
    if !matches!(seen.active_state().await?.as_str(), "inactive" | "failed") {
        let invocation = seen.invocation_id().await?;
        let invocation = invocation.iter().map(|byte| format!("{byte:02x}"));
        return Ok(State::Running(invocation.collect()));
    }
    let service = ServiceProxy::new(connection, &path).await?;
    let has_exited = service.exec_main_code().await? == EXITED;
    Ok(State::Ended {
        code: if has_exited {
            Some(service.exec_main_status().await?)
        } else {
            None
        },
        out_of_memory: service.result().await? == "oom-kill",
    })
}
