//! A process namespace with a shell in it: whatever is started there ends with the test, however the test ends.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// The shell is the namespace's first process: when it goes, and it goes when its input ends, the kernel ends the rest.
pub struct Room {
    _shell: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
}

const END: &str = "the end of what was asked:";

impl Room {
    pub fn open(folder: &Path) -> Self {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
        if !nix::unistd::geteuid().is_root() {
            command.arg("--map-root-user");
        }
        let mut shell = command
            .arg("bash")
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("unshare, of util-linux");
        let input = shell.stdin.take().expect("a pipe");
        let output = BufReader::new(shell.stdout.take().expect("a pipe")).lines();
        Self {
            _shell: shell,
            input,
            output,
        }
    }

    /// Runs it in the shell and returns what it printed. What is to stay runs in the background, its output elsewhere.
    pub async fn run(&mut self, script: &str) -> Result<String, String> {
        let text = format!("{{ {script}\n}} 2>&1; echo \"\n{END} $?\"\n");
        self.input
            .write_all(text.as_bytes())
            .await
            .expect("a shell");
        let mut printed = String::new();
        let reading = async {
            loop {
                let line = self
                    .output
                    .next_line()
                    .await
                    .expect("text")
                    .expect("a shell");
                match line.strip_prefix(END) {
                    Some(" 0") => return Ok(printed.trim().to_owned()),
                    Some(code) => return Err(format!("{script}:{code}: {printed}")),
                    None => printed += &format!("{line}\n"),
                }
            }
        };
        timeout(Duration::from_secs(60), reading)
            .await
            .expect("a minute is enough")
    }
}
