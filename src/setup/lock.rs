//! Which versions were installed, kept so that whoever installs the same requirements again gets the same.
//!
//! On the server there is a file for each environment, in which the runner writes what it installed; here they are
//! sections of one file, to be kept beside `hub.yaml`.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::desired::Desired;
use super::facts::Facts;
use super::names::STAMP;

const HEAD: &str = "\
# What hubctl installed on the server. The same requirements are installed in these versions, on another server as on this
# one; other requirements are solved anew. Written by hubctl; a version that is changed here is installed by its next run.
";

/// Why the file was not used.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    #[error("{action} {}", path.display())]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} is not as hubctl writes it: {cause}; put it right, or remove it to have all solved anew", path.display())]
    Damaged { path: PathBuf, cause: String },
}

/// What was installed into one environment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    /// SHA-256 of the requirements, in hexadecimal.
    pub requirements: String,
    /// The Python that it was solved for, such as `3.11`; other ones are solved anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
    /// As `uv pip freeze` lists packages of Python, or an explicit list of conda's packages.
    pub packages: Vec<String>,
}

impl Lock {
    /// Reads what the runner keeps on the server.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let requirements = lines.next()?.strip_prefix("# ")?.to_owned();
        if requirements.len() != 64 || !requirements.bytes().all(|c| c.is_ascii_hexdigit()) {
            return None;
        }
        let mut python = None;
        let mut packages = Vec::new();
        for line in lines.filter(|line| !line.is_empty()) {
            match line.strip_prefix("# python ") {
                Some(version) => python = Some(version.to_owned()),
                None if line.starts_with('#') => {}
                None => packages.push(line.to_owned()),
            }
        }
        Some(Self {
            requirements,
            python,
            packages,
        })
    }

    /// As the runner keeps it.
    pub fn text(&self) -> String {
        let mut text = format!("# {}\n", self.requirements);
        if let Some(python) = &self.python {
            text.push_str(&format!("# python {python}\n"));
        }
        for line in &self.packages {
            text.push_str(line);
            text.push('\n');
        }
        text
    }

    /// The versions of Python packages, under their normalised names.
    pub fn versions(&self) -> impl Iterator<Item = (String, &str)> {
        self.packages.iter().filter_map(|line| {
            let (name, version) = line.split_once("==")?;
            Some((normalised(name), version))
        })
    }
}

/// A package's name as registries compare it.
fn normalised(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for c in name.trim().chars() {
        match c {
            '-' | '_' | '.' if text.ends_with('-') => {}
            '-' | '_' | '.' => text.push('-'),
            c => text.push(c.to_ascii_lowercase()),
        }
    }
    text
}

/// What was installed into each environment, under the last part of its folder's name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Locks(BTreeMap<String, Lock>);

impl Locks {
    /// Reads the file; nothing where it is not there yet.
    ///
    /// # Errors
    /// Where it cannot be read, or is not as it was written.
    pub fn load(path: &Path) -> Result<Self, LockError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            Err(source) => {
                return Err(LockError::Io {
                    action: "reading",
                    path: path.to_owned(),
                    source,
                });
            }
        };
        toml::from_str(&text).map_err(|error| LockError::Damaged {
            path: path.to_owned(),
            cause: error.message().to_owned(),
        })
    }

    /// Writes the file beside, and renames it: it is never half there. `mode` is what it may be to whom, as `chmod` has it.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn save(&self, path: &Path, mode: u32) -> Result<(), LockError> {
        let text = toml::to_string_pretty(&self).map_err(|error| LockError::Damaged {
            path: path.to_owned(),
            cause: error.to_string(),
        })?;
        let folder = match path.parent() {
            Some(folder) if folder != Path::new("") => folder,
            _ => Path::new("."),
        };
        let write = || {
            let mut file = tempfile::Builder::new()
                .permissions(std::os::unix::fs::PermissionsExt::from_mode(mode))
                .tempfile_in(folder)?;
            file.write_all(format!("{HEAD}\n{text}").as_bytes())?;
            file.as_file().sync_all()?;
            file.persist(path)?;
            Ok(())
        };
        write().map_err(|source| LockError::Io {
            action: "writing",
            path: path.to_owned(),
            source,
        })
    }

    /// What is to be installed for these requirements, where it is known.
    pub fn of(&self, folder: &str, requirements: &str) -> Option<&Lock> {
        let lock = self.0.get(name(folder))?;
        (lock.requirements == hash(requirements)).then_some(lock)
    }

    /// Keeps what was installed; says whether that is news.
    pub fn keep(&mut self, folder: &str, lock: Lock) -> bool {
        let before = self.0.insert(name(folder).to_owned(), lock.clone());
        before != Some(lock)
    }
}

