//! Metrics for Prometheus, under JupyterHub's names.

use std::fmt;
use std::time::Duration;

use http::Method;
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
    pub method: &'static str,
    /// The route, with its variables: `/hub/api/users/{name}`.
    pub handler: String,
    pub code: u16,
}

impl Answer {
    /// The label of a method. All that no route takes are one: whoever makes up methods makes no series of them.
    pub fn method(method: &Method) -> &'static str {
        match method.as_str() {
            "GET" => "GET",
            "HEAD" => "HEAD",
            "POST" => "POST",
            "PUT" => "PUT",
            "PATCH" => "PATCH",
            "DELETE" => "DELETE",
            "OPTIONS" => "OPTIONS",
            _ => "other",
        }
    }
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

/// How long starts and stops of servers took; clones count together.
#[derive(Clone)]
pub struct ServerTimes {
    spawn: Histograms<Outcome>,
    stop: Histograms<Outcome>,
}

impl Default for ServerTimes {
    fn default() -> Self {
        Self {
            spawn: Family::new_with_constructor(of_spawn),
            stop: Family::new_with_constructor(of_request),
        }
    }
}

impl ServerTimes {
    /// Counts a start.
    pub fn started(&self, status: &'static str, took: Duration) {
        self.spawn
            .get_or_create(&Outcome { status })
            .observe(took.as_secs_f64());
    }

    /// Counts a stop.
    pub fn stopped(&self, took: Duration) {
        self.stop
            .get_or_create(&Outcome { status: "success" })
            .observe(took.as_secs_f64());
    }
}

/// All metrics of the hub.
pub struct Metrics {
    registry: Registry,
    request_duration: Histograms<Answer>,
    login_duration: Histograms<Outcome>,
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
    /// Makes them; `times` are those of the servers.
    pub fn new(times: &ServerTimes) -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("jupyterhub"),
            request_duration: Family::new_with_constructor(of_request),
            login_duration: Family::new_with_constructor(of_request),
            running_servers: Gauge::default(),
            total_users: Gauge::default(),
            active_users: Family::default(),
        };
        let registry = &mut metrics.registry;
        let request_duration = metrics.request_duration.clone();
        registry.register(
            "request_duration_seconds",
            "Time the hub took to answer",
            request_duration,
        );
        registry.register(
            "server_spawn_duration_seconds",
            "Time servers took to start",
            times.spawn.clone(),
        );
        registry.register(
            "server_stop_seconds",
            "Time servers took to stop",
            times.stop.clone(),
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

    /// Counts a login.
    pub fn logged_in(&self, success: bool, took: Duration) {
        let status = if success { "success" } else { "failure" };
        self.login_duration
            .get_or_create(&Outcome { status })
            .observe(took.as_secs_f64());
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
