//! `hubctl list-users`: who is there.

use super::{Context, people, server};
use crate::ui::Exit;
use crate::users::{self, Account, HubUser, PasswordState, Roster};

/// List the users: who made them, whether their password is the one handed out, when they were last active, what runs
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The deployment; default: the spec's
    #[arg(long = "deployment", value_name = "NAME")]
    pub name: Option<String>,
}

pub(super) async fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let name = context.name(args.name.as_deref())?;
    let state = context.state_for_reading(&name)?;
    people::refuse_notebook(&state, "`hubctl status` shows how it is")?;
    let host = server::of(context, &name, &state).await?;
    let roster = users::roster(&host).await?;
    let ui = &context.ui;
    if ui.is_json() {
        ui.record(&serde_json::json!({
            "event": "done",
            "users": roster.accounts,
            "hub": roster.hub,
            "hub_problem": roster.hub_problem,
            "ssh_exchanges": host.exchanges(),
            "seconds": context.started.elapsed().as_secs_f64(),
        }));
        return Ok(Exit::Ok);
    }
    if roster.accounts.is_empty() && roster.hub.is_empty() {
        ui.say("there are no users yet; `hubctl add-users` makes some");
    } else {
        ui.data(&table(&roster));
    }
    if let Some(problem) = &roster.hub_problem {
        ui.say(&format!("the hub did not tell what it knows: {problem}"));
    }
    Ok(Exit::Ok)
}

/// A line each: accounts in their order, then whom the hub alone knows.
fn table(roster: &Roster) -> String {
    let nobody = HubUser::default();
    let mut rows = vec![
        [
            "NAME",
            "ADMIN",
            "MADE BY",
            "PASSWORD",
            "LAST ACTIVE",
            "SERVER",
        ]
        .map(str::to_owned),
    ];
    for account in &roster.accounts {
        let user = roster.hub.get(&account.name).unwrap_or(&nobody);
        rows.push([
            account.name.clone(),
            word(account.admin || user.admin, "admin"),
            if account.made { "hubctl" } else { "hand" }.to_owned(),
            password(account).to_owned(),
            last_active(user),
            servers(user),
        ]);
    }
    for (name, user) in roster.without_account() {
        rows.push([
            name.clone(),
            word(user.admin, "admin"),
            "hub only".to_owned(),
            "no account".to_owned(),
            last_active(user),
            servers(user),
        ]);
    }
    let mut widths = [0; 6];
    for row in &rows {
        for (width, field) in widths.iter_mut().zip(row) {
            *width = (*width).max(field.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let line: Vec<String> = widths
            .iter()
            .zip(row)
            .map(|(width, field)| format!("{field:<width$}"))
            .collect();
        text.push_str(line.join("  ").trim_end());
        text.push('\n');
    }
    text
}

fn word(is: bool, word: &str) -> String {
    if is { word } else { "-" }.to_owned()
}

fn password(account: &Account) -> &'static str {
    match account.password {
        PasswordState::Given => "as handed out",
        PasswordState::Changed => "changed",
        PasswordState::Locked => "locked",
        PasswordState::None => "none",
        PasswordState::Unknown => "their own",
    }
}

/// To the minute, as the hub has it (UTC).
fn last_active(user: &HubUser) -> String {
    match &user.last_activity {
        Some(moment) => moment
            .chars()
            .take(16)
            .collect::<String>()
            .replace('T', " "),
        None => "never".to_owned(),
    }
}

fn servers(user: &HubUser) -> String {
    let all: Vec<String> = user
        .servers
        .iter()
        .map(|server| {
            let state = if server.ready { "running" } else { "starting" };
            if server.name.is_empty() {
                state.to_owned()
            } else {
                format!("{} {state}", server.name)
            }
        })
        .collect();
    if all.is_empty() {
        "-".to_owned()
    } else {
        all.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_tells_hubctls_accounts_from_others() {
        let roster: Roster = serde_json::from_value(serde_json::json!({
            "accounts": [
                {"name": "ada", "uid": 1001, "admin": true, "missing": [], "made": true, "password": "changed"},
                {"name": "training01", "uid": 1002, "admin": false, "missing": [], "made": true, "password": "given"},
                {"name": "carl", "uid": 1003, "admin": false, "missing": [], "made": false, "password": "unknown"},
            ],
            "hub": {
                "ada": {"admin": true, "last_activity": "2026-11-26T09:30:12.123456Z", "servers": [
                    {"name": "", "ready": true, "started": null, "last_activity": null},
                    {"name": "gpu", "ready": false, "started": null, "last_activity": null},
                ]},
                "old": {"admin": false, "last_activity": null, "servers": []},
            },
            "hub_problem": null,
        }))
        .unwrap();
        assert_eq!(
            table(&roster),
            "NAME        ADMIN  MADE BY   PASSWORD       LAST ACTIVE       SERVER\n\
             ada         admin  hubctl    changed        2026-11-26 09:30  running, gpu starting\n\
             training01  -      hubctl    as handed out  never             -\n\
             carl        -      hand      their own      never             -\n\
             old         -      hub only  no account     never             -\n"
        );
    }
}
