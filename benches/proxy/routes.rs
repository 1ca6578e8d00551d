//! What routes cost: to add, to keep, and to find one of many.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::task::JoinSet;

use crate::process::memory;
use crate::proxies::{Running, TOKEN};
use crate::stint;

/// Requests at once with which JupyterHub changes routes.
const AT_ONCE: usize = 10;
/// Routes that are added against the clock, and kept while all clients are busy.
pub const MANY: usize = 10_000;
/// How many routes one is found among.
pub const AMONG: [usize; 3] = [10, 1_000, 100_000];

/// Of one program.
pub struct Routes {
    pub name: &'static str,
    /// Memory in MB: after the start, and the most ever with [`MANY`] routes and all clients busy.
    pub idle: f64,
    pub busy: f64,
    /// Seconds for [`MANY`] routes.
    pub added: f64,
    /// Microseconds on the CPU for a request, by [`AMONG`].
    pub found: Vec<f64>,
}

pub async fn measure(
    start: impl Fn() -> anyhow::Result<Running>,
    backend: SocketAddr,
) -> anyhow::Result<Routes> {
    let running = start()?;
    let pid = running.pid();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let idle = memory(pid, "VmRSS");
    let began = Instant::now();
    add(&running, backend, 0, MANY).await?;
    let added = began.elapsed().as_secs_f64();
    for door in [&running.plain, &running.tls].into_iter().flatten() {
        door.requests(&targets(MANY), stint(pid)).await?;
    }
    let busy = memory(pid, "VmHWM");
    let name = running.name;
    drop(running);

    let running = start()?;
    let door = running.plain.as_ref().context("no HTTP")?;
    let (mut so_far, mut found) = (0, Vec::new());
    // As fast as it gets, before it is measured.
    add(&running, backend, 0, AMONG[0]).await?;
    for _ in 0..2 {
        door.requests(&targets(AMONG[0]), stint(running.pid()))
            .await?;
    }
    for among in AMONG {
        add(&running, backend, so_far, among).await?;
        so_far = among;
        let mut each = Vec::new();
        for _ in 0..3 {
            each.push(
                door.requests(&targets(among), stint(running.pid()))
                    .await?
                    .cpu(),
            );
        }
        found.push(bench_page::Sample::new(each).median());
    }
    Ok(Routes {
        name,
        idle,
        busy,
        added,
        found,
    })
}

fn path(number: usize) -> String {
    format!("/user/student{number:06}")
}

/// A thousand requests at most, each for another route, from all over the table.
fn targets(count: usize) -> Vec<String> {
    let step = (count / 1000).max(1);
    (0..count)
        .step_by(step)
        .map(|number| path(number) + "/api/status")
        .collect()
}

/// Adds the routes of these numbers as JupyterHub does.
async fn add(running: &Running, backend: SocketAddr, from: usize, to: usize) -> anyhow::Result<()> {
    let api = running.api.context("no API")?;
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(30))
        .build()?;
    let mut hub = JoinSet::new();
    for first in from..(from + AT_ONCE).min(to) {
        let client = client.clone();
        hub.spawn(async move {
            for number in (first..to).step_by(AT_ONCE) {
                let path = path(number);
                let body = format!(
                    r#"{{"user":"{}","server_name":"","target":"http://{backend}","jupyterhub":true}}"#,
                    path.trim_start_matches("/user/")
                );
                let request = client
                    .post(format!("http://{api}/api/routes{path}"))
                    .header("Authorization", format!("token {TOKEN}"))
                    .header("Content-Type", "text/plain")
                    .body(body);
                let status = request.send().await.context("adding a route")?.status();
                ensure!(status == 201, "adding {path}: {status}");
            }
            Ok(())
        });
    }
    while let Some(done) = hub.join_next().await {
        done??;
    }
    Ok(())
}
