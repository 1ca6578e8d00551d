//! Block devices of a machine, over files of the host.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::MachineError;
use super::cgroup::Group;
use super::command::Program;
use super::instance::Instance;

const VOLUME: &str = include_str!("../../machine/volume.sh");

/// An attached volume.
#[derive(Debug, Clone)]
pub(super) struct Volume {
    pub(super) file: PathBuf,
    /// `loop3`.
    kernel: String,
    numbers: (u64, u64),
    /// `vdb`.
    name: String,
    /// The first 20 characters of the volume's id, all that a virtio disk can say of it.
    serial: String,
}

impl Volume {
    /// Makes a block device of a file and lets the machine use it. `taken` are the names that are.
    pub(super) async fn open(
        instance: &Instance,
        group: &Group,
        file: &Path,
        taken: &BTreeSet<String>,
    ) -> Result<Self, MachineError> {
        let act = format!("attaching {}", file.display());
        let attaching = |error: std::io::Error| MachineError(format!("{act}: {error}"));
        let file = file.canonicalize().map_err(attaching)?;
        let name = ('b'..='z')
            .map(|letter| format!("vd{letter}"))
            .find(|name| !taken.contains(name))
            .ok_or_else(|| MachineError(format!("{act}: the machine has 25 volumes already")))?;
        let serial = serial(&file);
        let device = Program::new(act.as_str(), "losetup")
            .args(["--find", "--show"])
            .arg(&file)
            .run()
            .await?;
        let device = device.trim();
        let volume = Self {
            kernel: device.trim_start_matches("/dev/").to_owned(),
            numbers: (0, 0),
            name,
            serial,
            file,
        };
        let opened = volume.numbered().and_then(|volume| {
            instance.note_loop(device, &volume.file)?;
            group.allow_device(volume.numbers.0, volume.numbers.1, true)?;
            Ok(volume)
        });
        match opened {
            Ok(volume) => Ok(volume),
            Err(error) => {
                let _ = Program::new("detaching", "losetup")
                    .args(["-d", device])
                    .run()
                    .await;
                Err(attaching(error))
            }
        }
    }

    fn numbered(&self) -> std::io::Result<Self> {
        let text = std::fs::read_to_string(format!("/sys/block/{}/dev", self.kernel))?;
        let numbers = text.trim().split_once(':');
        let numbers =
            numbers.and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
        let numbers = numbers.ok_or_else(|| std::io::Error::other("the kernel names no device"))?;
        Ok(Self {
            numbers,
            ..self.clone()
        })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// For `VOLUMES` of `init.sh`.
    pub(super) fn word(&self) -> String {
        let (major, minor) = self.numbers;
        format!(
            "{},{major}:{minor},{},{}",
            self.kernel, self.name, self.serial
        )
    }

    /// Shows it in a machine that runs.
    pub(super) async fn show(&self, leader: i32) -> Result<(), MachineError> {
        let (major, minor) = self.numbers;
        let script = format!("set -eu\n{VOLUME}\nadd_volume \"$@\"");
        Program::new(format!("attaching /dev/{}", self.name), "nsenter")
            .args([
                "--mount",
                "--pid",
                "--target",
                &leader.to_string(),
                "sh",
                "-c",
                &script,
                "sandbox",
                "",
            ])
            .args([
                &self.kernel,
                &format!("{major}:{minor}"),
                &self.name,
                &self.serial,
            ])
            .run()
            .await?;
        // Tells udev in the machines; those that cannot open the device make nothing of it.
        let path = format!("/sys/devices/virtual/block/{}/uevent", self.kernel);
        std::fs::write(path, "add")
            .map_err(|error| MachineError(format!("announcing /dev/{}: {error}", self.name)))
    }

    /// Hides it from a machine that runs. What still has it mounted keeps it until it is unmounted.
    pub(super) async fn hide(&self, leader: i32) -> Result<(), MachineError> {
        let (major, minor) = self.numbers;
        // udev forgets the rule first: what the kernel says of the device later must not bring the links back.
        let script = "\
            rm -f \"/run/udev/rules.d/50-volume-$2.rules\"; udevadm control --reload; \
            uevent=/sys/devices/virtual/block/$1/uevent; echo remove >\"$uevent\"; \
            udevadm settle --timeout=10; umount \"$uevent\"; \
            rm -f \"/dev/$1\" \"/dev/$2\" \"/dev/disk/by-id/virtio-$3\" \
                \"/sys/block/$1\" \"/sys/class/block/$1\" \"/sys/dev/block/$4\"; \
            for link in /dev/disk/by-*/*; do [ -e \"$link\" ] || rm -f \"$link\"; done";
        Program::new(format!("detaching /dev/{}", self.name), "nsenter")
            .args([
                "--mount",
                "--pid",
                "--target",
                &leader.to_string(),
                "sh",
                "-c",
                script,
                "sandbox",
            ])
            .args([
                &self.kernel,
                &self.name,
                &self.serial,
                &format!("{major}:{minor}"),
            ])
            .run()
            .await
            .map(drop)
    }

    /// Gives the block device back.
    pub(super) async fn close(&self, group: &Group) -> Result<(), MachineError> {
        let _ = group.allow_device(self.numbers.0, self.numbers.1, false);
        Program::new(format!("detaching {}", self.file.display()), "losetup")
            .args(["-d", &format!("/dev/{}", self.kernel)])
            .run()
            .await
            .map(drop)
    }
}

fn serial(file: &Path) -> String {
    let stem = file.file_stem().unwrap_or_default().to_string_lossy();
    stem.chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(20)
        .collect()
}
