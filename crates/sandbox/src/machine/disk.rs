//! A machine's disk: its own layer over an image.

use std::path::Path;
use std::time::Duration;

use super::command::Program;
use super::{MachineError, image};

/// Mounts a disk at `root` in the machine's directory; what the machine writes goes to `upper` beside it.
pub(super) async fn mount(dir: &Path, image: &Path) -> Result<(), MachineError> {
    for name in ["upper", "work", "root", "disk"] {
        std::fs::create_dir_all(dir.join(name))
            .map_err(|error| MachineError(format!("making the machine's disk: {error}")))?;
    }
    let layers: Vec<String> = image::layers(image)
        .iter()
        .map(|layer| layer.display().to_string())
        .collect();
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        layers.join(":"),
        dir.join("upper").display(),
        dir.join("work").display()
    );
    Program::new("mounting the machine's disk", "mount")
        .args(["-t", "overlay", "overlay", "-o", &options])
        .arg(dir.join("root"))
        .run()
        .await
        .map(drop)
}

pub(super) async fn unmount(dir: &Path) -> Result<(), MachineError> {
    let unmount = Program::new("unmounting the disk", "umount").arg("-l");
    unmount.arg(dir.join("root")).run().await.map(drop)
}

/// Puts on the disk what an image cannot know: the resolver of this host, and who the image's login is.
pub(super) fn furnish(
    dir: &Path,
    login: &str,
    apt_lock: Option<Duration>,
) -> Result<(), MachineError> {
    let root = dir.join("root");
    let put = |path: &str, text: &str| {
        let path = root.join(path);
        let write = || {
            if let Some(parent) = path.parent() {
                std::fs::create_dir_all(parent)?;
            }
            // Not through a link that leads out of the machine.
            let _ = std::fs::remove_file(&path);
            std::fs::write(&path, text)
        };
        write().map_err(|error| MachineError(format!("furnishing {}: {error}", path.display())))
    };
    put("etc/resolv.conf", &resolver())?;
    if login != "debian" {
        let text =
            format!("system_info: {{ default_user: {{ name: {login}, gecos: {login} }} }}\n");
        put("etc/cloud/cloud.cfg.d/05_login.cfg", &text)?;
    }
    if let Some(hold) = apt_lock {
        put(
            "etc/systemd/system/first-boot-upgrades.service",
            &upgrades(hold),
        )?;
        let wants = root.join("etc/systemd/system/multi-user.target.wants");
        let link = wants.join("first-boot-upgrades.service");
        let made = std::fs::create_dir_all(&wants)
            .and_then(|()| std::os::unix::fs::symlink("../first-boot-upgrades.service", link));
        made.map_err(|error| MachineError(format!("furnishing the package lock: {error}")))?;
    }
    Ok(())
}

/// The host's resolvers, not counting one that listens on the host's loopback only.
fn resolver() -> String {
    ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"]
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .find(|text| {
            let mut servers = text
                .lines()
                .filter_map(|line| line.strip_prefix("nameserver "));
            servers.any(|server| !server.trim().starts_with("127.") && server.trim() != "::1")
        })
        .unwrap_or_default()
}

/// A unit that behaves as unattended upgrades do on a fresh server: it has the lock before anyone can log in.
fn upgrades(hold: Duration) -> String {
    let seconds = hold.as_secs();
    let program = format!(
        "import fcntl,os,time; f=open(\"/var/lib/dpkg/lock-frontend\",\"w\"); fcntl.lockf(f,fcntl.LOCK_EX); \
         os.system(\"systemd-notify --ready\"); time.sleep({seconds})"
    );
    format!(
        "[Unit]\nDescription=Upgrades of the first boot\nBefore=ssh.service\n\
         ConditionPathExists=!/var/lib/cloud/instance/boot-finished\n\n\
         [Service]\nType=notify\nNotifyAccess=all\nExecStart=/usr/bin/python3 -c '{program}'\n"
    )
}
