//! A disk of a size of its own for the machines of a sandbox, which would otherwise fill this machine's.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// A file system in a file, mounted at a folder until it is dropped.
pub(crate) struct Disk {
    guard: Child,
}

/// Mounts, says so, and unmounts when its input ends: also when who holds it was killed.
const GUARD: &str = "trap '' TERM INT HUP
truncate -s \"$1\" \"$2\" && mkfs.ext4 -q -F \"$2\" && mkdir -p \"$3\" && mount -o loop \"$2\" \"$3\" || exit 1
echo mounted
cat >/dev/null
umount -l \"$3\"
rm -f \"$2\"";

impl Disk {
    pub(crate) fn mount(size: &str, file: &Path, folder: &Path) -> Self {
        let mut guard = Command::new("sh")
            .args(["-c", GUARD, "guard", size])
            .args([file, folder])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Who ends the test with all of its processes leaves this one.
            .process_group(0)
            .spawn()
            .expect("sh starts");
        let mut said = String::new();
        let output = guard.stdout.take().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(output), &mut said).unwrap();
        assert_eq!(said, "mounted\n", "a disk of {size} for the machine");
        Self { guard }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Some(mut input) = self.guard.stdin.take() {
            let _ = input.flush();
        }
        let _ = self.guard.wait();
    }
}
