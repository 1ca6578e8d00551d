//! The command line: what the operator does from the shell.

mod config;
mod people;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub use config::{load, problems};

/// A multi-user notebook hub that speaks JupyterHub's protocol
#[derive(Debug, Parser)]
#[command(name = "hubd", version)]
pub struct Args {
    /// The configuration file
    #[arg(
        long,
        short = 'f',
        global = true,
        default_value = "/etc/hubd/hubd.toml",
        env = "HUBD_CONFIG"
    )]
    pub config: PathBuf,
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do; without a word: serve
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the hub
    Serve,
    /// Read the configuration file, say what is wrong with it, and do nothing else
    CheckConfig,
    /// Make an API token and print it
    ///
    /// It may do what its owner may, unless scopes are named. It is not kept anywhere: who loses it makes another one.
    Token(people::TokenArgs),
    /// Add, list and remove users
    ///
    /// A hub that runs notices within a second.
    #[command(subcommand)]
    User(people::UserCommand),
    /// Copy the database to a file, while the hub runs or not
    Backup {
        /// The file; one that is there is replaced
        to: PathBuf,
    },
}

impl Command {
    /// Does all but `serve`; returns what is to be printed.
    pub async fn run(self, config: hub_api::hub::Hub) -> anyhow::Result<String> {
        match self {
            Self::Serve => Ok(String::new()),
            Self::CheckConfig => {
                config::try_parts(&config)?;
                Ok("the configuration is good\n".to_owned())
            }
            Self::Token(args) => people::token(config, args).await,
            Self::User(command) => people::user(config, command).await,
            Self::Backup { to } => people::backup(config, to).await,
        }
    }
}
