//! `hubctl plan`: what `provision` would change.

use super::Context;
use super::deployment::Deployment;
use super::preview::{self, Preview};
use crate::ui::Exit;

/// Show what `provision` would change, in the cloud and on the host
///
/// Changes nothing. Files on the host are shown as differences, secrets masked.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// End with status 10 where there are changes
    #[arg(long)]
    pub detailed_exitcode: bool,
}

pub(super) async fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let mut deployment = Deployment::look(context).await?;
    let cloud = deployment.plan_cloud().await?;
    let host = deployment.plan_host(&cloud).await?;
    let preview = Preview::of(&cloud, host.as_ref());
    preview::show(context, &preview);
    if preview.is_empty() && !context.ui.is_json() {
        context.ui.say("nothing to do");
    }
    Ok(if args.detailed_exitcode && !preview.is_empty() {
        Exit::Pending
    } else {
        Exit::Ok
    })
}
