//! One verb, one file. Each is a runbook: it ties the parts together and decides nothing itself.

pub mod add_users;
pub mod completions;
pub mod destroy;
pub mod doctor;
pub mod gc;
pub mod init;
pub mod list;
pub mod list_users;
pub mod logs;
pub mod man;
pub mod plan;
pub mod profiles;
pub mod provision;
pub mod remove_users;
pub mod render;
pub mod reset_password;
pub mod rotate;
pub mod routes;
pub mod schema;
pub mod ssh;
pub mod status;
pub mod tunnel;
pub mod validate;

mod certificate;
mod context;
mod deployment;
mod domain;
mod interrupt;
mod look;
mod people;
mod preview;
mod programs;
mod server;
mod span;
mod way;

use std::process::ExitCode;

use crate::cli::{Cli, Command};
use crate::ui::{Exit, Ui};

pub use context::Context;

/// Runs one command to its exit status.
pub fn main(cli: Cli) -> ExitCode {
    let ui = Ui::new(cli.global.output);
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => return ui.fail(&anyhow::Error::new(error)).into(),
    };
    let context = Context::new(cli.global, ui);
    if let Some(refused) = junit_refused(&context, &cli.command) {
        return refused.into();
    }
    // What goes on until somebody ends it has ended well then.
    let stays = cli.command.stays();
    let exit = runtime.block_on(async {
        tokio::select! {
            result = run(&context, cli.command) => match result {
                Ok(exit) => exit,
                Err(error) => context.ui.fail(&error),
            },
            signal = interrupt::requested() => {
                if stays { Exit::Ok } else { interrupt::report(&context, signal).await }
            }
        }
    });
    // An SSH call on a blocking thread may still hang on a dead network; nothing waits for it.
    runtime.shutdown_background();
    exit.into()
}

/// Only a check has cases to report as JUnit does.
fn junit_refused(context: &Context, command: &Command) -> Option<Exit> {
    if !context.ui.is_junit() || matches!(command, Command::Doctor(_)) {
        return None;
    }
    context
        .ui
        .say("error: `--output junit` is for `hubctl doctor`; `--output json` is for all commands");
    Some(Exit::Usage)
}

/// A moment of UTC as tables have it.
fn moment(time: time::OffsetDateTime) -> String {
    let format = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute]");
    time.format(format).unwrap_or_default()
}

async fn run(context: &Context, command: Command) -> anyhow::Result<Exit> {
    match command {
        Command::Init(args) => init::run(context, &args).await,
        Command::Validate(args) => validate::run(context, &args),
        Command::Plan(args) => plan::run(context, &args).await,
        Command::Provision(args) => provision::run(context, &args).await,
        Command::Status(args) => status::run(context, &args).await,
        Command::AddUsers(args) => add_users::run(context, &args).await,
        Command::ListUsers(args) => list_users::run(context, &args).await,
        Command::ResetPassword(args) => reset_password::run(context, &args).await,
        Command::RemoveUsers(args) => remove_users::run(context, &args).await,
        Command::Rotate(args) => rotate::run(context, &args).await,
        Command::Destroy(args) => destroy::run(context, &args).await,
        Command::Gc(args) => gc::run(context, &args).await,
        Command::List(args) => list::run(context, &args).await,
        Command::Logs(args) => logs::run(context, &args).await,
        Command::Render(args) => render::run(context, &args).await,
        Command::Profiles(args) => profiles::run(context, &args),
        Command::Schema(args) => schema::run(context, &args),
        Command::Doctor(args) => doctor::run(context, &args).await,
        Command::Routes(args) => routes::run(context, &args).await,
        Command::Tunnel(args) => tunnel::run(context, &args).await,
        Command::Ssh(args) => ssh::run(context, &args).await,
        Command::Man(args) => man::run(context, &args),
        Command::Completions(args) => completions::run(context, &args),
    }
}
