//! A hub that only its server reaches, by way of SSH.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use crate::hubctl::Operator;
use crate::story::NAME;

/// `hubctl tunnel`, until it is dropped.
pub(crate) struct Tunnel {
    program: Child,
    /// Of the hub, as it printed it.
    pub(crate) url: String,
}

impl Tunnel {
    pub(crate) fn start(operator: &Operator) -> Self {
        let command = operator.command(&["tunnel", "--port", "0", "--deployment", NAME]);
        // Ends with us, however we end.
        let mut program = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(command.get_program())
            .args(command.get_args())
            .current_dir(&operator.folder)
            .env_clear()
            .envs(
                command
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("setpriv starts");
        let mut url = String::new();
        BufReader::new(program.stdout.take().unwrap())
            .read_line(&mut url)
            .unwrap();
        Self {
            program,
            url: url.trim().to_owned(),
        }
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
