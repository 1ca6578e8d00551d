//! Makes accounts for people whom the hub knows by a provider, with the system's own tools and root's own rules.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use hub_api::helper::{Accounts, Instance, Options};
use nix::unistd::{Group, User};
use tokio::process::Command;
use tokio::time::timeout;

use crate::account::is_refused;
use crate::refusal::Refusal;

const USERADD: &str = "/usr/sbin/useradd";
const USERDEL: &str = "/usr/sbin/userdel";
/// A home that is filled from a skeleton of some size, on a disk that is busy.
const WITHIN: Duration = Duration::from_secs(30);
/// What `useradd` ends with where all was made but the home.
const HOME_FAILED: i32 = 12;
const DOING: &str = "making the account";

/// Makes the account and its home. There must be neither.
///
/// # Errors
/// Where the helper's file does not allow it, the name is somebody's or something's, or it does not work: then nothing of
/// it is left.
pub async fn account(options: &Options, name: &str) -> Result<(), Refusal> {
    let accounts = options.accounts.as_ref().ok_or_else(|| {
        Refusal::Refused(
            "the helper makes no accounts: its file has no [accounts]; make the account yourself"
                .to_owned(),
        )
    })?;
    let (owned, home) = (name.to_owned(), accounts.homes.join(name));
    may_be_made(options, accounts, name)?;
    let looked = tokio::task::spawn_blocking(move || is_free(&owned, &home));
    looked.await.map_err(Refusal::doing(DOING))??;
    let half = match run(USERADD, &words(options, accounts, name)).await? {
        Said { code: Some(0), .. } => match close(&accounts.homes.join(name)) {
            Ok(()) => return Ok(()),
            Err(error) => Refusal::doing(DOING)(error),
        },
        said @ Said {
            code: Some(HOME_FAILED),
            ..
        } => said.of(USERADD),
        // Nothing was made, and what is there all the same is not ours.
        said => return Err(said.of(USERADD)),
    };
    match run(USERDEL, &["--".to_owned(), name.to_owned()]).await? {
        Said { code: Some(0), .. } => Err(half),
        said => {
            tracing::error!(name, error = %said.of(USERDEL), "taking half an account away");
            Err(half)
        }
    }
}

/// The rules for a name, apart from whether it is free.
fn may_be_made(options: &Options, accounts: &Accounts, name: &str) -> Result<(), Refusal> {
    Instance::new(name, "")?;
    let refused = |why: String| Err(Refusal::Refused(format!("no account {name:?}: {why}")));
    // A group of the same name is made with it: what the system calls a group may become one of its own later.
    if is_refused(options, name) || options.user_groups.iter().any(|group| group == name) {
        return refused("it is the name of a group that is not for people".to_owned());
    }
    if !name.starts_with(&accounts.prefix) {
        return refused(format!("its name must begin with {:?}", accounts.prefix));
    }
    if name.ends_with(['.', '-']) || name == accounts.prefix {
        return refused("its name is not whole".to_owned());
    }
    Ok(())
}

/// Asks the name service, so it may block.
fn is_free(name: &str, home: &Path) -> Result<(), Refusal> {
    let refused = |why: &str| Err(Refusal::Refused(format!("no account {name:?}: {why}")));
    if User::from_name(name)
        .map_err(Refusal::doing(DOING))?
        .is_some()
    {
        return refused("there is one, and it is no notebook user's");
    }
    if Group::from_name(name)
        .map_err(Refusal::doing(DOING))?
        .is_some()
    {
        return refused("there is a group of that name");
    }
    match std::fs::symlink_metadata(home) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Refusal::doing(DOING)(error)),
        // Whose it was is not known here, and its files may be anybody's.
        Ok(_) => refused("there is a home of that name already"),
    }
}

