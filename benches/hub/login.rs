//! Logins by the form, some at once, each by a browser that was never there.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use futures::future::try_join_all;
use reqwest::header::{COOKIE, SET_COOKIE};
use reqwest::redirect::Policy;

use crate::hub::{Hub, name};
use crate::measure::{AT_ONCE, Cost, Meter};

const TIME: Duration = Duration::from_secs(5);

/// Users `0..users` log in again and again: the page with the form, and the form.
pub async fn measure(hub: &Hub, users: usize) -> anyhow::Result<Cost> {
    // A browser stays where it is sent; where that is, is not what is measured.
    let client = reqwest::Client::builder()
        .redirect(Policy::none())
        .timeout(Duration::from_secs(60))
        .build()?;
    let meter = Meter::start(hub.pid);
    let begun = Instant::now();
    let clients = (0..AT_ONCE).map(|first| {
        let client = &client;
        async move {
            let mut count = 0;
            let mut users = (first..users).step_by(AT_ONCE).cycle();
            while begun.elapsed() < TIME {
                let user = users.next().context("no users")?;
                log_in(client, hub, &name(user)).await?;
                count += 1;
            }
            Ok(count)
        }
    });
    let logins: anyhow::Result<Vec<u32>> = try_join_all(clients).await;
    Ok(meter.stop(logins?.into_iter().sum()))
}

async fn log_in(client: &reqwest::Client, hub: &Hub, user: &str) -> anyhow::Result<()> {
    let url = format!("http://{}/hub/login", hub.pages);
    let request = client.get(&url).header("Sec-Fetch-Mode", "navigate");
    let page = request.send().await?;
    ensure!(page.status().is_success(), "the page: {}", page.status());
    let mut cookies = Vec::new();
    for cookie in page.headers().get_all(SET_COOKIE) {
        let cookie = cookie.to_str()?.split(';').next().unwrap_or_default();
        cookies.push(cookie.to_owned());
    }
    page.bytes().await?;
    let xsrf = cookies
        .iter()
        .find_map(|cookie| cookie.strip_prefix("_xsrf="));
    let body = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("username", user)
        .append_pair("password", "any")
        .append_pair("_xsrf", xsrf.context("no _xsrf cookie")?)
        .finish();
    let request = client
        .post(&url)
        .header("Sec-Fetch-Mode", "navigate")
        .header("Sec-Fetch-Site", "same-origin")
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header(COOKIE, cookies.join("; "))
        .body(body);
    let reply = request.send().await?;
    let status = reply.status();
    reply.bytes().await?;
    ensure!(status.is_redirection(), "the login of {user}: {status}");
    Ok(())
}
