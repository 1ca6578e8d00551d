//! Control groups of a machine, on v1 (alone or hybrid) and on unified v2.

use std::io;
use std::path::{Path, PathBuf};

use super::MachineError;

/// How this host arranges control groups, and where the sandbox's go.
#[derive(Debug, Clone)]
pub(super) struct Host {
    /// v1 mounts: the controllers of each (`cpu`, `cpu,cpuacct`) and the directory the sandbox itself is in.
    v1: Vec<(String, PathBuf)>,
    /// Named v1 hierarchy and unified mount.
    named: Option<PathBuf>,
    unified: Option<PathBuf>,
    name: String,
}

/// What a machine may use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) slot: u32,
    pub(super) vcpus: u32,
    pub(super) memory_mb: u64,
}

/// The groups one machine is in, one a hierarchy.
#[derive(Debug, Clone)]
pub(super) struct Group {
    host: Host,
    slot: u32,
}

/// Character devices every machine may use; block devices are let in one by one.
const DEVICES: [&str; 11] = [
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:* rwm",
    "c 136:* rwm",
    "c 10:229 rwm",
    "c 10:200 rwm",
];

impl Host {
    /// Reads the arrangement; `name` is the directory under which all groups of this sandbox are.
    pub(super) fn read(name: &str) -> Result<Self, MachineError> {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").map_err(reading)?;
        let own = std::fs::read_to_string("/proc/self/cgroup").map_err(reading)?;
        Self::parse(name, &mounts, &own)
    }

    fn parse(name: &str, mounts: &str, own: &str) -> Result<Self, MachineError> {
        let mut host = Self {
            v1: Vec::new(),
            named: None,
            unified: None,
            name: name.to_owned(),
        };
        // The group of this process in a hierarchy, by its controllers as /proc/self/cgroup spells them.
        let place = |controllers: &str| {
            own.lines()
                .filter_map(|line| line.split_once(':')?.1.split_once(':'))
                .find(|(names, _)| *names == controllers)
                .map_or("", |(_, path)| path.trim_start_matches('/'))
        };
        for line in mounts.lines() {
            let Some((before, after)) = line.split_once(" - ") else {
                continue;
            };
            let Some(point) = before.split(' ').nth(4) else {
                continue;
            };
            let mut after = after.split(' ');
            let (kind, options) = (after.next(), after.nth(1).unwrap_or_default());
            let point = PathBuf::from(point);
            match kind {
                // Beside the root group: a group with processes of its own may not hand out controllers.
                Some("cgroup2") => host.unified = Some(point),
                Some("cgroup") if options.contains("name=systemd") => {
                    host.named = Some(point.join(place("name=systemd")));
                }
                Some("cgroup") if !options.contains("name=") => {
                    let controllers: Vec<&str> = options
                        .split(',')
                        .filter(|o| CONTROLLERS.contains(o))
                        .collect();
                    let controllers = controllers.join(",");
                    if !controllers.is_empty() && !host.v1.iter().any(|(c, _)| *c == controllers) {
                        let place = point.join(place(&controllers));
                        host.v1.push((controllers, place));
                    }
                }
                _ => {}
            }
        }
        if host.v1.is_empty() && host.unified.is_none() {
            return Err(MachineError("this host has no control groups".to_owned()));
        }
        Ok(host)
    }

    /// Whether all controllers are unified v2's.
    pub(super) fn is_unified(&self) -> bool {
        self.v1.is_empty()
    }

    /// The v1 mounts a machine shows, as `HIERARCHIES` of `init.sh`.
    pub(super) fn hierarchies(&self) -> String {
        let names: Vec<&str> = self.v1.iter().map(|(names, _)| names.as_str()).collect();
        names.join(" ")
    }

    fn parents(&self) -> impl Iterator<Item = PathBuf> {
        let v1 = self.v1.iter().map(|(_, path)| path);
        v1.chain(&self.named)
            .chain(&self.unified)
            .map(|path| path.join(&self.name))
    }
}

const CONTROLLERS: [&str; 12] = [
    "cpu",
    "cpuacct",
    "cpuset",
    "memory",
    "devices",
    "freezer",
    "blkio",
    "pids",
    "net_cls",
    "net_prio",
    "perf_event",
    "hugetlb",
];

fn reading(error: io::Error) -> MachineError {
    MachineError(format!("reading this host's control groups: {error}"))
}

