//! What the template unit cannot know: written as a drop-in for one run of one server.

use std::fmt::Write;
use std::path::Path;

use hub_api::helper::{Options, Profile};

use crate::account::Account;
use crate::refusal::Refusal;

/// What the single-user server is given beside its environment, as in the template unit.
pub const ARGUMENTS: &str =
    "--ServerApp.sock=${JUPYTER_SOCKET} --ServerApp.sock_mode=0660 --KernelManager.transport=ipc";

/// The drop-in for a server of this account at this socket. Every value is root's: from the account database or from
/// the helper's file.
///
/// # Errors
/// Where the file has no such profile.
pub fn drop_in(
    options: &Options,
    account: &Account,
    socket: &Path,
    profile: Option<&str>,
) -> Result<String, Refusal> {
    let Profile {
        memory_mb,
        cpu_percent,
        tasks,
        program,
    } = asked(options, profile)?;
    let name = &account.name;
    let home = account.home.display();
    let folder = socket.parent().unwrap_or(Path::new("/")).display();
    let socket = socket.display();
    let mut text = format!(
        "# Written by hub-helper for one run.\n\
         [Unit]\n\
         Description=Notebook server of {name}\n\
         [Service]\n\
         User={name}\n\
         WorkingDirectory={home}\n\
         BindPaths={home} {folder}\n\
         ReadWritePaths={home} {folder}\n\
         # What is left in shared memory ends with the unit, and counts as its own.\n\
         TemporaryFileSystem=/dev/shm:mode=1777,nosuid,nodev,size={memory_mb}m\n\
         Environment=JUPYTER_SOCKET={socket}\n\
         MemoryMax={memory_mb}M\n\
         TasksMax={tasks}\n"
    );
    if let Some(percent) = cpu_percent {
        let _ = writeln!(text, "CPUQuota={percent}%");
    }
    if let Some(program) = program {
        let folder = program.parent().unwrap_or(Path::new("/")).display();
        let _ = writeln!(
            text,
            "Environment=PATH={folder}:/usr/local/bin:/usr/bin:/bin\nExecStart=\nExecStart={} {ARGUMENTS}",
            program.display()
        );
    }
    Ok(text)
}

/// The profile of this name, or the default one.
///
/// # Errors
/// Where the helper's file has no such profile.
pub fn asked<'a>(options: &'a Options, profile: Option<&str>) -> Result<&'a Profile, Refusal> {
    let asked = profile.unwrap_or(&options.default_profile);
    options.profiles.get(asked).ok_or_else(|| {
        let asked: String = asked.chars().take(64).collect();
        let have: Vec<&str> = options.profiles.keys().map(String::as_str).collect();
        Refusal::Refused(format!(
            "there is no profile {asked:?}; the helper's file has {}",
            have.join(", ")
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::tests::options;

    fn ada() -> Account {
        Account {
            name: "ada".to_owned(),
            uid: 1001,
            gid: 1001,
            home: "/home/ada".into(),
            groups: Vec::new(),
        }
    }

    fn of(profile: Option<&str>) -> Result<String, Refusal> {
        let socket = Path::new("/run/jupyter/ada/server.sock");
        drop_in(&options(), &ada(), socket, profile)
    }

    #[test]
    fn limits_come_from_the_file_by_name() {
        let text = of(None).unwrap();
        assert!(text.contains("User=ada\n") && text.contains("MemoryMax=512M\n"));
        assert!(text.contains("BindPaths=/home/ada /run/jupyter/ada\n"));
        assert!(!text.contains("CPUQuota") && !text.contains("ExecStart"));
        let text = of(Some("large")).unwrap();
        assert!(text.contains("MemoryMax=4096M\n") && text.contains("CPUQuota=150%\n"));
        assert!(
            text.contains("ExecStart=\nExecStart=/opt/r/bin/jupyterhub-singleuser --ServerApp")
        );
        let said = of(Some("huge\nUser=root")).unwrap_err().to_string();
        assert!(said.contains("small") && said.contains("large"), "{said}");
    }

    #[test]
    fn the_template_unit_starts_its_server_alike() {
        let template = include_str!("../../../templates/hubd/jupyter@.service.tera");
        let unfolded = template
            .replace("\\\n", "")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        assert!(unfolded.contains(ARGUMENTS), "{unfolded}");
    }
}
