//! A stock JupyterHub, its proxy, and what a test does to them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::address::free;
use crate::room::Room;

/// What hub and proxy share.
pub const TOKEN: &str = "the-token-of-hub-and-proxy";
/// A start of everything on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// How JupyterHub is told of the proxy.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// Not at all: a program named `configurable-http-proxy` is first in PATH.
    ByPath,
    /// By `c.ConfigurableHTTPProxy.command`.
    ByCommand,
    /// `c.ConfigurableHTTPProxy.should_start = False`.
    NotToStart,
}

pub struct Hub {
    pub folder: tempfile::TempDir,
    pub room: Room,
    pub public: SocketAddr,
    pub api: SocketAddr,
    environment: PathBuf,
}

impl Hub {
    /// Writes its configuration; starts nothing.
    pub fn new(version: u8, told: Told) -> Self {
        let environment = peers().join(format!("jupyterhub-{version}"));
        assert!(
            environment.join(".installed").exists(),
            "JupyterHub {version} is not there: run scripts/peers"
        );
        let folder = tempfile::tempdir().expect("a folder");
        let (public, api, hub) = (free(), free(), free());
        let ip = public.ip();
        let bin = folder.path().join("bin");
        std::fs::create_dir(&bin).expect("a folder");
        std::fs::create_dir_all(folder.path().join("home/alice")).expect("a folder");
        std::fs::write(
            folder.path().join("home/alice/hello.txt"),
            "a file of alice's",
        )
        .expect("a file");
        let telling = match told {
            Told::ByPath => {
                let link = bin.join("configurable-http-proxy");
                std::os::unix::fs::symlink(hubproxy(), link).expect("a link");
                String::new()
            }
            Told::ByCommand => format!("c.ConfigurableHTTPProxy.command = [{:?}]", hubproxy()),
            Told::NotToStart => "c.ConfigurableHTTPProxy.should_start = False\n\
                                 c.JupyterHub.cleanup_servers = False"
                .to_owned(),
        };
        let config = format!(
            r#"
c = get_config()
c.JupyterHub.bind_url = "http://{public}"
c.JupyterHub.hub_bind_url = "http://{hub}"
c.JupyterHub.db_url = "sqlite:///hub.sqlite"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = {home:?} + "/{{username}}"
c.Spawner.ip = "{ip}"
c.Spawner.cmd = ["jupyterhub-singleuser"]
c.Spawner.args = ["--allow-root"]
c.Spawner.start_timeout = 90
c.Spawner.http_timeout = 90
c.ConfigurableHTTPProxy.api_url = "http://{api}"
c.ConfigurableHTTPProxy.auth_token = "{TOKEN}"
c.ConfigurableHTTPProxy.check_running_interval = 1
c.JupyterHub.last_activity_interval = 2
{telling}
"#,
            home = folder.path().join("home"),
        );
        std::fs::write(folder.path().join("jupyterhub_config.py"), config).expect("a file");
        let room = Room::open(folder.path());
        Self {
            folder,
            room,
            public,
            api,
            environment,
        }
    }

    /// Starts the hub, which starts the proxy if it was told to, and waits until both answer.
    pub async fn start(&mut self) {
        let path = format!(
            "{}/bin:{}/bin",
            self.folder.path().display(),
            self.environment.display()
        );
        let script = format!(
            "PATH={path}:$PATH JUPYTERHUB_CRYPT_KEY= jupyterhub -f jupyterhub_config.py >>hub.log 2>&1 & echo $! >hub.pid"
        );
        self.room.run(&script).await.expect("a start");
        self.answers().await;
    }

    /// Until a login page comes through the proxy.
    pub async fn answers(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        let client = reqwest::Client::new();
        let url = format!("http://{}/hub/login", self.public);
        loop {
            if let Ok(reply) = client.get(&url).send().await
                && reply.status().is_success()
            {
                return;
            }
            let running = self.room.run("kill -0 $(cat hub.pid)").await;
            assert!(
                running.is_ok() && Instant::now() < deadline,
                "{running:?}\n{}",
                self.log()
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Asks the hub to end, and waits until it has.
    pub async fn stop(&mut self) {
        self.room
            .run("kill -TERM $(cat hub.pid)")
            .await
            .expect("a hub to end");
        let deadline = Instant::now() + PATIENCE;
        while self.room.run("kill -0 $(cat hub.pid)").await.is_ok() {
            assert!(
                Instant::now() < deadline,
                "it does not end:\n{}",
                self.log()
            );
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Starts a proxy beside the hub as an operator would, by its options.
    pub async fn start_proxy(&mut self) {
        let options = format!(
            "--ip {} --port {} --api-ip {} --api-port {}",
            self.public.ip(),
            self.public.port(),
            self.api.ip(),
            self.api.port(),
        );
        self.start_proxy_with(&options).await;
    }

    /// The same, by a file of its own that has it keep its routes.
    pub async fn start_proxy_that_keeps_routes(&mut self) {
        let folder = self.folder.path().display();
        let file = format!(
            r#"
state_file = "{folder}/routes.json"
[http]
listen = ["{}"]
[api]
listen = "{}"
token_file = "{folder}/token"
"#,
            self.public, self.api,
        );
        std::fs::write(self.folder.path().join("token"), TOKEN).expect("a file");
        std::fs::write(self.folder.path().join("hubproxy.toml"), file).expect("a file");
        self.room.run("chmod 600 token").await.expect("a file");
        self.start_proxy_with("--config hubproxy.toml").await;
    }

    async fn start_proxy_with(&mut self, options: &str) {
        let script = format!(
            "CONFIGPROXY_AUTH_TOKEN={TOKEN} {} {options} >>proxy.log 2>&1 & echo $! >proxy.pid",
            hubproxy().display(),
        );
        self.room.run(&script).await.expect("a start");
        let deadline = Instant::now() + PATIENCE;
        for address in [self.public, self.api] {
            while TcpStream::connect(address).await.is_err() {
                let running = self.room.run("kill -0 $(cat proxy.pid)").await;
                assert!(
                    running.is_ok() && Instant::now() < deadline,
                    "{running:?}\n{}",
                    self.log()
                );
                sleep(Duration::from_millis(10)).await;
            }
        }
    }

    /// The proxy's routes, by path; none while it does not answer.
    pub async fn routes(&self) -> serde_json::Map<String, serde_json::Value> {
        let request = reqwest::Client::new()
            .get(format!("http://{}/api/routes", self.api))
            .header("Authorization", format!("token {TOKEN}"));
        let Ok(reply) = request.send().await else {
            return serde_json::Map::new();
        };
        reply.json().await.expect("routes")
    }

    /// What hub and proxy said.
    pub fn log(&self) -> String {
        let read =
            |name: &str| std::fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        format!("{}\n{}", read("hub.log"), read("proxy.log"))
    }
}

fn peers() -> PathBuf {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers");
    peers
        .canonicalize()
        .expect("target/peers: run scripts/peers")
}

fn hubproxy() -> PathBuf {
    // While the tests themselves are tried.
    match std::env::var_os("TRY_WITH_CHP") {
        Some(_) => peers().join("chp/node_modules/.bin/configurable-http-proxy"),
        None => PathBuf::from(env!("CARGO_BIN_EXE_hubproxy")),
    }
}
