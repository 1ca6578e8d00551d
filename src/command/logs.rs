//! `hubctl logs`: what the hub, the proxy or a user's server says.

use std::path::PathBuf;
use std::time::Duration;

use super::{Context, server};
use crate::host::{Command, HostError, Limits};
use crate::setup::HubPlaces;
use crate::setup::names::{DOCKER_SERVICE, HUB_HELPER_SERVICE, PROXIES};
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
    let matches = matches(&args.whose, args.user.as_deref())?;
    let name = context.name(args.name.as_deref())?;
    let host = server::visit(context, &name).await?;
    let mut command = Command::new("sudo").args(["-n", "journalctl", "--no-pager", "--quiet"]);
    command = command.arg(format!("--lines={}", args.lines));
    let limits = if args.follow {
        command = command.arg("--follow");
        FOLLOW
    } else {
        Limits::default()
    };
    let command = command.args(matches);
    let mut silent = true;
    let ui = &context.ui;
    let output = host
        .exchange(&command, Vec::new(), limits, |line| {
            silent = false;
            if ui.is_json() {
                ui.record(&serde_json::json!({"event": "log", "line": line}));
            } else {
                ui.data(&line);
            }
        })
        .await?;
    if output.exit_status == 0 {
        if silent {
            ui.say(nothing(&args.whose));
        }
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

fn nothing(whose: &str) -> &'static str {
    match whose {
        "hub" | "proxy" => "nothing is kept of it; `hubctl doctor` finds out whether it is there",
        _ => {
            "nothing is kept of it: it was never started, or speaks in the hub's log, as with the spawners `local` and `sudo`: \
             `hubctl logs hub`"
        }
    }
}

/// What the journal is asked for, whichever kind of it there is.
fn matches(whose: &str, user: Option<&str>) -> Result<Vec<String>, names::NameProblem> {
    let units = |names: &[&str]| names.iter().map(|name| format!("--unit={name}")).collect();
    Ok(match (whose, user) {
        ("user", Some(user)) => matches_of_user(user)?,
        (_, Some(odd)) => {
            return Err(names::NameProblem {
                name: odd.to_owned(),
                reason: "one word too many".to_owned(),
                hint: format!("`hubctl logs user {odd}` shows what {odd}'s server says"),
            });
        }
        ("hub", None) => {
            let [first, second, third] = HubPlaces::all().map(|hub| hub.service);
            units(&[first, second, third, HUB_HELPER_SERVICE])
        }
        ("proxy", None) => units(&PROXIES),
        (user, None) => matches_of_user(user)?,
    })
}

/// A user's server is a unit, of which systemd speaks too, or a container, for which the engine speaks.
fn matches_of_user(user: &str) -> Result<Vec<String>, names::NameProblem> {
    names::check(user)?;
    let mut alternatives: Vec<Vec<String>> = HubPlaces::all()
        .iter()
        .filter(|hub| hub.user_unit.contains("{name}"))
        .map(|hub| hub.user_unit.replace("{name}", user))
        .flat_map(|unit| {
            [
                vec![format!("_SYSTEMD_UNIT={unit}")],
                vec!["_PID=1".to_owned(), format!("UNIT={unit}")],
            ]
        })
        .collect();
    alternatives.push(vec![
        format!("_SYSTEMD_UNIT={DOCKER_SERVICE}"),
        format!("CONTAINER_NAME=jupyter-{user}"),
    ]);
    Ok(alternatives.join(&"+".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_users_name_is_asked_for() {
        assert_eq!(
            matches("hub", None).unwrap(),
            [
                "--unit=jupyterhub.service",
                "--unit=hubd.service",
                "--unit=notebook.service",
                "--unit=hub-helper.service"
            ]
        );
        assert_eq!(
            matches("proxy", None).unwrap(),
            [
                "--unit=nginx.service",
                "--unit=apache2.service",
                "--unit=traefik.service",
                "--unit=hubproxy.service",
                "--unit=jupyterhub-proxy.service"
            ]
        );
        assert_eq!(
            matches("ada", None).unwrap().join(" "),
            "_SYSTEMD_UNIT=jupyter-ada.service + _PID=1 UNIT=jupyter-ada.service \
             + _SYSTEMD_UNIT=jupyter@ada.service + _PID=1 UNIT=jupyter@ada.service \
             + _SYSTEMD_UNIT=docker.service CONTAINER_NAME=jupyter-ada"
        );
        assert_eq!(
            matches("user", Some("ada")).unwrap(),
            matches("ada", None).unwrap()
        );
        assert!(matches("hub", Some("ada")).is_err());
        for odd in ["*", "a b", "--vacuum-size=1", "../x", "", "+"] {
            assert!(matches(odd, None).is_err(), "{odd}");
            assert!(matches("user", Some(odd)).is_err(), "{odd}");
        }
    }
}
