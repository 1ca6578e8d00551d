//! A hub and its proxy: hubd or JupyterHub, told the same.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use futures::{StreamExt, TryStreamExt, stream};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use tokio::process::{Child, Command};

use crate::process;
use crate::single;

/// The token of an admin service.
const TOKEN: &str = "the-token-of-the-service-that-measures-and-may-everything";
/// Starts at once.
const AT_ONCE: usize = 10;
/// How long a hub may take to start, and to do one thing.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Hubd,
    JupyterHub,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Hubd => "hubd",
            Self::JupyterHub => "JupyterHub 6.1.1",
        }
    }
}

/// A hub that runs.
pub struct Hub {
    pub pid: u32,
    pub client: reqwest::Client,
    /// Where its API is.
    pub api: String,
    _programs: [Child; 2],
    folder: tempfile::TempDir,
}

/// What starts cost.
#[derive(Clone, Copy)]
pub struct Spawn {
    /// The hub's time on a CPU for one, in milliseconds.
    pub cpu: f64,
    /// How many a second, so many at once.
    pub rate: f64,
}

struct Places {
    public: SocketAddr,
    routes: SocketAddr,
    hub: SocketAddr,
    internal: SocketAddr,
}

impl Hub {
    /// Starts a proxy and then a hub; how long the hub took until it answered.
    pub async fn start(kind: Kind) -> anyhow::Result<(Self, Duration)> {
        let folder = tempfile::tempdir()?;
        let places = Places {
            public: free()?,
            routes: free()?,
            hub: free()?,
            internal: free()?,
        };
        let proxy = proxy(&places)?;
        listening(places.routes).await.context("the proxy")?;
        let begun = Instant::now();
        let (program, address) = match kind {
            Kind::Hubd => (hubd(folder.path(), &places)?, places.internal),
            Kind::JupyterHub => (jupyterhub(folder.path(), &places)?, places.hub),
        };
        let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
        let url = format!("http://{address}/hub/health");
        while client.get(&url).send().await.is_err() {
            ensure!(
                begun.elapsed() < PATIENCE,
                "it does not start: {}",
                log(folder.path())
            );
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let took = begun.elapsed();
        let hub = Self {
            pid: program.id().context("it has ended")?,
            client,
            api: format!("http://{address}/hub/api"),
            _programs: [program, proxy],
            folder,
        };
        Ok((hub, took))
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
    pub async fn start_servers(&self, users: Range<usize>) -> anyhow::Result<Spawn> {
        let count = f64::from(u32::try_from(users.len())?);
        let (begun, before) = (Instant::now(), process::cpu(self.pid));
        stream::iter(users)
            .map(|user| async move {
                let path = format!("/users/{}/server", name(user));
                match self.send("POST", &path, String::new()).await? {
                    201 => Ok(()),
                    status => bail!("starting a server: {status}: {}", log(self.folder.path())),
                }
            })
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await?;
        let took = begun.elapsed();
        let used = process::cpu(self.pid).saturating_sub(before);
        Ok(Spawn {
            cpu: used.as_secs_f64() * 1e3 / count,
            rate: count / took.as_secs_f64(),
        })
    }

    async fn send(&self, method: &str, path: &str, body: String) -> anyhow::Result<u16> {
        let request = self
            .client
            .request(method.parse()?, format!("{}{path}", self.api))
            .header("Authorization", format!("token {TOKEN}"))
            .body(body);
        let reply = request.send().await?;
        let status = reply.status().as_u16();
        reply.bytes().await?;
        Ok(status)
    }

    /// Ends the hub and the servers it started.
    pub fn end(self) {
        for server in process::children(self.pid) {
            // One that has just ended is as good.
            let _gone = kill(Pid::from_raw(server), Signal::SIGKILL);
        }
    }

    /// A request of the service's.
    pub fn get(&self, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}{path}", self.api);
        self.client
            .get(url)
            .header("Authorization", format!("token {TOKEN}"))
    }
}

fn name(user: usize) -> String {
    format!("user-{user:04}")
}

fn hubd(folder: &Path, places: &Places) -> anyhow::Result<Child> {
    let this = std::env::current_exe()?;
    std::fs::write(folder.join("service.token"), TOKEN)?;
    let config = format!(
        r#"
database = "{folder}/hub.sqlite"
listen.public = "{public}"
listen.internal.bind = "{internal}"
proxy.api = "http://{routes}"
log.level = "warn"
[auth]
allow_all = true
dummy.dangerous = true
[spawn]
kind = "process"
slow_spawn_timeout = 120
process.command = ["{program}", "{argument}"]
process.homes = "{folder}/homes"
[[services]]
name = "bench"
admin = true
api_token_file = "{folder}/service.token"
"#,
        folder = folder.display(),
        public = places.hub,
        internal = places.internal,
        routes = places.routes,
        program = this.display(),
        argument = single::NAME,
    );
    std::fs::write(folder.join("hubd.toml"), config)?;
    let mut command = Command::new(env!("CARGO_BIN_EXE_hubd"));
    command.arg("--config").arg(folder.join("hubd.toml"));
    run(&mut command, folder)
}

fn jupyterhub(folder: &Path, places: &Places) -> anyhow::Result<Child> {
    let this = std::env::current_exe()?;
    let config = format!(
        r#"
c = get_config()
c.JupyterHub.bind_url = "http://{public}"
c.JupyterHub.hub_bind_url = "http://{hub}"
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.log_level = "WARN"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/homes/{{username}}"
c.Spawner.cmd = ["{program}", "{argument}"]
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 120}}
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = "http://{routes}"
c.ConfigurableHTTPProxy.auth_token = "{TOKEN}"
c.JupyterHub.services = [{{"name": "bench", "admin": True, "api_token": "{TOKEN}"}}]
"#,
        folder = folder.display(),
        public = places.public,
        hub = places.hub,
        routes = places.routes,
        program = this.display(),
        argument = single::NAME,
    );
    std::fs::write(folder.join("jupyterhub_config.py"), config)?;
    let mut command = Command::new(peers()?.join("jupyterhub-6/bin/python"));
    command.args(["-m", "jupyterhub", "-f", "jupyterhub_config.py"]);
    run(&mut command, folder)
}

/// The stock proxy, the same for both.
fn proxy(places: &Places) -> anyhow::Result<Child> {
    let program = peers()?.join("chp/node_modules/.bin/configurable-http-proxy");
    let mut command = Command::new(program);
    command
        .args(["--log-level", "error"])
        .args(["--ip", &places.public.ip().to_string()])
        .args(["--port", &places.public.port().to_string()])
        .args(["--api-ip", &places.routes.ip().to_string()])
        .args(["--api-port", &places.routes.port().to_string()]);
    run(&mut command, Path::new("/"))
}

fn run(command: &mut Command, folder: &Path) -> anyhow::Result<Child> {
    command
        .current_dir(folder)
        .env("CONFIGPROXY_AUTH_TOKEN", TOKEN)
        .kill_on_drop(true);
    if folder != Path::new("/") {
        let log = std::fs::File::create(folder.join("log"))?;
        command.stdout(log.try_clone()?).stderr(log);
    }
    command.spawn().context("starting a program")
}

async fn listening(address: SocketAddr) -> anyhow::Result<()> {
    let begun = Instant::now();
    while tokio::net::TcpStream::connect(address).await.is_err() {
        ensure!(begun.elapsed() < PATIENCE, "it does not listen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}

fn free() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

fn peers() -> anyhow::Result<PathBuf> {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers");
    peers
        .canonicalize()
        .context("target/peers: run scripts/peers")
}
