//! A machine's processes: started, started again when it reboots, watched until it is off.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::MachineError;
use super::cgroup::Group;
use super::command::{PATH, Program};
use super::meminfo::Meminfo;

const JOIN: &str = include_str!("../../machine/join.sh");
const INIT: &str = concat!(
    include_str!("../../machine/volume.sh"),
    include_str!("../../machine/init.sh")
);
/// systemd's own signals to PID 1, by number as they have no portable names.
const POWER_OFF: &str = "-38";
const REBOOT: &str = "-39";
/// How long a machine may take to end what runs in it, before it is ended; as long as Nova waits.
const PATIENCE: Duration = Duration::from_secs(60);

/// What it takes to start a machine, again and again.
#[derive(Debug, Clone)]
pub(super) struct Launch {
    pub(super) netns: String,
    pub(super) group: Group,
    /// Where boot_id, meminfo and the log of a start that did not succeed go.
    pub(super) dir: PathBuf,
    pub(super) memory_mb: u64,
    /// Told whether the machine is on.
    pub(super) power: Arc<AtomicBool>,
    /// For `init.sh`.
    pub(super) environment: HashMap<&'static str, String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Status {
    Starting,
    /// PID 1 as the host numbers it.
    Runs(i32),
    Ended(String),
}

/// A machine that was switched on.
#[derive(Debug)]
pub(super) struct Process {
    status: watch::Receiver<Status>,
    group: Group,
    power: Arc<AtomicBool>,
    supervisor: JoinHandle<()>,
}

impl Process {
    /// Starts the machine; returns once systemd has taken over.
    pub(super) async fn start(launch: Launch) -> Result<Self, MachineError> {
        let (sender, status) = watch::channel(Status::Starting);
        let (group, power) = (launch.group.clone(), Arc::clone(&launch.power));
        let supervisor = tokio::spawn(supervise(launch, sender));
        let mut process = Self {
            status,
            group,
            power,
            supervisor,
        };
        let started = process
            .status
            .wait_for(|status| *status != Status::Starting);
        match tokio::time::timeout(Duration::from_secs(90), started).await {
            Ok(Ok(status)) => match &*status {
                Status::Ended(why) => {
                    Err(MachineError(format!("the machine did not start: {why}")))
                }
                _ => Ok(()),
            },
            _ => Err(MachineError(
                "the machine did not start within 90 s".to_owned(),
            )),
        }?;
        Ok(process)
    }

    /// PID 1 as the host numbers it, while the machine runs.
    pub(super) fn leader(&self) -> Option<i32> {
        match *self.status.borrow() {
            Status::Runs(leader) => Some(leader),
            _ => None,
        }
    }

    pub(super) fn is_on(&self) -> bool {
        !matches!(*self.status.borrow(), Status::Ended(_))
    }

    /// Asks the machine to power off; ends it where it does not.
    pub(super) async fn power_off(&mut self) {
        let off = |status: &Status| matches!(status, Status::Ended(_));
        if self.signal(POWER_OFF).await
            && tokio::time::timeout(PATIENCE, self.status.wait_for(off))
                .await
                .is_ok()
        {
            return;
        }
        self.end().await;
    }

    /// Asks the machine to reboot and waits until it starts anew; resets it where it does not.
    pub(super) async fn reboot(&mut self) -> bool {
        let Some(before) = self.leader() else {
            return false;
        };
        let anew = |status: &Status| match status {
            Status::Runs(leader) => *leader != before,
            Status::Ended(_) => true,
            Status::Starting => false,
        };
        let asked = self.signal(REBOOT).await;
        let waited = tokio::time::timeout(PATIENCE, self.status.wait_for(anew))
            .await
            .is_ok();
        asked && waited && self.is_on()
    }

    async fn signal(&self, number: &str) -> bool {
        let Some(leader) = self.leader() else {
            return false;
        };
        let kill = Program::new("signalling the machine", "kill");
        kill.args([number, &leader.to_string()]).run().await.is_ok()
    }

    /// Ends every process of the machine, now.
    pub(super) async fn end(&mut self) {
        self.supervisor.abort();
        let _ = (&mut self.supervisor).await;
        self.power.store(false, Ordering::Relaxed);
        end_all(&self.group).await;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.supervisor.abort();
    }
}

/// Kills what is in the groups until nothing is: PID 1 first of all takes its namespace with it.
pub(super) async fn end_all(group: &Group) {
    for _ in 0..500 {
        let processes = group.processes();
        if processes.is_empty() {
            return;
        }
        for pid in processes.into_iter().filter(|pid| *pid > 0) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn supervise(launch: Launch, status: watch::Sender<Status>) {
    let _meminfo = Meminfo::keep(&launch.dir.join("meminfo"), &launch.group, launch.memory_mb);
    let why = loop {
        let mut child = match spawn(&launch) {
            Ok(child) => child,
            Err(error) => break error.to_string(),
        };
        match find_leader(&mut child).await {
            Some(leader) => {
                launch.power.store(true, Ordering::Relaxed);
                status.send_replace(Status::Runs(leader));
            }
            None => {
                let _ = child.wait().await;
                break std::fs::read_to_string(log(&launch.dir)).unwrap_or_default();
            }
        }
        // The kernel tells a reboot from within a PID namespace by the signal it ends with.
        match child.wait().await.map(|ended| ended.signal()) {
            Ok(Some(signal)) if signal == Signal::SIGHUP as i32 => {
                end_all(&launch.group).await;
            }
            _ => break "powered off".to_owned(),
        }
    };
    end_all(&launch.group).await;
    launch.power.store(false, Ordering::Relaxed);
    status.send_replace(Status::Ended(why.trim().to_owned()));
}

fn log(dir: &Path) -> PathBuf {
    dir.join("start.log")
}

fn spawn(launch: &Launch) -> std::io::Result<Child> {
    let boot_id = std::fs::read_to_string("/proc/sys/kernel/random/uuid")?;
    std::fs::write(launch.dir.join("boot_id"), boot_id)?;
    let netns = format!("--net=/run/netns/{}", launch.netns);
    Command::new("nsenter")
        .args([
            &netns,
            "unshare",
            "--mount",
            "--uts",
            "--ipc",
            "--pid",
            "--fork",
            "--kill-child",
        ])
        .args([
            "--propagation",
            "private",
            "--",
            "sh",
            "-c",
            JOIN,
            "join",
            INIT,
        ])
        .args(launch.group.paths())
        .env_clear()
        .env("PATH", PATH)
        .env("LC_ALL", "C.UTF-8")
        .env("BOOT_ID", launch.dir.join("boot_id"))
        .env("MEMINFO", launch.dir.join("meminfo"))
        .envs(&launch.environment)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(File::create(log(&launch.dir))?)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Waits until the child of `unshare` has become systemd; `None` if it ends before.
async fn find_leader(child: &mut Child) -> Option<i32> {
    let parent = child.id()?;
    for _ in 0..6000 {
        let children = format!("/proc/{parent}/task/{parent}/children");
        let children = std::fs::read_to_string(children).unwrap_or_default();
        if let Some(leader) = children.split_whitespace().next()
            && let Ok(name) = std::fs::read_to_string(format!("/proc/{leader}/comm"))
            && name.trim() == "systemd"
        {
            return leader.parse().ok();
        }
        if !matches!(child.try_wait(), Ok(None)) {
            return None;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let _ = child.start_kill();
    None
}
