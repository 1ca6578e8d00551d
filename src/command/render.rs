//! `hubctl render`: everything that would be sent to the server, to read before it is sent.

use std::path::PathBuf;

use super::Context;
use super::deployment::placeholder_site;
use super::programs;
use crate::setup;
use crate::ui::Exit;

/// Write everything that would be sent to the server to a folder
///
/// Contacts nothing but what `release.source` names. Addresses that only the cloud knows and generated secrets are placeholders.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Where to write; made if it is not there
    #[arg(default_value = "rendered")]
    pub folder: PathBuf,
}

pub(super) async fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let spec = context.spec()?;
    let mut site = placeholder_site(&spec);
    site.programs = programs::find(context, &spec).await?;
    let desired = setup::desired(&spec, &site)?;
    setup::render(&desired, &args.folder)?;
    context.ui.data(&args.folder.display().to_string());
    Ok(Exit::Ok)
}
