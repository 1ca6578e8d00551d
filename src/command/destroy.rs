//! `hubctl destroy`: takes a deployment away without a trace.

use anyhow::bail;

use super::Context;
use crate::cloud::Cloud;
use crate::infra::{self, DestroyOptions, Item, Kind, Leftovers};
use crate::ui::Exit;

/// Take the deployment away, everything in the cloud that carries its tag
///
/// Needs no hub.yaml and no local file, works on what a failed provision left, and can be run again. Afterwards it looks
/// once more and lists what is still there.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The deployment; default: the spec's
    pub name: Option<String>,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Keep the floating IP for the next deployment of this name
    #[arg(long)]
    pub keep_floating_ip: bool,
    /// Keep the data volume with the homes
    #[arg(long)]
    pub keep_volume: bool,
}

pub(super) async fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let name = context.name(args.name.as_deref())?;
    let state = context.state(&name)?;
    let cloud = context.cloud().await?;
    context.works_on(&cloud, &name);
    let options = DestroyOptions {
        keep_floating_ip: args.keep_floating_ip,
        keep_volume: args.keep_volume,
    };
    if !args.yes {
        confirm(context, &cloud, &name, options).await?;
    }

    let pace = infra::Pace::default();
    let leftovers = infra::destroy(&cloud, &name, options, &pace, &*context.ui).await?;
    if leftovers.is_clean() && leftovers.kept.is_empty() {
        state.remove()?;
    }
    report(context, &cloud, &name, &leftovers);
    Ok(if leftovers.is_clean() {
        Exit::Ok
    } else {
        Exit::Cloud
    })
}

/// Shows what goes, and goes on only when the name is typed.
async fn confirm(
    context: &Context,
    cloud: &Cloud,
    name: &str,
    options: DestroyOptions,
) -> anyhow::Result<()> {
    let inventory = infra::observe(cloud, name).await?;
    let is_kept = |item: &Item| {
        options.keep_floating_ip && item.resource == Kind::FloatingIp
            || options.keep_volume && item.resource == Kind::Volume
    };
    let doomed: Vec<Item> = inventory
        .items()
        .into_iter()
        .filter(|item| !is_kept(item))
        .collect();
    if doomed.is_empty() {
        return Ok(());
    }
    context.ui.say("this goes, with all that is on it:");
    for item in &doomed {
        context.ui.say(&format!("  - {item}"));
    }
    match context.ui.ask(&format!("Type the name ({name}) to go on:")) {
        Some(answer) if answer == name => Ok(()),
        Some(_) => bail!("that is not the name; nothing was changed"),
        None => bail!("nobody is at the terminal to confirm; `--yes` goes on without asking"),
    }
}

fn report(context: &Context, cloud: &Cloud, name: &str, leftovers: &Leftovers) {
    let ui = &context.ui;
    if ui.is_json() {
        ui.record(&serde_json::json!({
            "event": "done",
            "changed": leftovers.gone.len(),
            "kept": leftovers.kept,
            "left": leftovers.left,
            "api_calls": cloud.api_calls(),
            "seconds": context.started.elapsed().as_secs_f64(),
        }));
        return;
    }
    for item in &leftovers.kept {
        ui.say(&format!("kept: {item}"));
    }
    for leftover in &leftovers.left {
        let why = leftover.why.as_deref().unwrap_or("nobody says why");
        ui.data(&format!("still there: {}: {why}", leftover.item));
    }
    match (leftovers.is_clean(), leftovers.gone.len()) {
        (true, 0) => ui.say(&format!("{name}: there was nothing")),
        (true, n) => ui.say(&format!("{name}: {n} things are gone, nothing is left")),
        (false, _) => ui.say("run it again; what stays after that needs the cloud's operators"),
    }
}
