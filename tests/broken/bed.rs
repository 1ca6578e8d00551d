//! A cloud, somebody's laptop, and the program on it.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use sandbox::{Options, Pace, Sandbox};

pub(crate) struct Bed {
    pub(crate) sandbox: Sandbox,
    folder: tempfile::TempDir,
}

pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    /// From `error:` on.
    pub(crate) error: String,
    pub(crate) everything: String,
}

impl Bed {
    pub(crate) fn new(scenario: &str, tls: bool) -> Self {
        let sandbox = Sandbox::start(Options {
            scenario: scenario.parse().unwrap(),
            pace: Pace::FAST,
            tls,
            ..Options::default()
        })
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("hub.yaml"), "name: class\n").unwrap();
        fs::copy(&sandbox.clouds_yaml, folder.path().join("clouds.yaml")).unwrap();
        Self { sandbox, folder }
    }

    pub(crate) fn clouds_yaml(&self) -> PathBuf {
        self.folder.path().join("clouds.yaml")
    }

    /// Changes the laptop's `clouds.yaml`, line by line; a line that becomes nothing goes.
    pub(crate) fn edit_clouds(&self, edit: impl Fn(&str) -> Option<String>) {
        let text = fs::read_to_string(self.clouds_yaml()).unwrap();
        let lines: Vec<String> = text.lines().filter_map(edit).collect();
        fs::write(self.clouds_yaml(), lines.join("\n") + "\n").unwrap();
    }

    pub(crate) fn run(&self, args: &[&str], environment: &[(String, String)]) -> Said {
        let output = Command::new(env!("CARGO_BIN_EXE_hubctl"))
            .args(args)
            .current_dir(self.folder.path())
            .env_clear()
            .env("HOME", self.folder.path())
            .env("HUBCTL_STATE_DIR", self.folder.path().join("state"))
            .envs(environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        let at = text.find("error:").unwrap_or(0);
        Said {
            code: output.status.code(),
            error: text[at..].to_owned(),
            everything: text + &String::from_utf8(output.stdout).unwrap(),
        }
    }

    /// The text without what differs from run to run.
    pub(crate) fn plain(&self, text: &str) -> String {
        let port = self.sandbox.auth_url.rsplit(':').next().unwrap();
        let port = port.split('/').next().unwrap();
        let folder = self.folder.path().display().to_string();
        let text = text.replace(&folder, "~").replace(port, "PORT");
        let mut plain = String::new();
        for word in text.split_inclusive(|c: char| !(c.is_ascii_alphanumeric() || c == '-')) {
            let (body, end) = match word.char_indices().last() {
                Some((at, c)) if !(c.is_ascii_alphanumeric() || c == '-') => word.split_at(at),
                _ => (word, ""),
            };
            let hex = |text: &str| {
                text.len() >= 32 && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
            };
            let id = body.strip_prefix("req-").unwrap_or(body);
            if hex(id) {
                plain.push_str(if id == body { "ID" } else { "req-ID" });
            } else {
                plain.push_str(body);
            }
            plain.push_str(end);
        }
        plain
    }
}
