//! `hubctl completions`: shell completions.

use clap::CommandFactory;

use super::Context;
use crate::cli::Cli;
use crate::ui::Exit;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
pub struct Args {
    pub shell: clap_complete::Shell,
}

pub(super) fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "hubctl", &mut script);
    context.ui.data(&String::from_utf8_lossy(&script));
    Ok(Exit::Ok)
}
