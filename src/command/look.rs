//! A deployment's folder for a run that only looks: it takes no lock, and what it would write is thrown away.

use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use tempfile::TempDir;

use crate::state::State;

const PREFIX: &str = ".look-";
/// What a run that was killed left is older than any run takes.
const STALE: Duration = Duration::from_secs(24 * 3600);
/// All that a look reads, beside certificates. The one-time host key is not among it: replacing it is for a run that can remember the new one.
const FILES: [&str; 5] = [
    "receipt.json",
    "known_hosts",
    crate::key::FILE,
    super::rotate::JOURNAL,
    super::deployment::LOCKS,
];

/// The state of `name`, as links in a folder that is gone with the second value. Files of a state folder are replaced and
/// never written over, so neither side sees the other's changes.
pub(super) fn look(base: &Path, name: &str) -> anyhow::Result<(State, TempDir)> {
    let source = base.join(name);
    sweep(base);
    let folder = if source.is_dir() {
        tempfile::Builder::new().prefix(PREFIX).tempdir_in(base)
    } else {
        tempfile::tempdir()
    }
    .context("making a folder to look from")?;
    let copy = folder.path().join(name);
    std::fs::create_dir(&copy).with_context(|| format!("making {}", copy.display()))?;
    for file in files(&source) {
        match std::fs::hard_link(source.join(&file), copy.join(&file)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                // A file system without links.
                std::fs::copy(source.join(&file), copy.join(&file))
                    .with_context(|| format!("reading {}", source.join(&file).display()))?;
            }
            _ => {}
        }
    }
    Ok((State::peek(folder.path(), name), folder))
}

/// The files to look at.
fn files(source: &Path) -> Vec<std::ffi::OsString> {
    let Ok(all) = std::fs::read_dir(source) else {
        return Vec::new();
    };
    all.flatten()
        .map(|entry| entry.file_name())
        .filter(|name| {
            let name = name.to_string_lossy();
            FILES.contains(&&*name) || name.ends_with(".pem") || name.ends_with(".key")
        })
        .collect()
}

/// Removes what killed looks left.
fn sweep(base: &Path) {
    let Ok(all) = std::fs::read_dir(base) else {
        return;
    };
    for entry in all.flatten() {
        let old = entry
            .metadata()
            .and_then(|found| found.modified())
            .is_ok_and(|time| {
                SystemTime::now()
                    .duration_since(time)
                    .is_ok_and(|age| age > STALE)
            });
        if old && entry.file_name().to_string_lossy().starts_with(PREFIX) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_reads_what_is_there_beside_a_run_and_leaves_nothing() {
        let base = tempfile::tempdir().unwrap();
        let running = State::open(base.path(), "class").unwrap();
        let mut receipt = running.receipt().unwrap();
        let token = receipt.secret("proxy-token", 32);
        running.write_receipt(&receipt).unwrap();
        running.write("first_host_key", b"once").unwrap();

        let (state, folder) = look(base.path(), "class").unwrap();
        let mut seen = state.receipt().unwrap();
        assert_eq!(seen.secret("proxy-token", 32), token);
        assert_eq!(state.read("first_host_key").unwrap(), None);
        seen.url = Some("https://changed/".to_owned());
        state.write_receipt(&seen).unwrap();
        assert_eq!(running.receipt().unwrap().url, None);
        drop(folder);
        let left: Vec<_> = std::fs::read_dir(base.path()).unwrap().flatten().collect();
        assert_eq!(left.len(), 1, "{left:?}");

        // Where there is nothing to look at, nothing is made.
        let (state, _folder) = look(&base.path().join("none"), "class").unwrap();
        state.write_receipt(&seen).unwrap();
        assert!(!base.path().join("none").exists());
    }
}
