//! Metrics as Prometheus reads them: configurable-http-proxy's names, and the proxy's own.
//!
//! The names are given: `requests_web` is a counter there without the `_total` that libraries for the format insist on.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use super::metrics::Metrics;
use crate::overview::Overview;

/// The type of the text.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics, as text.
pub fn exposition(metrics: &Metrics, overview: &Overview) -> String {
    let counts = metrics.counts();
    let mut text = Text::default();
    text.one(
        "api_route_get",
        "counter",
        "Count of API route get requests",
        counts.route_get,
    );
    text.one(
        "api_route_add",
        "counter",
        "Count of API route add requests",
        counts.route_add,
    );
    text.one(
        "api_route_delete",
        "counter",
        "Count of API route delete requests",
        counts.route_delete,
    );
    text.summary(
        "find_target_for_req",
        "Seconds spent on finding targets",
        counts.lookup_nanos,
        counts.lookups,
    );
    text.summary(
        "last_activity_updating",
        "Seconds spent on routes added; the activity of a request is one store and not timed",
        counts.updating_nanos,
        counts.updates,
    );
    text.one(
        "requests_ws",
        "counter",
        "Count of websocket requests",
        counts.websocket,
    );
    text.one(
        "requests_web",
        "counter",
        "Count of web requests",
        counts.web,
    );
    text.by_status("requests_proxy", "Count of proxy requests", &counts.proxied);
    text.by_status("requests_api", "Count of API requests", &counts.api);

    text.one(
        "hubproxy_connections",
        "gauge",
        "Open client connections",
        overview.connections(),
    );
    text.one(
        "hubproxy_routes",
        "gauge",
        "Routes in the table",
        overview.routes(),
    );
    text.one(
        "hubproxy_tls_handshakes",
        "counter",
        "TLS handshakes that were answered with a certificate",
        overview.handshakes(),
    );
    let status = overview.status();
    text.one(
        "hubproxy_uptime_seconds",
        "gauge",
        "Seconds since the start",
        status.uptime_seconds,
    );
    text.head(
        "hubproxy_certificate_expiry_seconds",
        "gauge",
        "When a certificate expires, in seconds since 1970",
    );
    for certificate in &status.certificates {
        let name = certificate.names.first().map_or("", String::as_str);
        let value = certificate.not_after.unix_timestamp();
        text.line(
            &format!(
                "hubproxy_certificate_expiry_seconds{{name=\"{}\"}}",
                escape(name)
            ),
            value,
        );
    }
    if let Some(acme) = &status.acme {
        text.one(
            "hubproxy_acme_failures",
            "gauge",
            "ACME tries that failed in a row",
            u64::from(acme.failures),
        );
    }
    text.process();
    text.0
}

#[derive(Default)]
struct Text(String);

impl Text {
    fn head(&mut self, name: &str, kind: &str, help: &str) {
        self.0
            .push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn line(&mut self, name: &str, value: impl std::fmt::Display) {
        // Writing into a string does not fail.
        let _ = writeln!(self.0, "{name} {value}");
    }

    fn one(&mut self, name: &str, kind: &str, help: &str, value: u64) {
        self.head(name, kind, help);
        self.line(name, value);
    }

    fn summary(&mut self, name: &str, help: &str, nanos: u64, count: u64) {
        self.head(name, "summary", help);
        self.line(&format!("{name}_sum"), nanos as f64 / 1e9);
        self.line(&format!("{name}_count"), count);
    }

    fn by_status(&mut self, name: &str, help: &str, counts: &[(u16, u64)]) {
        self.head(name, "counter", help);
        for (status, count) in counts {
            self.line(&format!("{name}{{status=\"{status}\"}}"), count);
        }
    }

    /// What clients for Prometheus say of their process, from `/proc`; nothing where that cannot be read.
    fn process(&mut self) {
        let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else {
            return;
        };
        // The name in brackets may hold blanks; the fields after it are numbered from 3 (proc_pid_stat(5)).
        let fields: Vec<f64> = stat
            .rsplit(')')
            .next()
            .unwrap_or_default()
            .split_whitespace()
            .map(|field| field.parse().unwrap_or_default())
            .collect();
        let field = |number: usize| fields.get(number - 3).copied().unwrap_or_default();
        let ticks = sysconf(nix::unistd::SysconfVar::CLK_TCK, 100.0);
        let page = sysconf(nix::unistd::SysconfVar::PAGE_SIZE, 4096.0);
        let (user, system) = (field(14) / ticks, field(15) / ticks);
        let mut value = |name: &str, kind: &str, help: &str, value: f64| {
            self.head(name, kind, help);
            self.line(name, value);
        };
        value(
            "process_cpu_user_seconds_total",
            "counter",
            "User CPU time in seconds",
            user,
        );
        value(
            "process_cpu_system_seconds_total",
            "counter",
            "System CPU time in seconds",
            system,
        );
        value(
            "process_cpu_seconds_total",
            "counter",
            "CPU time in seconds",
            user + system,
        );
        value(
            "process_virtual_memory_bytes",
            "gauge",
            "Virtual memory in bytes",
            field(23),
        );
        value(
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory in bytes",
            field(24) * page,
        );
        if let Ok(open) = std::fs::read_dir("/proc/self/fd") {
            value(
                "process_open_fds",
                "gauge",
                "Open file descriptors",
                open.count() as f64,
            );
        }
        if let Ok((soft, _)) =
            nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE)
        {
            value(
                "process_max_fds",
                "gauge",
                "Most open file descriptors",
                soft as f64,
            );
        }
        let uptime = std::fs::read_to_string("/proc/uptime").ok();
        let uptime =
            uptime.and_then(|text| text.split(' ').next().and_then(|up| up.parse::<f64>().ok()));
        if let (Some(uptime), Ok(now)) = (uptime, SystemTime::now().duration_since(UNIX_EPOCH)) {
            let started = now.as_secs_f64() - uptime + field(22) / ticks;
            value(
                "process_start_time_seconds",
                "gauge",
                "Start of the process, in seconds since 1970",
                started,
            );
        }
    }
}

fn sysconf(variable: nix::unistd::SysconfVar, otherwise: f64) -> f64 {
    nix::unistd::sysconf(variable)
        .ok()
        .flatten()
        .map_or(otherwise, |value| value as f64)
}

fn escape(label: &str) -> String {
    label
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}
