//! What a run is going to do, before it does it.

use anyhow::bail;

use super::Context;
use super::deployment::HostWork;
use crate::infra;

/// Both halves of a plan.
pub(super) struct Preview {
    cloud: String,
    /// `None` where the host is not there to be looked at yet.
    host: Option<String>,
    destructive: Vec<String>,
    /// How many changes and steps.
    pub(super) changes: usize,
    record: serde_json::Value,
}

impl Preview {
    pub(super) fn of(cloud: &infra::Plan, host: Option<&HostWork>) -> Self {
        let steps = host.map(|work| work.plan.steps.len());
        Self {
            cloud: cloud.to_string(),
            host: host.map(|work| work.plan.to_string()),
            destructive: cloud.destructive().map(ToString::to_string).collect(),
            changes: cloud.changes.len() + steps.unwrap_or(1),
            record: serde_json::json!({
                "event": "plan",
                "cloud": cloud,
                "host": host.map(|work| &work.plan),
            }),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.changes == 0
    }
}

/// Prints the plan as data.
pub(super) fn show(context: &Context, preview: &Preview) {
    if context.ui.is_json() {
        context.ui.record(&preview.record);
        return;
    }
    if !preview.cloud.is_empty() {
        context
            .ui
            .say(&format!("\nin the cloud:\n{}", preview.cloud.trim_end()));
    }
    match &preview.host {
        Some(host) if !host.is_empty() => {
            context
                .ui
                .say(&format!("\non the host:\n{}", host.trim_end()));
        }
        Some(_) => {}
        None => context
            .ui
            .say("\non the host: everything, once the server is there"),
    }
    context.ui.say("");
}

/// Asks whether to go on. Where nobody can answer, says how to go on without asking.
pub(super) fn confirm(context: &Context, preview: &Preview) -> anyhow::Result<bool> {
    let question = if preview.destructive.is_empty() {
        "Do this? [y/N]"
    } else {
        "This loses what is on the server's own disk. Do it? [y/N]"
    };
    match context.ui.ask(question) {
        Some(answer) => Ok(matches!(answer.as_str(), "y" | "Y" | "yes")),
        None => bail!("nobody is at the terminal to confirm; `--yes` goes on without asking"),
    }
}
