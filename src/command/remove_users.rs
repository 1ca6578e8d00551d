//! `hubctl remove-users`: people who are no longer to be there.

use anyhow::bail;

use super::people::{self, HandOut};
use super::{Context, server};
use crate::host::Host;
use crate::ui::Exit;
use crate::users::{self, Removal, Removed};

/// Remove users with their servers, accounts and homes
///
/// Ends what they run, and has the hub and the credentials file forget them. Only accounts that add-users made, unless
/// another is named with --by-hand. Can be run again where it was cut short.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Whom
    #[arg(required_unless_present = "by_hand")]
    pub names: Vec<String>,
    /// A user whose account was made by hand on the server (repeatable)
    #[arg(long, value_name = "NAME")]
    pub by_hand: Vec<String>,
    /// Leave their homes on the server, for users of the same name
    #[arg(long)]
    pub keep_homes: bool,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
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
    people::refuse_notebook(&state, "`hubctl destroy` takes all of it away")?;
    let host = server::of(context, &name, &state).await?;
    let removal = Removal {
        names: args.names.clone(),
        by_hand: args.by_hand.clone(),
        keep_homes: args.keep_homes,
    };
    if !args.yes && !confirm(context, &host, &removal).await? {
        return Ok(Exit::Interrupted);
    }
    let url = people::url(&state.receipt()?);
    let removed = users::remove(&host, &state, &removal, &url, &*context.ui).await?;
    people::hand_out(context, &state, &args.handout)?;
    report(context, &removed, &removal, host.exchanges());
    Ok(if removed.refused.is_empty() && removed.left.is_empty() {
        Exit::Ok
    } else {
        Exit::Error
    })
}

/// Shows who goes with what, and asks.
async fn confirm(context: &Context, host: &Host, removal: &Removal) -> anyhow::Result<bool> {
    let roster = users::roster(host).await?;
    let ui = &context.ui;
    ui.say(if removal.keep_homes {
        "these go, and their servers; their homes stay:"
    } else {
        "these go, with their servers and all that is in their homes:"
    });
    for name in removal.names.iter().chain(&removal.by_hand) {
        let account = roster.accounts.iter().find(|account| account.name == *name);
        let running = roster.hub.get(name).map_or(0, |user| user.servers.len());
        let mut about = Vec::new();
        match account {
            None => about.push("has no account"),
            Some(account) if !account.made => about.push("made by hand"),
            Some(account) if account.admin => about.push("hub admin"),
            Some(_) => {}
        }
        if running > 0 {
            about.push("works right now");
        }
        let about = if about.is_empty() {
            String::new()
        } else {
            format!(" ({})", about.join(", "))
        };
        ui.say(&format!("  - {name}{about}"));
    }
    match ui.ask("Go on? [y/N]") {
        Some(answer) => Ok(matches!(answer.as_str(), "y" | "Y" | "yes")),
        None => bail!("nobody is at the terminal to confirm; `--yes` goes on without asking"),
    }
}

fn report(context: &Context, removed: &Removed, removal: &Removal, exchanges: usize) {
    let ui = &context.ui;
    if ui.is_json() {
        ui.record(&serde_json::json!({
            "event": "done",
            "changed": removed.removed.len(),
            "removed": removed.removed,
            "absent": removed.absent,
            "refused": removed.refused,
            "left": removed.left,
            "homes_kept": removal.keep_homes,
            "ssh_exchanges": exchanges,
            "seconds": context.started.elapsed().as_secs_f64(),
        }));
        return;
    }
    for (name, why) in &removed.refused {
        let hint = if why == "was made by hand" {
            format!("; `--by-hand {name}` removes it all the same")
        } else {
            String::new()
        };
        ui.say(&format!("not removed: {name} {why}{hint}"));
    }
    for left in &removed.left {
        ui.say(&format!("still there: {left}"));
    }
    if !removed.absent.is_empty() {
        ui.say(&format!("had no account: {}", removed.absent.join(", ")));
    }
    if !removed.removed.is_empty() {
        ui.say(&format!(
            "removed {}: {}",
            removed.removed.len(),
            removed.removed.join(", ")
        ));
    }
}
