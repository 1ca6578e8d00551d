//! The file with the process id, gone when the proxy is.

use std::fs;
use std::io;
use std::path::PathBuf;

/// Removes the file when it is dropped.
pub(super) struct PidFile(PathBuf);

impl PidFile {
    /// Writes this process's id.
    pub(super) fn write(path: PathBuf) -> io::Result<Self> {
        fs::write(&path, std::process::id().to_string())?;
        Ok(Self(path))
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        tracing::debug!("Removing {}", self.0.display());
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::warn!("removing {}: {error}", self.0.display());
        }
    }
}
