//! Servers in containers: what runs one, as the drop-in of its unit, and what is asked of the engine when it ends.
//!
//! The unit is root's command for the engine, and the hub has no say in it but names and values of variables: it is as
//! far from the engine's socket as from root.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use hub_api::helper::{Container, Instance, Profile};

use crate::account::Account;
use crate::refusal::Refusal;

/// The engine's command.
const ENGINE: &str = "/usr/bin/docker";
/// How long it may take to look or to remove.
const WITHIN: Duration = Duration::from_secs(20);
/// All of them together are this slice's, as units are.
const SLICE: &str = "jupyter.slice";
/// What a process ends with that was killed, as the engine tells it.
const KILLED: i32 = 137;

/// The name of an instance's container. No account's name has a capital letter, so that none stands for two.
pub fn name(instance: &str) -> String {
    format!("jupyter-{}", instance.replace(':', ".SERVER."))
}

/// The drop-in for a server of this account in a container. The variables are named here and nothing else of them: their
/// values are in the environment of the engine's command, for as long as the server runs.
///
/// # Errors
/// Where something has a character that a command line in a unit cannot hold as it is.
pub fn drop_in(
    container: &Container,
    account: &Account,
    instance: &Instance,
    socket: &Path,
    profile: &Profile,
    variables: &[&str],
) -> Result<String, Refusal> {
    let mut words = vec![ENGINE.to_owned()];
    words.extend(command(
        container, account, instance, socket, profile, variables,
    ));
    if let Some(odd) = words.iter().find(|word| !is_plain(word)) {
        return Err(Refusal::Refused(format!(
            "{odd:?} cannot stand in the command of a container: it takes letters, digits and any of {PLAIN}"
        )));
    }
    Ok(format!(
        "# Written by hub-helper for one run.\n\
         [Unit]\n\
         Description=Notebook server of {}\n\
         [Service]\n\
         ExecStart=\n\
         ExecStart={}\n",
        account.name,
        words.join(" ")
    ))
}

