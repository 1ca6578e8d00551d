//! A running sandbox.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use anyhow::Context;
use tokio::sync::oneshot;

use crate::api::keystone::{ApplicationCredential, Identity};
use crate::api::{self, Cloud, Region, id};
use crate::clouds_yaml::Entries;
use crate::control::Control;
use crate::machine::Machines;
use crate::no_machines::NoMachines;
use crate::options::Options;
use crate::serve::Server;
use crate::tls::Tls;

/// A cloud that runs until this is dropped; then its machines are swept.
pub struct Sandbox {
    /// Entries `sandbox` (password), `sandbox-appcred` and `sandbox-admin`.
    pub clouds_yaml: PathBuf,
    /// `http://127.0.0.1:PORT/v3`
    pub auth_url: String,
    /// Faults on demand and the log of requests.
    pub control: Control,
    /// The authority to trust, when it speaks HTTPS.
    pub cacert: Option<PathBuf>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    /// Removed last.
    _temporary: Option<tempfile::TempDir>,
}

impl Sandbox {
    /// Starts a sandbox whose servers are nothing but records.
    pub fn start(options: Options) -> anyhow::Result<Self> {
        Self::start_with(options, Arc::new(NoMachines::default()))
    }

    /// Starts a sandbox with these machines behind its servers. What an earlier one left is swept first.
    pub fn start_with(options: Options, machines: Arc<dyn Machines>) -> anyhow::Result<Self> {
        let temporary = match options.state_dir {
            Some(_) => None,
            None => Some(tempfile::tempdir().context("making a state directory")?),
        };
        let dir = options
            .state_dir
            .as_deref()
            .or(temporary.as_ref().map(|t| t.path()))
            .unwrap_or(Path::new("."));
        let dir = private(dir)?;
        let listener = std::net::TcpListener::bind(options.listen)
            .with_context(|| format!("listening on {}", options.listen))?;
        listener
            .set_nonblocking(true)
            .context("setting up the listener")?;
        let address = listener.local_addr().context("asking for the port")?;
        let tls = if options.tls {
            Some(Tls::new(address.ip())?)
        } else {
            None
        };
        let cacert = match &tls {
            Some(tls) => {
                let path = dir.join("ca.pem");
                std::fs::write(&path, &tls.ca)
                    .with_context(|| format!("writing {}", path.display()))?;
                Some(path)
            }
            None => None,
        };
        let (cloud, keys) = cloud(&options, &dir, address, machines);
        let auth_url = format!("{}/v3", cloud.base_url);
        let regions: Vec<String> = cloud.regions.iter().map(|r| r.name.clone()).collect();
        let entries = Entries {
            auth_url: &auth_url,
            password: &keys.password,
            admin_password: &keys.admin_password,
            credential_id: &keys.credential_id,
            credential_secret: &keys.credential_secret,
            regions: &regions,
            cacert: cacert.as_deref(),
        };
        let clouds_yaml = entries.write(&dir)?;
        let control = Control::default();
        let server = Server {
            api: api::router(&cloud),
            control_api: crate::control::routes::router(&control, &cloud),
            control: control.clone(),
            tls: tls.map(|t| t.acceptor),
        };
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let thread = std::thread::Builder::new()
            .name("sandbox".to_owned())
            .spawn(move || run(listener, server, cloud, stopped, &ready))
            .context("starting the sandbox's thread")?;
        let mut sandbox = Self {
            clouds_yaml,
            auth_url,
            control,
            cacert,
            stop: Some(stop),
            thread: Some(thread),
            _temporary: temporary,
        };
        let outcome = is_ready.recv().context("starting the sandbox");
        if let Err(error) = outcome.and_then(|ready| ready) {
            sandbox.end();
            return Err(error);
        }
        Ok(sandbox)
    }

    /// Stops and sweeps; dropping does the same.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            if thread.join().is_err() {
                tracing::error!("the sandbox's thread panicked");
            }
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.end();
    }
}

/// The secrets that go into clouds.yaml.
struct Keys {
    password: String,
    admin_password: String,
    credential_id: String,
    credential_secret: String,
}

/// Makes a directory only its owner enters, and its absolute path.
fn private(dir: &Path) -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .and_then(|()| dir.canonicalize())
        .with_context(|| format!("making {}", dir.display()))
}

fn cloud(
    options: &Options,
    dir: &Path,
    address: SocketAddr,
    machines: Arc<dyn Machines>,
) -> (Arc<Cloud>, Keys) {
    let scenario = &options.scenario;
    let mut identity = Identity::default();
    let (password, admin_password) = (id::secret(), id::secret());
    let user = identity.add_user("sandbox", &password);
    let admin = identity.add_user("admin", &admin_password);
    let project = identity.add_project("sandbox", &[(&user, "member")]);
    let admin_project = identity.add_project("admin", &[(&admin, "admin")]);
    let neighbour = identity.add_project("neighbour", &[(&admin, "admin")]);
    let credential = ApplicationCredential {
        id: id::hex(),
        name: "sandbox".to_owned(),
        secret: id::secret(),
        user_id: user,
        project_id: project.clone(),
        roles: vec!["member", "reader"],
        ..ApplicationCredential::default()
    };
    let keys = Keys {
        password,
        admin_password,
        credential_id: credential.id.clone(),
        credential_secret: credential.secret.clone(),
    };
    identity.credentials.push(credential);
    let owners = api::Owners {
        project: &project,
        admin: &admin_project,
        neighbour: &neighbour,
    };
    let mut regions = vec![Arc::new(Region::new(
        "RegionOne",
        "",
        api::seed(scenario, &owners),
    ))];
    if scenario.two_regions {
        regions.push(Arc::new(Region::new(
            "RegionTwo",
            "/two",
            api::seed(scenario, &owners),
        )));
    }
    let scheme = if options.tls { "https" } else { "http" };
    let cloud = Cloud {
        base_url: format!("{scheme}://{address}"),
        identity: Mutex::new(identity),
        regions,
        machines,
        machines_take_volumes: false,
        pace: options.pace,
        scenario: scenario.clone(),
        state_dir: dir.to_owned(),
        image_root: options.image.clone().unwrap_or_else(|| dir.join("image")),
    };
    (Arc::new(cloud), keys)
}

/// The sandbox's thread: sweeps, serves until told to stop, sweeps again.
fn run(
    listener: std::net::TcpListener,
    server: Server,
    cloud: Arc<Cloud>,
    stopped: oneshot::Receiver<()>,
    ready: &std::sync::mpsc::Sender<anyhow::Result<()>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime.context("starting the sandbox's runtime") {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(error));
            return;
        }
    };
    let machines = cloud.machines.clone();
    let outcome = runtime.block_on(async {
        machines
            .sweep()
            .await
            .context("sweeping what an earlier sandbox left")?;
        tokio::net::TcpListener::from_std(listener).context("taking the listener")
    });
    match outcome {
        Err(error) => {
            let _ = ready.send(Err(error));
        }
        Ok(listener) => {
            let _ = ready.send(Ok(()));
            runtime.block_on(async {
                tokio::select! {
                    () = server.run(listener) => {}
                    _ = stopped => {}
                }
            });
        }
    }
    if let Err(error) = runtime.block_on(machines.sweep()) {
        tracing::error!(%error, "sweeping");
    }
    runtime.shutdown_background();
}