impl Group {
    /// Makes the groups and sets the limits. Nothing is in them yet.
    pub(super) fn create(host: &Host, limits: Limits) -> Result<Self, MachineError> {
        let group = Self {
            host: host.clone(),
            slot: limits.slot,
        };
        group.make(limits).map_err(|error| {
            MachineError(format!("making the machine's control groups: {error}"))
        })?;
        Ok(group)
    }

    fn make(&self, limits: Limits) -> io::Result<()> {
        if self.host.is_unified()
            && let Some(root) = &self.host.unified
        {
            for parent in [root.clone(), root.join(&self.host.name)] {
                std::fs::create_dir_all(&parent)?;
                for controller in ["cpu", "cpuset", "io", "memory", "pids"] {
                    // One that this host lacks is missing in the machine too.
                    let _ = write(
                        &parent.join("cgroup.subtree_control"),
                        format!("+{controller}"),
                    );
                }
            }
        }
        for (controllers, path) in &self.host.v1 {
            if controllers.split(',').any(|c| c == "cpuset") {
                let parent = path.join(&self.host.name);
                std::fs::create_dir_all(&parent)?;
                for file in ["cpuset.cpus", "cpuset.mems"] {
                    write(
                        &parent.join(file),
                        std::fs::read_to_string(path.join(file))?,
                    )?;
                }
                write(&parent.join("cgroup.clone_children"), "1")?;
            }
        }
        for path in self.paths() {
            std::fs::create_dir_all(path)?;
        }
        self.limit(limits)
    }

    fn limit(&self, limits: Limits) -> io::Result<()> {
        let bytes = limits.memory_mb.max(64) << 20;
        let quota = u64::from(limits.vcpus.max(1)) * 100_000;
        if self.host.is_unified() {
            for path in self.paths() {
                write_if_there(&path.join("memory.max"), bytes.to_string())?;
                write_if_there(&path.join("cpu.max"), format!("{quota} 100000"))?;
                if let Ok(cpus) = std::fs::read_to_string(path.join("cpuset.cpus.effective")) {
                    write(&path.join("cpuset.cpus"), pick(&cpus, limits))?;
                }
            }
            return Ok(());
        }
        if let Some(memory) = self.v1("memory") {
            write(&memory.join("memory.use_hierarchy"), "1").or_else(unless_set)?;
            write(&memory.join("memory.limit_in_bytes"), bytes.to_string())?;
        }
        if let Some(cpu) = self.v1("cpu") {
            write(&cpu.join("cpu.cfs_quota_us"), quota.to_string())?;
        }
        if let Some(cpuset) = self.v1("cpuset") {
            let cpus = std::fs::read_to_string(cpuset.join("cpuset.cpus"))?;
            write(&cpuset.join("cpuset.cpus"), pick(&cpus, limits))?;
        }
        if let Some(devices) = self.v1("devices") {
            write(&devices.join("devices.deny"), "a")?;
            for device in DEVICES {
                write(&devices.join("devices.allow"), device)?;
            }
        }
        Ok(())
    }

    /// Lets all of the machine, units that already run too, use a block device; or takes that away.
    /// On unified v2 devices are not guarded.
    pub(super) fn allow_device(&self, major: u64, minor: u64, allowed: bool) -> io::Result<()> {
        let Some(devices) = self.v1("devices") else {
            return Ok(());
        };
        let file = if allowed {
            "devices.allow"
        } else {
            "devices.deny"
        };
        for group in descendants(&devices) {
            let done = write(&group.join(file), format!("b {major}:{minor} rwm"));
            // A unit may have ended, or may forbid itself devices.
            if group == devices {
                done?;
            }
        }
        Ok(())
    }

    pub(super) fn paths(&self) -> Vec<PathBuf> {
        let slot = self.slot.to_string();
        self.host
            .parents()
            .map(|parent| parent.join(&slot))
            .collect()
    }

    fn v1(&self, controller: &str) -> Option<PathBuf> {
        let (_, path) = self
            .host
            .v1
            .iter()
            .find(|(controllers, _)| controllers.split(',').any(|c| c == controller))?;
        Some(path.join(&self.host.name).join(self.slot.to_string()))
    }

