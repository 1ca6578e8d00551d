//! The folder of a hub, what it is told there, and the programs that run on it: hubd or JupyterHub, told the same.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::Context;
use tokio::process::{Child, Command};

use crate::single;

/// The token of an admin service.
pub const TOKEN: &str = "the-token-of-the-service-that-measures-and-may-everything";

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

/// What is started for a user.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Servers {
    /// A program of a few lines that answers.
    Mock,
    /// JupyterLab and the single-user server of JupyterHub 6.1.1.
    Real,
}

pub struct Site {
    pub kind: Kind,
    pub servers: Servers,
    folder: tempfile::TempDir,
    /// Where people come: the proxy.
    pub public: SocketAddr,
    /// The proxy's table of routes.
    pub routes: SocketAddr,
    /// The hub's pages, behind the proxy.
    pub pages: SocketAddr,
    /// The hub's API, beside the proxy.
    pub api: SocketAddr,
}

impl Site {
    pub fn new(kind: Kind, servers: Servers) -> anyhow::Result<Self> {
        let pages = free()?;
        let site = Self {
            kind,
            servers,
            folder: tempfile::tempdir()?,
            public: free()?,
            routes: free()?,
            pages,
            api: match kind {
                Kind::Hubd => free()?,
                Kind::JupyterHub => pages,
            },
        };
        let (name, text) = match kind {
            Kind::Hubd => ("hubd.toml", site.hubd()?),
            Kind::JupyterHub => ("jupyterhub_config.py", site.jupyterhub()?),
        };
        std::fs::write(site.folder.path().join(name), text)?;
        std::fs::write(site.folder.path().join("service.token"), TOKEN)?;
        Ok(site)
    }

    pub fn database(&self) -> PathBuf {
        self.folder.path().join("hub.sqlite")
    }

    /// What the hub said.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Starts the hub.
    pub fn start_hub(&self) -> anyhow::Result<Child> {
        let mut command = match self.kind {
            Kind::Hubd => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_hubd"));
                command.args(["--config", "hubd.toml"]);
                command
            }
            Kind::JupyterHub => {
                let mut command = Command::new(peers()?.join("jupyterhub-6/bin/python"));
                command.args(["-m", "jupyterhub", "-f", "jupyterhub_config.py"]);
                command
            }
        };
        let log = std::fs::File::create(self.folder.path().join("log"))?;
        command
            .current_dir(self.folder.path())
            .stdout(log.try_clone()?)
            .stderr(log);
        run(&mut command)
    }

    /// Starts the stock proxy, the same for both.
    pub fn start_proxy(&self) -> anyhow::Result<Child> {
        let program = peers()?.join("chp/node_modules/.bin/configurable-http-proxy");
        let mut command = Command::new(program);
        command
            .args(["--log-level", "error"])
            .args(["--ip", &self.public.ip().to_string()])
            .args(["--port", &self.public.port().to_string()])
            .args(["--api-ip", &self.routes.ip().to_string()])
            .args(["--api-port", &self.routes.port().to_string()]);
        run(&mut command)
    }

    /// The command of a user's server, as a list that TOML and Python read alike.
    fn server(&self) -> anyhow::Result<String> {
        let words = match self.servers {
            Servers::Mock => [std::env::current_exe()?, single::NAME.into()],
            Servers::Real => [
                peers()?.join("jupyterhub-6/bin/jupyterhub-singleuser"),
                "--allow-root".into(),
            ],
        };
        Ok(format!("{words:?}"))
    }

    fn hubd(&self) -> anyhow::Result<String> {
        Ok(format!(
            r#"
database = "{folder}/hub.sqlite"
listen.public = "{pages}"
listen.internal.bind = "{api}"
proxy.api = "http://{routes}"
log.level = "warn"
[auth]
allow_all = true
dummy.dangerous = true
[spawn]
kind = "process"
slow_spawn_timeout = 120
process.command = {server}
process.homes = "{folder}/homes"
[[services]]
name = "bench"
admin = true
api_token_file = "{folder}/service.token"
"#,
            folder = self.folder.path().display(),
            pages = self.pages,
            api = self.api,
            routes = self.routes,
            server = self.server()?,
        ))
    }

    fn jupyterhub(&self) -> anyhow::Result<String> {
        Ok(format!(
            r#"
c = get_config()
c.JupyterHub.bind_url = "http://{public}"
c.JupyterHub.hub_bind_url = "http://{pages}"
c.JupyterHub.db_url = "sqlite:///{folder}/hub.sqlite"
c.JupyterHub.log_level = "WARN"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = "{folder}/homes/{{username}}"
c.Spawner.cmd = {server}
c.JupyterHub.tornado_settings = {{"slow_spawn_timeout": 120}}
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = "http://{routes}"
c.ConfigurableHTTPProxy.auth_token = "{TOKEN}"
c.JupyterHub.services = [{{"name": "bench", "admin": True, "api_token": "{TOKEN}"}}]
"#,
            folder = self.folder.path().display(),
            public = self.public,
            pages = self.pages,
            routes = self.routes,
            server = self.server()?,
        ))
    }
}

fn run(command: &mut Command) -> anyhow::Result<Child> {
    command
        .env("CONFIGPROXY_AUTH_TOKEN", TOKEN)
        .kill_on_drop(true);
    command.spawn().context("starting a program")
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
