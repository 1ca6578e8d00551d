//! Notes how a unit ended, as its `ExecStopPost=`: while its control group, which alone knows of an out-of-memory kill
//! on cgroup v1 as on v2, is still there.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use hub_api::helper::Ended;
use hub_api::helper::memory::{CONTROL_GROUPS, kills};
use hub_api::line::shown;

use crate::container;
use crate::places::{Places, write};

/// As many last lines as are noted.
const LINES: usize = 20;
/// As much of the journal's end as is looked at for them, in bytes. Whoever runs in the unit may write entries of many
/// megabytes and of any number of lines, and what the note takes of `/run` is everybody's.
const TAIL: usize = 64 * 1024;
const JOURNAL_WITHIN: Duration = Duration::from_secs(5);

/// What systemd tells a program that it runs when a unit has ended.
#[derive(Debug, Default)]
pub struct Told {
    pub invocation: String,
    /// `success`, `exit-code`, `signal`, `oom-kill`, …
    pub result: String,
    /// `exited`, `killed` or `dumped`.
    pub how: String,
    /// The exit status, or the signal's name.
    pub status: String,
}

/// What runs the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The unit itself.
    Systemd,
    /// A container, of which the unit is the engine's command.
    Containers,
}

/// Notes how the instance's unit ended.
///
/// # Errors
/// Where the name is none of an instance, or the note cannot be written.
pub fn note(instance: &str, told: &Told, places: &Places, engine: Engine) -> anyhow::Result<()> {
    let is_instance = !instance.starts_with('.')
        && instance.len() < 200
        && instance
            .bytes()
            .all(|c| c.is_ascii_alphanumeric() || b"_.:-".contains(&c));
    anyhow::ensure!(
        is_instance,
        "{instance:?} is no instance of a server's unit"
    );
    let is_invocation =
        told.invocation.len() == 32 && told.invocation.bytes().all(|c| c.is_ascii_hexdigit());
    anyhow::ensure!(is_invocation, "systemd told no invocation");
    let kills = kills(
        &std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default(),
        Path::new(CONTROL_GROUPS),
    );
    let mut ended = from(told, kills);
    if engine == Engine::Containers {
        ended.out_of_memory = container::was_out_of_memory(instance, ended.code);
    }
    if told.result != "success" {
        ended.last_lines = journal(&told.invocation);
    }
    write(
        &places.ended(instance),
        &serde_json::to_string(&ended)?,
        0o640,
    )?;
    Ok(())
}

fn from(told: &Told, kills: u64) -> Ended {
    let was_killed = told.how == "killed" || told.how == "dumped";
    Ended {
        invocation: told.invocation.clone(),
        code: if told.how == "exited" {
            told.status.parse().ok()
        } else {
            None
        },
        signal: was_killed.then(|| told.status.clone()),
        // A kernel of the user's may have been killed long before: it is the server's own end that is told.
        out_of_memory: told.result == "oom-kill"
            || (was_killed && told.status == "KILL" && kills > 0),
        last_lines: Vec::new(),
    }
}

/// The last lines that the run itself wrote.
fn journal(invocation: &str) -> Vec<String> {
    let (send, receive) = mpsc::channel();
    let matching = format!("_SYSTEMD_INVOCATION_ID={invocation}");
    // In a thread that is not waited for beyond the deadline; it ends with this process.
    std::thread::spawn(move || {
        // What was written a moment ago may still be on its way.
        let _ = journalctl(&["--sync"]).status();
        let lines = LINES.to_string();
        let asked = [
            "-q",
            "--no-pager",
            "-o",
            "cat",
            "-a",
            "-n",
            &lines,
            &matching,
        ];
        let Ok(mut child) = journalctl(&asked).stdout(Stdio::piped()).spawn() else {
            return;
        };
        let said = child.stdout.take().map(|stdout| tail(stdout, TAIL));
        let _ = child.wait();
        let _ = send.send(said.unwrap_or_default());
    });
    last_lines(&receive.recv_timeout(JOURNAL_WITHIN).unwrap_or_default())
}

