//! `hubctl provision`: from hub.yaml to a hub that works, and back to it when it drifted.

use super::Context;
use super::deployment::Deployment;
use super::preview::{self, Preview};
use super::span::{self, Span};
use time::OffsetDateTime;

use crate::ui::Exit;

/// Make the hub, or bring it back to what hub.yaml says
///
/// Shows what would change in the cloud and on the host and asks, unless --yes. Ends when a test user could log in
/// over HTTPS, start a server and compute in it. Can be run again at any time: it goes on where a killed run stopped,
/// repairs what was changed by hand, and changes nothing where nothing is to be done.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// Bring the system of the server up to date, too
    #[arg(long)]
    pub upgrade: bool,
    /// How long it is needed from now on (`90m`, `8h`, `2d`), for `hubctl gc`; `never` keeps gc off it
    #[arg(long, value_name = "SPAN", value_parser = span::parse)]
    pub ttl: Option<Span>,
}

pub(super) async fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let mut deployment = Deployment::open(context).await?;
    deployment.upgrade = args.upgrade;
    if let Some(ttl) = args.ttl {
        deployment.expires(ttl.end(OffsetDateTime::now_utc()));
    }

    let cloud = deployment.plan_cloud().await?;
    let host = deployment.plan_host(&cloud).await?;
    let preview = Preview::of(&cloud, host.as_ref());
    preview::show(context, &preview);
    if !preview.is_empty() && !args.yes && !preview::confirm(context, &preview)? {
        return Ok(Exit::Interrupted);
    }

    let mut changed = deployment.apply_cloud(cloud).await?;
    deployment.tell_record().await;
    deployment.check_name().await?;
    changed += deployment.apply_host(host).await?;
    deployment.wait_for_record().await?;
    deployment.wait_for_certificate().await?;
    deployment.check(changed > 0).await?;
    deployment.report(changed)?;
    Ok(Exit::Ok)
}