fn command(
    container: &Container,
    account: &Account,
    instance: &Instance,
    socket: &Path,
    profile: &Profile,
    variables: &[&str],
) -> Vec<String> {
    let home = account.home.display().to_string();
    let memory = format!("{}m", profile.memory_mb);
    let mut words: Vec<String> = Vec::new();
    let mut add = |given: &[&str]| words.extend(given.iter().map(ToString::to_string));
    add(&["run", "--name", &name(&instance.to_string())]);
    add(&["--pull", "never", "--log-driver", "none"]);
    add(&["--network", &container.network, "--cgroup-parent", SLICE]);
    add(&["--user", &format!("{}:{}", account.uid, account.gid)]);
    add(&["--workdir", &home]);
    add(&["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]);
    // The same number: no swap beside it. What is left in shared memory counts as its own.
    add(&["--memory", &memory, "--memory-swap", &memory]);
    add(&["--shm-size", &memory, "--oom-score-adj", "500"]);
    add(&["--pids-limit", &profile.tasks.to_string()]);
    if let Some(percent) = profile.cpu_percent {
        add(&["--cpus", &format!("{}.{:02}", percent / 100, percent % 100)]);
    }
    let own = [home.as_str(), &folder(socket)];
    for path in own {
        add(&["--mount", &format!("type=bind,source={path},target={path}")]);
    }
    for path in container.read_only.iter().filter(|path| path.exists()) {
        let path = path.display();
        let mount = format!("type=bind,source={path},target={path},readonly");
        add(&["--mount", &mount]);
    }
    for (variable, value) in &container.environment {
        add(&["--env", &format!("{variable}={value}")]);
    }
    for (variable, value) in [
        ("HOME", home.as_str()),
        ("USER", &account.name),
        ("LOGNAME", &account.name),
    ] {
        add(&["--env", &format!("{variable}={value}")]);
    }
    for variable in variables {
        add(&["--env", variable]);
    }
    add(&[&container.image]);
    let (program, before) = match container.command.split_last() {
        Some((program, before)) => (program.as_str(), before),
        None => ("jupyterhub-singleuser", [].as_slice()),
    };
    let program = profile
        .program
        .as_ref()
        .map_or_else(|| program.to_owned(), |own| own.display().to_string());
    for word in before {
        add(&[word]);
    }
    add(&[
        &program,
        &format!("--ServerApp.sock={}", socket.display()),
        "--ServerApp.sock_mode=0660",
        "--KernelManager.transport=ipc",
    ]);
    words
}

fn folder(socket: &Path) -> String {
    let folder = socket.parent().unwrap_or(Path::new("/"));
    folder.display().to_string()
}

const PLAIN: &str = "._/:=,@+-";

/// Neither a blank, nor a quote, nor what a unit's file or the engine reads as more than itself.
fn is_plain(word: &str) -> bool {
    !word.is_empty()
        && word
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || PLAIN.contains(c))
}

/// Whether the server itself was killed for want of memory, as the engine has it of the container that is still there.
/// That alone says little: a kernel of the user's may have been killed long before.
pub fn was_out_of_memory(instance: &str, code: Option<i32>) -> bool {
    if code != Some(KILLED) {
        return false;
    }
    let name = name(instance);
    let told = engine(&["inspect", "--format", "{{.State.OOMKilled}}", &name]);
    told.is_some_and(|told| told.trim() == "true")
}

/// Removes the instance's container, running or not, where there is one. What it said is in the unit's journal.
pub fn remove(instance: &str) {
    let _ = engine(&["rm", "--force", "--volumes", &name(instance)]);
}

/// What the engine's command prints, where it does so in time. Its complaints are not the owner's to read.
fn engine(words: &[&str]) -> Option<String> {
    let (send, receive) = mpsc::channel();
    let mut command = Command::new(ENGINE);
    command
        .args(words)
        .env_clear()
        .env("DOCKER_CONFIG", "/nonexistent")
        .stdin(Stdio::null())
        .stderr(Stdio::null());
    // In a thread that is not waited for beyond the deadline; it ends with this process.
    std::thread::spawn(move || {
        let _ = send.send(command.output());
    });
    let output = receive.recv_timeout(WITHIN).ok()?.ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container() -> Container {
        Container {
            image: "hubctl/notebook:0a1b".to_owned(),
            network: "jupyterhub".to_owned(),
            command: [
                "/usr/bin/tini",
                "--",
                "/opt/notebook/bin/jupyterhub-singleuser",
            ]
            .map(str::to_owned)
            .to_vec(),
            read_only: vec!["/usr".into(), "/nothing-is-here".into()],
            environment: [("LANG".to_owned(), "C.UTF-8".to_owned())].into(),
        }
    }

    fn ada() -> Account {
        Account {
            name: "ada".to_owned(),
            uid: 1001,
            gid: 1002,
            home: "/home/ada".into(),
            groups: Vec::new(),
        }
    }

    fn of(container: &Container, program: Option<&str>) -> Result<String, Refusal> {
        let profile = Profile {
            memory_mb: 512,
            cpu_percent: Some(150),
            tasks: 64,
            program: program.map(Into::into),
        };
        let instance = Instance::new("ada", "my work").unwrap();
        let socket = Path::new("/run/jupyter/ada/server-my-20work.sock");
        let variables = ["JUPYTERHUB_API_TOKEN"];
        drop_in(container, &ada(), &instance, socket, &profile, &variables)
    }

    #[test]
    fn a_container_is_its_user_s_and_nothing_of_root_s() {
        let text = of(&container(), None).unwrap();
        for words in [
            "ExecStart=\nExecStart=/usr/bin/docker run --name jupyter-ada.SERVER.my-20work ",
            " --user 1001:1002 ",
            " --cap-drop ALL --security-opt no-new-privileges ",
            " --memory 512m --memory-swap 512m ",
            " --pids-limit 64 --cpus 1.50 ",
            " --mount type=bind,source=/home/ada,target=/home/ada ",
            " --mount type=bind,source=/run/jupyter/ada,target=/run/jupyter/ada ",
            " --mount type=bind,source=/usr,target=/usr,readonly ",
            " --env JUPYTERHUB_API_TOKEN hubctl/notebook:0a1b /usr/bin/tini -- /opt/notebook/bin/jupyterhub-singleuser \
             --ServerApp.sock=/run/jupyter/ada/server-my-20work.sock ",
        ] {
            assert!(text.contains(words), "{words} is not in\n{text}");
        }
        assert!(!text.contains("nothing-is-here") && !text.contains("docker.sock"));
        let text = of(&container(), Some("/opt/r/bin/lab")).unwrap();
        assert!(text.contains(" /usr/bin/tini -- /opt/r/bin/lab --ServerApp.sock="));
    }

    #[test]
    fn no_two_instances_share_a_container() {
        let of = |user: &str, server: &str| name(&Instance::new(user, server).unwrap().to_string());
        let names = [
            of("ada", ""),
            of("ada", "work"),
            of("ada.server.work", ""),
            of("ada.", "work"),
            of("ada", ".work"),
            of("ada", "-2ework"),
        ];
        let different: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(different.len(), names.len(), "{names:?}");
    }

    #[test]
    fn what_a_unit_reads_as_more_than_itself_is_refused() {
        for image in ["a b", "a\nUser=root", "$HOME", "%h", "a;b", "\"a\"", ""] {
            let container = Container {
                image: image.to_owned(),
                ..container()
            };
            assert!(of(&container, None).is_err(), "{image:?}");
        }
    }
}
