//! `hubctl validate`: is hub.yaml all right, offline.

use super::Context;
use crate::ui::Exit;

/// Check hub.yaml without contacting anything
///
/// Reports everything that is wrong, each with file, line and a hint.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print the spec in force: the profile's choices and every default written out
    #[arg(long)]
    pub show: bool,
}

pub(super) fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let loaded = context.load()?;
    if args.show {
        context.ui.data(&loaded.to_yaml()?);
    } else if context.ui.is_json() {
        context.ui.record(&serde_json::json!({
            "event": "valid",
            "name": loaded.spec.name,
            "warnings": loaded.warnings,
        }));
    } else {
        context.ui.data(&format!(
            "{} is valid: {}, profile {}\n",
            context.global.file.display(),
            loaded.spec.name,
            loaded.spec.profile
        ));
    }
    Ok(Exit::Ok)
}
