//! `hubctl logs`: what the hub, the proxy or a user's server says.

use std::time::Duration;

use super::{Context, server};
use crate::host::{Command, Limits};
use crate::setup::HubPlaces;
use crate::setup::names::{HUB_HELPER_SERVICE, HUBPROXY_SERVICE, PROXY_SERVICE};
use crate::ui::Exit;
use crate::users::names;

/// Show what the hub, the proxy or a user's server says
#[derive(Debug, clap::Args)]
pub struct Args {
    /// `hub`, `proxy`, or a user's name
    #[arg(default_value = "hub")]
    pub whose: String,
    /// Go on as more is said, until interrupted
    #[arg(long)]
    pub follow: bool,
    /// How many lines from the end
    #[arg(short = 'n', long, default_value_t = 100)]
    pub lines: u32,
    /// The deployment; default: the spec's
    #[arg(long = "deployment", value_name = "NAME")]
    pub name: Option<String>,
}

/// An operator may follow for a day.
const FOLLOW: Limits = Limits::new(
    Duration::from_secs(24 * 3600),
    Duration::from_secs(24 * 3600),
);

pub(super) async fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let units = units(&args.whose)?;
    let name = context.name(args.name.as_deref())?;
    let state = context.state_for_reading(&name)?;
    let host = server::of(context, &name, &state).await?;
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
    host.exchange(&command, Vec::new(), limits, |line| context.ui.data(&line))
        .await?;
    Ok(Exit::Ok)
}

/// The units behind a name, whichever kind of it there is.
fn units(whose: &str) -> Result<Vec<String>, names::NameProblem> {
    Ok(match whose {
        "hub" => HubPlaces::all()
            .map(|hub| hub.service)
            .into_iter()
            .chain([HUB_HELPER_SERVICE])
            .map(str::to_owned)
            .collect(),
        "proxy" => vec![PROXY_SERVICE.to_owned(), HUBPROXY_SERVICE.to_owned()],
        user => {
            names::check(user)?;
            HubPlaces::all()
                .iter()
                .filter(|hub| hub.user_unit.contains("{name}"))
                .map(|hub| hub.user_unit.replace("{name}", user))
                .collect()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_a_users_name_becomes_a_unit() {
        assert_eq!(
            units("hub").unwrap(),
            [
                "jupyterhub.service",
                "hubd.service",
                "notebook.service",
                "hub-helper.service"
            ]
        );
        assert_eq!(
            units("ada").unwrap(),
            ["jupyter-ada.service", "jupyter@ada.service"]
        );
        for odd in ["*", "a b", "--vacuum-size=1", "../x", ""] {
            assert!(units(odd).is_err(), "{odd}");
        }
    }
}
