//! `hubctl rotate`: other keys, secrets and passwords than those on a machine that was lost.

mod journal;
pub(super) mod keys;

use anyhow::{Context as _, bail};

use super::Context;
use super::deployment::Deployment;
use super::people::{self, HandOut};
use super::preview::{self, Preview};
use crate::spec::{HubKind, TlsKind};
use crate::ui::Exit;
use crate::users::{self, Whose};
pub(super) use journal::{FILE as JOURNAL, Journal, is_unfinished};

/// Replace every key, secret and password that a lost laptop had
///
/// The SSH key (the old one is taken off the server and out of OpenStack), the secrets of hub and proxy, the hub's own
/// authority and certificate, and the passwords of the users that hubctl made; everybody is logged out. Works from another
/// laptop where the spec's `ssh.authorized_keys` names a key of its agent. One that was cut short goes on when it is run
/// again.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Leave the users' passwords
    #[arg(long)]
    pub keep_passwords: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    #[command(flatten)]
    pub handout: HandOut,
}

pub(super) async fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    args.handout.check()?;
    let mut deployment = Deployment::open(context).await?;
    if deployment.outcome.is_none() {
        bail!(
            "{} has no server; `hubctl provision` makes one, with keys of its own",
            deployment.spec.name
        );
    }
    // What drifted in the cloud may be what keeps this machine out: `operator` is another address here.
    let cloud = deployment.plan_cloud().await?;
    if cloud.destructive().next().is_some() {
        bail!("the server is to be replaced; `hubctl provision` does that, then run this again");
    }
    tell(context, &deployment, args);
    if !cloud.is_empty() {
        preview::show(context, &Preview::of(&cloud, None));
    }
    if !args.yes && !confirm(context)? {
        return Ok(Exit::Interrupted);
    }

    let mut journal = Journal::begin(&deployment)?;
    let mut changed = deployment.apply_cloud(cloud).await?;
    deployment.rotate_key(&mut journal).await?;
    if !journal.secrets {
        deployment.renew_secrets(args.keep_passwords)?;
        journal.secrets = true;
        journal.save(&deployment.state)?;
    }
    changed += deployment.apply_host(None).await?;
    let has_users = deployment.spec.hub.kind != HubKind::Notebook;
    if has_users && !args.keep_passwords && !journal.passwords {
        changed += reset_passwords(context, &deployment).await?;
        journal.passwords = true;
        journal.save(&deployment.state)?;
    }
    log_out(context, &deployment).await?;
    deployment.wait_for_certificate().await?;
    deployment.check(true).await?;
    people::hand_out(context, &deployment.state, &args.handout)?;
    journal::end(&deployment.state)?;
    if !args.keep_passwords && !context.ui.is_json() {
        people::tell_files(context, &deployment.state);
    }
    deployment.report(changed)?;
    Ok(Exit::Ok)
}

/// What it means, before it is done.
fn tell(context: &Context, deployment: &Deployment, args: &Args) {
    let ui = &context.ui;
    ui.say(&format!("this rotates {}:", deployment.spec.name));
    ui.say("  - a new SSH key from this machine: no other machine's copy of the old one gets in any more");
    if deployment.spec.ssh.authorized_keys.is_empty() {
        ui.say("    (ssh.authorized_keys names no further key)");
    }
    let alone = deployment.spec.hub.kind == HubKind::Notebook;
    if alone && !args.keep_passwords {
        ui.say("  - a new password of the notebook server, which restarts: what is computed there ends");
    } else if !alone {
        ui.say("  - new secrets of hub and proxy: both restart, open notebooks lose their connection for a moment,");
        ui.say(
            "    and everybody who is logged in logs in anew; what runs in the notebooks goes on",
        );
    }
    if deployment.spec.tls.kind == TlsKind::SelfSigned {
        ui.say(
            "  - a new authority and certificate: who trusted the old one has to trust the new one",
        );
    }
    if args.keep_passwords {
        ui.say("  - passwords stay");
    } else if !alone {
        ui.say("  - a new password for each user that hubctl made, also for who chose one; a new hand-out");
    }
    ui.say("what it does not: whoever used the old key meanwhile may have left something on the server, and the");
    ui.say("cloud's own credentials (clouds.yaml) are to be replaced in the cloud");
    if !alone {
        ui.say("API tokens that people made stay; the hub's page of tokens revokes them");
    }
}

fn confirm(context: &Context) -> anyhow::Result<bool> {
    match context.ui.ask("Go on? [y/N]") {
        Some(answer) => Ok(matches!(answer.as_str(), "y" | "Y" | "yes")),
        None => bail!("nobody is at the terminal to confirm; `--yes` goes on without asking"),
    }
}

async fn reset_passwords(context: &Context, deployment: &Deployment<'_>) -> anyhow::Result<usize> {
    let state = &deployment.state;
    let host = deployment.host().context("no session to the server")?;
    let url = people::url(&state.receipt()?);
    let done = users::reset(host, state, &Whose::AllMade, &url, &*context.ui).await?;
    for (name, why) in &done.refused {
        context.ui.say(&format!("not reset: {name}: {why}"));
    }
    Ok(done.reset.len())
}

/// hubd's sessions are in its database. Those of JupyterHub ended with its secret for cookies, which is another one now.
async fn log_out(context: &Context, deployment: &Deployment<'_>) -> anyhow::Result<()> {
    if deployment.spec.hub.kind != HubKind::Hubd {
        return Ok(());
    }
    let host = deployment.host().context("no session to the server")?;
    let done = users::log_out(host).await?;
    match done.left {
        None if done.logged_out => {
            context.ui.say("everybody is logged out of the hub");
            Ok(())
        }
        why => bail!(
            "not everybody could be logged out of the hub: {}; run this again when it is up",
            why.as_deref().unwrap_or("there is none on the server")
        ),
    }
}
