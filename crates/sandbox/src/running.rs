//! A running sandbox.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Context;
use futures::future::BoxFuture;
use ipnet::Ipv4Net;
use tokio::net::TcpListener;
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

/// What servers are made of, once it is there.
pub struct Made {
    pub machines: Arc<dyn Machines>,
    /// Root of the image's tree.
    pub image: PathBuf,
    /// Where floating IPs come from; the first address is the host's. A /24.
    pub pool: Ipv4Net,
}

/// Makes the machines, given the state directory. It is called within the sandbox's own runtime.
pub type Maker = Box<dyn FnOnce(PathBuf) -> BoxFuture<'static, anyhow::Result<Made>> + Send>;

impl Sandbox {
    /// Starts a sandbox whose servers are nothing but records.
    pub fn start(options: Options) -> anyhow::Result<Self> {
        Self::start_with_records(options, Arc::new(NoMachines::default()))
    }

    /// The same, keeping hold of what the machines are told.
    pub fn start_with_records(options: Options, machines: Arc<NoMachines>) -> anyhow::Result<Self> {
        let made = |dir: PathBuf| Made {
            machines,
            image: dir.join("image"),
            pool: Ipv4Net::new_assert(Ipv4Addr::new(172, 24, 4, 0), 24),
        };
        Self::start_with(options, Box::new(|dir| Box::pin(async { Ok(made(dir)) })))
    }

    /// Starts a sandbox with machines of this making behind its servers. What an earlier one left is swept first.
    pub fn start_with(options: Options, maker: Maker) -> anyhow::Result<Self> {
        let temporary = match options.state_dir {
            Some(_) => None,
            None => Some(tempfile::tempdir().context("making a state directory")?),
        };
        let dir = options
            .state_dir
            .as_deref()
            .or(temporary.as_ref().map(|t| t.path()));
        let dir = private(dir.unwrap_or(Path::new(".")))?;
        let listener = std::net::TcpListener::bind(options.listen)
            .with_context(|| format!("listening on {}", options.listen))?;
        listener
            .set_nonblocking(true)
            .context("setting up the listener")?;
        let control = Control::default();
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = mpsc::channel();
        let plan = Plan {
            options,
            dir,
            listener,
            control: control.clone(),
            maker,
        };
        let thread = std::thread::Builder::new()
            .name("sandbox".to_owned())
            .spawn(move || plan.run(stopped, &ready))
            .context("starting the sandbox's thread")?;
        match is_ready
            .recv()
            .context("starting the sandbox")
            .and_then(|ready| ready)
        {
            Ok(Ready {
                clouds_yaml,
                auth_url,
                cacert,
            }) => Ok(Self {
                clouds_yaml,
                auth_url,
                control,
                cacert,
                stop: Some(stop),
                thread: Some(thread),
                _temporary: temporary,
            }),
            Err(error) => {
                let _ = thread.join();
                Err(error)
            }
        }
    }

    /// Stops and sweeps; dropping does the same.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the sandbox's thread panicked");
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

/// Removes what belongs to one run only: volumes, and the keys to a cloud that is no more.
fn tidy(dir: &Path) {
    let _ = std::fs::remove_dir_all(dir.join("volumes"));
    for file in ["clouds.yaml", "ca.pem"] {
        let _ = std::fs::remove_file(dir.join(file));
    }
}

fn cloud(options: &Options, dir: &Path, address: SocketAddr, made: Made) -> (Arc<Cloud>, Keys) {
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
    let seed = || api::seed(scenario, &owners, made.pool);
    let mut regions = vec![Arc::new(Region::new("RegionOne", "", seed()))];
    if scenario.two_regions {
        regions.push(Arc::new(Region::new("RegionTwo", "/two", seed())));
    }
    let scheme = if options.tls { "https" } else { "http" };
    let cloud = Cloud {
        base_url: format!("{scheme}://{address}"),
        identity: Mutex::new(identity),
        regions,
        machines: made.machines,
        pace: options.pace,
        scenario: scenario.clone(),
        state_dir: dir.to_owned(),
        image_root: made.image,
    };
    (Arc::new(cloud), keys)
}

/// What the sandbox's thread starts from.
struct Plan {
    options: Options,
    dir: PathBuf,
    listener: std::net::TcpListener,
    control: Control,
    maker: Maker,
}

/// What is known once it serves.
struct Ready {
    clouds_yaml: PathBuf,
    auth_url: String,
    cacert: Option<PathBuf>,
}

impl Plan {
    /// The sandbox's thread: makes the machines, serves until told to stop, sweeps.
    fn run(self, stopped: oneshot::Receiver<()>, ready: &mpsc::Sender<anyhow::Result<Ready>>) {
        let dir = self.dir.clone();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("sandbox")
            .enable_all()
            .build();
        let runtime = match runtime.context("starting the sandbox's runtime") {
            Ok(runtime) => runtime,
            Err(error) => {
                let _ = ready.send(Err(error));
                return;
            }
        };
        let machines = runtime.block_on(async {
            match self.begin().await {
                Err(error) => {
                    let _ = ready.send(Err(error));
                    None
                }
                Ok((begun, server, listener, machines)) => {
                    let _ = ready.send(Ok(begun));
                    tokio::select! {
                        () = server.run(listener) => {}
                        _ = stopped => {}
                    }
                    Some(machines)
                }
            }
        });
        if let Some(machines) = machines
            && let Err(error) = runtime.block_on(machines.sweep())
        {
            tracing::error!(%error, "sweeping");
        }
        tidy(&dir);
        // Work still going on ends with the runtime and lets go of the machines before anyone is told that all is gone.
        runtime.shutdown_timeout(Duration::from_secs(10));
    }

    async fn begin(self) -> anyhow::Result<(Ready, Server, TcpListener, Arc<dyn Machines>)> {
        let Self {
            options,
            dir,
            listener,
            control,
            maker,
        } = self;
        tidy(&dir);
        let address = listener.local_addr().context("asking for the port")?;
        let made = maker(dir.clone())
            .await
            .context("making the machines ready")?;
        let machines = made.machines.clone();
        machines
            .sweep()
            .await
            .context("sweeping what an earlier sandbox left")?;
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
        let (cloud, keys) = cloud(&options, &dir, address, made);
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
        let server = Server {
            api: api::router(&cloud),
            control_api: crate::control::routes::router(&control, &cloud),
            control,
            tls: tls.map(|t| t.acceptor),
        };
        let listener = TcpListener::from_std(listener).context("taking the listener")?;
        Ok((
            Ready {
                clouds_yaml,
                auth_url,
                cacert,
            },
            server,
            listener,
            machines,
        ))
    }
}
