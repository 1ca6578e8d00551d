//! A hub that runs, with its proxy, and what is asked of it.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tokio::process::Child;

use crate::measure::{Cost, Meter};
use crate::process;
use crate::site::{Kind, Servers, Site, TOKEN};

/// Starts of servers at once.
const AT_ONCE: usize = 10;
/// How long a hub may take to start, and to do one thing.
const PATIENCE: Duration = Duration::from_secs(120);
/// As many users as JupyterHub makes in a short time.
const FEW: usize = 100;

/// A hub that runs.
pub struct Hub {
    pub pid: u32,
    /// Where people come: the proxy.
    pub public: SocketAddr,
    /// Where the proxy finds the hub's pages.
    pub pages: SocketAddr,
    client: reqwest::Client,
    hub: Child,
    _proxy: Child,
    site: Site,
}

impl Hub {
    /// Starts a proxy and then a hub; how long the hub took until it answered.
    pub async fn start(kind: Kind, servers: Servers) -> anyhow::Result<(Self, Duration)> {
        let site = Site::new(kind, servers)?;
        let proxy = site.start_proxy()?;
        listening(site.routes).await.context("the proxy")?;
        let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
        let (hub, took) = start(&site, &client).await?;
        let hub = Self {
            pid: hub.id().context("it has ended")?,
            public: site.public,
            pages: site.pages,
            client,
            hub,
            _proxy: proxy,
            site,
        };
        Ok((hub, took))
    }

    /// Waits until the proxy has been told where the hub is: who comes through it sees the login page.
    pub async fn routed(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        let url = format!("http://{}/hub/login", self.public);
        while !self.client.get(&url).send().await?.status().is_success() {
            ensure!(
                begun.elapsed() < PATIENCE,
                "the proxy knows no hub: {}",
                self.site.log()
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// Starts one that has so many users.
    pub async fn start_with(kind: Kind, users: usize) -> anyhow::Result<Self> {
        let (mut hub, _) = Self::start(kind, Servers::Mock).await?;
        match kind {
            Kind::Hubd => hub.make_users(0..users).await?,
            // It makes some ten a second.
            Kind::JupyterHub => {
                hub.make_users(0..FEW).await?;
                hub.hub.kill().await?;
                put_users(&hub.site.database(), FEW..users).context("its database")?;
                (hub.hub, _) = start(&hub.site, &hub.client).await?;
                hub.pid = hub.hub.id().context("it has ended")?;
            }
        }
        Ok(hub)
    }

    pub async fn make_users(&self, users: Range<usize>) -> anyhow::Result<()> {
        let names: Vec<String> = users.map(name).collect();
        for names in names.chunks(100) {
            let body = json!({ "usernames": names }).to_string();
            let status = self.send("POST", "/users", body).await?;
            ensure!(status == 201, "making users: {status}");
        }
        Ok(())
    }

    /// Starts the servers of users, some at once, each until it is ready.
    pub async fn start_servers(&self, users: Range<usize>) -> anyhow::Result<Cost> {
        let count = u32::try_from(users.len())?;
        let meter = Meter::start(self.pid);
        stream::iter(users)
            .map(|user| async move {
                let path = format!("/users/{}/server", name(user));
                match self.send("POST", &path, String::new()).await? {
                    201 => Ok(()),
                    status => bail!("starting a server: {status}: {}", self.site.log()),
                }
            })
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        Ok(meter.stop(count))
    }

    /// Ends a user's server.
    pub async fn stop_server(&self, user: &str) -> anyhow::Result<()> {
        let path = format!("/users/{user}/server");
        let status = self.send("DELETE", &path, String::new()).await?;
        ensure!(matches!(status, 202 | 204), "ending a server: {status}");
        Ok(())
    }

    async fn send(&self, method: &str, path: &str, body: String) -> anyhow::Result<u16> {
        let request = self
            .client
            .request(method.parse()?, self.url(path))
            .header("Authorization", format!("token {TOKEN}"))
            .body(body);
        let reply = request.send().await?;
        let status = reply.status().as_u16();
        reply.bytes().await?;
        Ok(status)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/hub/api{path}", self.site.api)
    }

    /// A request of the service's.
    pub fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.client
            .get(self.url(path))
            .header("Authorization", format!("token {TOKEN}"))
    }

    /// Ends the hub and the servers it started.
    pub fn end(self) {
        for server in process::children(self.pid) {
            // One that has just ended is as good.
            let _gone = kill(Pid::from_raw(server), Signal::SIGKILL);
        }
    }
}

/// The name of one of the users.
pub fn name(user: usize) -> String {
    format!("user-{user:05}")
}

/// Starts the hub of a site and waits until it answers.
async fn start(site: &Site, client: &reqwest::Client) -> anyhow::Result<(Child, Duration)> {
    let begun = Instant::now();
    let hub = site.start_hub()?;
    let url = format!("http://{}/hub/health", site.api);
    while client.get(&url).send().await.is_err() {
        ensure!(
            begun.elapsed() < PATIENCE,
            "it does not start: {}",
            site.log()
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok((hub, begun.elapsed()))
}

/// Puts users into a database of JupyterHub's that rests, as it would itself.
fn put_users(database: &Path, users: Range<usize>) -> anyhow::Result<()> {
    let mut connection = rusqlite::Connection::open(database)?;
    let transaction = connection.transaction()?;
    for user in users {
        transaction.execute(
            "INSERT INTO users (name, admin, created, cookie_id, state) \
             VALUES (?1, 0, strftime('%Y-%m-%d %H:%M:%f000', 'now'), lower(hex(randomblob(16))), '{}')",
            [name(user)],
        )?;
        transaction.execute(
            "INSERT INTO user_role_map (user_id, role_id, managed_by_auth) \
             SELECT ?1, id, 0 FROM roles WHERE name = 'user'",
            [transaction.last_insert_rowid()],
        )?;
    }
    transaction.commit()?;
    Ok(())
}

async fn listening(address: SocketAddr) -> anyhow::Result<()> {
    let begun = Instant::now();
    while tokio::net::TcpStream::connect(address).await.is_err() {
        ensure!(begun.elapsed() < PATIENCE, "it does not listen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
