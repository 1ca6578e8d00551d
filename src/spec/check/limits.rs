//! Limits that cannot be kept, or make no sense.

use super::Checks;
use crate::spec::model::SpawnerKind;

const MEBI: u64 = 1024 * 1024;
const GIBI: u64 = 1024 * MEBI;
/// Below it, no notebook server starts: it and one kernel take some 150 MiB.
const LEAST_MEMORY: u64 = 128 * MEBI;
/// Below it, the first import of a larger library ends the kernel.
const LOW_MEMORY: u64 = 256 * MEBI;
/// No cloud has a flavor with more.
const MOST_MEMORY: u64 = 32 * 1024 * GIBI;

impl Checks<'_> {
    pub(super) fn limits(&mut self) {
        let limits = &self.spec.limits;
        let spawner = self.spec.spawner.kind;
        if matches!(spawner, SpawnerKind::Local | SpawnerKind::Sudo)
            && self.sound(&["spawner.kind"])
        {
            for (path, given) in [
                ("limits.memory", limits.memory.is_some()),
                ("limits.cpu", limits.cpu.is_some()),
            ] {
                if given && self.sound(&[path]) {
                    self.problem(
                        path,
                        format!(
                            "cannot be kept: `spawner.kind: {}` knows no limits",
                            spawner.word()
                        ),
                        "set `spawner.kind: systemd`, or remove this line",
                    );
                }
            }
        }
        let Some(memory) = limits.memory.filter(|_| self.sound(&["limits.memory"])) else {
            return;
        };
        if memory.bytes < LEAST_MEMORY {
            self.problem(
                "limits.memory",
                format!("is {memory}; a notebook server with one kernel does not start in less than 128M"),
                "`512M` runs small exercises, `1G` and more suits data",
            );
        } else if memory.bytes < LOW_MEMORY {
            self.warning(
                "limits.memory",
                format!("is {memory}; kernels will end at the first import of a larger library"),
                "`512M` runs small exercises, `1G` and more suits data",
            );
        }
        if self.sound(&["limits.seats"]) {
            let all = memory.bytes.saturating_mul(u64::from(limits.seats));
            if all > MOST_MEMORY {
                self.problem(
                    "limits.memory",
                    format!(
                        "is {memory} for each of {} seats, {} TiB together; no server is that large",
                        limits.seats,
                        all / (1024 * GIBI)
                    ),
                    "`M` is MiB, `G` is GiB",
                );
            }
        }
    }
}
