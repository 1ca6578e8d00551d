//! `hubctl add-users`: people, with a password each.

use anyhow::{Context as _, bail};

use super::{Context, server};
use crate::event::Observer;
use crate::ui::Exit;
use crate::users::{self, Request};

/// Make users with a password of their own each
///
/// Names, or a number of training users whose numbering goes on where it left off. Users that exist are left alone. The
/// passwords are in `credentials.csv` in the deployment's state folder; the server gets hashes only.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Names of users to make
    #[arg(required_unless_present = "count")]
    pub names: Vec<String>,
    /// Make so many users called after --prefix
    #[arg(long, value_name = "N", conflicts_with = "names", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub count: Option<u32>,
    /// What numbered users are called: training01, training02, …
    #[arg(long, default_value = "training", requires = "count")]
    pub prefix: String,
    /// Give them the hub's admin rights
    #[arg(long)]
    pub admin: bool,
    /// The deployment; default: the spec's
    #[arg(long = "deployment", value_name = "NAME")]
    pub name: Option<String>,
}

pub(super) async fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let name = context.name(args.name.as_deref())?;
    let state = context.state(&name)?;
    let request = match args.count {
        Some(count) => Request::numbered(&args.prefix, count)?,
        None => Request::named(&args.names)?,
    };
    let (host, url) = server::of(context, &name, &state).await?;
    let added = users::add(&host, &state, &request.admin(args.admin), &url, &context.ui).await?;
    Ok(Exit::Ok)
}
