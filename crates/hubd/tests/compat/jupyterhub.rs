//! A stock JupyterHub 6.1.1, as `scripts/peers` installs it: the dummy authenticator, and a spawner whose servers are
//! answers of the hub's own process.

use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::support::routes::{self, Routes};
use crate::{SERVICES, service_token, support};

/// How long it may take to start on a machine that is busy.
const START: Duration = Duration::from_secs(90);

/// One that runs.
pub struct Running {
    /// Where it answers, without a path.
    pub url: String,
    folder: tempfile::TempDir,
    _process: Child,
    _routes: Routes,
}

const CONFIG: &str = r#"
from jupyterhub.spawner import Spawner
from tornado import web
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets


class Empty(web.RequestHandler):
    def get(self):
        self.set_header("X-JupyterHub-Version", "6.1.1")


class MockSpawner(Spawner):
    server_here = None

    async def start(self):
        sockets = bind_sockets(0, "127.0.0.1")
        self.server_here = HTTPServer(web.Application([(r".*", Empty)]))
        self.server_here.add_sockets(sockets)
        return "127.0.0.1", sockets[0].getsockname()[1]

    def get_state(self):
        state = super().get_state()
        if self.server_here is not None:
            state["started"] = True
        return state

    async def poll(self):
        return 0 if self.server_here is None else None

    async def stop(self, now=False):
        self.server_here.stop()
        self.server_here = None


c = get_config()
c.JupyterHub.bind_url = "http://127.0.0.1:@PUBLIC@"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:@HUB@"
c.JupyterHub.db_url = "sqlite:///jupyterhub.sqlite"
c.JupyterHub.spawner_class = MockSpawner
c.JupyterHub.authenticator_class = "dummy"
c.DummyAuthenticator.password = "s3cret"
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = "http://@ROUTES@"
c.ConfigurableHTTPProxy.auth_token = "@ROUTES_TOKEN@"
c.JupyterHub.allow_named_servers = True
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 30, "slow_stop_timeout": 30}
c.Authenticator.allow_all = True
c.Authenticator.admin_users = {"adm"}
c.JupyterHub.services = [
    {"name": "tests", "admin": True, "api_token": "@ADMIN@"},
@SERVICES@
]
c.JupyterHub.load_roles = [
    {
        "name": "group-reader",
        "scopes": ["list:users!group=class", "read:users!group=class", "servers!group=class",
                   "list:groups!group=class", "read:groups!group=class",
                   "read:services!service=reader", "list:services!service=reader"],
        "services": ["class-reader"],
    },
    {
        "name": "name-reader",
        "scopes": ["list:users", "read:users:name", "read:users:activity", "read:roles:users"],
        "services": ["reader"],
    },
    {
        "name": "people-admin",
        "scopes": ["admin:users", "groups", "admin:services"],
        "services": ["people-admin"],
    },
]
"#;

impl Running {
    pub async fn start() -> Self {
        let program = peers().join("jupyterhub-6/bin/jupyterhub");
        assert!(
            program.exists(),
            "{} is not there: run scripts/peers",
            program.display()
        );
        let routes = Routes::start().await;
        let folder = tempfile::tempdir().expect("a folder");
        let services: String = SERVICES
            .iter()
            .map(|name| {
                format!(
                    "    {{\"name\": \"{name}\", \"api_token\": \"{}\"}},\n",
                    service_token(name)
                )
            })
            .collect();
        let hub = free();
        let config = CONFIG
            .replace("@PUBLIC@", &free().to_string())
            .replace("@HUB@", &hub.to_string())
            .replace("@ROUTES_TOKEN@", routes::TOKEN)
            .replace("@ROUTES@", &routes.address.to_string())
            .replace("@ADMIN@", support::ADMIN)
            .replace("@SERVICES@", &services);
        std::fs::write(folder.path().join("config.py"), config).expect("a file");
        let log = std::fs::File::create(folder.path().join("log")).expect("a file");
        // The kernel ends it with this test, however that ends.
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL"])
            .arg(program)
            .args(["-f", "config.py"])
            .current_dir(folder.path())
            .env_remove("JUPYTERHUB_API_TOKEN")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("starting JupyterHub");
        let url = format!("http://127.0.0.1:{hub}");
        let mut running = Self {
            url,
            folder,
            _process: process,
            _routes: routes,
        };
        running.wait().await;
        running
    }

    async fn wait(&mut self) {
        let until = Instant::now() + START;
        let health = format!("{}/hub/health", self.url);
        loop {
            if reqwest::get(&health)
                .await
                .is_ok_and(|answer| answer.status().is_success())
            {
                return;
            }
            let ended = self._process.try_wait().expect("looking at JupyterHub");
            assert!(
                ended.is_none() && Instant::now() < until,
                "JupyterHub does not start:\n{}",
                self.log_tail()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The end of its log.
    pub fn log_tail(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

/// What `scripts/peers` installed.
fn peers() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/peers"))
}

/// A port that is free now: JupyterHub cannot be told to choose one.
fn free() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address").port()
}
