//! `hubctl man`: the manual, a page a command.

use std::fs;
use std::path::PathBuf;

use anyhow::Context as _;
use clap::CommandFactory;

use super::Context;
use crate::cli::Cli;
use crate::ui::Exit;

/// Write the manual pages to a folder: hubctl.1, hubctl-provision.1, …
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The folder, e.g. /usr/local/share/man/man1; it is made where there is none
    #[arg(value_name = "FOLDER")]
    pub folder: PathBuf,
}

pub(super) fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let folder = &args.folder;
    fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
    let mut command = Cli::command();
    command.build();
    let mut pages = vec![page(folder, command.clone(), "hubctl")?];
    for verb in command.get_subcommands().filter(|verb| !verb.is_hide_set()) {
        if verb.get_name() == "help" {
            continue;
        }
        let name = format!("hubctl-{}", verb.get_name());
        let verb = verb
            .clone()
            .display_name(name.clone())
            .bin_name(format!("hubctl {}", verb.get_name()));
        pages.push(page(folder, verb, &name)?);
    }
    if context.ui.is_json() {
        context
            .ui
            .record(&serde_json::json!({"event": "man", "pages": pages}));
    } else {
        context.ui.say(&format!("{} pages in:", pages.len()));
        context.ui.data(&folder.display().to_string());
    }
    Ok(Exit::Ok)
}

fn page(folder: &std::path::Path, command: clap::Command, name: &str) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("{name}.1"));
    let mut text = Vec::new();
    clap_mangen::Man::new(command)
        .title(name)
        .render(&mut text)
        .context("writing a manual page")?;
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}
