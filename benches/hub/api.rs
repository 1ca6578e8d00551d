//! Requests of the API, one connection each, some at once.

use std::time::{Duration, Instant};

use anyhow::ensure;
use futures::future::try_join_all;
use reqwest::header::ACCEPT;

use crate::hub::Hub;
use crate::measure::{AT_ONCE, Cost, Meter};

/// How long each request is repeated.
const TIME: Duration = Duration::from_secs(3);
/// What a client accepts who knows pages: it is given 50 users at once, others 200.
const PAGES: &str = "application/jupyterhub-pagination+json";

/// One request of the API.
pub struct Asked {
    /// For the page.
    pub what: &'static str,
    path: &'static str,
    accept: &'static str,
}

/// What is asked.
pub const ASKED: [Asked; 3] = [
    Asked {
        what: "GET /hub/api/user",
        path: "/user",
        accept: "*/*",
    },
    Asked {
        what: "GET /hub/api/users, a page of 50",
        path: "/users",
        accept: PAGES,
    },
    Asked {
        what: "GET /hub/api/users, up to 200",
        path: "/users",
        accept: "*/*",
    },
];

/// Asks each in turn.
pub async fn measure(hub: &Hub) -> anyhow::Result<[Cost; ASKED.len()]> {
    let mut measured = [Cost::default(); ASKED.len()];
    for (place, asked) in measured.iter_mut().zip(&ASKED) {
        *place = one(hub, asked).await?;
    }
    Ok(measured)
}

async fn one(hub: &Hub, asked: &Asked) -> anyhow::Result<Cost> {
    // A first answer may put things in place.
    ask(hub, asked).await?;
    let meter = Meter::start(hub.pid);
    let begun = Instant::now();
    let clients = (0..AT_ONCE).map(|_| async {
        let mut count = 0;
        while begun.elapsed() < TIME {
            ask(hub, asked).await?;
            count += 1;
        }
        Ok(count)
    });
    let requests: anyhow::Result<Vec<u32>> = try_join_all(clients).await;
    Ok(meter.stop(requests?.into_iter().sum()))
}

async fn ask(hub: &Hub, asked: &Asked) -> anyhow::Result<()> {
    let request = hub.get(asked.path).header(ACCEPT, asked.accept);
    let reply = request.send().await?;
    let status = reply.status();
    ensure!(status.is_success(), "{}: {status}", asked.what);
    reply.bytes().await?;
    Ok(())
}
