//! `hubctl schema`: the JSON Schema of hub.yaml.

use super::Context;
use crate::spec;
use crate::ui::Exit;

/// Print the JSON Schema of hub.yaml, for editors
#[derive(Debug, clap::Args)]
pub struct Args {}

pub(super) fn run(context: &Context, _: &Args) -> anyhow::Result<Exit> {
    context
        .ui
        .data(&serde_json::to_string_pretty(&spec::schema())?);
    Ok(Exit::Ok)
}
