//! Child processes of the hub's own user, one a server, each a process group of its own: for development and tests.
//! They outlive the hub, and are found again by their process id and the time they started at.

use std::collections::HashMap;
use std::fs::{DirBuilder, OpenOptions};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use hub_api::line::shown;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::{Ending, Launch, ServerKey, SpawnError, Spawner, Started, Status, Target};

/// What servers keep of the hub's own environment, as with JupyterHub's LocalProcessSpawner.
const KEPT: [&str; 9] = [
    "PATH",
    "PYTHONPATH",
    "LD_LIBRARY_PATH",
    "CONDA_ROOT",
    "CONDA_DEFAULT_ENV",
    "VIRTUAL_ENV",
    "LANG",
    "LC_ALL",
    "JUPYTERHUB_SINGLEUSER_APP",
];
/// How long a server has to end politely.
const POLITE: Duration = Duration::from_secs(10);
/// How long the kernel may take to end one that is killed.
const KILLED: Duration = Duration::from_secs(5);
const LOOK: Duration = Duration::from_millis(20);
/// As many last lines as are shown, from as much of the log.
const LINES: usize = 20;
const TAIL: usize = 16 * 1024;

/// What a name keeps in a file's name.
const FILE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');

/// The process spawner.
pub struct Process {
    command: Vec<String>,
    homes: PathBuf,
    sockets: Option<PathBuf>,
    children: Mutex<HashMap<ServerKey, Child>>,
}

/// A process, told from a later one with the same id.
#[derive(Debug, Clone, Copy)]
struct Identity {
    pid: i32,
    /// In ticks since boot, as in `/proc/PID/stat`.
    started: u64,
}

impl Process {
    pub fn new(configuration: &hub_api::hub::Process) -> Self {
        Self {
            command: configuration.command.clone(),
            homes: configuration.homes.clone(),
            sockets: configuration.sockets.clone(),
            children: Mutex::default(),
        }
    }

    fn home(&self, key: &ServerKey) -> PathBuf {
        self.homes
            .join(utf8_percent_encode(&key.user, FILE).to_string())
    }

    fn log(&self, key: &ServerKey) -> PathBuf {
        let name = utf8_percent_encode(&key.name, FILE);
        self.home(key).join(format!(".server-{name}.log"))
    }

    fn ending(&self, key: &ServerKey, code: Option<i32>) -> Status {
        let log = std::fs::read(self.log(key)).unwrap_or_default();
        let tail = String::from_utf8_lossy(&log[log.len().saturating_sub(TAIL)..]).into_owned();
        let lines: Vec<String> = tail.lines().map(shown).collect();
        Status::Ended(Ending {
            code,
            out_of_memory: false,
            last_lines: lines[lines.len().saturating_sub(LINES)..].to_vec(),
        })
    }

    fn socket(&self, sockets: &Path, key: &ServerKey) -> PathBuf {
        let [user, name] =
            [&key.user, &key.name].map(|name| utf8_percent_encode(name, FILE).to_string());
        sockets.join(user).join(format!("server-{name}.sock"))
    }

    fn spawn(&self, launch: &Launch, target: &Target) -> std::io::Result<Child> {
        let (program, arguments) = self
            .command
            .split_first()
            .ok_or_else(|| std::io::Error::other("spawn.process.command is empty"))?;
        let home = self.home(&launch.key);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&home)?;
        let log = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(self.log(&launch.key))?;
        let kept = KEPT
            .iter()
            .filter_map(|name| Some((name, std::env::var_os(name)?)));
        Command::new(program)
            .args(arguments)
            .args(listening(target)?)
            .env_clear()
            .envs(kept)
            .env("HOME", &home)
            .env("USER", &launch.key.user)
            .env("SHELL", "/bin/bash")
            .envs(&launch.environment)
            .current_dir(&home)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
    }

    /// Ends the whole group, so that kernels end with their server.
    async fn end(&self, key: &ServerKey, identity: Identity) -> Result<(), SpawnError> {
        let mut child = self.children.lock().await.remove(key);
        for (signal, within) in [(Signal::SIGTERM, POLITE), (Signal::SIGKILL, KILLED)] {
            if !runs(identity) {
                break;
            }
            let _ = killpg(Pid::from_raw(identity.pid), signal);
            let deadline = Instant::now() + within;
            while runs(identity) && Instant::now() < deadline {
                match &mut child {
                    // Awaited, it is no zombie that would seem to run.
                    Some(child) => {
                        let left = deadline - Instant::now();
                        let _ = tokio::time::timeout(left, child.wait()).await;
                    }
                    None => sleep(LOOK).await,
                }
            }
        }
        if runs(identity) {
            return Err(engine("ending a server", "the process is still there"));
        }
        // Kernels that did not end with it.
        let _ = killpg(Pid::from_raw(identity.pid), Signal::SIGKILL);
        Ok(())
    }
}