/// What the server has in folders where these very requirements were installed, as far as it is not kept here: by an
/// earlier hubctl, on another laptop, or by a run that was killed.
pub fn unkept(desired: &Desired, facts: &Facts) -> Vec<(String, Lock)> {
    let venvs = desired.venvs.iter().filter(|venv| venv.lock.is_none());
    let conda = desired.conda.iter().filter(|conda| conda.lock.is_none());
    venvs
        .map(|venv| (venv.folder, &venv.requirements))
        .chain(conda.map(|conda| (conda.folder, &conda.requirements)))
        .filter_map(|(folder, requirements)| {
            let text_of = |path: &str| facts.files.get(path)?.as_ref()?.text.as_deref();
            // What was asked for in between is noted last.
            if text_of(&format!("{folder}/{STAMP}")) != Some(requirements) {
                return None;
            }
            let lock = Lock::parse(text_of(&path(folder))?)?;
            (lock.requirements == hash(requirements)).then(|| (folder.to_owned(), lock))
        })
        .collect()
}

/// The name of an environment's section, and of its file on the server.
pub(super) fn name(folder: &str) -> &str {
    folder.rsplit('/').next().unwrap_or(folder)
}

/// Where the server has an environment's file.
pub(super) fn path(folder: &str) -> String {
    format!("/var/lib/hubctl/{}.lock", name(folder))
}

fn hash(requirements: &str) -> String {
    Sha256::digest(requirements.as_bytes())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock() -> Lock {
        let text = format!(
            "# {}\n# python 3.11\nJinja2==3.1.6\nmine @ https://example.org/mine.whl\nruamel.yaml==0.18\n",
            hash("jinja2\n")
        );
        Lock::parse(&text).unwrap()
    }

    #[test]
    fn what_the_server_keeps_comes_back_as_it_was() {
        let lock = lock();
        assert_eq!(lock.python.as_deref(), Some("3.11"));
        assert_eq!(Lock::parse(&lock.text()), Some(lock.clone()));
        let versions: Vec<_> = lock.versions().collect();
        assert_eq!(
            versions,
            [
                ("jinja2".to_owned(), "3.1.6"),
                ("ruamel-yaml".to_owned(), "0.18")
            ]
        );
        for text in ["", "Jinja2==3.1.6\n", "# 12\n"] {
            assert_eq!(Lock::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_file_is_written_and_read_and_counts_for_its_own_requirements() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("environment.lock");
        let mut locks = Locks::load(&path).unwrap();
        assert_eq!(locks, Locks::default());
        assert!(locks.keep("/opt/notebook", lock()));
        assert!(!locks.keep("/opt/notebook", lock()));
        locks.save(&path, 0o644).unwrap();
        let read = Locks::load(&path).unwrap();
        assert_eq!(read, locks);
        assert_eq!(read.of("/opt/notebook", "jinja2\n"), Some(&lock()));
        assert_eq!(read.of("/opt/notebook", "jinja2>3\n"), None);
        assert_eq!(read.of("/opt/jupyterhub", "jinja2\n"), None);
        std::fs::write(&path, "[notebook]\nrequirements = 1\n").unwrap();
        assert!(matches!(Locks::load(&path), Err(LockError::Damaged { .. })));
    }
}
