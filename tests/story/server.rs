//! The server, by its operator's hands.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::hubctl::Operator;

/// A server as OpenSSH reaches it with what hubctl keeps: its key, its known hosts.
pub(crate) struct Server {
    pub(crate) ssh: Vec<String>,
}

impl Server {
    pub(crate) fn of(operator: &Operator, name: &str) -> Self {
        let receipt = operator.receipt(name);
        let state = operator.state(name);
        let option = |name: &str, value: String| ["-o".to_owned(), format!("{name}={value}")];
        let mut ssh = vec![
            "-i".to_owned(),
            state.join("id_ed25519").display().to_string(),
        ];
        for option in [
            option(
                "UserKnownHostsFile",
                state.join("known_hosts").display().to_string(),
            ),
            option("StrictHostKeyChecking", "yes".to_owned()),
            option("BatchMode", "yes".to_owned()),
            option("ConnectTimeout", "5".to_owned()),
            option("LogLevel", "ERROR".to_owned()),
        ] {
            ssh.extend(option);
        }
        ssh.push(format!(
            "{}@{}",
            receipt["login"].as_str().unwrap(),
            receipt["address"].as_str().unwrap()
        ));
        Self { ssh }
    }

    pub(crate) fn try_run(&self, line: &str, input: &str) -> Result<String, String> {
        let mut child = Command::new("ssh")
            .args(&self.ssh)
            .arg(line)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("ssh starts");
        child.stdin.take().unwrap().write_all(input.as_bytes()).ok();
        let output = child.wait_with_output().expect("ssh ends");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(text(&output.stderr))
        }
    }

    pub(crate) fn run(&self, line: &str) -> String {
        self.run_with(line, "")
    }

    pub(crate) fn run_with(&self, line: &str, input: &str) -> String {
        self.try_run(line, input)
            .unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    /// Writes what a command prints into a file here.
    #[allow(dead_code, reason = "each test binary uses its part")]
    pub(crate) fn fetch(&self, line: &str, path: &std::path::Path) {
        let status = Command::new("ssh")
            .args(&self.ssh)
            .arg(line)
            .stdin(Stdio::null())
            .stdout(std::fs::File::create(path).unwrap())
            .status();
        assert!(status.expect("ssh starts").success(), "{line}");
    }

    /// Restarts it and waits until it is back as another boot.
    pub(crate) fn reboot(&self) {
        const BOOT: &str = "cat /proc/sys/kernel/random/boot_id";
        let before = self.run(BOOT);
        let _ = self.try_run("sudo systemctl reboot", "");
        let started = Instant::now();
        while self.try_run(BOOT, "").is_ok_and(|now| now == before)
            || self.try_run("true", "").is_err()
        {
            assert!(started.elapsed() < Duration::from_secs(120), "never back");
            std::thread::sleep(Duration::from_millis(300));
        }
    }
}
