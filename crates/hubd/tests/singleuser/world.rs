//! A hub, the proxy in front of it, and what a test does to them.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

use crate::address::free;
use crate::room::Room;

/// What hub and proxy share.
const TOKEN: &str = "the-token-of-hub-and-proxy";
/// The token of the service that the tests ask the API with.
pub const SERVICE: &str = "the-token-of-the-tests-own-service-which-may-everything";
/// A start of everything on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Which proxy stands in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// The stock configurable-http-proxy; hub and servers listen on ports.
    Chp,
    /// Hub and servers listen on Unix sockets.
    Hubproxy,
}

pub struct World {
    folder: tempfile::TempDir,
    pub room: Room,
    pub public: SocketAddr,
    api: SocketAddr,
    /// Where servers and services reach the hub.
    pub internal: SocketAddr,
    front: Front,
}

impl World {
    /// Writes the configuration, starts the proxy and the hub. `more` goes to the end of `hubd.toml`.
    pub async fn new(version: u8, front: Front, more: &str) -> Self {
        let singleuser = peers().join(format!("jupyterhub-{version}/bin/jupyterhub-singleuser"));
        let folder = tempfile::tempdir().expect("a folder");
        let (public, api, internal) = (free(), free(), free());
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(folder.path().join("service.token"), SERVICE).expect("a file");
        let version = if version == 5 { "5.5.4" } else { "6.1.1" };
        let config = format!(
            r#"
version = "{version}"
database = "{database}"
named_servers.allow = true

[listen]
public = "{hub}"
internal.bind = "{internal}"

[proxy]
api = "http://{api}"
check_interval = 2

[auth]
allow_all = true
admin_users = ["root"]
dummy.dangerous = true

[spawn]
kind = "process"
start_timeout = 90
http_timeout = 90
slow_spawn_timeout = 0
activity_interval = 1
poll_interval = 1
process.command = ["{singleuser}", "--allow-root"]
process.homes = "{homes}"
{sockets}

[[services]]
name = "tests"
admin = true
api_token_file = "{token}"

{more}
"#,
            database = path("hubd.sqlite"),
            hub = match front {
                Front::Chp => free().to_string(),
                Front::Hubproxy => path("public.sock"),
            },
            // Kernels' sockets, too, need a short path.
            sockets = match front {
                Front::Chp => String::new(),
                Front::Hubproxy => format!(
                    "process.sockets = {:?}\nenvironment.JUPYTER_RUNTIME_DIR = {:?}",
                    path("sockets"),
                    path("run")
                ),
            },
            singleuser = singleuser.display(),
            homes = path("homes"),
            token = path("service.token"),
        );
        std::fs::write(folder.path().join("hubd.toml"), config).expect("a file");
        let mut world = Self {
            room: Room::open(folder.path()),
            folder,
            public,
            api,
            internal,
            front,
        };
        world.start_proxy().await;
        world.start_hub().await;
        world
    }

    async fn start_proxy(&mut self) {
        let program = match self.front {
            Front::Chp => peers().join("chp/node_modules/.bin/configurable-http-proxy"),
            Front::Hubproxy => built("hubproxy"),
        };
        let script = format!(
            "CONFIGPROXY_AUTH_TOKEN={TOKEN} {} --ip {} --port {} --api-ip {} --api-port {} >>proxy.log 2>&1 & \
             echo $! >proxy.pid",
            program.display(),
            self.public.ip(),
            self.public.port(),
            self.api.ip(),
            self.api.port(),
        );
        self.room.run(&script).await.expect("a start");
        for address in [self.public, self.api] {
            let listening = async || TcpStream::connect(address).await.is_ok();
            self.until("the proxy listens", "proxy.pid", listening)
                .await;
        }
    }

    /// Starts the hub and waits until its login page comes through the proxy.
    pub async fn start_hub(&mut self) {
        let script = format!(
            "CONFIGPROXY_AUTH_TOKEN={TOKEN} {} --config hubd.toml serve >>hub.log 2>&1 & echo $! >hub.pid",
            env!("CARGO_BIN_EXE_hubd"),
        );
        self.room.run(&script).await.expect("a start");
        let url = format!("http://{}/hub/health", self.public);
        let answers = async || {
            let reply = reqwest::get(&url).await;
            reply.is_ok_and(|reply| reply.status().is_success())
        };
        self.until("the hub answers", "hub.pid", answers).await;
    }

