//! Metrics for Prometheus, under JupyterHub's names.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper limits in seconds for answers of the hub itself.
const REQUEST: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
/// Upper limits in seconds for starts of servers.
const SPAWN: [f64; 12] = [
    0.5, 1.0, 2.5, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 180.0, 300.0, 600.0,
];

/// Which answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Answer {
    pub method: String,
    /// The route, with its variables: `/hub/api/users/{name}`.
    pub handler: String,
    pub code: u16,
}

/// How something went: `success`, `failure`, `error`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Outcome {
    pub status: &'static str,
}

/// How long ago.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct Period {
    pub period: &'static str,
}

type Histograms<L> = Family<L, Histogram, fn() -> Histogram>;

/// All metrics of the hub.
pub struct Metrics {
    registry: Registry,
    request_duration: Histograms<Answer>,
    pub server_spawn_duration: Histograms<Outcome>,
    pub server_stop_duration: Histograms<Outcome>,
    pub login_duration: Histograms<Outcome>,
    pub running_servers: Gauge,
    pub total_users: Gauge,
    pub active_users: Family<Period, Gauge>,
}

fn of_request() -> Histogram {
    Histogram::new(REQUEST)
}

fn of_spawn() -> Histogram {
    Histogram::new(SPAWN)
}

impl Metrics {
    pub fn new() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("jupyterhub"),
            request_duration: Family::new_with_constructor(of_request),
            server_spawn_duration: Family::new_with_constructor(of_spawn),
            server_stop_duration: Family::new_with_constructor(of_request),
            login_duration: Family::new_with_constructor(of_request),
            running_servers: Gauge::default(),
            total_users: Gauge::default(),
            active_users: Family::default(),
        };
        let registry = &mut metrics.registry;
        registry.register(
            "request_duration_seconds",
            "Time the hub took to answer",
            metrics.request_duration.clone(),
        );
        registry.register(
            "server_spawn_duration_seconds",
            "Time servers took to start",
            metrics.server_spawn_duration.clone(),
        );
        registry.register(
            "server_stop_seconds",
            "Time servers took to stop",
            metrics.server_stop_duration.clone(),
        );
        registry.register(
            "login_duration_seconds",
            "Time logins took",
            metrics.login_duration.clone(),
        );
        registry.register(
            "running_servers",
            "Servers that run",
            metrics.running_servers.clone(),
        );
        registry.register(
            "total_users",
            "Users there are",
            metrics.total_users.clone(),
        );
        registry.register(
            "active_users",
            "Users who were active lately",
            metrics.active_users.clone(),
        );
        metrics
    }

    /// Counts an answer.
    pub fn answered(&self, answer: &Answer, took: Duration) {
        self.request_duration
            .get_or_create(answer)
            .observe(took.as_secs_f64());
    }

    /// Everything, in the OpenMetrics text format.
    pub fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}
