//! The password file: one line a user, `name:hash[:change]`, written whole or not at all.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

/// What the file opens with.
const HEADER: &str =
    "# hubd's passwords: name:hash, and :change for who must choose a new one at the next login.\n";
/// What separates and would break lines.
const ESCAPED: &AsciiSet = &CONTROLS.add(b':').add(b'%').add(b'#').add(b' ');

/// One user's password.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The PHC string of its hash.
    pub hash: String,
    /// Whether it was given out by an operator, and lasts only until the user has chosen one.
    pub must_change: bool,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry")
            .field("must_change", &self.must_change)
            .finish_non_exhaustive()
    }
}

/// Why the password file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The system said no.
    #[error("{doing} the password file {path}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is open to others.
    #[error("the password file {path} may be read by others (mode {mode:04o}): chmod 600 it")]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A line is no entry.
    #[error("the password file {path}, line {line}: expected name:hash or name:hash:change")]
    Line {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
    },
}

/// The users of a password file, by name.
pub type Entries = BTreeMap<String, Entry>;

/// Parses the text of a password file; the number of the line that is no entry, from 1, otherwise.
pub fn parse(text: &str) -> Result<Entries, usize> {
    let mut entries = Entries::new();
    for (index, line) in text.lines().enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut fields = line.split(':');
        let entry = match (fields.next(), fields.next(), fields.next(), fields.next()) {
            (Some(name), Some(hash), change @ (None | Some("change")), None)
                if hash.starts_with('$') =>
            {
                let entry = Entry {
                    hash: hash.to_owned(),
                    must_change: change.is_some(),
                };
                percent_decode_str(name)
                    .decode_utf8()
                    .ok()
                    .map(|name| (name.into_owned(), entry))
            }
            _ => None,
        };
        let (name, entry) = entry
            .filter(|(name, _)| !name.is_empty())
            .ok_or(index + 1)?;
        entries.insert(name, entry);
    }
    Ok(entries)
}

/// The text of a password file.
pub fn format(entries: &Entries) -> String {
    let mut text = HEADER.to_owned();
    for (name, entry) in entries {
        let name = utf8_percent_encode(name, ESCAPED);
        let change = if entry.must_change { ":change" } else { "" };
        text.push_str(&format!("{name}:{}{change}\n", entry.hash));
    }
    text
}

/// What tells one state of the file from another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    seconds: i64,
    nanoseconds: i64,
    size: u64,
}

/// The stamp of the file as it is now; `None` if there is none.
pub fn stamp(path: &Path) -> Result<Option<Stamp>, FileError> {
    match std::fs::metadata(path) {
        Ok(meta) => Ok(Some(Stamp {
            inode: meta.ino(),
            seconds: meta.mtime(),
            nanoseconds: meta.mtime_nsec(),
            size: meta.size(),
        })),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(FileError::Io {
            doing: "looking at",
            path: path.to_owned(),
            source,
        }),
    }
}

/// Reads the file; no file is no users.
pub fn read(path: &Path) -> Result<Entries, FileError> {
    let io = |source| FileError::Io {
        doing: "reading",
        path: path.to_owned(),
        source,
    };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Entries::new()),
        Err(error) => return Err(io(error)),
    };
    let mode = file.metadata().map_err(io)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(FileError::Open {
            path: path.to_owned(),
            mode,
        });
    }
    let text = std::io::read_to_string(file).map_err(io)?;
    parse(&text).map_err(|line| FileError::Line {
        path: path.to_owned(),
        line,
    })
}

/// Changes the file: reads it, lets `change` edit it, writes it anew beside and renames. The shell's `hubd user` and the
/// running hub may do so at the same time; a lock file keeps them apart.
pub fn update(path: &Path, change: impl FnOnce(&mut Entries)) -> Result<Entries, FileError> {
    let io = |doing| {
        move |source| FileError::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    };
    let owner_only = |path: &Path| {
        std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(path)
    };
    let lock = owner_only(&path.with_extension("lock")).map_err(io("locking"))?;
    let _lock = Flock::lock(lock, FlockArg::LockExclusive)
        .map_err(|(_, errno)| io("locking")(errno.into()))?;

    let mut entries = read(path)?;
    change(&mut entries);
    let beside = path.with_extension("new");
    let _ = std::fs::remove_file(&beside);
    let mut file = owner_only(&beside).map_err(io("writing"))?;
    file.write_all(format(&entries).as_bytes())
        .map_err(io("writing"))?;
    file.sync_all().map_err(io("writing"))?;
    std::fs::rename(&beside, path).map_err(io("writing"))?;
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::File::open(folder)
            .and_then(|folder| folder.sync_all())
            .map_err(io("writing"))?;
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn entry(must_change: bool) -> Entry {
        Entry {
            hash: "$argon2id$v=19$m=1,t=1,p=1$c2FsdA$aGFzaA".to_owned(),
            must_change,
        }
    }

    #[test]
    fn any_name_comes_back_as_it_went_in() {
        let names = [
            "alice",
            "a:b",
            "50%",
            "#x",
            "jürgen",
            "a b",
            "line\nbreak",
            "root:$argon2id$x:change",
        ];
        let entries: Entries = names
            .iter()
            .enumerate()
            .map(|(i, name)| ((*name).to_owned(), entry(i % 2 == 0)))
            .collect();
        assert_eq!(parse(&format(&entries)), Ok(entries));
    }

    #[test]
    fn a_bad_line_is_named() {
        for (text, expected) in [
            ("", Ok(0)),
            ("# comment\n\nalice:$x\n", Ok(1)),
            ("alice:$x\nbob\n", Err(2)),
            ("alice:plain\n", Err(1)),
            ("alice:$x:chnge\n", Err(1)),
            ("alice:$x:change:more\n", Err(1)),
            (":$x\n", Err(1)),
            ("%ff:$x\n", Err(1)),
        ] {
            assert_eq!(
                parse(text).map(|entries| entries.len()),
                expected,
                "{text:?}"
            );
        }
    }

    #[test]
    fn is_written_whole_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwords");
        assert_eq!(read(&path).unwrap(), Entries::new());
        assert_eq!(stamp(&path).unwrap(), None);
        update(&path, |entries| {
            entries.insert("alice".to_owned(), entry(true));
        })
        .unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let before = stamp(&path).unwrap();
        update(&path, |entries| {
            entries.insert("bob".to_owned(), entry(false));
        })
        .unwrap();
        assert_ne!(stamp(&path).unwrap(), before);
        assert_eq!(
            read(&path).unwrap().keys().collect::<Vec<_>>(),
            ["alice", "bob"]
        );

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o604)).unwrap();
        assert!(matches!(
            read(&path),
            Err(FileError::Open { mode: 0o604, .. })
        ));
        assert!(matches!(
            update(&path, Entries::clear),
            Err(FileError::Open { .. })
        ));
    }

    #[test]
    fn two_writers_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwords");
        std::thread::scope(|scope| {
            for writer in 0..4 {
                let path = &path;
                scope.spawn(move || {
                    for number in 0..10 {
                        update(path, |entries| {
                            entries.insert(format!("user{writer}-{number}"), entry(false));
                        })
                        .unwrap();
                    }
                });
            }
        });
        assert_eq!(read(&path).unwrap().len(), 40);
    }
}
