//! The deployment's folder on the operator's machine: what the cloud cannot keep.
//!
//! `~/.local/state/hubctl/NAME/` (0700) holds the private SSH key, known hosts, the certificate authority, generated
//! secrets (the receipt) and the credentials handed out. It is memory, not truth: the cloud's tags are.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Why the folder could not be used.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("another hubctl works on {name} (process {holder})")]
    Locked { name: String, holder: String },
    #[error("{action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("{} was written by a newer hubctl or is damaged", path.display())]
    Receipt {
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
}

impl StateError {
    pub fn hint(&self) -> String {
        match self {
            Self::Locked { .. } => {
                "wait for it to end; a run that was killed holds no lock".to_owned()
            }
            Self::Io { path, .. } => format!(
                "check that {} exists, is yours and has room; HUBCTL_STATE_DIR names another place",
                path.parent().unwrap_or(path).display()
            ),
            Self::Receipt { path, .. } => format!(
                "use the newer hubctl, or move {} away: what the cloud holds is found again by its tags",
                path.display()
            ),
        }
    }
}

/// What a deployment generated once and must find again. Serialised into `receipt.json`, 0600.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Receipt {
    /// Format of this file.
    pub version: u32,
    /// Keystone project and region the deployment lives in, to notice another cloud under the same name.
    pub project_id: String,
    pub region: Option<String>,
    /// OpenStack id of the server the host key belongs to.
    pub server_id: Option<String>,
    /// The address operators and users reach it under.
    pub address: Option<String>,
    /// The operator's login on it.
    pub login: Option<String>,
    /// Where the hub is.
    pub url: Option<String>,
    /// Whether that is one person's notebook server, which has no users.
    #[serde(default)]
    pub notebook: bool,
    /// Whose certificate the hub has.
    #[serde(default)]
    pub certificate: Certificate,
    /// Secrets of the hub and the proxy by name (`proxy-token`, `cookie-secret`, …), made on first use.
    pub secrets: std::collections::BTreeMap<String, StoredSecret>,
}

/// Whose signature is under the hub's certificate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certificate {
    /// The deployment's own authority's.
    #[default]
    Deployment,
    /// That of an authority which systems know.
    Public,
    /// That of an authority for trying things out, which nobody knows.
    Staging,
}

/// A secret as the receipt keeps it: readable in the 0600 file, masked everywhere else.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StoredSecret(String);

impl std::fmt::Debug for StoredSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredSecret(***)")
    }
}

impl Receipt {
    /// Whether the hub is without TLS, so that nobody but its server reaches it.
    pub fn is_on_loopback(&self) -> bool {
        self.url
            .as_deref()
            .is_some_and(|url| url.starts_with("http:"))
    }

    /// The named secret, made of `bytes` random bytes (as hexadecimal) when it is asked for the first time.
    pub fn secret(&mut self, name: &str, bytes: usize) -> crate::secret::Secret {
        let stored = self.secrets.entry(name.to_owned()).or_insert_with(|| {
            StoredSecret(crate::secret::Secret::random_hex(bytes).reveal().to_owned())
        });
        crate::secret::Secret::new(stored.0.clone())
    }
}

/// A deployment's folder, locked against other runs for as long as this value lives.
pub struct State {
    name: String,
    folder: PathBuf,
    _lock: Option<File>,
}

impl State {
    /// Opens (and makes) `base/name` and takes its lock.
    pub fn open(base: &Path, name: &str) -> Result<Self, StateError> {
        let folder = base.join(name);
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&folder)
            .map_err(|source| io_error("making", &folder, source))?;
        let path = folder.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(|source| io_error("opening", &path, source))?;
        if !take(&lock).map_err(|source| io_error("locking", &path, source))? {
            let holder = fs::read_to_string(&path).unwrap_or_default();
            return Err(StateError::Locked {
                name: name.to_owned(),
                holder: holder.trim().to_owned(),
            });
        }
        lock.set_len(0)
            .and_then(|()| writeln!(lock, "{}", std::process::id()))
            .map_err(|source| io_error("writing", &path, source))?;
        Ok(Self {
            name: name.to_owned(),
            folder,
            _lock: Some(lock),
        })
    }

    /// Opens `base/name` for reading, whether it exists or not, and takes no lock.
    pub fn peek(base: &Path, name: &str) -> Self {
        Self {
            name: name.to_owned(),
            folder: base.join(name),
            _lock: None,
        }
    }

    /// The process that works on `base/name` now, where one does.
    pub fn busy(base: &Path, name: &str) -> Option<String> {
        let path = base.join(name).join("lock");
        let lock = File::open(&path).ok()?;
        match lock.try_lock_shared() {
            Err(fs::TryLockError::WouldBlock) => Some(
                fs::read_to_string(&path)
                    .unwrap_or_default()
                    .trim()
                    .to_owned(),
            ),
            _ => None,
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where `file` of this deployment is: `id_ed25519`, `known_hosts`, `ca.pem`, `ca.key`, `credentials.csv`.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// The file's content, or `None` where there is no such file.
    pub fn read(&self, file: &str) -> Result<Option<String>, StateError> {
        let path = self.path(file);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(io_error("reading", &path, source)),
        }
    }

    /// Replaces a file (0600): written beside, synced, renamed. A reader sees the old or the new one, never half.
    pub fn write(&self, file: &str, content: &[u8]) -> Result<(), StateError> {
        let path = self.path(file);
        write_private(&path, content).map_err(|source| io_error("writing", &path, source))
    }

    /// Removes a file, if it is there.
    pub fn delete(&self, file: &str) -> Result<(), StateError> {
        let path = self.path(file);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io_error("removing", &path, error))
            }
            _ => Ok(()),
        }
    }

    /// The receipt, empty where none was written yet.
    pub fn receipt(&self) -> Result<Receipt, StateError> {
        let Some(text) = self.read("receipt.json")? else {
            return Ok(Receipt {
                version: RECEIPT_VERSION,
                ..Receipt::default()
            });
        };
        let receipt: Receipt =
            serde_json::from_str(&text).map_err(|source| StateError::Receipt {
                path: self.path("receipt.json"),
                source,
            })?;
        if receipt.version > RECEIPT_VERSION {
            return Err(StateError::Receipt {
                path: self.path("receipt.json"),
                source: serde::de::Error::custom(format!("version {}", receipt.version)),
            });
        }
        Ok(receipt)
    }

    pub fn write_receipt(&self, receipt: &Receipt) -> Result<(), StateError> {
        #[expect(clippy::expect_used, reason = "strings and numbers")]
        let text = serde_json::to_vec_pretty(receipt).expect("a receipt is JSON");
        self.write("receipt.json", &text)
    }

    /// Removes the folder, when the deployment is gone.
    pub fn remove(self) -> Result<(), StateError> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(io_error("removing", &self.folder, error))
            }
            _ => Ok(()),
        }
    }
}

