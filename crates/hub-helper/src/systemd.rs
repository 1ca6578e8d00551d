//! Starts and ends units over D-Bus, and waits for the job.

use std::path::Path;

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
    fn load_unit(&self, name: &str) -> zbus::Result<OwnedObjectPath>;
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
    #[zbus(property(emits_changed_signal = "false"))]
    fn drop_in_paths(&self) -> zbus::Result<Vec<String>>;
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
        Self::over(connection).await
    }

    async fn over(connection: Connection) -> Result<Self, Refusal> {
        let doing = "connecting to systemd";
        let manager = ManagerProxy::new(&connection)
            .await
            .map_err(Refusal::doing(doing))?;
        manager.subscribe().await.map_err(Refusal::doing(doing))?;
        Ok(Self {
            connection,
            manager,
        })
    }

    /// Starts a unit whose drop-in was written just now; returns systemd's id of this run, 32 hexadecimal digits.
    ///
    /// # Errors
    /// Where it did not start, or ended at once, or systemd does not see the drop-in.
    pub async fn start(&self, unit: &str, drop_in: &Path) -> Result<String, Refusal> {
        let doing = "starting the unit";
        // A unit that systemd still remembers is remembered without what was written since. And where it keeps folders
        // is looked at again only when the time of their last change is another: of two that are made within one tick
        // of the kernel's clock it may miss the second. Without its drop-in a unit has neither owner nor limits.
        if !self.has_read(unit, drop_in).await? {
            self.manager
                .reload()
                .await
                .map_err(Refusal::doing("reloading units"))?;
            if !self.has_read(unit, drop_in).await? {
                return Err(Refusal::Unavailable {
                    doing,
                    cause: format!("systemd does not see {}", drop_in.display()),
                });
            }
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

    async fn has_read(&self, unit: &str, drop_in: &Path) -> Result<bool, Refusal> {
        let doing = "loading the unit";
        let path = self
            .manager
            .load_unit(unit)
            .await
            .map_err(Refusal::doing(doing))?;
        let loaded = UnitProxy::new(&self.connection, path)
            .await
            .map_err(Refusal::doing(doing))?;
        let read = loaded
            .drop_in_paths()
            .await
            .map_err(Refusal::doing(doing))?;
        if !read.iter().any(|path| Path::new(path) == drop_in) {
            return Ok(false);
        }
        let is_old = loaded.need_daemon_reload().await;
        Ok(!is_old.map_err(Refusal::doing(doing))?)
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

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use zbus::connection::Builder;
    use zbus::object_server::SignalEmitter;
    use zbus::{Guid, OwnedObjectPath, interface};

    use super::*;

    const DROP_IN: &str = "/run/systemd/system/jupyter@ada.service.d/run.conf";
    const UNIT: &str = "/org/freedesktop/systemd1/unit/ada";

    /// A service manager that sees the drop-in after some reloads.
    struct Seen {
        reloads: Arc<AtomicU32>,
        starts: Arc<AtomicU32>,
    }

    fn path(path: &str) -> OwnedObjectPath {
        OwnedObjectPath::try_from(path).unwrap()
    }

    #[interface(name = "org.freedesktop.systemd1.Manager")]
    impl Seen {
        fn subscribe(&self) {}
        fn reload(&self) {
            self.reloads.fetch_add(1, Ordering::SeqCst);
        }
        fn get_unit(&self, _name: &str) -> OwnedObjectPath {
            path(UNIT)
        }
        fn load_unit(&self, _name: &str) -> OwnedObjectPath {
            path(UNIT)
        }
        async fn start_unit(
            &self,
            name: &str,
            _mode: &str,
            #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
        ) -> OwnedObjectPath {
            self.starts.fetch_add(1, Ordering::SeqCst);
            let job = path("/org/freedesktop/systemd1/job/1");
            Self::job_removed(&emitter, 1, job.clone(), name.to_owned(), "done".to_owned())
                .await
                .unwrap();
            job
        }
        #[zbus(signal)]
        async fn job_removed(
            emitter: &SignalEmitter<'_>,
            id: u32,
            job: OwnedObjectPath,
            unit: String,
            result: String,
        ) -> zbus::Result<()>;
    }

    struct Ada {
        after: u32,
        reloads: Arc<AtomicU32>,
    }

    #[interface(name = "org.freedesktop.systemd1.Unit")]
    impl Ada {
        #[zbus(property)]
        fn drop_in_paths(&self) -> Vec<String> {
            let is_seen = self.reloads.load(Ordering::SeqCst) >= self.after;
            is_seen.then(|| DROP_IN.to_owned()).into_iter().collect()
        }
        #[zbus(property)]
        fn need_daemon_reload(&self) -> bool {
            false
        }
        #[zbus(property, name = "InvocationID")]
        fn invocation_id(&self) -> Vec<u8> {
            vec![0xab; 16]
        }
    }

    /// What a start says where systemd sees the drop-in after so many reloads, and how often units were reloaded and
    /// started.
    async fn started(after: u32) -> (Result<String, Refusal>, u32, u32) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (reloads, starts) = (Arc::<AtomicU32>::default(), Arc::<AtomicU32>::default());
        let manager = Seen {
            reloads: reloads.clone(),
            starts: starts.clone(),
        };
        let ada = Ada {
            after,
            reloads: reloads.clone(),
        };
        let server = Builder::unix_stream(theirs)
            .server(Guid::generate())
            .p2p()
            .serve_at("/org/freedesktop/systemd1", manager)
            .serve_at(UNIT, ada);
        let client = Builder::unix_stream(ours).p2p();
        let (_server, client) = tokio::try_join!(server.build(), client.build()).unwrap();
        let systemd = Systemd::over(client).await.unwrap();
        let said = systemd
            .start("jupyter@ada.service", Path::new(DROP_IN))
            .await;
        let count = |of: &AtomicU32| of.load(Ordering::SeqCst);
        (said, count(&reloads), count(&starts))
    }

    #[tokio::test]
    async fn a_unit_starts_with_its_drop_in_or_not_at_all() {
        let (said, reloads, starts) = started(0).await;
        assert_eq!((said.unwrap(), reloads, starts), ("ab".repeat(16), 0, 1));
        let (said, reloads, starts) = started(1).await;
        assert_eq!((said.unwrap(), reloads, starts), ("ab".repeat(16), 1, 1));
        let (said, _, starts) = started(9).await;
        assert!(said.unwrap_err().to_string().contains(DROP_IN));
        assert_eq!(starts, 0);
    }
}