#[async_trait]
impl Spawner for Process {
    async fn prepare(&self, key: &ServerKey) -> Result<Target, SpawnError> {
        if let Some(sockets) = &self.sockets {
            return Ok(Target::Unix(self.socket(sockets, key)));
        }
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| listener.local_addr())
            .map_err(|error| engine("looking for a free port", error))?;
        Ok(Target::Tcp(address))
    }

    async fn start(&self, launch: &Launch, target: &Target) -> Result<Started, SpawnError> {
        let leftover = self
            .children
            .lock()
            .await
            .get(&launch.key)
            .and_then(identity);
        if let Some(leftover) = leftover {
            self.end(&launch.key, leftover).await?;
        }
        let child = self
            .spawn(launch, target)
            .map_err(|error| engine("starting a server's process", error))?;
        let state = match identity(&child) {
            Some(identity) => json!({"pid": identity.pid, "started": identity.started}),
            None => Value::Null,
        };
        self.children.lock().await.insert(launch.key.clone(), child);
        Ok(Started {
            target: target.clone(),
            state,
        })
    }

    async fn poll(&self, key: &ServerKey, state: &Value) -> Result<Status, SpawnError> {
        if let Some(child) = self.children.lock().await.get_mut(key) {
            let exited = child
                .try_wait()
                .map_err(|error| engine("looking at a server's process", error))?;
            return Ok(match exited {
                None => Status::Running,
                Some(status) => self.ending(key, status.code()),
            });
        }
        match known(state) {
            Some(identity) if runs(identity) => Ok(Status::Running),
            _ => Ok(self.ending(key, None)),
        }
    }

    async fn stop(&self, key: &ServerKey, state: &Value) -> Result<(), SpawnError> {
        let own = self.children.lock().await.get(key).and_then(identity);
        match own.or(known(state)) {
            Some(identity) => self.end(key, identity).await,
            None => Ok(()),
        }
    }
}

/// What a server on a socket is told beside its environment, its kernels on sockets too; the socket's folder is made.
fn listening(target: &Target) -> std::io::Result<Vec<String>> {
    let Target::Unix(path) = target else {
        return Ok(Vec::new());
    };
    if let Some(folder) = path.parent() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    // One that a server left which was killed.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    Ok(vec![
        format!("--ServerApp.sock={}", path.display()),
        "--KernelManager.transport=ipc".to_owned(),
    ])
}

fn identity(child: &Child) -> Option<Identity> {
    let pid = i32::try_from(child.id()?).ok()?;
    Some(Identity {
        pid,
        started: looked_at(pid)?.1,
    })
}

fn known(state: &Value) -> Option<Identity> {
    Some(Identity {
        pid: i32::try_from(state.get("pid")?.as_i64()?).ok()?,
        started: state.get("started")?.as_u64()?,
    })
}

fn runs(identity: Identity) -> bool {
    looked_at(identity.pid)
        .is_some_and(|(state, started)| started == identity.started && state != "Z" && state != "X")
}

/// The state of a process and when it started.
fn looked_at(pid: i32) -> Option<(String, u64)> {
    let stat =
        std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("stat")).ok()?;
    // The name in parentheses may hold anything, parentheses too.
    let mut rest = stat.rsplit_once(')')?.1.split_whitespace();
    let state = rest.next()?.to_owned();
    Some((state, rest.nth(18)?.parse().ok()?))
}

