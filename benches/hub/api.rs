//! Requests of the API, one connection each, some at once.

use std::time::{Duration, Instant};

use anyhow::ensure;
use futures::future::try_join_all;

use crate::hub::Hub;
use crate::process;

/// How long each request is repeated.
const TIME: Duration = Duration::from_secs(3);
/// Requests at once.
const AT_ONCE: usize = 8;

/// What is asked.
pub const ASKED: [(&str, &str); 2] = [
    ("GET /hub/api/user", "/user"),
    ("GET /hub/api/users (a page of 50)", "/users"),
];

/// What a request cost.
#[derive(Clone, Copy)]
pub struct Request {
    /// The hub's time on a CPU, in microseconds.
    pub cpu: f64,
    /// A second.
    pub rate: f64,
}

/// Asks each in turn.
pub async fn measure(hub: &Hub) -> anyhow::Result<[Request; ASKED.len()]> {
    let mut measured = [Request {
        cpu: 0.0,
        rate: 0.0,
    }; ASKED.len()];
    for (place, (_, path)) in measured.iter_mut().zip(ASKED) {
        *place = one(hub, path).await?;
    }
    Ok(measured)
}

async fn one(hub: &Hub, path: &str) -> anyhow::Result<Request> {
    let (begun, before) = (Instant::now(), process::cpu(hub.pid));
    let clients = (0..AT_ONCE).map(|_| async {
        let mut count = 0_u32;
        while begun.elapsed() < TIME {
            let reply = hub.get(path).send().await?;
            ensure!(reply.status().is_success(), "{path}: {}", reply.status());
            reply.bytes().await?;
            count += 1;
        }
        Ok(count)
    });
    let count = f64::from(try_join_all(clients).await?.into_iter().sum::<u32>());
    let took = begun.elapsed();
    let used = process::cpu(hub.pid).saturating_sub(before);
    Ok(Request {
        cpu: used.as_secs_f64() * 1e6 / count,
        rate: count / took.as_secs_f64(),
    })
}