    /// Ends the hub in the middle of whatever it does.
    pub async fn kill_hub(&mut self) {
        self.room
            .run("kill -KILL $(cat hub.pid)")
            .await
            .expect("a hub to kill");
        let gone = async || TcpStream::connect(self.internal).await.is_err();
        until("the hub is gone", gone).await;
    }

    /// Kills the proxy and starts it again: it has lost every route.
    pub async fn restart_proxy(&mut self) {
        self.room
            .run("kill -KILL $(cat proxy.pid)")
            .await
            .expect("a proxy to kill");
        let api = self.api;
        until("the proxy is gone", async || {
            TcpStream::connect(api).await.is_err()
        })
        .await;
        self.start_proxy().await;
    }

    async fn until(&mut self, what: &str, pid: &str, mut so: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !so().await {
            let running = self.room.run(&format!("kill -0 $(cat {pid})")).await;
            assert!(
                running.is_ok() && Instant::now() < deadline,
                "never: {what}: {running:?}\n{}",
                self.log()
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Asks the hub's API as the tests' own service; the status and the JSON, null where there is none.
    pub async fn api(&self, method: &str, path: &str) -> (u16, Value) {
        self.api_as(SERVICE, method, path).await
    }

    /// The same with another token.
    pub async fn api_as(&self, token: &str, method: &str, path: &str) -> (u16, Value) {
        let body = match (method, path) {
            ("POST", "/users") => r#"{"usernames": ["alice"]}"#,
            _ => "",
        };
        self.send(token, method, path, body).await
    }

    /// Removes a named server.
    pub async fn remove(&self, path: &str) -> u16 {
        let (status, _) = self
            .send(SERVICE, "DELETE", path, r#"{"remove": true}"#)
            .await;
        status
    }

    async fn send(
        &self,
        token: &str,
        method: &str,
        path: &str,
        body: &'static str,
    ) -> (u16, Value) {
        let method = method.parse().expect("a method");
        let request = reqwest::Client::new()
            .request(method, format!("http://{}/hub/api{path}", self.internal))
            .header("Authorization", format!("token {token}"))
            .body(body);
        let reply = request.send().await.expect("an answer");
        let status = reply.status().as_u16();
        let text = reply.text().await.expect("text");
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// The status of a page to whom a token makes known.
    pub async fn status(&self, path: &str, token: &str) -> u16 {
        let request = reqwest::Client::new()
            .get(format!("http://{}{path}", self.public))
            .header("Authorization", format!("token {token}"));
        request.send().await.expect("an answer").status().as_u16()
    }

    /// A server of a user as the API tells it; null if there is none.
    pub async fn server(&self, user: &str, name: &str) -> Value {
        let (_, user) = self
            .api("GET", &format!("/users/{user}?include_stopped_servers"))
            .await;
        user["servers"][name].clone()
    }

    /// The paths of the proxy's routes.
    pub async fn routes(&self) -> Vec<String> {
        let request = reqwest::Client::new()
            .get(format!("http://{}/api/routes", self.api))
            .header("Authorization", format!("token {TOKEN}"));
        let routes: serde_json::Map<String, Value> = request
            .send()
            .await
            .expect("an answer")
            .json()
            .await
            .expect("routes");
        routes.keys().cloned().collect()
    }

    /// Puts a file into a user's home.
    pub fn put(&self, user: &str, name: &str, text: &str) {
        let home = self.folder.path().join("homes").join(user);
        std::fs::create_dir_all(&home).expect("a folder");
        std::fs::write(home.join(name), text).expect("a file");
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What hub, proxy and servers said.
    pub fn log(&self) -> String {
        let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        let mut log = format!(
            "{}\n{}",
            read(self.path("hub.log")),
            read(self.path("proxy.log"))
        );
        for home in std::fs::read_dir(self.path("homes"))
            .into_iter()
            .flatten()
            .flatten()
        {
            for file in std::fs::read_dir(home.path())
                .into_iter()
                .flatten()
                .flatten()
            {
                if file.file_name().to_string_lossy().starts_with(".server-") {
                    log += &format!("\n{}:\n{}", file.path().display(), read(file.path()));
                }
            }
        }
        log
    }
}

/// Until it is so.
pub async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !so().await {
        assert!(Instant::now() < deadline, "never: {what}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// What `scripts/peers` installed.
pub fn peers() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let peers = root.join("target/peers");
    peers
        .canonicalize()
        .expect("target/peers: run scripts/peers")
}

/// Another program of the workspace, beside the hub's own.
fn built(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_BIN_EXE_hubd")).with_file_name(name);
    assert!(
        path.exists(),
        "{} is not there: run cargo build -p {name}",
        path.display()
    );
    path
}