fn journalctl(arguments: &[&str]) -> Command {
    let mut command = Command::new("/usr/bin/journalctl");
    command
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// The last bytes of what is read, at least as many as are asked for where there are so many, and never twice as many.
fn tail(mut from: impl Read, length: usize) -> Vec<u8> {
    let mut kept = Vec::with_capacity(2 * length);
    let mut piece = vec![0; length];
    while let Ok(read @ 1..) = from.read(&mut piece) {
        kept.drain(..kept.len().saturating_sub(length));
        kept.extend_from_slice(&piece[..read]);
    }
    kept
}

fn last_lines(said: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(said);
    let mut lines: Vec<String> = text.lines().rev().take(LINES).map(shown).collect();
    lines.reverse();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(result: &str, how: &str, status: &str) -> Told {
        Told {
            invocation: "0".repeat(32),
            result: result.to_owned(),
            how: how.to_owned(),
            status: status.to_owned(),
        }
    }

    #[test]
    fn out_of_memory_is_told_on_v1_and_v2_and_not_of_a_kill_by_hand() {
        assert!(from(&told("oom-kill", "killed", "TERM"), 0).out_of_memory);
        assert!(from(&told("signal", "killed", "KILL"), 1).out_of_memory);
        assert!(!from(&told("signal", "killed", "KILL"), 0).out_of_memory);
        assert!(!from(&told("exit-code", "exited", "1"), 3).out_of_memory);
        assert_eq!(from(&told("exit-code", "exited", "7"), 0).code, Some(7));
        assert_eq!(
            from(&told("signal", "killed", "SEGV"), 0).signal.as_deref(),
            Some("SEGV")
        );
    }

    #[test]
    fn kills_are_counted_in_the_group_of_either_version() {
        let mount = tempfile::tempdir().unwrap();
        let place = |path: &str, text: &str| {
            let path = mount.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        let unit = "jupyter.slice/jupyter@ada.service";
        place(
            &format!("memory/{unit}/memory.oom_control"),
            "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n",
        );
        let v1 = format!(
            "9:memory:/{unit}\n3:cpu,cpuacct:/{unit}\n1:name=systemd:/{unit}\n0::/{unit}\n"
        );
        assert_eq!(kills(&v1, mount.path()), 2);
        place(
            &format!("{unit}/memory.events"),
            "low 0\noom 4\noom_kill 3\noom_group_kill 0\n",
        );
        assert_eq!(kills(&format!("0::/{unit}/.control\n"), mount.path()), 3);
        assert_eq!(kills("", mount.path()), 0);
    }

    #[test]
    fn an_entry_of_many_lines_makes_no_long_note() {
        let mut said = "x\n".repeat(1_000_000);
        said.push_str("y ".repeat(100_000).as_str());
        said.push_str("\nthe last\n");
        let kept = tail(said.as_bytes(), TAIL);
        assert!((TAIL..2 * TAIL).contains(&kept.len()), "{}", kept.len());
        let lines = last_lines(&kept);
        assert_eq!(lines.last().unwrap(), "the last");
        assert!(lines.iter().map(String::len).sum::<usize>() < 10_000);
        let lines = last_lines("x\n".repeat(1000).as_bytes());
        assert_eq!(lines.len(), LINES);
        assert_eq!(last_lines(&tail(&b"a\nb"[..], TAIL)), ["a", "b"]);
    }

    #[test]
    fn nothing_but_an_instance_names_the_note() {
        let places = Places {
            own: "/nonexistent".into(),
            ..Places::default()
        };
        for instance in ["../x", "", "a/b", ".x"] {
            let said = note(
                instance,
                &told("success", "exited", "0"),
                &places,
                Engine::Systemd,
            );
            assert!(said.is_err(), "{instance:?}");
        }
    }
}
