//! What every command starts from: the options, the environment, the way to report.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use anyhow::{Context as _, bail};

use crate::cli::Global;
use time::OffsetDateTime;

use crate::cloud::{Cloud, CloudConfig, Places};
use crate::event::{Event, Observer};
use crate::infra;
use crate::spec::{self, Document, Outline, Spec};
use crate::state::State;
use crate::ui::Ui;

pub struct Context {
    pub global: Global,
    pub ui: Arc<Ui>,
    pub started: Instant,
    environment: BTreeMap<String, String>,
    /// The cloud and deployment this run works on, once known; for the report of an interrupted run.
    working_on: OnceLock<(Cloud, String)>,
}

impl Context {
    pub fn new(global: Global, ui: Ui) -> Self {
        Self {
            global,
            ui: Arc::new(ui),
            started: Instant::now(),
            environment: std::env::vars_os()
                .filter_map(|(name, value)| {
                    Some((name.into_string().ok()?, value.into_string().ok()?))
                })
                .collect(),
            working_on: OnceLock::new(),
        }
    }

    /// The spec of `--file`, over its profile, under `--set`. Refused with every problem in it.
    pub fn spec(&self) -> anyhow::Result<Spec> {
        Ok(self.load()?.spec)
    }

    pub fn load(&self) -> anyhow::Result<spec::Loaded> {
        let document = self.document()?.with_now(OffsetDateTime::now_utc());
        let loaded = spec::load(&document, self.global.profile.as_deref(), &self.global.set)?;
        for warning in loaded.warnings.iter() {
            self.ui.on(Event::Warning {
                message: warning.to_string(),
            });
        }
        Ok(loaded)
    }

    /// The deployment meant: the one named, else the spec's.
    pub fn name(&self, given: Option<&str>) -> anyhow::Result<String> {
        match given {
            Some(name) => Ok(name.to_owned()),
            None if self.has_spec() => match self.outline()?.name {
                Some(name) => Ok(name),
                None => Ok(self.spec()?.name),
            },
            None => bail!(
                "which deployment? there is no {} here: name one (`hubctl list` shows them)",
                self.global.file.display()
            ),
        }
    }

    /// Whether there is a spec to read.
    pub fn has_spec(&self) -> bool {
        self.global.file.exists()
    }

    fn document(&self) -> anyhow::Result<Document> {
        Ok(Document::read(&self.global.file)?.with_home(self.home()))
    }

    /// Name and cloud of the spec, whatever else is wrong with it: an expired certificate must not block a destroy.
    pub fn outline(&self) -> anyhow::Result<Outline> {
        let profile = self.global.profile.as_deref();
        Ok(spec::outline(&self.document()?, profile, &self.global.set))
    }

    /// The `clouds.yaml` entry the spec names, where there is a spec.
    fn spec_cloud(&self) -> Option<String> {
        if !self.has_spec() {
            return None;
        }
        self.outline().ok()?.cloud
    }

    /// Connects to the cloud that the options, the environment and the spec agree on.
    pub async fn cloud(&self) -> anyhow::Result<Cloud> {
        let chosen = self
            .global
            .os_cloud
            .clone()
            .or_else(|| self.environment.get("OS_CLOUD").cloned())
            .or_else(|| self.spec_cloud());
        let places = Places {
            cwd: std::env::current_dir().context("finding the current folder")?,
            home: self.home(),
            xdg_config_home: self.env("XDG_CONFIG_HOME").map(PathBuf::from),
            system: PathBuf::from("/etc/openstack"),
        };
        let config = CloudConfig::load(&self.environment, &places, chosen.as_deref())?;
        Ok(Cloud::connect(config, Arc::clone(&self.ui) as Arc<dyn Observer>).await?)
    }

    /// Remembers what this run works on, so that an interrupted one can say what remains.
    pub fn works_on(&self, cloud: &Cloud, name: &str) {
        let _ = self.working_on.set((cloud.clone(), name.to_owned()));
    }

    /// What of the deployment stands in the cloud, in words; `None` where this run touched none.
    pub async fn remains(&self) -> anyhow::Result<Option<String>> {
        let Some((cloud, name)) = self.working_on.get() else {
            return Ok(None);
        };
        let inventory = infra::observe(cloud, name).await?;
        let items = inventory.items();
        let lines: Vec<String> = items.iter().map(ToString::to_string).collect();
        Ok(Some(lines.join("\n")))
    }

    /// The folder that holds a folder for each deployment.
    pub fn state_base(&self) -> anyhow::Result<PathBuf> {
        if let Some(folder) = &self.global.state_dir {
            return std::path::absolute(folder).context("finding the state folder");
        }
        if let Some(folder) = self.env("XDG_STATE_HOME") {
            return Ok(PathBuf::from(folder).join("hubctl"));
        }
        match self.home() {
            Some(home) => Ok(home.join(".local/state/hubctl")),
            None => {
                bail!("no HOME to keep keys and credentials in; name a folder with --state-dir")
            }
        }
    }

    /// The folder for what can be had again.
    pub fn cache(&self) -> anyhow::Result<PathBuf> {
        if let Some(folder) = self.env("XDG_CACHE_HOME") {
            return Ok(PathBuf::from(folder).join("hubctl"));
        }
        let home = self
            .home()
            .context("no HOME to keep downloads in; XDG_CACHE_HOME names another place")?;
        Ok(home.join(".cache/hubctl"))
    }

    /// Opens the deployment's folder and keeps other runs off it.
    pub fn state(&self, name: &str) -> anyhow::Result<State> {
        Ok(State::open(&self.state_base()?, name)?)
    }

    /// The deployment's folder for a command that changes nothing: no lock, so that it works beside a long run.
    pub fn state_for_reading(&self, name: &str) -> anyhow::Result<State> {
        Ok(State::peek(&self.state_base()?, name))
    }

    fn home(&self) -> Option<PathBuf> {
        self.env("HOME").map(PathBuf::from)
    }

    /// An environment variable that is set to something.
    fn env(&self, name: &str) -> Option<&str> {
        let value = self.environment.get(name)?;
        (!value.is_empty()).then_some(value)
    }
}
