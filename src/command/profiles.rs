//! `hubctl profiles`: what a hub.yaml can stand on.

use super::Context;
use crate::spec;
use crate::ui::Exit;

/// List the profiles, or print one
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print this profile's document
    pub name: Option<String>,
}

pub(super) fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let profiles = spec::profiles();
    match &args.name {
        Some(name) => match profiles
            .iter()
            .find(|profile| profile.name == name.as_str())
        {
            Some(profile) => context.ui.data(profile.text),
            None => anyhow::bail!("there is no profile {name}; `hubctl profiles` lists them"),
        },
        None if context.ui.is_json() => {
            for profile in profiles {
                context.ui.record(&serde_json::json!({
                    "name": profile.name,
                    "summary": profile.summary(),
                }));
            }
        }
        None => {
            let lines: String = profiles
                .iter()
                .map(|profile| format!("{:<14} {}\n", profile.name, profile.summary()))
                .collect();
            context.ui.data(&lines);
        }
    }
    Ok(Exit::Ok)
}
