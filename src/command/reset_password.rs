//! `hubctl reset-password`: another password for those who lost theirs.

use super::people::{self, HandOut};
use super::{Context, server};
use crate::handout;
use crate::ui::Exit;
use crate::users::{self, Whose};

/// Give users new passwords
///
/// Also those who had changed theirs, or whose account was locked. The new ones are in `credentials.csv` and on the slips
/// in `handout.html`. Whoever is logged in as them is logged out; stock JupyterHub cannot do that, and lets them stay.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whose
    #[arg(required = true)]
    pub names: Vec<String>,
    #[command(flatten)]
    pub handout: HandOut,
    /// The deployment; default: the spec's
    #[arg(long = "deployment", value_name = "NAME")]
    pub name: Option<String>,
}

pub(super) async fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    args.handout.check()?;
    let name = context.name(args.name.as_deref())?;
    let state = context.state(&name)?;
    people::refuse_notebook(&state, "`hubctl rotate` gives it another")?;
    let host = server::of(context, &name, &state).await?;
    let url = people::url(&state.receipt()?);
    let whose = Whose::These(args.names.clone());
    let found = users::reset(&host, &state, &whose, &url, &*context.ui).await?;
    people::hand_out(context, &state, &args.handout)?;
    let reset: Vec<&str> = found.reset.iter().map(|row| row.user.as_str()).collect();
    let ui = &context.ui;
    if ui.is_json() {
        ui.record(&serde_json::json!({
            "event": "done",
            "changed": reset.len(),
            "reset": reset,
            "refused": found.refused,
            "logged_out": found.logged_out,
            "left": found.left,
            "credentials": state.path(users::credentials::FILE),
            "handout": state.path(handout::FILE),
            "ssh_exchanges": host.exchanges(),
            "seconds": context.started.elapsed().as_secs_f64(),
        }));
    } else {
        for (name, why) in &found.refused {
            ui.say(&format!("not reset: {name}: {why}"));
        }
        if !reset.is_empty() {
            ui.say(&format!("new passwords: {}", reset.join(", ")));
            if !found.logged_out {
                ui.say("who is logged in to JupyterHub stays so; `hubctl rotate --keep-passwords` logs everybody out");
            }
            people::tell_files(context, &state);
        }
        for left in &found.left {
            ui.say(&format!(
                "{left}; run this again when the hub is up (`hubctl doctor`)"
            ));
        }
    }
    Ok(if found.refused.is_empty() && found.left.is_empty() {
        Exit::Ok
    } else {
        Exit::Error
    })
}
