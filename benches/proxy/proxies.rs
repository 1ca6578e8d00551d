//! hubproxy and the others, each with one worker on the first CPU, access logs off, connections to the backend kept.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use rcgen::{CertificateParams, KeyPair};
use rustls::ClientConfig;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::load::Door;

/// What the routes APIs are asked with.
pub const TOKEN: &str = "benchmark";
/// How long a start may take.
const START: Duration = Duration::from_secs(20);

/// One running program.
pub struct Running {
    pub name: &'static str,
    child: Child,
    /// Where its routes are changed, if they can be.
    pub api: Option<SocketAddr>,
    pub plain: Option<Door>,
    pub tls: Option<Door>,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Its workers end with it: each is told by its master's end, or has none.
        let tree = crate::process::tree(self.pid());
        for pid in tree.into_iter().rev() {
            if let Ok(pid) = i32::try_from(pid) {
                let _ = nix::sys::signal::kill(
                    nix::unistd::Pid::from_raw(pid),
                    nix::sys::signal::Signal::SIGKILL,
                );
            }
        }
        let _ = self.child.wait();
    }
}

/// Everything a start needs.
pub struct Bench {
    pub folder: PathBuf,
    pub backend: SocketAddr,
    tls: Arc<ClientConfig>,
}

impl Bench {
    /// Makes the certificate that all of them show.
    pub fn new(folder: &Path, backend: SocketAddr) -> anyhow::Result<Self> {
        let key = KeyPair::generate()?;
        let certificate =
            CertificateParams::new(vec!["localhost".to_owned()])?.self_signed(&key)?;
        fs::write(folder.join("server.pem"), certificate.pem())?;
        fs::write(folder.join("server.key"), key.serialize_pem())?;
        fs::write(
            folder.join("both.pem"),
            certificate.pem() + &key.serialize_pem(),
        )?;
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(
            certificate.pem().as_bytes(),
        )?)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Each handshake is a whole one.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self {
            folder: folder.to_owned(),
            backend,
            tls: Arc::new(config),
        })
    }

    fn start(
        &self,
        name: &'static str,
        command: &mut Command,
        plain: Option<SocketAddr>,
        tls: Option<SocketAddr>,
        api: Option<SocketAddr>,
    ) -> anyhow::Result<Running> {
        let log = fs::File::create(self.folder.join(format!("{name}.log")))?;
        let child = command
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let mut running = Running {
            name,
            child,
            api,
            plain: plain.map(|address| Door { address, tls: None }),
            tls: tls.map(|address| Door {
                address,
                tls: Some(self.tls.clone()),
            }),
        };
        let started = Instant::now();
        for address in [plain, tls, api].into_iter().flatten() {
            while TcpStream::connect(address).is_err() {
                if running.child.try_wait()?.is_some() || started.elapsed() > START {
                    let log = fs::read_to_string(self.folder.join(format!("{name}.log")));
                    bail!(
                        "{name} does not listen on {address}:\n{}",
                        log.unwrap_or_default()
                    );
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
        Ok(running)
    }

    /// Ours, with a route `/` to the backend if `routed`.
    pub fn hubproxy(&self, routed: bool) -> anyhow::Result<Running> {
        let (plain, tls, api) = (free()?, free()?, free()?);
        let target = if routed {
            format!("default_target = \"http://{}\"", self.backend)
        } else {
            String::new()
        };
        let text = format!(
            r#"
workers = 1
log_level = "warn"
{target}
[http]
listen = ["{plain}"]
redirect = false
[https]
listen = ["{tls}"]
[[tls.files]]
certificate = "{folder}/server.pem"
key = "{folder}/server.key"
[api]
listen = "{api}"
token_file = "{folder}/token"
"#,
            folder = self.folder.display(),
        );
        fs::write(self.folder.join("token"), TOKEN)?;
        nix::sys::stat::fchmodat(
            nix::fcntl::AT_FDCWD,
            &self.folder.join("token"),
            nix::sys::stat::Mode::from_bits_truncate(0o600),
            nix::sys::stat::FchmodatFlags::FollowSymlink,
        )?;
        fs::write(self.folder.join("hubproxy.toml"), text)?;
        let mut command = on_first_cpu(env!("CARGO_BIN_EXE_hubproxy"));
        command.args(["--config", "hubproxy.toml"]);
        self.start("hubproxy", &mut command, Some(plain), Some(tls), Some(api))
    }

    /// The real one: one process listens for one of the two.
    pub fn chp(&self, tls: bool, routed: bool) -> anyhow::Result<Running> {
        let (public, api) = (free()?, free()?);
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers");
        let mut command = on_first_cpu(peers.join("chp/node_modules/.bin/configurable-http-proxy"));
        command
            .env("CONFIGPROXY_AUTH_TOKEN", TOKEN)
            .args(["--ip", "127.0.0.1", "--port", &public.port().to_string()])
            .args([
                "--api-ip",
                "127.0.0.1",
                "--api-port",
                &api.port().to_string(),
                "--log-level",
                "error",
            ]);
        if routed {
            command.args(["--default-target", &format!("http://{}", self.backend)]);
        }
        if tls {
            command.args(["--ssl-key", "server.key", "--ssl-cert", "server.pem"]);
            self.start("CHP", &mut command, None, Some(public), Some(api))
        } else {
            self.start("CHP", &mut command, Some(public), None, Some(api))
        }
    }

    pub fn nginx(&self) -> anyhow::Result<Running> {
        let (plain, tls) = (free()?, free()?);
        let text = format!(
            r#"
master_process off;
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  client_body_temp_path {folder}/nginx-body;
  proxy_temp_path {folder}/nginx-proxy;
  fastcgi_temp_path {folder}/nginx-fastcgi;
  uwsgi_temp_path {folder}/nginx-uwsgi;
  scgi_temp_path {folder}/nginx-scgi;
  map $http_upgrade $connection_upgrade {{ default upgrade; "" ""; }}
  upstream backend {{ server {backend}; keepalive 128; keepalive_requests 1000000000; }}
  server {{
    listen {plain};
    listen {tls} ssl;
    ssl_certificate {folder}/server.pem;
    ssl_certificate_key {folder}/server.key;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_tickets off;
    location / {{
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_buffering off;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_read_timeout 1h;
    }}
  }}
}}
"#,
            folder = self.folder.display(),
            backend = self.backend,
        );
        fs::write(self.folder.join("nginx.conf"), text)?;
        let mut command = on_first_cpu("/usr/sbin/nginx");
        command
            .arg("-p")
            .arg(&self.folder)
            .arg("-c")
            .arg(self.folder.join("nginx.conf"));
        self.start("nginx", &mut command, Some(plain), Some(tls), None)
    }

    pub fn haproxy(&self) -> anyhow::Result<Running> {
        let (plain, tls) = (free()?, free()?);
        let text = format!(
            r#"
global
  nbthread 1
  maxconn 4096
  ssl-default-bind-options ssl-min-ver TLSv1.2 no-tls-tickets
defaults
  mode http
  timeout connect 5s
  timeout client 1h
  timeout server 1h
  timeout tunnel 1h
  option http-keep-alive
  http-reuse always
frontend public
  bind {plain}
  bind {tls} ssl crt {folder}/both.pem
  option forwardfor
  http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
  http-request set-header X-Forwarded-Proto http if !{{ ssl_fc }}
  http-request set-header X-Forwarded-Host %[req.hdr(Host)]
  default_backend backend
backend backend
  server one {backend}
"#,
            folder = self.folder.display(),
            backend = self.backend,
        );
        fs::write(self.folder.join("haproxy.cfg"), text)?;
        let mut command = on_first_cpu("/usr/sbin/haproxy");
        command.args(["-db", "-f", "haproxy.cfg"]);
        self.start("haproxy", &mut command, Some(plain), Some(tls), None)
    }

    pub fn caddy(&self) -> anyhow::Result<Running> {
        let (plain, tls) = (free()?, free()?);
        let text = format!(
            r#"{{
  admin off
  auto_https off
  log {{
    level ERROR
  }}
}}
http://:{plain_port} {{
  bind 127.0.0.1
  reverse_proxy {backend}
}}
https://localhost:{tls_port} {{
  bind 127.0.0.1
  tls {folder}/server.pem {folder}/server.key
  reverse_proxy {backend}
}}
"#,
            plain_port = plain.port(),
            tls_port = tls.port(),
            folder = self.folder.display(),
            backend = self.backend,
        );
        fs::write(self.folder.join("Caddyfile"), text)?;
        let mut command = on_first_cpu("/usr/bin/caddy");
        command
            .env("GOMAXPROCS", "1")
            .env("HOME", &self.folder)
            .args(["run", "--adapter", "caddyfile", "--config", "Caddyfile"]);
        self.start("caddy", &mut command, Some(plain), Some(tls), None)
    }
}

/// Ends with the bench, even when the bench is killed.
fn on_first_cpu(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new("taskset");
    command
        .args(["--cpu-list", "0", "setpriv", "--pdeathsig", "KILL", "--"])
        .arg(program);
    command
}

fn free() -> anyhow::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("looking for a free port")?;
    Ok(listener.local_addr()?)
}
