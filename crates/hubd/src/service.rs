//! Services that the hub runs: programs of the operator, such as an idle culler, as the hub's own user.

use std::collections::{BTreeMap, HashMap};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hub_api::hub::{Hub as Config, Service};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::name;

/// How long a service that ended at once is left alone before its next start, doubled each time.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest such pause.
const LONGEST: Duration = Duration::from_secs(60);
/// A service that ran so long is taken to have started well.
const WELL: Duration = Duration::from_secs(30);
/// How long a service may take to end.
const END: Duration = Duration::from_secs(5);

/// Why a service of the configuration cannot be run.
#[derive(Debug, thiserror::Error)]
#[error(
    "services.{service}.user: hubd runs as {own:?} and cannot become {wanted:?}: make the service a systemd unit of its own with `User={wanted}`, and give it its token by api_token_file"
)]
pub struct OtherUser {
    service: String,
    own: String,
    wanted: String,
}

/// The services of the configuration, those that run among them.
#[derive(Default)]
pub struct Services {
    pids: Arc<Mutex<HashMap<String, u32>>>,
}

/// A service to be run.
struct Run {
    name: String,
    command: Vec<String>,
    cwd: Option<std::path::PathBuf>,
    environment: BTreeMap<String, String>,
}

impl Services {
    /// The process of a service that the hub runs; 0 if there is none.
    pub fn pid(&self, service: &str) -> u32 {
        self.pids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(service)
            .copied()
            .unwrap_or(0)
    }

    /// Runs the services that have a command, and starts each again that ends, until this is dropped.
    pub async fn run(&self, config: &Config, api_url: &str, tokens: &BTreeMap<String, String>) {
        let mut tasks = JoinSet::new();
        for service in config
            .services
            .iter()
            .filter(|service| !service.command.is_empty())
        {
            let token = tokens.get(&service.name).map_or("", String::as_str);
            let run = Run {
                name: service.name.clone(),
                command: service.command.clone(),
                cwd: service.cwd.clone(),
                environment: environment(config, service, api_url, token),
            };
            tasks.spawn(keep_running(run, self.pids.clone()));
        }
        while tasks.join_next().await.is_some() {}
    }
}

/// Whether the hub can run every service as whom it is to be run.
pub fn check_users(config: &Config) -> Result<(), OtherUser> {
    let own = own_user();
    for service in config
        .services
        .iter()
        .filter(|service| !service.command.is_empty())
    {
        if let Some(wanted) = service.user.as_ref().filter(|wanted| **wanted != own) {
            return Err(OtherUser {
                service: service.name.clone(),
                own,
                wanted: wanted.clone(),
            });
        }
    }
    Ok(())
}

fn own_user() -> String {
    let uid = nix::unistd::geteuid();
    match nix::unistd::User::from_uid(uid) {
        Ok(Some(user)) => user.name,
        Ok(None) | Err(_) => uid.to_string(),
    }
}

/// The variables that JupyterHub sets for a service, over those of the configuration.
fn environment(
    config: &Config,
    service: &Service,
    api_url: &str,
    token: &str,
) -> BTreeMap<String, String> {
    let base = &config.base_url;
    let path = name::escape(&service.name);
    let mut environment = service.environment.clone();
    let client = service
        .oauth_client_id
        .clone()
        .unwrap_or_else(|| format!("service-{}", service.name));
    let access = serde_json::json!([
        format!("access:services!service={}", service.name),
        "access:services"
    ]);
    for (key, value) in [
        ("JUPYTERHUB_SERVICE_NAME", service.name.clone()),
        ("JUPYTERHUB_API_TOKEN", token.to_owned()),
        ("JUPYTERHUB_API_URL", api_url.to_owned()),
        ("JUPYTERHUB_BASE_URL", base.clone()),
        ("JUPYTERHUB_HOST", String::new()),
        ("JUPYTERHUB_PUBLIC_HUB_URL", public(config, "hub/")),
        ("JUPYTERHUB_CLIENT_ID", client),
        ("JUPYTERHUB_OAUTH_ACCESS_SCOPES", access.to_string()),
        ("JUPYTERHUB_OAUTH_SCOPES", access.to_string()),
        (
            "JUPYTERHUB_OAUTH_CLIENT_ALLOWED_SCOPES",
            serde_json::json!(service.oauth_client_allowed_scopes).to_string(),
        ),
    ] {
        environment.insert(key.to_owned(), value);
    }
    if let Some(url) = &service.url {
        let callback = service
            .oauth_redirect_uri
            .clone()
            .unwrap_or_else(|| format!("{base}services/{path}/oauth_callback"));
        for (key, value) in [
            ("JUPYTERHUB_SERVICE_URL", url.clone()),
            (
                "JUPYTERHUB_SERVICE_PREFIX",
                format!("{base}services/{path}/"),
            ),
            (
                "JUPYTERHUB_PUBLIC_URL",
                public(config, &format!("services/{path}/")),
            ),
            ("JUPYTERHUB_OAUTH_CALLBACK_URL", callback),
        ] {
            environment.insert(key.to_owned(), value);
        }
    }
    environment
}

/// The public address of a path under the base, or "".
fn public(config: &Config, path: &str) -> String {
    let Some(public) = config
        .public_url
        .as_deref()
        .and_then(|url| url::Url::parse(url).ok())
    else {
        return String::new();
    };
    let mut public = public;
    public.set_path(&format!("{}{path}", config.base_url));
    public.into()
}

