//! What a process and its children have used, from /proc.

use std::fs;
use std::time::Duration;

/// The process and all that descend from it.
pub fn tree(pid: u32) -> Vec<u32> {
    let mut found = vec![pid];
    let mut at = 0;
    while at < found.len() {
        for task in names(&format!("/proc/{}/task", found[at])) {
            let path = format!("/proc/{}/task/{task}/children", found[at]);
            let text = fs::read_to_string(path).unwrap_or_default();
            found.extend(
                text.split_whitespace()
                    .filter_map(|child| child.parse::<u32>().ok()),
            );
        }
        at += 1;
    }
    found
}

/// Time on a CPU, of all threads that still live.
pub fn cpu(pid: u32) -> Duration {
    let mut nanoseconds = 0;
    for process in tree(pid) {
        for task in names(&format!("/proc/{process}/task")) {
            let text = fs::read_to_string(format!("/proc/{process}/task/{task}/schedstat"));
            let text = text.unwrap_or_default();
            let first = text
                .split_whitespace()
                .next()
                .and_then(|first| first.parse::<u64>().ok());
            nanoseconds += first.unwrap_or_default();
        }
    }
    Duration::from_nanos(nanoseconds)
}

/// Memory in MB (10^6 bytes) by one of the names of /proc/PID/status: `VmRSS`, `VmHWM`.
pub fn memory(pid: u32, name: &str) -> f64 {
    let of_one = |process: u32| {
        let text = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
        kib.unwrap_or_default() * 1024.0 / 1e6
    };
    tree(pid).into_iter().map(of_one).sum()
}

fn names(folder: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().into_string().ok())
        .collect()
}
