//! The folders the helper keeps under `/run`, each with the owner and mode that keeps others out.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};

use hub_api::helper::{self, Instance};
use nix::fcntl::OFlag;

use crate::account::Account;

/// Where things are; tests have their own.
#[derive(Debug, Clone)]
pub struct Places {
    /// Root's; environments are in `env`, for as long as a unit takes to start, and how units ended in `ended`.
    pub own: PathBuf,
    /// The sockets of users' servers, a folder a user.
    pub sockets: PathBuf,
    /// Where systemd looks for what was written since boot.
    pub units: PathBuf,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            own: Path::new(helper::ENDED)
                .parent()
                .unwrap_or(Path::new("/run"))
                .to_owned(),
            sockets: PathBuf::from(helper::SOCKETS),
            units: PathBuf::from("/run/systemd/system"),
        }
    }
}

impl Places {
    /// Makes what is missing, takes back what was opened wider, and removes environments that a killed helper left.
    ///
    /// # Errors
    /// Where a folder cannot be made, or is there and not a folder of root.
    pub fn lay_out(&self, hub_gid: u32) -> io::Result<()> {
        folder(&self.own, 0, 0, 0o711)?;
        let environments = self.own.join("env");
        folder(&environments, 0, 0, 0o700)?;
        for left in std::fs::read_dir(&environments)? {
            remove(&left?.path())?;
        }
        // What is made in it belongs to the hub's group.
        folder(&self.own.join("ended"), 0, hub_gid, 0o2750)?;
        folder(&self.sockets, 0, 0, 0o711)
    }

    pub fn environment(&self, instance: &Instance) -> PathBuf {
        self.own.join("env").join(instance.to_string())
    }

    pub fn ended(&self, instance: &str) -> PathBuf {
        self.own.join("ended").join(format!("{instance}.json"))
    }

    pub fn drop_in(&self, instance: &Instance) -> PathBuf {
        self.units.join(format!("{}.d", instance.unit()))
    }

    pub fn socket(&self, instance: &Instance) -> PathBuf {
        self.sockets.join(instance.user()).join(instance.socket())
    }

    /// The folder of a user's sockets, which the user fills and the proxy's group enters. Sockets made in it belong to
    /// that group. It is never removed: other servers of the user may have it in their view of the file system.
    ///
    /// # Errors
    /// Where it cannot be made.
    pub fn user_folder(&self, account: &Account, proxy_gid: u32) -> io::Result<PathBuf> {
        let path = self.sockets.join(&account.name);
        folder(&path, account.uid, proxy_gid, 0o2710)?;
        Ok(path)
    }
}

/// A folder of this owner and mode. Its parent is root's, so that nobody else can put a link in its place.
fn folder(path: &Path, uid: u32, gid: u32, mode: u32) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let folder = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW).bits())
        .open(path)?;
    let now = folder.metadata()?;
    if (now.uid(), now.gid(), now.mode() & 0o7777) != (uid, gid, mode) {
        fchown(&folder, Some(uid), Some(gid))?;
        folder.set_permissions(Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// Writes a file of root's in a folder of root's, as a whole or not at all.
///
/// # Errors
/// Where it cannot be written.
pub fn write(path: &Path, content: &str, mode: u32) -> io::Result<()> {
    // No account and no instance begins with a dot, but one may end in ".new": what is fresh is nobody else's file.
    let mut fresh = std::ffi::OsString::from(".");
    fresh.push(path.file_name().unwrap_or_default());
    let fresh = path.with_file_name(fresh);
    remove(&fresh)?;
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(&fresh)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(content.as_bytes())?;
    std::fs::rename(&fresh, path)
}

/// Removes a file, if it is there.
///
/// # Errors
/// Where it cannot be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::symlink_metadata(path).unwrap().mode() & 0o7777
    }

    #[test]
    fn folders_get_owner_and_mode_and_a_link_in_their_place_is_not_followed() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let base = tempfile::tempdir().unwrap();
        let places = Places {
            own: base.path().join("own"),
            sockets: base.path().join("sockets"),
            units: base.path().join("units"),
        };
        places.lay_out(4711).unwrap();
        let env = places.own.join("env");
        assert_eq!(mode(&env), 0o700);
        std::fs::write(env.join("ada"), "TOKEN=x").unwrap();
        std::fs::set_permissions(&env, Permissions::from_mode(0o777)).unwrap();
        places.lay_out(4711).unwrap();
        assert_eq!(mode(&env), 0o700);
        assert!(!env.join("ada").exists());
        assert_eq!(
            std::fs::metadata(places.own.join("ended")).unwrap().gid(),
            4711
        );

        let ada = Account {
            name: "ada".to_owned(),
            uid: 4712,
            gid: 4712,
            home: PathBuf::from("/home/ada"),
            groups: Vec::new(),
        };
        let path = places.user_folder(&ada, 4713).unwrap();
        let made = std::fs::metadata(&path).unwrap();
        assert_eq!((made.uid(), made.gid(), mode(&path)), (4712, 4713, 0o2710));

        std::fs::remove_dir(&path).unwrap();
        std::os::unix::fs::symlink("/etc", &path).unwrap();
        assert!(places.user_folder(&ada, 4713).is_err());
    }

    #[test]
    fn writing_one_account_s_file_leaves_alone_that_of_an_account_called_alike() {
        let base = tempfile::tempdir().unwrap();
        let other = base.path().join("ada.new");
        write(&other, "TOKEN=other\n", 0o600).unwrap();
        write(&base.path().join("ada"), "TOKEN=ada\n", 0o600).unwrap();
        assert_eq!(std::fs::read_to_string(&other).unwrap(), "TOKEN=other\n");
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_whatever_was_left_there() {
        let base = tempfile::tempdir().unwrap();
        let path = base.path().join("env");
        std::os::unix::fs::symlink("/etc/passwd", base.path().join(".env")).unwrap();
        write(&path, "A=1\n", 0o600).unwrap();
        write(&path, "A=2\n", 0o600).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "A=2\n");
        assert_eq!(mode(&path), 0o600);
        remove(&path).unwrap();
        remove(&path).unwrap();
    }
}
