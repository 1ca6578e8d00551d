//! `hubctl gc`: takes away what has had its time, over all deployments of the project.

use std::time::Duration;

use anyhow::bail;
use time::OffsetDateTime;

use super::{Context, span};
use crate::cloud::Cloud;
use crate::infra::gc::{Rule, judge};
use crate::infra::{self, Deployment, DestroyOptions};
use crate::ui::Exit;

/// Take away the deployments of the project that have had their time
///
/// Whatever carries hubctl's tags goes with everything it has: what is past the time that `provision --ttl` gave it, and with
/// --older-than also what was given none. What was given a time stays until then, and what was given `never` stays. One
/// that cannot be taken away does not keep the others.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Those whose time is over (the default where --older-than is not given)
    #[arg(long)]
    pub expired: bool,
    /// Those that were given no time, of which nothing was made for so long: `90m`, `6h`, `2d`
    #[arg(long, value_name = "SPAN", value_parser = span::duration)]
    pub older_than: Option<Duration>,
    /// Only say what would go
    #[arg(long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
}

pub(super) async fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let rule = Rule {
        expired: args.expired || args.older_than.is_none(),
        older_than: args.older_than,
    };
    let cloud = context.cloud().await?;
    let now = OffsetDateTime::now_utc();
    let mut due = Vec::new();
    for deployment in infra::list(&cloud).await? {
        let verdict = judge(&deployment, rule, now);
        tell(context, &deployment, &verdict.to_string(), verdict.is_due());
        if verdict.is_due() {
            due.push(deployment);
        }
    }
    if args.dry_run || due.is_empty() {
        if due.is_empty() {
            context.ui.say("nothing has had its time");
        }
        report(context, &cloud, &[], &[]);
        return Ok(Exit::Ok);
    }
    if !args.yes && !confirm(context, due.len())? {
        return Ok(Exit::Interrupted);
    }
    let (mut gone, mut failed) = (Vec::new(), Vec::new());
    for deployment in due {
        match take_away(context, &cloud, &deployment.name).await {
            Ok(None) => gone.push(deployment.name),
            Ok(Some(left)) => failed.push((deployment.name, left)),
            Err(error) => failed.push((deployment.name, format!("{error:#}"))),
        }
    }
    report(context, &cloud, &gone, &failed);
    Ok(if failed.is_empty() {
        Exit::Ok
    } else {
        Exit::Cloud
    })
}

/// Says what becomes of a deployment.
fn tell(context: &Context, deployment: &Deployment, why: &str, is_due: bool) {
    let ui = &context.ui;
    if ui.is_json() {
        ui.record(&serde_json::json!({
            "event": "deployment",
            "name": deployment.name,
            "due": is_due,
            "why": why,
            "expires": deployment.expires,
            "items": deployment.items,
        }));
    } else if is_due {
        ui.data(&format!("{}: {why}", deployment.name));
        for item in &deployment.items {
            ui.data(&format!("  - {item}"));
        }
    } else {
        ui.say(&format!("{} stays: {why}", deployment.name));
    }
}

fn confirm(context: &Context, count: usize) -> anyhow::Result<bool> {
    let what = if count == 1 { "it" } else { "them" };
    match context.ui.ask(&format!(
        "Take {what} away, with all that is on {what}? [y/N]"
    )) {
        Some(answer) => Ok(matches!(answer.as_str(), "y" | "Y" | "yes")),
        None => bail!("nobody is at the terminal to confirm; `--yes` goes on without asking"),
    }
}

/// Destroys one; what is left of it, in words.
async fn take_away(context: &Context, cloud: &Cloud, name: &str) -> anyhow::Result<Option<String>> {
    // Another run on it is another's business.
    let state = context.state(name)?;
    let pace = infra::Pace::default();
    let options = DestroyOptions::default();
    let leftovers = infra::destroy(cloud, name, options, &pace, &*context.ui).await?;
    if leftovers.is_clean() {
        state.remove()?;
        return Ok(None);
    }
    let left: Vec<String> = leftovers
        .left
        .iter()
        .map(|leftover| match &leftover.why {
            Some(why) => format!("{}: {why}", leftover.item),
            None => leftover.item.to_string(),
        })
        .collect();
    Ok(Some(format!("still there: {}", left.join("; "))))
}

fn report(context: &Context, cloud: &Cloud, gone: &[String], failed: &[(String, String)]) {
    let ui = &context.ui;
    if ui.is_json() {
        ui.record(&serde_json::json!({
            "event": "done",
            "changed": gone.len(),
            "gone": gone,
            "failed": failed,
            "api_calls": cloud.api_calls(),
            "seconds": context.started.elapsed().as_secs_f64(),
        }));
        return;
    }
    for name in gone {
        ui.say(&format!("{name} is gone"));
    }
    for (name, why) in failed {
        ui.data(&format!("{name} is not gone: {why}"));
    }
}
