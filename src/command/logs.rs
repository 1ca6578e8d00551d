//! `hubctl logs`: what the hub, the proxy or a user's server says.

use std::path::PathBuf;
use std::time::Duration;

use super::{Context, server};
use crate::host::{Command, HostError, Limits};
use crate::setup::HubPlaces;
use crate::setup::names::{HUB_HELPER_SERVICE, HUBPROXY_SERVICE, PROXY_SERVICE};
use crate::ui::Exit;
use crate::users::names;

/// Show what the hub, the proxy or a user's server says
#[derive(Debug, clap::Args)]
pub struct Args {
    /// `hub`, `proxy`, or `user NAME`; a name alone is a user's, too
    #[arg(value_name = "hub|proxy|user", default_value = "hub")]
    pub whose: String,
    /// The user, after `user`
    #[arg(value_name = "NAME")]
    pub user: Option<String>,
    /// Go on as more is said, until interrupted
    #[arg(short = 'f', long)]
    pub follow: bool,
    /// How many lines from the end
    #[arg(short = 'n', long, default_value_t = 100)]
    pub lines: u32,
    /// The deployment; default: the spec's
    #[arg(long = "deployment", value_name = "NAME")]
    pub name: Option<String>,
    /// The spec (here without its short form: `-f` is --follow, as with other logs)
    #[arg(long, value_name = "FILE", env = "HUBCTL_FILE", id = "file")]
    file: Option<PathBuf>,
}

/// An operator may follow for a day.
const FOLLOW: Limits = Limits::new(
    Duration::from_secs(24 * 3600),
    Duration::from_secs(24 * 3600),
);

pub(super) async fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let units = units(&args.whose, args.user.as_deref())?;
    let name = context.name(args.name.as_deref())?;
    let host = server::visit(context, &name).await?;
    let mut command = Command::new("sudo").args(["-n", "journalctl", "--no-pager"]);
    for unit in units {
        command = command.arg(format!("--unit={unit}"));
    }
    command = command.arg(format!("--lines={}", args.lines));
    let limits = if args.follow {
        command = command.arg("--follow");
        FOLLOW
    } else {
        Limits::default()
    };
    let ui = &context.ui;
    let output = host
        .exchange(&command, Vec::new(), limits, |line| {
            if ui.is_json() {
                ui.record(&serde_json::json!({"event": "log", "line": line}));
            } else {
                ui.data(&line);
            }
        })
        .await?;
    if output.exit_status == 0 {
        Ok(Exit::Ok)
    } else {
        Err(HostError::Failed {
            command: command.name(),
            status: output.exit_status,
            stderr: output.stderr,
        }
        .into())
    }
}

/// The units behind a name, whichever kind of it there is.
fn units(whose: &str, user: Option<&str>) -> Result<Vec<String>, names::NameProblem> {
    Ok(match (whose, user) {
        ("user", Some(user)) => units_of_user(user)?,
        (_, Some(odd)) => {
            return Err(names::NameProblem {
                name: odd.to_owned(),
                reason: "one word too many".to_owned(),
                hint: format!("`hubctl logs user {odd}` shows what {odd}'s server says"),
            });
        }
        ("hub", None) => HubPlaces::all()
            .map(|hub| hub.service)
            .into_iter()
            .chain([HUB_HELPER_SERVICE])
            .map(str::to_owned)
            .collect(),
        ("proxy", None) => vec![PROXY_SERVICE.to_owned(), HUBPROXY_SERVICE.to_owned()],
        (user, None) => units_of_user(user)?,
    })
}

fn units_of_user(user: &str) -> Result<Vec<String>, names::NameProblem> {
    names::check(user)?;
    Ok(HubPlaces::all()
        .iter()
        .filter(|hub| hub.user_unit.contains("{name}"))
        .map(|hub| hub.user_unit.replace("{name}", user))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_users_name_becomes_a_unit() {
        assert_eq!(
            units("hub", None).unwrap(),
            [
                "jupyterhub.service",
                "hubd.service",
                "notebook.service",
                "hub-helper.service"
            ]
        );
        assert_eq!(
            units("ada", None).unwrap(),
            ["jupyter-ada.service", "jupyter@ada.service"]
        );
        assert_eq!(
            units("user", Some("ada")).unwrap(),
            units("ada", None).unwrap()
        );
        assert!(units("hub", Some("ada")).is_err());
        for odd in ["*", "a b", "--vacuum-size=1", "../x", ""] {
            assert!(units(odd, None).is_err(), "{odd}");
            assert!(units("user", Some(odd)).is_err(), "{odd}");
        }
    }
}
