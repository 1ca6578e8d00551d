//! A sandbox and a session with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hubctl::cloud::{Cloud, CloudConfig, CloudError, Limits, Places};
use hubctl::event::{Event, Observer};
use sandbox::{Options, Sandbox, Scenario};

/// Short enough for tests, long enough for a busy machine.
pub fn limits() -> Limits {
    Limits {
        connect: Duration::from_secs(20),
        attempt: Duration::from_secs(30),
        total: Duration::from_secs(60),
        pause: Duration::from_millis(5),
    }
}

/// Keeps what was announced.
#[derive(Default)]
pub struct Heard(Mutex<Vec<Event>>);

impl Observer for Heard {
    fn on(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Heard {
    pub fn waits(&self) -> Vec<String> {
        let events = self.0.lock().unwrap();
        events
            .iter()
            .filter_map(|event| match event {
                Event::Waiting { what, state, .. } => Some(format!("{what}: {state}")),
                _ => None,
            })
            .collect()
    }
}

pub struct Fixture {
    pub sandbox: Sandbox,
    pub heard: Arc<Heard>,
}

impl Fixture {
    pub fn new(scenario: &str) -> Self {
        Self::with(Options {
            scenario: scenario.parse::<Scenario>().unwrap(),
            ..Options::default()
        })
    }

    pub fn with(options: Options) -> Self {
        Self {
            sandbox: Sandbox::start(options).unwrap(),
            heard: Arc::default(),
        }
    }

    /// An entry of the sandbox's own clouds.yaml.
    pub fn config(&self, entry: &str) -> CloudConfig {
        let env = BTreeMap::from([(
            "OS_CLIENT_CONFIG_FILE".to_owned(),
            self.sandbox.clouds_yaml.display().to_string(),
        )]);
        let mut config = CloudConfig::load(&env, &Places::default(), Some(entry)).unwrap();
        config.limits = limits();
        config
    }

    pub async fn try_connect(&self, config: CloudConfig) -> Result<Cloud, CloudError> {
        Cloud::connect(config, self.heard.clone()).await
    }

    pub async fn connect(&self) -> Cloud {
        self.try_connect(self.config("sandbox")).await.unwrap()
    }

    /// Requests the sandbox saw, as `METHOD path status`.
    pub fn requests(&self) -> Vec<String> {
        self.sandbox
            .control
            .requests()
            .iter()
            .map(|entry| format!("{} {} {}", entry.method, entry.path, entry.status))
            .collect()
    }
}

/// The error, as the operator reads it.
pub fn told<T: std::fmt::Debug>(outcome: Result<T, CloudError>) -> String {
    let error = outcome.expect_err("must fail");
    format!("{error} | {}", error.hint().unwrap_or_default())
}