const RECEIPT_VERSION: u32 = 1;

/// How long a lock that others only look at is tried for.
const LOOKED_AT: Duration = Duration::from_millis(500);

/// Takes a deployment's lock; false where another run has it.
///
/// Who asks whether it is taken ([`State::busy`]) holds a share of it for a moment. That is told from a run, which lets
/// nobody have a share, and is no reason to refuse this one.
fn take(lock: &File) -> io::Result<bool> {
    let begun = Instant::now();
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(true),
            Err(fs::TryLockError::Error(error)) => return Err(error),
            Err(fs::TryLockError::WouldBlock) => {}
        }
        match lock.try_lock_shared() {
            Ok(()) => lock.unlock()?,
            Err(fs::TryLockError::Error(error)) => return Err(error),
            Err(fs::TryLockError::WouldBlock) => return Ok(false),
        }
        if begun.elapsed() > LOOKED_AT {
            return Ok(false);
        }
        std::thread::yield_now();
    }
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> StateError {
    StateError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

/// The folder that a file is in: a bare name's is the current one.
pub fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Writes `content` to `path`, readable by its owner alone, so that a reader never sees half of it.
pub fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let folder = folder_of(path);
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.as_file()
        .set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(content)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_on_one_deployment_are_kept_apart() {
        let base = tempfile::tempdir().unwrap();
        let first = State::open(base.path(), "class").unwrap();
        let Err(error) = State::open(base.path(), "class") else {
            panic!("locked twice")
        };
        assert_eq!(
            error.to_string(),
            format!(
                "another hubctl works on class (process {})",
                std::process::id()
            )
        );
        State::open(base.path(), "other").unwrap();
        let holder = State::busy(base.path(), "class");
        assert_eq!(holder, Some(std::process::id().to_string()));
        drop(first);
        assert_eq!(State::busy(base.path(), "class"), None);
        State::open(base.path(), "class").unwrap();
    }

    #[test]
    fn a_run_is_not_refused_because_somebody_looks() {
        let base = tempfile::tempdir().unwrap();
        drop(State::open(base.path(), "class").unwrap());
        let over = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            let look = || {
                while !over.load(std::sync::atomic::Ordering::Relaxed) {
                    State::busy(base.path(), "class");
                }
            };
            let lookers = [scope.spawn(look), scope.spawn(look)];
            for _ in 0..500 {
                let opened = State::open(base.path(), "class").map(drop);
                if opened.is_err() {
                    over.store(true, std::sync::atomic::Ordering::Relaxed);
                }
                opened.unwrap();
            }
            over.store(true, std::sync::atomic::Ordering::Relaxed);
            for looker in lookers {
                looker.join().unwrap();
            }
        });
    }

    #[test]
    fn files_are_private_and_the_receipt_keeps_its_secrets() {
        let base = tempfile::tempdir().unwrap();
        let state = State::open(base.path(), "class").unwrap();
        let mut receipt = state.receipt().unwrap();
        let token = receipt.secret("proxy-token", 32);
        state.write_receipt(&receipt).unwrap();
        let mut again = state.receipt().unwrap();
        assert_eq!(again.secret("proxy-token", 32), token);
        assert!(!format!("{again:?}").contains(token.reveal()));
        let mode = fs::metadata(state.path("receipt.json"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(
            fs::metadata(base.path().join("class"))
                .unwrap()
                .permissions()
                .mode()
                & 0o777,
            0o700
        );
    }

    #[test]
    fn a_bare_name_is_in_the_current_folder() {
        for (path, folder) in [("slips.html", "."), ("a/b", "a"), ("/b", "/"), ("./b", ".")] {
            assert_eq!(folder_of(Path::new(path)), Path::new(folder), "{path}");
        }
    }

    #[test]
    fn a_receipt_from_the_future_is_refused() {
        let base = tempfile::tempdir().unwrap();
        let state = State::open(base.path(), "class").unwrap();
        state.write("receipt.json", br#"{"version": 99}"#).unwrap();
        assert!(matches!(state.receipt(), Err(StateError::Receipt { .. })));
    }
}
