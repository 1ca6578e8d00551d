//! `hubctl ssh`: a shell on the server, or one command.

use std::ffi::OsString;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use super::{Context, server};
use crate::host::KnownHosts;
use crate::key;
use crate::state::State;
use crate::ui::Exit;

/// Open a shell on the server, or run a command there: `hubctl ssh -- sudo dmesg`
///
/// It is the system's `ssh`, with the deployment's key and its known hosts. A host key that is not the server's is
/// refused. Ends with the status of the command.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The deployment; default: the spec's
    #[arg(long = "deployment", value_name = "NAME")]
    pub name: Option<String>,
    /// Print the ssh command instead of running it
    #[arg(long)]
    pub print: bool,
    /// What to run there; a shell where nothing is given
    #[arg(last = true)]
    pub command: Vec<OsString>,
}

pub(super) async fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let name = context.name(args.name.as_deref())?;
    let state = known(context, &name).await?;
    let receipt = state.receipt()?;
    let address = receipt
        .address
        .as_deref()
        .context("the server has no address")?;
    let login = receipt.login.as_deref().unwrap_or("debian");
    let words = words(
        &state.path(key::FILE),
        &state.path(server::KNOWN_HOSTS),
        login,
        address.parse().context("reading the server's address")?,
    );
    if args.print {
        let line = crate::host::Command::new("ssh").args(words);
        context.ui.data(&line.to_string());
        return Ok(Exit::Ok);
    }
    let error = Command::new("ssh").args(words).args(&args.command).exec();
    Err(error).context("starting ssh (the package openssh-client has it)")
}

/// The deployment's folder with what ssh needs in it: on a machine that has never seen the server, its host key is learnt
/// first, as the server's metadata vouches for it.
async fn known(context: &Context, name: &str) -> anyhow::Result<State> {
    let state = context.state_for_reading(name)?;
    let receipt = state.receipt()?;
    if let Some(address) = receipt
        .address
        .as_deref()
        .and_then(|text| text.parse().ok())
    {
        let known = KnownHosts::new(state.path(server::KNOWN_HOSTS));
        if !known.fingerprints(SocketAddr::new(address, 22))?.is_empty() {
            return Ok(state);
        }
    }
    let state = context.state(name)?;
    server::of(context, name, &state).await?;
    Ok(state)
}

/// What ssh is started with. Nothing of the user's own configuration can loosen it: the first value of an option counts.
fn words(key: &Path, known_hosts: &Path, login: &str, address: IpAddr) -> Vec<String> {
    let mut words = Vec::new();
    let mut option = |name: &str, value: &str| {
        words.extend(["-o".to_owned(), format!("{name}={value}")]);
    };
    option("StrictHostKeyChecking", "yes");
    // In quotes, for folders with spaces in their names.
    option(
        "UserKnownHostsFile",
        &format!("\"{}\"", known_hosts.display()),
    );
    option("GlobalKnownHostsFile", "/dev/null");
    option("HostKeyAlias", &address.to_string());
    option("PasswordAuthentication", "no");
    option("ConnectTimeout", "20");
    if key.exists() {
        option("IdentityFile", &format!("\"{}\"", key.display()));
        option("IdentitiesOnly", "yes");
    }
    words.extend(["-l".to_owned(), login.to_owned(), address.to_string()]);
    words
}