async fn keep_running(run: Run, pids: Arc<Mutex<HashMap<String, u32>>>) {
    let mut pause = PAUSE;
    loop {
        let begun = Instant::now();
        match start(&run) {
            Ok(mut child) => {
                let pid = child.id().unwrap_or(0);
                set(&pids, &run.name, Some(pid));
                tracing::info!(service = run.name, pid, "service started");
                let _gone = Forget {
                    pids: &pids,
                    name: &run.name,
                };
                match child.wait().await {
                    Ok(status) => {
                        tracing::warn!(service = run.name, %status, "service ended; it is started again")
                    }
                    Err(error) => {
                        tracing::error!(service = run.name, %error, "waiting for a service")
                    }
                }
            }
            Err(error) => tracing::error!(service = run.name, %error, "starting a service"),
        }
        if begun.elapsed() >= WELL {
            pause = PAUSE;
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST);
    }
}

/// Takes a process off the list, also when the task ends in the middle.
struct Forget<'a> {
    pids: &'a Mutex<HashMap<String, u32>>,
    name: &'a str,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        set(self.pids, self.name, None);
    }
}

fn set(pids: &Mutex<HashMap<String, u32>>, name: &str, pid: Option<u32>) {
    let mut pids = pids.lock().unwrap_or_else(PoisonError::into_inner);
    match pid {
        Some(pid) => pids.insert(name.to_owned(), pid),
        None => pids.remove(name),
    };
}

fn start(run: &Run) -> std::io::Result<Child> {
    let Some((program, arguments)) = run.command.split_first() else {
        return Err(std::io::Error::other("the command is empty"));
    };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .kill_on_drop(true);
    // Of the hub's own environment only what says where things are: its secrets are not the service's.
    for key in [
        "PATH",
        "HOME",
        "LANG",
        "LC_ALL",
        "TZ",
        "PYTHONPATH",
        "VIRTUAL_ENV",
    ] {
        if let Some(value) = std::env::var_os(key) {
            command.env(key, value);
        }
    }
    command.envs(&run.environment);
    if let Some(cwd) = &run.cwd {
        command.current_dir(cwd);
    }
    command.spawn()
}

/// Asks the services that run to end, and waits a moment for them.
pub async fn end(services: &Services) {
    let pids: Vec<u32> = services
        .pids
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .values()
        .copied()
        .collect();
    for pid in pids {
        let Ok(pid) = i32::try_from(pid) else {
            continue;
        };
        // One that has ended meanwhile needs no signal.
        let _ended = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(pid),
            nix::sys::signal::Signal::SIGTERM,
        );
    }
    let until = Instant::now() + END;
    while Instant::now() < until {
        if services
            .pids
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
        {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(command: &[&str], user: Option<&str>) -> Config {
        let service = serde_json::json!({"name": "culler", "command": command, "user": user, "url": "http://127.0.0.1:9"});
        Config {
            services: vec![serde_json::from_value(service).unwrap()],
            ..Config::default()
        }
    }

    #[test]
    fn another_user_is_refused_and_the_way_out_named() {
        let error = check_users(&config(&["true"], Some("nobody-such")))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("services.culler.user") && error.contains("systemd unit"),
            "{error}"
        );
        assert!(check_users(&config(&["true"], Some(&own_user()))).is_ok());
    }

    #[tokio::test]
    async fn a_service_knows_where_the_hub_is_and_is_started_again() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("out");
        let script = format!("env >> {}; exec sleep 600", file.display());
        let config = config(&["sh", "-c", &script], None);
        let services = Arc::new(Services::default());
        let (given, running) = (config.clone(), services.clone());
        let tokens = BTreeMap::from([("culler".to_owned(), "t0ken".to_owned())]);
        let task = tokio::spawn(async move {
            running
                .run(&given, "http://127.0.0.1:881/hub/api", &tokens)
                .await
        });

        let first = pid(&services, 0).await;
        let said = wait(|| {
            std::fs::read_to_string(&file)
                .ok()
                .filter(|text| text.contains("SERVICE_PREFIX"))
        })
        .await;
        for line in [
            "JUPYTERHUB_API_TOKEN=t0ken",
            "JUPYTERHUB_API_URL=http://127.0.0.1:881/hub/api",
            "JUPYTERHUB_SERVICE_NAME=culler",
            "JUPYTERHUB_SERVICE_PREFIX=/services/culler/",
        ] {
            assert!(said.lines().any(|said| said == line), "{line} in {said}");
        }
        assert!(
            !said.contains("CARGO"),
            "the hub's own environment is its own"
        );

        let signal = nix::sys::signal::Signal::SIGKILL;
        nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(i32::try_from(first).unwrap()),
            signal,
        )
        .unwrap();
        let second = pid(&services, first).await;
        assert_ne!(second, first);
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        wait(|| (services.pid("culler") == 0).then_some(())).await;
    }

    async fn pid(services: &Services, not: u32) -> u32 {
        wait(|| Some(services.pid("culler")).filter(|pid| *pid != 0 && *pid != not)).await
    }

    async fn wait<T>(look: impl Fn() -> Option<T>) -> T {
        let within = Duration::from_secs(20);
        let found = tokio::time::timeout(within, async {
            loop {
                if let Some(found) = look() {
                    return found;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        found.await.unwrap()
    }
}
