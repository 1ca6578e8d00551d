//! How often something in a unit was killed for want of memory.

use std::path::Path;

/// Where control groups are.
pub const CONTROL_GROUPS: &str = "/sys/fs/cgroup";

/// How many processes of a control group were killed for want of memory, told as `/proc/PID/cgroup` tells where a
/// process is: on cgroup v1 and v2, of which systemd itself counts on the second alone. What cannot be read counts as
/// none.
pub fn kills(group: &str, mount: &Path) -> u64 {
    let mut count = 0;
    for line in group.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let path = path.trim_start_matches('/');
        let path = path.strip_suffix("/.control").unwrap_or(path);
        let file = if controllers.is_empty() {
            mount.join(path).join("memory.events")
        } else if controllers.split(',').any(|name| name == "memory") {
            mount.join("memory").join(path).join("memory.oom_control")
        } else {
            continue;
        };
        let text = std::fs::read_to_string(file).unwrap_or_default();
        count += text
            .lines()
            .filter_map(|line| line.strip_prefix("oom_kill "))
            .filter_map(|number| number.trim().parse::<u64>().ok())
            .sum::<u64>();
    }
    count
}
