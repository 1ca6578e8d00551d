//! What the verbs about people share: where their hub is, and the page that is handed out.

use std::path::PathBuf;

use super::Context;
use crate::event::Observer;
use crate::handout::{self, Hub};
use crate::state::{Receipt, State};
use crate::users::{Credentials, credentials};

/// Where the hand-out goes.
#[derive(Debug, clap::Args)]
pub struct HandOut {
    /// Write the page of slips to print to this file, too; it always is in the deployment's state folder
    #[arg(long, value_name = "FILE")]
    pub handout: Option<PathBuf>,
}

impl HandOut {
    /// Refuses a file that cannot be written, before anything is done.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        Ok(self.handout.as_deref().map_or(Ok(()), handout::check)?)
    }
}

/// Where the hub is: as its last provision found, else by the address of the server.
pub(super) fn url(receipt: &Receipt) -> String {
    let by_address = || {
        let address = receipt.address.as_ref()?.parse().ok()?;
        Some(super::deployment::url(None, address, "/"))
    };
    receipt.url.clone().or_else(by_address).unwrap_or_default()
}

/// One person's notebook server has no users, and says what to do instead.
pub(super) fn refuse_notebook(state: &State, instead: &str) -> anyhow::Result<()> {
    anyhow::ensure!(
        !state.receipt()?.notebook,
        "{} is one person's notebook server (`hub.kind: notebook`): it has no users, and one password, which is in {}; \
         {instead}",
        state.name(),
        state.path(credentials::FILE).display()
    );
    Ok(())
}

/// Makes the page anew from the credentials file, and says what on it holds no longer.
pub(super) fn hand_out(context: &Context, state: &State, to: &HandOut) -> anyhow::Result<()> {
    let receipt = state.receipt()?;
    let credentials = Credentials::load(state)?;
    let noted: Vec<String> = credentials
        .noted()
        .map(|row| format!("{} ({})", row.user, row.note.text()))
        .collect();
    if !noted.is_empty() {
        let observer: &dyn Observer = &*context.ui;
        observer.note(format!(
            "changed by hand on the server, and left so: {}",
            noted.join(", ")
        ));
    }
    let hub = Hub {
        name: state.name().to_owned(),
        url: url(&receipt),
        certificate: receipt.certificate,
    };
    handout::write(state, &hub, &credentials, to.handout.as_deref())?;
    Ok(())
}

/// Says where the passwords and the slips are.
pub(super) fn tell_files(context: &Context, state: &State) {
    context.ui.say("passwords, and slips to print:");
    for file in [credentials::FILE, handout::FILE] {
        context.ui.data(&state.path(file).display().to_string());
    }
}
