//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::command::{
    add_users, completions, destroy, doctor, gc, init, list, list_users, logs, man, plan, profiles,
    provision, remove_users, render, reset_password, rotate, routes, schema, ssh, status, tunnel,
    validate,
};

/// From a clouds.yaml to a class logged in over HTTPS, and back without a trace
///
/// hubctl turns one hub.yaml into a running notebook hub on an OpenStack cloud, keeps it so, and takes it away again.
/// It says what it is going to do before it does it, can be run again at any time, and only ever touches what it made.
#[derive(Debug, Parser)]
#[command(
    name = "hubctl",
    version,
    max_term_width = 100,
    propagate_version = true
)]
pub struct Cli {
    #[command(flatten)]
    pub global: Global,
    #[command(subcommand)]
    pub command: Command,
}

/// Options every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// The spec
    #[arg(
        short,
        long,
        global = true,
        value_name = "FILE",
        default_value = "hub.yaml",
        env = "HUBCTL_FILE"
    )]
    pub file: PathBuf,
    /// Use this profile instead of the spec's: a name from `hubctl profiles`, or a file
    #[arg(long, global = true, value_name = "NAME")]
    pub profile: Option<String>,
    /// Set one field above the spec, e.g. `--set server.flavor=m1.large` (repeatable)
    #[arg(long, global = true, value_name = "PATH=VALUE")]
    pub set: Vec<String>,
    /// Entry of clouds.yaml; comes before OS_CLOUD and the spec's `cloud`
    #[arg(long, global = true, value_name = "NAME")]
    pub os_cloud: Option<String>,
    /// How to report: lines and bars for people, or one JSON event a line on standard output
    #[arg(long, global = true, value_enum, default_value_t = Output::Human)]
    pub output: Output,
    /// Where keys, known hosts and credentials are kept
    #[arg(long, global = true, value_name = "FOLDER", env = "HUBCTL_STATE_DIR")]
    pub state_dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Human,
    Json,
    /// JUnit XML on standard output, for `doctor`
    Junit,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Init(init::Args),
    Validate(validate::Args),
    Plan(plan::Args),
    Provision(provision::Args),
    Status(status::Args),
    AddUsers(add_users::Args),
    ListUsers(list_users::Args),
    ResetPassword(reset_password::Args),
    RemoveUsers(remove_users::Args),
    Rotate(rotate::Args),
    Destroy(destroy::Args),
    List(list::Args),
    Gc(gc::Args),
    Logs(logs::Args),
    Render(render::Args),
    Profiles(profiles::Args),
    Schema(schema::Args),
    Doctor(doctor::Args),
    Routes(routes::Args),
    Tunnel(tunnel::Args),
    Ssh(ssh::Args),
    Man(man::Args),
    Completions(completions::Args),
}

impl Command {
    /// Whether it goes on until it is interrupted, which then is no failure.
    pub fn stays(&self) -> bool {
        match self {
            Self::Tunnel(_) => true,
            Self::Logs(args) => args.follow,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    /// No option stands in another's way, on any command.
    #[test]
    fn the_command_line_makes_sense() {
        super::Cli::command().debug_assert();
    }
}
