//! Starts and ends units over D-Bus, and waits for the job.

use futures_util::StreamExt;
use zbus::{Connection, OwnedObjectPath, proxy};

use crate::refusal::Refusal;

#[proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    fn subscribe(&self) -> zbus::Result<()>;
    fn reload(&self) -> zbus::Result<()>;
    fn get_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn stop_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn kill_unit(&self, name: &str, whom: &str, signal: i32) -> zbus::Result<()>;
    fn reset_failed_unit(&self, name: &str) -> zbus::Result<()>;
    #[zbus(signal)]
    fn job_removed(
        &self,
        id: u32,
        job: OwnedObjectPath,
        unit: String,
        result: String,
    ) -> zbus::Result<()>;
}

#[proxy(
    interface = "org.freedesktop.systemd1.Unit",
    default_service = "org.freedesktop.systemd1"
)]
trait Unit {
    #[zbus(property(emits_changed_signal = "false"))]
    fn active_state(&self) -> zbus::Result<String>;
    #[zbus(property(emits_changed_signal = "false"))]
    fn need_daemon_reload(&self) -> zbus::Result<bool>;
    #[zbus(property(emits_changed_signal = "false"), name = "InvocationID")]
    fn invocation_id(&self) -> zbus::Result<Vec<u8>>;
}

const SIGKILL: i32 = 9;

/// A connection to the service manager. It has no deadlines of its own: whoever asks sets one around it.
pub struct Systemd {
    connection: Connection,
    manager: ManagerProxy<'static>,
}

impl Systemd {
    /// Connects to the system bus and asks to be told of jobs.
    ///
    /// # Errors
    /// Where the bus or the manager does not answer.
    pub async fn connect() -> Result<Self, Refusal> {
        let doing = "connecting to systemd";
        let connection = Connection::system().await.map_err(Refusal::doing(doing))?;
        let manager = ManagerProxy::new(&connection)
            .await
            .map_err(Refusal::doing(doing))?;
        manager.subscribe().await.map_err(Refusal::doing(doing))?;
        Ok(Self {
            connection,
            manager,
        })
    }

    /// Starts a unit whose files were written just now; returns systemd's id of this run, 32 hexadecimal digits.
    ///
    /// # Errors
    /// Where it did not start, or ended at once.
    pub async fn start(&self, unit: &str) -> Result<String, Refusal> {
        let doing = "starting the unit";
        // A unit that systemd still remembers is remembered without what was written since.
        if let Some(loaded) = self.loaded(unit).await?
            && loaded
                .need_daemon_reload()
                .await
                .map_err(Refusal::doing(doing))?
        {
            self.manager
                .reload()
                .await
                .map_err(Refusal::doing("reloading units"))?;
        }
        let mut jobs = self
            .manager
            .receive_job_removed()
            .await
            .map_err(Refusal::doing(doing))?;
        let job = self
            .manager
            .start_unit(unit, "fail")
            .await
            .map_err(Refusal::doing(doing))?;
        let result = finished(&mut jobs, &job, doing).await?;
        if result != "done" {
            return Err(Refusal::Unavailable {
                doing,
                cause: format!("its job ended as {result:?}; see `journalctl -u {unit}`"),
            });
        }
        let invocation = match self.loaded(unit).await? {
            Some(loaded) => loaded.invocation_id().await.unwrap_or_default(),
            None => Vec::new(),
        };
        if invocation.is_empty() {
            return Err(Refusal::Unavailable {
                doing,
                cause: format!("it ended at once; see `journalctl -u {unit}`"),
            });
        }
        Ok(invocation
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect())
    }

    /// Ends a unit, by force at once if asked to; returns when it is gone and forgotten.
    ///
    /// # Errors
    /// Where it is still there.
    pub async fn end(&self, unit: &str, by_force: bool) -> Result<(), Refusal> {
        let doing = "ending the unit";
        let Some(loaded) = self.loaded(unit).await? else {
            return Ok(());
        };
        let state = loaded.active_state().await.map_err(Refusal::doing(doing))?;
        if !matches!(state.as_str(), "inactive" | "failed") {
            let mut jobs = self
                .manager
                .receive_job_removed()
                .await
                .map_err(Refusal::doing(doing))?;
            let job = self
                .manager
                .stop_unit(unit, "replace")
                .await
                .map_err(Refusal::doing(doing))?;
            if by_force {
                // After the job: what ends while a stop is wanted is no failure.
                match self.manager.kill_unit(unit, "all", SIGKILL).await {
                    Err(error) if !is_gone(&error) => {
                        return Err(Refusal::doing("killing the unit")(error));
                    }
                    _ => {}
                }
            }
            finished(&mut jobs, &job, doing).await?;
        }
        match self.manager.reset_failed_unit(unit).await {
            Err(error) if !is_gone(&error) => Err(Refusal::doing(doing)(error)),
            _ => Ok(()),
        }
    }

    async fn loaded(&self, unit: &str) -> Result<Option<UnitProxy<'_>>, Refusal> {
        let doing = "looking for the unit";
        match self.manager.get_unit(unit).await {
            Ok(path) => UnitProxy::new(&self.connection, path)
                .await
                .map(Some)
                .map_err(Refusal::doing(doing)),
            Err(error) if is_gone(&error) => Ok(None),
            Err(error) => Err(Refusal::doing(doing)(error)),
        }
    }
}

async fn finished(
    jobs: &mut JobRemovedStream,
    job: &OwnedObjectPath,
    doing: &'static str,
) -> Result<String, Refusal> {
    while let Some(removed) = jobs.next().await {
        let args = removed.args().map_err(Refusal::doing(doing))?;
        if args.job == *job {
            return Ok(args.result);
        }
    }
    Err(Refusal::Unavailable {
        doing,
        cause: "systemd closed the connection".to_owned(),
    })
}

fn is_gone(error: &zbus::Error) -> bool {
    matches!(error, zbus::Error::MethodError(name, _, _)
        if matches!(name.as_str(), "org.freedesktop.systemd1.NoSuchUnit" | "org.freedesktop.systemd1.UnitNotLoaded"))
}
