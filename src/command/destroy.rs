//! `hubctl destroy`: takes a deployment away without a trace.

use anyhow::bail;

use super::Context;
use crate::event::Observer;
use crate::infra;
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
    let inventory = infra::observe(&cloud, &name).await?;
    let options = infra::Keep {
        floating_ip: args.keep_floating_ip,
        volume: args.keep_volume,
    };

    let doomed = infra::doomed(&inventory, options);
    if !doomed.is_empty() && !args.yes {
        context.ui.say("this goes, with all that is on it:");
        for item in &doomed {
            context.ui.say(&format!("  - {item}"));
        }
        match context.ui.ask(&format!("Type the name ({name}) to go on:")) {
            Some(answer) if answer == name => {}
            Some(_) => bail!("that is not the name; nothing was changed"),
            None => bail!("nobody is at the terminal to confirm; `--yes` goes on without asking"),
        }
    }

    let left = infra::destroy(&cloud, inventory, options, &context.ui).await?;
    if left.is_empty() {
        state.remove()?;
    }
    if context.ui.is_json() {
        context.ui.record(&serde_json::json!({
            "event": "done",
            "deleted": doomed.len(),
            "left": left,
            "api_calls": cloud.api_calls(),
            "seconds": context.started.elapsed().as_secs_f64(),
        }));
    } else if left.is_empty() {
        context.ui.say(&format!("{name}: nothing is left"));
    } else {
        context.ui.say(&format!("{name}: still there:"));
        for item in &left {
            context.ui.data(&item.to_string());
        }
    }
    Ok(Exit::Ok)
}