    /// Bytes in use, and how many of them are file cache.
    pub(super) fn memory(&self) -> Option<(u64, u64)> {
        let (group, usage, cache) = match self.v1("memory") {
            Some(group) => (group, "memory.usage_in_bytes", "total_cache "),
            None => (self.paths().pop()?, "memory.current", "file "),
        };
        let usage = std::fs::read_to_string(group.join(usage)).ok()?;
        let stat = std::fs::read_to_string(group.join("memory.stat")).ok()?;
        let cache = stat.lines().find_map(|line| line.strip_prefix(cache))?;
        Some((usage.trim().parse().ok()?, cache.trim().parse().ok()?))
    }

    /// Every process of the machine.
    pub(super) fn processes(&self) -> Vec<i32> {
        let mut found = Vec::new();
        for path in self.paths() {
            for group in descendants(&path) {
                let list = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
                found.extend(list.lines().filter_map(|pid| pid.parse::<i32>().ok()));
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }

    /// Removes the groups; says whether they are gone (dying processes hold them for a moment).
    pub(super) fn remove(&self) -> bool {
        let mut gone = true;
        for path in self.paths() {
            let mut groups = descendants(&path);
            groups.reverse();
            for group in groups {
                match std::fs::remove_dir(&group) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => gone = false,
                    _ => {}
                }
            }
        }
        gone
    }
}

/// A group and all below it, parents first.
fn descendants(group: &Path) -> Vec<PathBuf> {
    let mut found = vec![group.to_owned()];
    let mut next = 0;
    while let Some(parent) = found.get(next).cloned() {
        next += 1;
        let Ok(entries) = std::fs::read_dir(parent) else {
            continue;
        };
        let children = entries
            .flatten()
            .filter(|e| e.file_type().is_ok_and(|t| t.is_dir()));
        found.extend(children.map(|entry| entry.path()));
    }
    found
}

/// As many of the host's processors as the machine has, starting elsewhere for each machine.
fn pick(cpus: &str, limits: Limits) -> String {
    let mut all: Vec<u32> = Vec::new();
    for range in cpus.trim().split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        if let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) {
            all.extend(first..=last);
        }
    }
    let wanted = (limits.vcpus.max(1) as usize).min(all.len());
    let start = limits.slot as usize;
    let picked: Vec<String> = (0..wanted)
        .map(|i| all[(start + i) % all.len()].to_string())
        .collect();
    picked.join(",")
}

fn write(path: &Path, value: impl AsRef<[u8]>) -> io::Result<()> {
    std::fs::write(path, value)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
}

/// A controller may be another hierarchy's, or not in this kernel.
fn write_if_there(path: &Path, value: impl AsRef<[u8]>) -> io::Result<()> {
    if path.exists() {
        write(path, value)
    } else {
        Ok(())
    }
}

/// Newer kernels know no other way than hierarchical and refuse the setting.
fn unless_set(_: io::Error) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_v1_hierarchies_and_its_own_place_in_them() {
        let mounts = "\
31 23 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
32 31 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct
33 31 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory
34 31 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd
35 31 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";
        let own = "4:cpu,cpuacct:/\n3:memory:/ci/job 1\n1:name=systemd:/user\n0::/user\n";
        let host = Host::parse("box-3", mounts, own).unwrap();
        assert!(!host.is_unified());
        assert_eq!(host.hierarchies(), "cpu,cpuacct memory");
        let group = Group { host, slot: 7 };
        let paths: Vec<String> = group
            .paths()
            .iter()
            .map(|path| path.display().to_string())
            .collect();
        assert_eq!(
            paths,
            [
                "/sys/fs/cgroup/cpu,cpuacct/box-3/7",
                "/sys/fs/cgroup/memory/ci/job 1/box-3/7",
                "/sys/fs/cgroup/systemd/user/box-3/7",
                "/sys/fs/cgroup/unified/box-3/7",
            ]
        );
    }

    #[test]
    fn knows_a_unified_host() {
        let mounts = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n";
        let host = Host::parse("box-0", mounts, "0::/user.slice\n").unwrap();
        assert!(host.is_unified());
        assert_eq!(host.hierarchies(), "");
        let group = Group { host, slot: 1 };
        assert_eq!(group.paths(), [PathBuf::from("/sys/fs/cgroup/box-0/1")]);
    }

    #[test]
    fn processors_are_shared_out_in_turn() {
        let limits = |slot, vcpus| Limits {
            slot,
            vcpus,
            memory_mb: 1,
        };
        assert_eq!(pick("0-3\n", limits(0, 2)), "0,1");
        assert_eq!(pick("0-1,3", limits(2, 2)), "3,0");
        assert_eq!(pick("0", limits(5, 8)), "0");
    }
}
