//! Certificates in files: loaded, and loaded again when they change.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use hub_api::proxy::CertificateSource;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Certificate, ConfigError, PemError, Store, chain, key};
use crate::settings::KeyFiles;

/// The certificates in files, and what the files looked like when they were last tried.
#[derive(Debug)]
pub struct FileCertificates {
    files: Vec<KeyFiles>,
    loaded: Vec<Certificate>,
    seen: Vec<Stamp>,
    store: Arc<Store>,
}

/// What tells that a file was written or replaced.
type Stamp = Option<(u64, u64, i64, i64, u64)>;

impl FileCertificates {
    /// Loads all of them; the first one that is of no use is an error.
    pub fn load(files: Vec<KeyFiles>, store: Arc<Store>) -> Result<Self, ConfigError> {
        let seen = stamps(&files);
        let loaded = files.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        store.set_files(loaded.clone());
        Ok(Self {
            files,
            loaded,
            seen,
            store,
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Whether a file changed since it was last tried. Looks at the files' metadata alone.
    pub fn changed(&self) -> bool {
        stamps(&self.files) != self.seen
    }

    /// Loads them again. Where the new file is of no use, the old certificate stays, and why is in the answer.
    pub fn reload(&mut self) -> Vec<ConfigError> {
        self.seen = stamps(&self.files);
        let mut errors = Vec::new();
        for (files, loaded) in self.files.iter().zip(&mut self.loaded) {
            match load(files) {
                Ok(certificate) => *loaded = certificate,
                Err(error) => errors.push(error),
            }
        }
        self.store.set_files(self.loaded.clone());
        errors
    }
}

fn load(files: &KeyFiles) -> Result<Certificate, ConfigError> {
    let key = key(&files.key, files.passphrase.as_ref())?;
    Ok(Certificate::new(
        chain(&files.certificate)?,
        &key,
        CertificateSource::File,
    )?)
}

/// A chain and its key, to show to others.
pub fn load_client(
    files: &KeyFiles,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), PemError> {
    Ok((
        chain(&files.certificate)?,
        key(&files.key, files.passphrase.as_ref())?,
    ))
}

fn stamps(files: &[KeyFiles]) -> Vec<Stamp> {
    files
        .iter()
        .flat_map(|pair| [stamp(&pair.certificate), stamp(&pair.key)])
        .collect()
}

fn stamp(path: &Path) -> Stamp {
    let metadata = std::fs::metadata(path).ok()?;
    Some((
        metadata.dev(),
        metadata.ino(),
        metadata.mtime(),
        metadata.mtime_nsec(),
        metadata.size(),
    ))
}
