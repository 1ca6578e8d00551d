//! What the server says to a broken link.

use std::time::Duration;

use crate::doctor::{self, Finding};
use crate::host::{Command, Host, Limits};
use crate::setup::Vitals;

/// Lines of a unit's journal that are shown.
const WORDS: &str = "--lines=6";

/// Units that do not run, and the last words of those that had to do with it.
pub(super) async fn ask_why(
    finding: &mut Finding,
    host: &Host,
    vitals: &Vitals,
    user: Option<&str>,
) {
    let doctor::State::Broken { cause, hint, log } = &mut finding.state else {
        return;
    };
    let culprits = doctor::host::culprits(vitals, finding.part);
    if let Some(culprit) = culprits.first() {
        let words: Vec<String> = culprits.iter().map(|service| service.words()).collect();
        cause.push_str(&format!("; {}", words.join(", ")));
        let whose = if doctor::host::is_proxys(culprit) {
            "proxy"
        } else {
            "hub"
        };
        *hint = format!("`hubctl provision` starts it; `hubctl logs {whose}` shows what it said");
    }
    for unit in doctor::host::witnesses(vitals, finding.part, user) {
        let command = Command::new("sudo").args([
            "-n",
            "journalctl",
            "--no-pager",
            "--quiet",
            "--output=cat",
            WORDS,
            &format!("--unit={unit}"),
        ]);
        let limits = Limits::new(Duration::from_secs(15), Duration::from_secs(15));
        if let Ok(output) = host.run(&command, Vec::new(), limits).await {
            log.extend(output.lines.iter().map(|line| format!("{unit}: {line}")));
        }
    }
}
