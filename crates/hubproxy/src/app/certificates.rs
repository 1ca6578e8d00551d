//! The certificates of the public listeners while the proxy runs.

use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::ServerConfig;
use tracing::{error, info};

use super::AppError;
use crate::overview::Overview;
use crate::settings::{Settings, Tls};
use crate::tls::{FileCertificates, Store, public_config};

/// What a warning about certificate files begins with.
const FILES: &str = "certificate files: ";

/// Certificates, and how TLS is spoken with them.
pub(super) struct Certificates {
    /// All of them, by name.
    pub store: Arc<Store>,
    /// What listeners take for new connections.
    pub config: Arc<ArcSwap<ServerConfig>>,
    files: FileCertificates,
}

impl Certificates {
    /// Loads them; none without a listener that speaks TLS.
    pub(super) fn load(settings: &Settings) -> Result<Option<Self>, AppError> {
        let Some(tls) = &settings.tls else {
            return Ok(None);
        };
        let store = Arc::<Store>::default();
        let files = FileCertificates::load(tls.files.clone(), Arc::clone(&store))?;
        let config = Arc::new(ArcSwap::from_pointee(public_config(
            tls,
            Arc::clone(&store),
        )?));
        Ok(Some(Self {
            store,
            config,
            files,
        }))
    }

    /// Loads files again that changed.
    pub(super) fn look(&mut self, overview: &Overview) {
        if self.files.changed() {
            self.reload_files(overview);
        }
    }

    /// Loads all files again; where one is of no use, its old certificate stays.
    pub(super) fn reload_files(&mut self, overview: &Overview) {
        if self.files.is_empty() {
            return;
        }
        let errors = self.files.reload();
        overview.settle(FILES);
        for error in &errors {
            error!("the old certificate stays: {error}");
            overview.warn(format!("{FILES}{error}"));
        }
        if errors.is_empty() {
            info!("the certificates are loaded again");
        }
    }

    /// Takes up other files, versions and authorities of clients; leaves all as it is if one is of no use.
    pub(super) fn replace(&mut self, tls: &Tls, overview: &Overview) {
        let replaced = public_config(tls, Arc::clone(&self.store)).and_then(|config| {
            let files = FileCertificates::load(tls.files.clone(), Arc::clone(&self.store))?;
            Ok((config, files))
        });
        overview.settle(FILES);
        match replaced {
            Ok((config, files)) => {
                self.config.store(Arc::new(config));
                self.files = files;
                info!("the certificates are loaded again");
            }
            Err(error) => {
                error!("the old certificate stays: {error}");
                overview.warn(format!("{FILES}{error}"));
            }
        }
    }
}
