//! A machine's /proc/meminfo.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::cgroup::Group;

/// What `free` shows inside: the machine's memory instead of the host's.
pub(super) struct Meminfo(JoinHandle<()>);

impl Meminfo {
    /// Keeps the file up to date until the value is dropped.
    pub(super) fn keep(path: &Path, group: &Group, memory_mb: u64) -> Self {
        let (path, group, total) = (path.to_owned(), group.clone(), memory_mb << 10);
        let _ = std::fs::write(&path, meminfo(total, 0, 0));
        Self(tokio::spawn(async move {
            loop {
                if let (Some((usage, cache)), Ok(file)) =
                    (group.memory(), File::options().write(true).open(&path))
                {
                    // One write of the same length each time: who reads meanwhile sees no half of it.
                    let text = meminfo(total, usage >> 10, cache >> 10);
                    let _ = std::os::unix::fs::FileExt::write_at(&file, text.as_bytes(), 0);
                }
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }))
    }
}

impl Drop for Meminfo {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// All in KiB.
fn meminfo(total: u64, usage: u64, cache: u64) -> String {
    let free = total.saturating_sub(usage);
    let lines = [
        ("MemTotal", total),
        ("MemFree", free),
        ("MemAvailable", (free + cache).min(total)),
        ("Buffers", 0),
        ("Cached", cache),
        ("SwapCached", 0),
        ("Active", usage / 2),
        ("Inactive", usage / 2),
        ("SwapTotal", 0),
        ("SwapFree", 0),
        ("Dirty", 0),
        ("Writeback", 0),
        ("AnonPages", usage.saturating_sub(cache)),
        ("Mapped", cache / 4),
        ("Shmem", 0),
        ("Slab", 0),
        ("SReclaimable", 0),
        ("SUnreclaim", 0),
        ("CommitLimit", total),
        ("Committed_AS", usage),
    ];
    lines
        .iter()
        .map(|(name, value)| format!("{:<16}{value:>8} kB\n", format!("{name}:")))
        .collect()
}
