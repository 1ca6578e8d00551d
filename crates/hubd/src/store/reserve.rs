//! Room beside the database, given up when the hub starts on a full disk.
//!
//! SQLite makes the database's `-shm` and `-wal` anew at a start, and cannot where nothing is free. A file of this size is
//! in their place while there is room, and makes way for them when there is none.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{Result, StoreError};

/// How much is kept: the two files, and what a start writes into them, with room to spare.
const BYTES: usize = 1 << 20;
/// How much must be free before so much is kept: what it would keep for the next start, nobody must lack now.
const FREE: u64 = 4 * BYTES as u64;

/// Where the reserve of a database is.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".reserve");
    PathBuf::from(name)
}

/// Makes the reserve of a database where it is not there whole and there is room to spare.
pub(super) fn keep(path: &Path) -> Result<()> {
    let path = beside(path);
    if std::fs::metadata(&path).is_ok_and(|found| found.len() >= BYTES as u64)
        || !is_spacious(&path)
    {
        return Ok(());
    }
    let written = std::fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| {
            // Written out: a file with holes keeps no room.
            file.write_all(&vec![0; BYTES])?;
            file.sync_data()
        });
    written.map_err(|cause| {
        // What it took is needed more elsewhere.
        let _none_was_made = std::fs::remove_file(&path);
        StoreError::File { path, cause }
    })
}

fn is_spacious(path: &Path) -> bool {
    let folder = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty());
    nix::sys::statvfs::statvfs(folder.unwrap_or(Path::new(".")))
        .is_ok_and(|found| found.blocks_available() * found.fragment_size() >= FREE)
}

/// Gives the room up. Says whether there was any.
pub(super) fn give_up(path: &Path) -> bool {
    std::fs::remove_file(beside(path)).is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn it_takes_the_room_it_keeps_and_gives_it_up_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hub.sqlite");
        assert!(!give_up(&path));
        // What a run that was killed left of it is no reserve.
        std::fs::write(beside(&path), "x").unwrap();
        keep(&path).unwrap();
        let made = std::fs::metadata(beside(&path)).unwrap();
        assert!(made.blocks() * 512 >= BYTES as u64, "{}", made.blocks());
        keep(&path).unwrap();
        let kept = std::fs::metadata(beside(&path)).unwrap();
        assert_eq!(kept.mtime_nsec(), made.mtime_nsec(), "made once");
        assert!(give_up(&path));
        assert!(!give_up(&path));
    }
}
