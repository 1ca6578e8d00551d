//! What the numbers were measured on.

use std::fmt;
use std::fs;
use std::time::{Duration, Instant};

/// The parts of this box that decide how fast it is. Neither its name nor any path.
pub struct Machine {
    processors: usize,
    model: String,
    memory_gib: f64,
    kernel: String,
}

impl Machine {
    pub fn this() -> Self {
        Self {
            processors: processors(),
            model: field("/proc/cpuinfo", "model name"),
            memory_gib: field("/proc/meminfo", "MemTotal")
                .split_whitespace()
                .next()
                .and_then(|kib| kib.parse::<f64>().ok())
                .map_or(0.0, |kib| kib / 1024.0 / 1024.0),
            kernel: read("/proc/sys/kernel/osrelease"),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} processors ({}), {:.0} GiB of memory, Linux {}",
            self.processors, self.model, self.memory_gib, self.kernel
        )
    }
}

pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// How many processes wanted to run, on average over the last minute.
pub fn load() -> f64 {
    let text = read("/proc/loadavg");
    let first = text.split_whitespace().next();
    first.and_then(|load| load.parse().ok()).unwrap_or(0.0)
}

/// Waits until others leave this box alone, but not for ever; returns the load that is left.
pub fn calm(within: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a handful")]
    let enough = processors() as f64 + 0.5;
    let started = Instant::now();
    while load() > enough && started.elapsed() < within {
        std::thread::sleep(Duration::from_secs(3));
    }
    load()
}

fn read(path: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.trim().to_owned()
}

/// The first `name: value` of a file in /proc.
fn field(path: &str, name: &str) -> String {
    read(path)
        .lines()
        .find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'))
        .unwrap_or("unknown")
        .trim()
        .to_owned()
}
