//! What the template unit cannot know: written as a drop-in for one run of one server.

use std::fmt::Write;
use std::path::Path;

use hub_api::helper::{Options, Size};

use crate::account::Account;
use crate::refusal::Refusal;

/// What the single-user server is given beside its environment, as in the template unit.
pub const ARGUMENTS: &str =
    "--ServerApp.sock=${JUPYTER_SOCKET} --ServerApp.sock_mode=0660 --KernelManager.transport=ipc";

/// The drop-in for a server of this account at this socket. Every value is root's: from the account database or from
/// the helper's file.
///
/// # Errors
/// Where the file has no such size or notebook environment.
pub fn drop_in(
    options: &Options,
    account: &Account,
    socket: &Path,
    size: Option<&str>,
    notebook: Option<&str>,
) -> Result<String, Refusal> {
    let size = size.unwrap_or(&options.default_size);
    let Some(Size {
        memory_mb,
        cpu_percent,
        tasks,
    }) = options.sizes.get(size)
    else {
        return Err(offered("size", size, options.sizes.keys()));
    };
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
         Environment=JUPYTER_SOCKET={socket}\n\
         MemoryMax={memory_mb}M\n\
         TasksMax={tasks}\n"
    );
    if let Some(percent) = cpu_percent {
        let _ = writeln!(text, "CPUQuota={percent}%");
    }
    if let Some(notebook) = notebook {
        let Some(program) = options.notebooks.get(notebook) else {
            return Err(offered(
                "notebook environment",
                notebook,
                options.notebooks.keys(),
            ));
        };
        let _ = write!(
            text,
            "ExecStart=\nExecStart={} {ARGUMENTS}\n",
            program.display()
        );
    }
    Ok(text)
}

fn offered<'a>(what: &str, asked: &str, have: impl Iterator<Item = &'a String>) -> Refusal {
    let asked: String = asked.chars().take(64).collect();
    let have: Vec<&str> = have.map(String::as_str).collect();
    Refusal::Refused(format!(
        "there is no {what} {asked:?}; the helper's file has {}",
        have.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::tests::options;

    fn ada() -> Account {
        Account {
            name: "ada".to_owned(),
            uid: 1001,
            home: "/home/ada".into(),
            groups: Vec::new(),
        }
    }

    fn of(size: Option<&str>, notebook: Option<&str>) -> Result<String, Refusal> {
        let socket = Path::new("/run/jupyter/ada/server.sock");
        drop_in(&options(), &ada(), socket, size, notebook)
    }

    #[test]
    fn limits_come_from_the_file_by_name() {
        let text = of(None, None).unwrap();
        assert!(text.contains("User=ada\n") && text.contains("MemoryMax=512M\n"));
        assert!(text.contains("BindPaths=/home/ada /run/jupyter/ada\n"));
        assert!(!text.contains("CPUQuota") && !text.contains("ExecStart"));
        let text = of(Some("large"), Some("r")).unwrap();
        assert!(text.contains("MemoryMax=4096M\n") && text.contains("CPUQuota=150%\n"));
        assert!(
            text.contains("ExecStart=\nExecStart=/opt/r/bin/jupyterhub-singleuser --ServerApp")
        );
        let said = of(Some("huge\nUser=root"), None).unwrap_err().to_string();
        assert!(said.contains("small") && said.contains("large"), "{said}");
        assert!(of(None, Some("nope")).is_err());
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
