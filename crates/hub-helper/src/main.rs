//! `hub-helper`: serves the socket that systemd hands over. `hub-helper ended INSTANCE`: notes how a unit ended.
//! `hub-helper remove INSTANCE`: removes what an earlier run left of a container.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use hub_api::helper::CONFIGURATION;
use hub_helper::container;
use hub_helper::ended::{Engine, Told, note};
use hub_helper::options;
use hub_helper::places::Places;
use hub_helper::serve::serve;
use hub_helper::verb::Helper;
use nix::unistd::User;

fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .without_time()
        .init();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        [] => socket(),
        ["ended", instance] => note(instance, &told(), &Places::default(), Engine::Systemd),
        ["ended", instance, "container"] => {
            let noted = note(instance, &told(), &Places::default(), Engine::Containers);
            container::remove(instance);
            noted
        }
        ["remove", instance] => {
            container::remove(instance);
            Ok(())
        }
        _ => Err(anyhow::anyhow!(
            "usage: `hub-helper`, started by hub-helper.socket, or `hub-helper ended INSTANCE [container]`, \
             `hub-helper remove INSTANCE`"
        )),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn socket() -> anyhow::Result<()> {
    let options = options::load(Path::new(CONFIGURATION))?;
    let hub = User::from_name(&options.hub_account)
        .context("looking for the hub's account")?
        .with_context(|| format!("there is no account {:?}", options.hub_account))?;
    anyhow::ensure!(
        !hub.uid.is_root(),
        "the hub's account is root's: it needs no helper"
    );
    let listener = listenfd::ListenFd::from_env()
        .take_unix_listener(0)
        .context("taking the socket from systemd")?
        .context("systemd handed over no socket: start hub-helper.socket instead")?;
    let places = Places::default();
    places
        .lay_out(hub.gid.as_raw())
        .context("making the helper's folders under /run")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(128)
        .thread_keep_alive(std::time::Duration::from_secs(5))
        .build()
        .context("starting")?;
    runtime.block_on(serve(
        listener,
        Helper::new(options, places),
        hub.uid.as_raw(),
    ))?;
    // A conversation that hangs does not keep the helper.
    runtime.shutdown_background();
    Ok(())
}

fn told() -> Told {
    let variable = |name| std::env::var(name).unwrap_or_default();
    Told {
        invocation: variable("INVOCATION_ID"),
        result: variable("SERVICE_RESULT"),
        how: variable("EXIT_CODE"),
        status: variable("EXIT_STATUS"),
    }
}
