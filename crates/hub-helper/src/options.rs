//! Reads the helper's own file, which only root may write.

use std::io::Read;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use hub_api::helper::{Instance, Options};

use crate::account::is_plain;
use crate::environment::is_reserved;

/// Why the file is not used.
#[derive(Debug, thiserror::Error)]
pub enum OptionsError {
    #[error("reading {path}: {cause}")]
    Read { path: String, cause: std::io::Error },
    #[error("{path} is not used: {why}; it must be root's and writable by nobody else")]
    Open { path: String, why: String },
    #[error("{path}: {why}")]
    Wrong { path: String, why: String },
}

/// Reads and checks the file.
///
/// # Errors
/// Where it cannot be read, others may change it or the folder it is in, or its content makes no sense.
pub fn load(path: &Path) -> Result<Options, OptionsError> {
    let name = || path.display().to_string();
    let read = |cause| OptionsError::Read {
        path: name(),
        cause,
    };
    let folder = path.parent().unwrap_or(Path::new("/"));
    let looked_at = std::fs::symlink_metadata(folder).map_err(read)?;
    if !looked_at.is_dir() {
        return Err(OptionsError::Open {
            path: name(),
            why: "its folder is a link".to_owned(),
        });
    }
    closed(&looked_at).map_err(|why| OptionsError::Open {
        path: name(),
        why: format!("its folder {why}"),
    })?;
    let mut file = std::fs::OpenOptions::new()
        .read(true)
        .custom_flags(nix::fcntl::OFlag::O_NOFOLLOW.bits())
        .open(path)
        .map_err(read)?;
    closed(&file.metadata().map_err(read)?).map_err(|why| OptionsError::Open {
        path: name(),
        why: format!("it {why}"),
    })?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(read)?;
    parse(&text).map_err(|why| OptionsError::Wrong { path: name(), why })
}

fn closed(metadata: &std::fs::Metadata) -> Result<(), String> {
    if metadata.uid() != 0 {
        return Err(format!("belongs to the user id {}", metadata.uid()));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(format!("has the mode {:o}", metadata.mode() & 0o7777));
    }
    Ok(())
}

fn parse(text: &str) -> Result<Options, String> {
    let options: Options = toml::from_str(text).map_err(|error| error.to_string())?;
    if options.user_groups.is_empty() {
        return Err("user_groups names no group".to_owned());
    }
    if !options.profiles.contains_key(&options.default_profile) {
        return Err(format!(
            "default_profile: there is no profile {:?}",
            options.default_profile
        ));
    }
    for (name, profile) in &options.profiles {
        if profile.memory_mb < 16 || profile.tasks < 8 || profile.cpu_percent == Some(0) {
            return Err(format!("profiles.{name}: nothing runs in so little"));
        }
        if let Some(program) = profile
            .program
            .as_deref()
            .filter(|program| !is_plain(program))
        {
            return Err(format!(
                "profiles.{name}: {} is no plain absolute path",
                program.display()
            ));
        }
    }
    if let Some(accounts) = &options.accounts {
        if !options.user_groups.contains(&accounts.group) {
            return Err(format!(
                "accounts.group: {:?} is none of user_groups",
                accounts.group
            ));
        }
        for path in [&accounts.homes, &accounts.skeleton, &accounts.shell] {
            if !is_plain(path) {
                return Err(format!(
                    "accounts: {} is no plain absolute path",
                    path.display()
                ));
            }
        }
        if !accounts.prefix.is_empty() && Instance::new(&accounts.prefix, "").is_err() {
            return Err(format!(
                "accounts.prefix: {:?} is the beginning of no account's name",
                accounts.prefix
            ));
        }
    }
    if let Some(name) = options.environment.iter().find(|name| is_reserved(name)) {
        return Err(format!("environment: {name} is never the hub's to set"));
    }
    Ok(options)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const TEXT: &str = r#"
user_groups = ["hub-users", "hub-admins"]
refused_groups = ["secret"]
environment = ["GRADER"]
default_profile = "small"
[profiles.small]
memory_mb = 512
[profiles.large]
memory_mb = 4096
cpu_percent = 150
program = "/opt/r/bin/jupyterhub-singleuser"
"#;

    pub fn options() -> Options {
        parse(TEXT).unwrap()
    }

    #[test]
    fn a_file_that_others_may_change_is_not_used() {
        if !nix::unistd::geteuid().is_root() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("helper.toml");
        std::fs::write(&path, TEXT).unwrap();
        let set = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        set(&path, 0o600);
        assert!(load(&path).is_ok());
        for mode in [0o602, 0o620, 0o666] {
            set(&path, mode);
            assert!(
                load(&path).unwrap_err().to_string().contains("not used"),
                "{mode:o}"
            );
        }
        set(&path, 0o600);
        set(folder.path(), 0o777);
        assert!(load(&path).unwrap_err().to_string().contains("its folder"));
        set(folder.path(), 0o700);
        nix::unistd::chown(&path, Some(4711.into()), None).unwrap();
        assert!(load(&path).unwrap_err().to_string().contains("4711"));
        let link = folder.path().join("link.toml");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(load(&link).is_err());
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for (from, to, said) in [
            (
                "default_profile = \"small\"",
                "default_profile = \"huge\"",
                "huge",
            ),
            ("memory_mb = 512", "memory_mb = 0", "profiles.small"),
            ("\"GRADER\"", "\"LD_PRELOAD\"", "LD_PRELOAD"),
            ("\"/opt/r", "\"opt/r", "profiles.large"),
            ("refused_groups", "refuse", "refuse"),
            ("[\"hub-users\", \"hub-admins\"]", "[]", "user_groups"),
            (
                "[profiles.small]",
                "[accounts]\ngroup = \"sudo\"\n[profiles.small]",
                "accounts.group",
            ),
            (
                "[profiles.small]",
                "[accounts]\ngroup = \"hub-users\"\nprefix = \"-x\"\n[profiles.small]",
                "accounts.prefix",
            ),
            (
                "[profiles.small]",
                "[accounts]\ngroup = \"hub-users\"\nhomes = \"home\"\n[profiles.small]",
                "plain absolute path",
            ),
        ] {
            let error = parse(&TEXT.replace(from, to)).unwrap_err();
            assert!(error.contains(said), "{to}: {error}");
        }
    }
}