fn words(options: &Options, accounts: &Accounts, name: &str) -> Vec<String> {
    let home: PathBuf = accounts.homes.join(name);
    let lowest = options.lowest_id.max(1000);
    let mut words: Vec<String> = [
        "--create-home",
        "--home-dir",
        &home.display().to_string(),
        "--skel",
        &accounts.skeleton.display().to_string(),
        "--shell",
        &accounts.shell.display().to_string(),
        "--user-group",
        "--groups",
        &accounts.group,
        "--comment",
        "Notebook user",
    ]
    .map(str::to_owned)
    .to_vec();
    // Whatever login.defs says: a person's ids, a home of its own, and no ids beside its own to take.
    for key in [
        format!("UID_MIN={lowest}"),
        format!("GID_MIN={lowest}"),
        "HOME_MODE=0700".to_owned(),
        "SUB_UID_COUNT=0".to_owned(),
        "SUB_GID_COUNT=0".to_owned(),
    ] {
        words.push("--key".to_owned());
        words.push(key);
    }
    words.push("--".to_owned());
    words.push(name.to_owned());
    words
}

/// The skeleton's mode does not open the home.
fn close(home: &Path) -> std::io::Result<()> {
    std::fs::set_permissions(home, std::fs::Permissions::from_mode(0o700))
}

/// What a tool said as it ended.
struct Said {
    code: Option<i32>,
    last: String,
}

impl Said {
    fn of(self, program: &str) -> Refusal {
        Refusal::Unavailable {
            doing: DOING,
            cause: format!(
                "{program} said {:?} and ended with {:?}; the helper's service must be able to write /etc and the \
                 homes, see `accounts` in docs/login.md",
                self.last, self.code
            ),
        }
    }
}

async fn run(program: &str, words: &[String]) -> Result<Said, Refusal> {
    let running = Command::new(program)
        .args(words)
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .output();
    let output = timeout(WITHIN, running)
        .await
        .map_err(|_| Refusal::late(DOING))?
        .map_err(Refusal::doing(DOING))?;
    let said = String::from_utf8_lossy(&output.stderr);
    Ok(Said {
        code: output.status.code(),
        last: said.lines().last().unwrap_or_default().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::tests::options;

    fn accounts() -> Accounts {
        Accounts {
            group: "hub-users".to_owned(),
            homes: PathBuf::from("/home"),
            skeleton: PathBuf::from("/etc/skel"),
            shell: PathBuf::from("/bin/bash"),
            prefix: "uni-".to_owned(),
        }
    }

    #[tokio::test]
    async fn without_root_s_word_none_is_made() {
        let refused = account(&options(), "ada").await.unwrap_err();
        assert!(refused.to_string().contains("no [accounts]"), "{refused}");
    }

    #[test]
    fn names_that_are_not_for_people_are_refused() {
        let options = Options {
            refused_groups: vec!["uni-staff".to_owned()],
            ..options()
        };
        for (name, why) in [
            ("ada", "begin with"),
            ("docker", "not for people"),
            ("sudo", "not for people"),
            ("uni-staff", "not for people"),
            ("hub-users", "not for people"),
            ("hubd", "not for people"),
            ("uni-", "not whole"),
            ("uni-x.", "not whole"),
            ("uni-ada\nroot", "no name"),
            ("uni-../x", "no name"),
            ("-uni-ada", "no name"),
            ("uni-Ada", "no name"),
            ("uni-ada@x", "no name"),
        ] {
            let refused = may_be_made(&options, &accounts(), name).unwrap_err();
            assert!(refused.to_string().contains(why), "{name:?}: {refused}");
        }
        assert!(may_be_made(&options, &accounts(), "uni-ada.l").is_ok());
    }

    #[test]
    fn what_is_somebody_s_is_not_free() {
        let nowhere = Path::new("/nonexistent/home");
        for (name, home, why) in [
            ("root", nowhere, "no notebook user"),
            ("tty", nowhere, "a group of that name"),
            ("no-such-name", Path::new("/usr"), "a home of that name"),
        ] {
            let refused = is_free(name, home).unwrap_err();
            assert!(refused.to_string().contains(why), "{name}: {refused}");
        }
        assert!(is_free("no-such-name", nowhere).is_ok());
    }
}
