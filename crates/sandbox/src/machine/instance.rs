//! One running sandbox among others on this box: its number, its lock, and who clears up after it.

use std::fs::{File, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ipnet::Ipv4Net;

use super::MachineError;
use super::command::{PATH, Program};

/// What all sandboxes of this box know of each other.
const REGISTRY: &str = "/run/hubctl-sandbox";
const SWEEP: &str = include_str!("../../machine/sweep.sh");
const WATCHDOG: &str = include_str!("../../machine/watchdog.sh");
/// More would run out of transit addresses.
const AT_MOST: u8 = 64;

/// A claimed number. All names on the host derive from it.
#[derive(Debug)]
pub(super) struct Instance {
    number: u8,
    dir: PathBuf,
    /// Both this process and the watchdog hold the lock: it is free only once all is swept.
    _lock: File,
    /// Sweeps when its input closes, which is when this value is dropped or this process ends.
    watchdog: Child,
}

impl Instance {
    /// Claims the first free number, clearing away what a dead sandbox left under it. Files go to a directory of their
    /// own in `state_dir`; `pool` is where floating IPs come from, or `None` for the instance's own /24.
    pub(super) async fn claim(
        state_dir: &Path,
        pool: impl FnOnce(u8) -> Ipv4Net,
    ) -> Result<Self, MachineError> {
        let claiming = |error: io::Error| {
            MachineError(format!(
                "claiming a place in {REGISTRY} (are you root?): {error}"
            ))
        };
        std::fs::create_dir_all(REGISTRY).map_err(claiming)?;
        for number in 0..AT_MOST {
            let Some(lock) = lock(number).map_err(claiming)? else {
                continue;
            };
            sweep(number).await?;
            std::fs::create_dir_all(state_dir).map_err(claiming)?;
            let state_dir = state_dir.canonicalize().map_err(claiming)?;
            let dir = state_dir.join(format!("sandbox-{number}"));
            let text = format!(
                "owner {}\ndir {}\npool {}\n",
                owner(std::process::id()).unwrap_or_default(),
                dir.display(),
                pool(number)
            );
            std::fs::write(record(number), text).map_err(claiming)?;
            std::fs::create_dir_all(&dir).map_err(claiming)?;
            let watchdog = watch(number, &lock).map_err(claiming)?;
            return Ok(Self {
                number,
                dir,
                _lock: lock,
                watchdog,
            });
        }
        Err(MachineError(format!(
            "{AT_MOST} sandboxes run on this box already"
        )))
    }

    pub(super) fn number(&self) -> u8 {
        self.number
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Name of the instance's control groups.
    pub(super) fn name(&self) -> String {
        format!("hubctl-sandbox-{}", self.number)
    }

    /// Notes a loop device, so that a sweep detaches it.
    pub(super) fn note_loop(&self, device: &str, file: &Path) -> io::Result<()> {
        let mut record = File::options().append(true).open(record(self.number))?;
        writeln!(record, "loop {device} {}", file.display())
    }

    /// Clears away what sandboxes that are dead left on this box; waits for those whose watchdog is at it.
    pub(super) async fn sweep_dead(&self) -> Result<(), MachineError> {
        for number in (0..AT_MOST).filter(|number| *number != self.number) {
            let deadline = Instant::now() + Duration::from_secs(60);
            while record(number).exists() {
                let sweeping = |error| MachineError(format!("sweeping: {error}"));
                if let Some(_lock) = lock(number).map_err(sweeping)? {
                    sweep(number).await?;
                    let _ = std::fs::remove_file(lock_file(number));
                    break;
                }
                if is_owned(number) {
                    break;
                }
                if Instant::now() > deadline {
                    let text = format!("sweeping sandbox {number}: its watchdog does not end");
                    return Err(MachineError(text));
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        Ok(())
    }
}

impl Drop for Instance {
    /// Waits a while for the watchdog, so that who ends a sandbox and looks finds nothing of it.
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        let deadline = Instant::now() + Duration::from_secs(60);
        while matches!(self.watchdog.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn record(number: u8) -> PathBuf {
    Path::new(REGISTRY).join(number.to_string())
}

fn lock_file(number: u8) -> PathBuf {
    Path::new(REGISTRY).join(format!("{number}.lock"))
}

/// Takes a number's lock, if nobody has it.
fn lock(number: u8) -> io::Result<Option<File>> {
    loop {
        let path = lock_file(number);
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        // Whoever had it may have removed the file since it was opened: then it guards nothing any more.
        match std::fs::metadata(&path) {
            Ok(there) if there.ino() == file.metadata()?.ino() => return Ok(Some(file)),
            _ => {}
        }
    }
}

/// A process as `PID START`: numbers are used again, start times with them are not.
fn owner(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let started = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?;
    Some(format!("{pid} {started}"))
}

/// Whether the sandbox of that number still runs.
fn is_owned(number: u8) -> bool {
    let text = std::fs::read_to_string(record(number)).unwrap_or_default();
    let noted = text.lines().find_map(|line| line.strip_prefix("owner "));
    let pid = noted.and_then(|noted| noted.split(' ').next()?.parse().ok());
    pid.and_then(owner).as_deref() == noted && noted.is_some()
}

async fn sweep(number: u8) -> Result<(), MachineError> {
    let act = format!("sweeping what an earlier sandbox {number} left");
    let sweep = Program::script(act, SWEEP)
        .arg(number.to_string())
        .arg(record(number));
    sweep.run().await.map(drop)
}

fn watch(number: u8, lock: &File) -> io::Result<Child> {
    Command::new("sh")
        .args(["-c", WATCHDOG, "hubctl-sandbox-watchdog", SWEEP])
        .arg(number.to_string())
        .arg(record(number))
        .arg(lock_file(number))
        .env("PATH", PATH)
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::from(lock.try_clone()?))
        .stderr(Stdio::null())
        // An interrupt at the terminal is for the sandbox; the watchdog still has to clear up.
        .process_group(0)
        .spawn()
}
