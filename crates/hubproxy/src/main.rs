//! hubproxy: parse, check, serve, report.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what a command line answers"
)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hubproxy::app::{self, Reload};
use hubproxy::cli::{self, Args, Request};
use hubproxy::config::Problem;
use hubproxy::log;
use hubproxy::settings::{Environment, Settings, from_args, from_file};
use secrecy::SecretString;

fn main() -> ExitCode {
    match cli::parse(std::env::args_os()) {
        Request::Show(text) => {
            // A reader that went away has seen enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Request::Refuse(text) => {
            eprint!("{text}");
            ExitCode::FAILURE
        }
        Request::Run(args) => run(*args),
    }
}

fn run(args: Args) -> ExitCode {
    let checks = args.check_config;
    let file = args.config.clone();
    let settings = match &file {
        Some(path) => read(path),
        None => from_args(args, environment(), cpus()).map_err(|problems| {
            problems
                .iter()
                .map(|problem| format!("error: {problem}"))
                .collect::<Vec<_>>()
                .join("\n")
        }),
    };
    let settings = match settings {
        Ok(settings) => settings,
        Err(text) => {
            eprintln!("{text}");
            return ExitCode::FAILURE;
        }
    };
    if checks {
        return match app::check(&settings) {
            Ok(()) => {
                println!("the configuration is right");
                ExitCode::SUCCESS
            }
            Err(error) => {
                eprintln!("error: {error}");
                ExitCode::FAILURE
            }
        };
    }
    let handle = log::init(settings.log_level, settings.log_format, settings.is_chp);
    let is_chp = settings.is_chp;
    raise_descriptor_limit();
    let reload = file.map(reload);
    match app::run(settings, handle, reload) {
        // The other ends with 2 on both signals, and JupyterHub's users see it.
        Ok(_) if is_chp => ExitCode::from(2),
        Ok(ended) if ended.interrupted => ExitCode::from(130),
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Settings of a file, or what is wrong with it.
fn read(path: &Path) -> Result<Settings, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("error: reading {}: {error}", path.display()))?;
    from_file(&text, cpus()).map_err(|problems| {
        let line = |problem: &Problem| format!("error: {}: {problem}", path.display());
        problems.iter().map(line).collect::<Vec<_>>().join("\n")
    })
}

fn reload(path: PathBuf) -> Reload {
    Box::new(move || match read(&path) {
        Ok(settings) => Some(settings),
        Err(text) => {
            for line in text.lines() {
                tracing::error!("the old configuration stays: {line}");
            }
            None
        }
    })
}

fn environment() -> Environment {
    let secret = |name: &str| {
        std::env::var(name)
            .ok()
            .filter(|value| !value.is_empty())
            .map(SecretString::from)
    };
    Environment {
        token: secret("CONFIGPROXY_AUTH_TOKEN"),
        key_passphrase: secret("CONFIGPROXY_SSL_KEY_PASSPHRASE"),
        api_key_passphrase: secret("CONFIGPROXY_API_SSL_KEY_PASSPHRASE"),
    }
}

fn cpus() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// A connection is two descriptors; the soft limit is often 1024.
fn raise_descriptor_limit() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
        && let Err(error) = setrlimit(Resource::RLIMIT_NOFILE, hard, hard)
    {
        tracing::warn!("raising the limit of open files to {hard}: {error}");
    }
}
