use std::process::ExitCode;

use clap::Parser;
use hubctl::cli::Cli;

fn main() -> ExitCode {
    hubctl::command::main(Cli::parse())
}