fn engine(doing: &str, cause: impl std::fmt::Display) -> SpawnError {
    SpawnError::Engine {
        doing: doing.to_owned(),
        cause: cause.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tempfile::TempDir;

    use super::*;

    struct Bed {
        spawner: Process,
        homes: TempDir,
        launch: Launch,
    }

    /// A spawner of servers that are this shell script.
    fn bed(script: &str) -> Bed {
        let homes = tempfile::tempdir().unwrap();
        let configuration = hub_api::hub::Process {
            command: ["sh", "-c", script].map(str::to_owned).to_vec(),
            homes: homes.path().to_owned(),
            sockets: None,
        };
        let launch = Launch {
            key: ServerKey {
                user: "a/da".to_owned(),
                name: String::new(),
            },
            environment: BTreeMap::from([("JUPYTERHUB_USER".to_owned(), "ada".to_owned())]),
            profile: None,
            within: Duration::from_secs(10),
        };
        Bed {
            spawner: Process::new(&configuration),
            homes,
            launch,
        }
    }

    impl Bed {
        async fn start(&self) -> Started {
            let target = self.spawner.prepare(&self.launch.key).await.unwrap();
            self.spawner.start(&self.launch, &target).await.unwrap()
        }

        async fn poll(&self, started: &Started) -> Status {
            self.spawner
                .poll(&self.launch.key, &started.state)
                .await
                .unwrap()
        }

        async fn ended(&self, started: &Started) -> Ending {
            for _ in 0..500 {
                if let Status::Ended(ending) = self.poll(started).await {
                    return ending;
                }
                sleep(LOOK).await;
            }
            panic!("it still runs");
        }
    }

    #[tokio::test]
    async fn a_server_that_fails_tells_its_code_and_last_lines() {
        let bed = bed(
            "echo user=$JUPYTERHUB_USER home=$HOME; echo 'token 0123456789abcdef0123456789abcdef' >&2; exit 7",
        );
        let started = bed.start().await;
        let ending = bed.ended(&started).await;
        assert_eq!(ending.code, Some(7));
        let home = bed.homes.path().join("a%2Fda");
        assert_eq!(
            ending.last_lines,
            [
                format!("user=ada home={}", home.display()),
                "token [hidden]".to_owned()
            ]
        );
    }

    #[tokio::test]
    async fn a_server_is_found_again_by_another_hub_and_ends_with_all_it_started() {
        let bed =
            bed("trap 'exit 0' TERM; sleep 300 & echo $! >child; touch up; while :; do wait; done");
        let started = bed.start().await;
        let up = bed.homes.path().join("a%2Fda/up");
        while !up.exists() {
            assert_eq!(bed.poll(&started).await, Status::Running);
            sleep(LOOK).await;
        }
        let other = Process::new(&hub_api::hub::Process {
            command: Vec::new(),
            homes: bed.homes.path().to_owned(),
            sockets: None,
        });
        assert_eq!(
            other.poll(&bed.launch.key, &started.state).await.unwrap(),
            Status::Running
        );
        // Of this test's children, as a hub that started it would: it is the one that must not leave a zombie.
        bed.spawner
            .stop(&bed.launch.key, &started.state)
            .await
            .unwrap();
        assert!(matches!(
            other.poll(&bed.launch.key, &started.state).await,
            Ok(Status::Ended(_))
        ));
        let child: i32 = std::fs::read_to_string(bed.homes.path().join("a%2Fda/child"))
            .unwrap()
            .trim()
            .parse()
            .unwrap();
        let gone = || looked_at(child).is_none_or(|(state, _)| state == "Z");
        for _ in 0..100 {
            if gone() {
                break;
            }
            sleep(LOOK).await;
        }
        assert!(gone());
        other.stop(&bed.launch.key, &started.state).await.unwrap();
    }

    #[tokio::test]
    async fn a_leftover_of_the_same_key_is_ended_first() {
        let bed = bed("sleep 300");
        let first = bed.start().await;
        let second = bed.start().await;
        assert!(!runs(known(&first.state).unwrap()));
        assert!(runs(known(&second.state).unwrap()));
        bed.spawner
            .stop(&bed.launch.key, &second.state)
            .await
            .unwrap();
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_told() {
        let mut bed = bed("");
        bed.spawner.command = vec!["/nonexistent/jupyterhub-singleuser".to_owned()];
        let target = bed.spawner.prepare(&bed.launch.key).await.unwrap();
        let error = bed.spawner.start(&bed.launch, &target).await.unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("starting a server's process: "),
            "{error}"
        );
    }
}
