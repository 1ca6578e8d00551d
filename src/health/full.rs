//! The check that does what a user does.

use std::time::Duration;

use super::{Browser, Check, Endpoint, Kernel, Part, Report, light};
use crate::event::Observer;
use crate::secret::Secret;

const SHORT: Duration = Duration::from_secs(30);
const KERNEL: Duration = Duration::from_secs(60);

/// Logs in, starts the user's server (which may take `spawn_within`), computes, stops the server and logs out.
///
/// Where a link breaks after the server was started, it is stopped all the same.
pub async fn full(
    endpoint: &Endpoint,
    user: &str,
    password: &Secret,
    spawn_within: Duration,
    observer: &dyn Observer,
) -> Report {
    let mut check = Check::new(observer);
    if !light::look(&mut check, endpoint).await {
        return check.report;
    }
    let login = async {
        let browser = Browser::login(endpoint, user, password).await?;
        Ok((browser, format!("as {user}")))
    };
    let Some(browser) = check.link(Part::Login, SHORT, login).await else {
        return check.report;
    };
    let worked = work(&mut check, &browser, spawn_within, observer).await;
    let stop = async {
        browser.stop(KERNEL, observer).await?;
        Ok(((), "the server is gone".to_owned()))
    };
    if !worked {
        // What broke is known; this only tidies up.
        let _ = tokio::time::timeout(KERNEL, stop).await;
        let _ = tokio::time::timeout(SHORT, browser.logout()).await;
    } else if check.link(Part::Stop, KERNEL, stop).await.is_some() {
        let logout = async { Ok((browser.logout().await?, "the session is gone".to_owned())) };
        check.link(Part::Logout, SHORT, logout).await;
    }
    check.report
}

/// Logs in to one person's notebook server and computes in it; the kernel is ended.
pub async fn full_notebook(
    endpoint: &Endpoint,
    password: &Secret,
    observer: &dyn Observer,
) -> Report {
    let mut check = Check::new(observer);
    if !light::look(&mut check, endpoint).await {
        return check.report;
    }
    let login = async {
        let browser = Browser::login_to_notebook(endpoint, password).await?;
        Ok((browser, "with its password".to_owned()))
    };
    if let Some(browser) = check.link(Part::Login, SHORT, login).await
        && compute(&mut check, &browser).await
    {
        let logout = async { Ok((browser.logout().await?, "the session is gone".to_owned())) };
        check.link(Part::Logout, SHORT, logout).await;
    }
    check.report
}

/// From the start of the server to a result; whether there was one.
async fn work(
    check: &mut Check<'_>,
    browser: &Browser,
    spawn_within: Duration,
    observer: &dyn Observer,
) -> bool {
    let spawn = async {
        browser.spawn(spawn_within, observer).await?;
        Ok(((), "the server runs".to_owned()))
    };
    // The hub's own deadline should speak first: it knows why.
    let within = spawn_within + Duration::from_secs(15);
    check.link(Part::Spawn, within, spawn).await.is_some() && compute(check, browser).await
}

/// Opens the server's page and computes in a kernel of it.
async fn compute(check: &mut Check<'_>, browser: &Browser) -> bool {
    let open = async { Ok((browser.open().await?, "lets its user in".to_owned())) };
    if check.link(Part::Notebook, SHORT, open).await.is_none() {
        return false;
    }
    let start = async {
        let kernel = Kernel::start(browser).await?;
        Ok((kernel, "started, WebSocket open".to_owned()))
    };
    let Some(mut kernel) = check.link(Part::Kernel, KERNEL, start).await else {
        return false;
    };
    let compute = async {
        let two = kernel.execute("1+1").await;
        let ended = kernel.end(browser).await;
        match two?.as_str() {
            "2" => ended.map(|()| ((), "1+1 is 2".to_owned())),
            other => Err(super::Fault::plain(format!("1+1 is said to be {other:?}"))),
        }
    };
    check.link(Part::Compute, KERNEL, compute).await.is_some()
}
