//! hubctl's own programs for the server: where they come from, and for which processor they are built.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

mod archive;
mod download;

pub use archive::Archive;
pub use download::{Limits, Remote, fetch};

/// A program of ours, read and ready to be sent.
#[derive(Clone, PartialEq, Eq)]
pub struct Program {
    /// The name of its file: `hubproxy`.
    pub name: String,
    /// Where it was found.
    pub found: PathBuf,
    /// The processor it is built for, as `uname -m` names it.
    pub machine: String,
    content: Arc<[u8]>,
    sha256: String,
}

/// Why a program cannot be sent.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    #[error("{name}, which goes onto the server, is in none of {}", listed(looked))]
    Missing { name: String, looked: Vec<PathBuf> },
    #[error("reading {}", path.display())]
    Read {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{} is not a program for Linux", path.display())]
    NotElf { path: PathBuf },
    #[error("downloading {url}")]
    Download {
        url: String,
        #[source]
        source: reqwest::Error,
    },
    #[error("{url} answers {status}")]
    Refused { url: String, status: String },
    #[error("{url} has the checksum {found}, not {wanted}")]
    Checksum {
        url: String,
        wanted: String,
        found: String,
    },
    #[error("{name} is larger than {} MiB", most >> 20)]
    TooLarge { name: String, most: u64 },
    #[error("keeping a download in {}", path.display())]
    Cache {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{name} is no tar.gz archive")]
    Archive {
        name: String,
        #[source]
        source: std::io::Error,
    },
    #[error("{name} is not in {archive}")]
    NotInArchive { name: String, archive: String },
    #[error("{list} has not one archive for {machine}, but {}", names.join(", "))]
    NoChoice {
        list: String,
        machine: String,
        names: Vec<String>,
    },
}

impl ReleaseError {
    pub fn hint(&self) -> String {
        match self {
            Self::Missing { name, .. } => format!(
                "`make install` puts it beside hubctl; or build it (`cargo build --release -p {name}`) and name its folder: \
                 `--set release.source=target/release`; `--profile jupyterhub` goes without"
            ),
            Self::Read { .. } => "may this account read it?".to_owned(),
            Self::NotElf { .. } => {
                "the server runs Linux, whatever this machine runs: name a folder with programs built for it in `release.source`".to_owned()
            }
            Self::Download { .. } | Self::Refused { .. } => {
                "does this machine get there? `release.source` also takes a folder: unpack the archive yourself and name it".to_owned()
            }
            Self::Checksum { .. } => {
                "it is not what `release.sha256` vouches for, and was not used: compare both with what was published".to_owned()
            }
            Self::TooLarge { .. } | Self::Archive { .. } | Self::NotInArchive { .. } => {
                "`release.source` wants a release of hubctl's: what `make dist` packs".to_owned()
            }
            Self::Cache { .. } => {
                "is the disk full? XDG_CACHE_HOME names another place".to_owned()
            }
            Self::NoChoice { .. } => {
                "name the archive itself in `release.source`, and its line's checksum in `release.sha256`".to_owned()
            }
        }
    }
}

fn listed(folders: &[PathBuf]) -> String {
    let shown: Vec<String> = folders.iter().map(|f| f.display().to_string()).collect();
    shown.join(", ")
}

impl Program {
    /// Finds a program in the first of `folders` that has it.
    pub fn find(name: &str, folders: &[PathBuf]) -> Result<Self, ReleaseError> {
        for folder in folders {
            let path = folder.join(name);
            match std::fs::read(&path) {
                Ok(content) => return Self::new(name, &path, content),
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(source) => return Err(ReleaseError::Read { path, source }),
            }
        }
        Err(ReleaseError::Missing {
            name: name.to_owned(),
            looked: folders.to_vec(),
        })
    }

    /// A program from the content of its file.
    pub fn new(name: &str, found: &Path, content: Vec<u8>) -> Result<Self, ReleaseError> {
        let machine = machine(&content).ok_or_else(|| ReleaseError::NotElf {
            path: found.to_owned(),
        })?;
        let sha256 = hexadecimal(&Sha256::digest(&content));
        Ok(Self {
            name: name.to_owned(),
            found: found.to_owned(),
            machine,
            content: content.into(),
            sha256,
        })
    }

    pub fn content(&self) -> &[u8] {
        &self.content
    }

    /// Of the content, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Program({} for {}, {})",
            self.name, self.machine, self.sha256
        )
    }
}

/// Where programs are looked for: the folder that the operator named, or beside hubctl and where packages put them.
pub fn folders(source: Option<&Path>, hubctl: Option<&Path>) -> Vec<PathBuf> {
    match (source, hubctl.and_then(Path::parent)) {
        (Some(source), _) => vec![source.to_owned()],
        (None, Some(beside)) => vec![beside.to_owned(), beside.join("../lib/hubctl")],
        (None, None) => Vec::new(),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The processor that an ELF file is for (its `e_machine`); `None` where it is none.
fn machine(content: &[u8]) -> Option<String> {
    if !content.starts_with(b"\x7fELF") {
        return None;
    }
    let bytes: [u8; 2] = content.get(18..20)?.try_into().ok()?;
    // Big-endian machines say so in the sixth byte.
    let number = match content.get(5)? {
        2 => u16::from_be_bytes(bytes),
        _ => u16::from_le_bytes(bytes),
    };
    Some(match number {
        62 => "x86_64".to_owned(),
        183 => "aarch64".to_owned(),
        21 => "ppc64le".to_owned(),
        22 => "s390x".to_owned(),
        243 => "riscv64".to_owned(),
        other => format!("processor {other}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn elf(machine: u16) -> Vec<u8> {
        let mut content = b"\x7fELF\x02\x01\x01".to_vec();
        content.resize(18, 0);
        content.extend(machine.to_le_bytes());
        content
    }

    #[test]
    fn the_first_folder_that_has_it_wins_and_its_processor_is_read() {
        let base = tempfile::tempdir().unwrap();
        let (first, second) = (base.path().join("bin"), base.path().join("lib/hubctl"));
        std::fs::create_dir_all(&first).unwrap();
        std::fs::create_dir_all(&second).unwrap();
        std::fs::write(second.join("hubproxy"), elf(183)).unwrap();
        let folders = folders(None, Some(&first.join("hubctl")));
        let found = Program::find("hubproxy", &folders).unwrap();
        assert_eq!(found.machine, "aarch64");
        std::fs::write(first.join("hubproxy"), elf(62)).unwrap();
        let found = Program::find("hubproxy", &folders).unwrap();
        assert_eq!(
            (&*found.machine, found.found),
            ("x86_64", first.join("hubproxy"))
        );
    }

    #[test]
    fn what_is_missing_or_no_program_is_said_with_a_way_out() {
        let folder = folders(Some(Path::new("/nowhere/release")), None);
        let error = Program::find("hubproxy", &folder).unwrap_err();
        assert_eq!(
            error.to_string(),
            "hubproxy, which goes onto the server, is in none of /nowhere/release"
        );
        assert!(error.hint().contains("cargo build --release -p hubproxy"));
        let script = Program::new("hubproxy", Path::new("hubproxy"), b"#!/bin/sh\n".to_vec());
        assert_eq!(
            script.unwrap_err().to_string(),
            "hubproxy is not a program for Linux"
        );
    }
}
