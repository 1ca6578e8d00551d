//! The host's own programs, run with a deadline.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use super::MachineError;

/// Long enough for a busy box; what takes longer than this hangs.
const WITHIN: Duration = Duration::from_secs(60);
pub(super) const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program of this host and its words.
pub(super) struct Program {
    act: String,
    command: Command,
    input: Vec<u8>,
    within: Duration,
}

impl Program {
    /// `act` says in errors what was being done (`plugging in the machine`).
    pub(super) fn new(act: impl Into<String>, name: &str) -> Self {
        let mut command = Command::new(name);
        command.env("PATH", PATH).env("LC_ALL", "C.UTF-8");
        Self {
            act: act.into(),
            command,
            input: Vec::new(),
            within: WITHIN,
        }
    }

    /// A shell script, as text; its words come as `$1`, `$2`, ….
    pub(super) fn script(act: impl Into<String>, text: &str) -> Self {
        Self::new(act, "sh").args(["-c", text, "sandbox"])
    }

    pub(super) fn args<S: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.command.args(args);
        self
    }

    pub(super) fn arg(self, arg: impl AsRef<OsStr>) -> Self {
        self.args([arg])
    }

    pub(super) fn input(mut self, text: impl Into<Vec<u8>>) -> Self {
        self.input = text.into();
        self
    }

    pub(super) fn within(mut self, within: Duration) -> Self {
        self.within = within;
        self
    }

    /// Runs it and returns what it printed. Anything but success is an error that carries the end of its complaints.
    pub(super) async fn run(mut self) -> Result<String, MachineError> {
        let act = self.act;
        let run = async {
            let mut child = self
                .command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .kill_on_drop(true)
                .spawn()?;
            if let Some(mut stdin) = child.stdin.take() {
                // A program that does not read its input says better itself what is wrong with it.
                let _ = stdin.write_all(&self.input).await;
            }
            child.wait_with_output().await
        };
        let output = match tokio::time::timeout(self.within, run).await {
            Ok(Ok(output)) => output,
            Ok(Err(error)) => return Err(MachineError(format!("{act}: {error}"))),
            Err(_) => {
                let seconds = self.within.as_secs();
                return Err(MachineError(format!("{act}: no end within {seconds} s")));
            }
        };
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        let lines: Vec<&str> = complaint.trim().lines().collect();
        let tail = lines[lines.len().saturating_sub(5)..].join("; ");
        Err(MachineError(format!("{act}: {} ({tail})", output.status)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn passes_words_and_input_and_says_what_went_wrong() {
        let echo = Program::script("greeting", "cat; printf %s \"$1\"");
        assert_eq!(echo.arg("b c").input("a ").run().await.unwrap(), "a b c");

        let refused = Program::script("trying", "echo no such luck >&2; exit 3");
        assert_eq!(
            refused.run().await.unwrap_err().to_string(),
            "trying: exit status: 3 (no such luck)"
        );
        let stuck = Program::script("waiting", "exec sleep 60").within(Duration::ZERO);
        assert_eq!(
            stuck.run().await.unwrap_err().to_string(),
            "waiting: no end within 0 s"
        );
    }
}
