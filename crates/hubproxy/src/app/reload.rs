//! SIGHUP: what is taken up while the proxy runs, and what waits for a restart.

use std::sync::Arc;

use tracing::{error, info, warn};

use super::certificates::Certificates;
use super::wiring;
use crate::api::Api;
use crate::forward::Forwarder;
use crate::log::{AccessLog, LogHandle, Watcher};
use crate::overview::Overview;
use crate::serve::Server;
use crate::settings::Settings;
use crate::tls::acme::Tokens;

/// Reads the settings again on SIGHUP; none with a command line, which stays as it is. Problems have been said.
pub type Reload = Box<dyn Fn() -> Option<Settings> + Send>;

/// What can be changed in a running proxy.
pub(super) struct Changeable {
    pub log: LogHandle,
    pub watcher: Arc<Watcher>,
    pub api: Arc<Api>,
    pub forwarder: Arc<Forwarder>,
    pub certificates: Option<Certificates>,
    pub overview: Arc<Overview>,
    pub tokens: Arc<Tokens>,
}

impl Changeable {
    /// Takes up `new` as far as that is possible; `old` is what the proxy was started with or took up last.
    pub(super) fn change(&mut self, old: &mut Settings, new: Settings, server: Option<&Server>) {
        self.log.set_level(new.log_level);
        if let Some(server) = server {
            server.set_limits(new.limits.clone());
        }
        self.api.token.store(new.api.token.clone().map(Arc::new));
        match wiring::options(&new, Arc::clone(&self.tokens)) {
            Ok(options) => self.forwarder.set_options(options),
            Err(error) => error!("how requests are forwarded stays as it was: {error}"),
        }
        match (&mut self.certificates, &new.tls) {
            (Some(certificates), Some(tls)) => certificates.replace(tls, &self.overview),
            (Some(certificates), None) => certificates.reload_files(&self.overview),
            (None, _) => {}
        }
        if new.access_log == old.access_log {
            self.watcher.reopen();
        } else {
            match AccessLog::open(&new.access_log) {
                Ok(access) => self.watcher.set_access(access),
                Err(error) => {
                    error!("the access log stays where it was: opening the new one: {error}")
                }
            }
        }
        let waiting = waiting(old, &new);
        if waiting.is_empty() {
            info!("the configuration is taken up again");
        } else {
            warn!(
                "the configuration is taken up again, but a restart is needed for {}",
                waiting.join(", ")
            );
        }
        // What waits is compared with what runs, the next time too.
        old.access_log = new.access_log;
    }

    /// Takes up again what is in files, without a configuration to read.
    pub(super) fn refresh(&mut self) {
        self.watcher.reopen();
        if let Some(certificates) = &mut self.certificates {
            certificates.reload_files(&self.overview);
        }
    }
}

/// What changed and cannot be changed while the proxy runs, in the words of the file.
fn waiting(old: &Settings, new: &Settings) -> Vec<&'static str> {
    let acme = |settings: &Settings| settings.tls.as_ref().and_then(|tls| tls.acme.clone());
    let api_tls = |settings: &Settings| {
        settings
            .api
            .tls
            .as_ref()
            .map(|files| files.certificate.clone())
    };
    [
        ("workers", old.workers != new.workers),
        ("http and https listen", old.listeners != new.listeners),
        ("tls.acme", acme(old) != acme(new)),
        ("api.listen", old.api.address != new.api.address),
        (
            "api.tls",
            api_tls(old) != api_tls(new) || old.api.callers != new.api.callers,
        ),
        ("metrics", old.metrics != new.metrics),
        ("host_routing", old.host_routing != new.host_routing),
        ("default_target", old.default_target != new.default_target),
        ("state_file", old.state_file != new.state_file),
        ("drain_seconds", old.drain != new.drain),
        ("log_format", old.log_format != new.log_format),
    ]
    .into_iter()
    .filter(|(_, changed)| *changed)
    .map(|(name, _)| name)
    .collect()
}
