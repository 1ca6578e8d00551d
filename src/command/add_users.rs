//! `hubctl add-users`: people, with a password each.

use super::{Context, server};
use crate::state::State;
use crate::ui::Exit;
use crate::users::{self, Added, Request};

/// Make users with a password of their own each
///
/// Names, or a number of training users whose numbering goes on where it left off. Users that exist are left alone. The
/// passwords are in `credentials.csv` in the deployment's state folder; the server gets hashes only.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names of users to make
    #[arg(required_unless_present = "count")]
    pub names: Vec<String>,
    /// Make so many users called after --prefix
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: Option<u32>,
    /// What numbered users are called: training01, training02, …
    #[arg(long, default_value = "training", requires = "count")]
    pub prefix: String,
    /// Give the users named here the hub's admin rights
    #[arg(long, conflicts_with = "count")]
    pub admin: bool,
    /// The deployment; default: the spec's
    #[arg(long = "deployment", value_name = "NAME")]
    pub name: Option<String>,
}

pub(super) async fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let name = context.name(args.name.as_deref())?;
    let state = context.state(&name)?;
    anyhow::ensure!(
        !state.receipt()?.notebook,
        "{name} is one person's notebook server (`hub.kind: notebook`): it has no users, and one password, which is in {}; \
         for several people make a hub under another `name`",
        state.path(users::credentials::FILE).display()
    );
    let request = Request {
        names: args.names.clone(),
        count: args.count.unwrap_or(0) as usize,
        prefix: args.prefix.clone(),
        admins: admins(context, args),
        url: state.receipt()?.url.unwrap_or_default(),
    };
    request.check()?;
    let passwords = request.passwords();
    let host = server::of(context, &name, &state).await?;
    let added = users::add(&host, &state, &request, passwords, &*context.ui).await?;
    report(context, &state, &added, host.exchanges());
    if added.refused.is_empty() {
        Ok(Exit::Ok)
    } else {
        Ok(Exit::Error)
    }
}

/// Those named with `--admin`, and the spec's `hub.admins`.
fn admins(context: &Context, args: &Args) -> Vec<String> {
    let mut admins = if args.admin {
        args.names.clone()
    } else {
        Vec::new()
    };
    if context.has_spec()
        && let Ok(spec) = context.spec()
    {
        admins.extend(spec.hub.admins);
    }
    admins.sort();
    admins.dedup();
    admins
}

fn report(context: &Context, state: &State, added: &Added, exchanges: usize) {
    let ui = &context.ui;
    let file = state.path(users::credentials::FILE);
    let created: Vec<&str> = added.created.iter().map(|c| c.user.as_str()).collect();
    if ui.is_json() {
        ui.record(&serde_json::json!({
            "event": "done",
            "changed": created.len() + added.completed.len() + added.promoted.len(),
            "created": created,
            "existing": added.existing,
            "completed": added.completed,
            "promoted": added.promoted,
            "refused": added.refused,
            "without_password": added.without_password,
            "credentials": file,
            "ssh_exchanges": exchanges,
            "seconds": context.started.elapsed().as_secs_f64(),
        }));
        return;
    }
    let told = |what: &str, names: &[String]| {
        if !names.is_empty() {
            ui.say(&format!("{what}: {}", names.join(", ")));
        }
    };
    for (name, why) in &added.refused {
        ui.say(&format!("not made: {name}: {why}"));
    }
    told("left alone, they exist", &added.existing);
    told("completed what they lacked", &added.completed);
    told("hub admins now", &added.promoted);
    told(
        "exist, but their passwords are not known here",
        &added.without_password,
    );
    if !created.is_empty() {
        ui.say(&format!("made {}: {}", created.len(), created.join(", ")));
        ui.say("their passwords are in:");
        ui.data(&file.display().to_string());
    }
}
