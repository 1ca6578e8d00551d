//! The folder of account key and certificates: 0700, its files 0600, each written whole.

use std::fs::{self, DirBuilder, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use hub_api::proxy::CertificateSource;
use instant_acme::AccountCredentials;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::macros::format_description;
use tracing::warn;
use url::Url;

use super::super::Certificate;
use super::order::Issued;
use crate::state::write_whole;

/// Why something cannot be kept or found.
#[derive(Debug, thiserror::Error)]
#[error("{act} {}: {source}", path.display())]
pub struct StorageError {
    act: &'static str,
    path: PathBuf,
    source: io::Error,
}

/// The part of the folder that belongs to one directory: staging and production do not meet.
#[derive(Debug)]
pub(super) struct Storage {
    folder: PathBuf,
}

/// Tries that failed, kept over a restart so that a crash loop asks no directory to death.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Attempts {
    /// In a row.
    pub failures: u32,
    /// When it goes on.
    #[serde(with = "time::serde::rfc3339::option")]
    pub next_try: Option<OffsetDateTime>,
    /// Why the last one failed.
    pub last_error: Option<String>,
    /// When.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_failure: Option<OffsetDateTime>,
}

impl Storage {
    /// Opens the folder, making it if need be.
    pub(super) fn open(root: &Path, directory: &str) -> Result<Self, StorageError> {
        let folder = root.join(folder_name(directory));
        for folder in [root, &folder] {
            let failed = |act| {
                move |source| StorageError {
                    act,
                    path: folder.to_owned(),
                    source,
                }
            };
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(folder)
                .map_err(failed("making the folder"))?;
            let metadata = fs::metadata(folder).map_err(failed("looking at the folder"))?;
            if metadata.permissions().mode() & 0o077 != 0 {
                fs::set_permissions(folder, Permissions::from_mode(0o700))
                    .map_err(failed("closing the folder"))?;
            }
        }
        Ok(Self { folder })
    }

    /// The account, if there is one.
    pub(super) fn account(&self) -> Result<Option<AccountCredentials>, StorageError> {
        self.read_json("account.json")
    }

    /// Keeps the account.
    pub(super) fn save_account(&self, account: &AccountCredentials) -> Result<(), StorageError> {
        self.write_json("account.json", account)
    }

    /// Sets aside an account that the directory does not know any more.
    pub(super) fn forget_account(&self) -> Result<(), StorageError> {
        self.set_aside(
            "account.json",
            "the directory does not know the account any more",
        )
    }

    /// The tries that failed.
    pub(super) fn attempts(&self) -> Result<Attempts, StorageError> {
        Ok(self.read_json("attempts.json")?.unwrap_or_default())
    }

    /// Keeps the tries that failed.
    pub(super) fn save_attempts(&self, attempts: &Attempts) -> Result<(), StorageError> {
        self.write_json("attempts.json", attempts)
    }

    /// The certificate, if there is one. One that is torn is set aside.
    pub(super) fn certificate(&self) -> Result<Option<Certificate>, StorageError> {
        const NAME: &str = "certificate.pem";
        let path = self.folder.join(NAME);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(StorageError {
                    act: "reading",
                    path,
                    source,
                });
            }
        };
        match parse(&text) {
            Ok(certificate) => Ok(Some(certificate)),
            Err(reason) => {
                self.set_aside(NAME, &reason)?;
                Ok(None)
            }
        }
    }

    /// The certificate that a directory issued; an error if it is of no use.
    pub(super) fn issued(&self, issued: &Issued) -> Result<Certificate, StorageError> {
        parse(issued.text().as_bytes()).map_err(|reason| StorageError {
            act: "taking the new certificate for",
            path: self.folder.join("certificate.pem"),
            source: io::Error::other(reason),
        })
    }

    /// Keeps a key and its chain in one file, so that they always belong together.
    pub(super) fn save_certificate(&self, issued: &Issued) -> Result<(), StorageError> {
        let path = self.folder.join("certificate.pem");
        write_whole(&path, issued.text().as_bytes(), 0o600).map_err(|source| StorageError {
            act: "writing",
            path,
            source,
        })
    }

    fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, StorageError> {
        let path = self.folder.join(name);
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(StorageError {
                    act: "reading",
                    path,
                    source,
                });
            }
        };
        match serde_json::from_slice(&text) {
            Ok(value) => Ok(Some(value)),
            Err(error) => {
                self.set_aside(name, &error.to_string())?;
                Ok(None)
            }
        }
    }

    fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<(), StorageError> {
        let path = self.folder.join(name);
        let failed = |source| StorageError {
            act: "writing",
            path: path.clone(),
            source,
        };
        let text = serde_json::to_vec_pretty(value)
            .map_err(io::Error::other)
            .map_err(failed)?;
        write_whole(&path, &text, 0o600).map_err(failed)
    }

    fn set_aside(&self, name: &str, reason: &str) -> Result<(), StorageError> {
        let path = self.folder.join(name);
        let stamp = OffsetDateTime::now_utc()
            .format(format_description!(
                "[year][month][day]T[hour][minute][second]Z"
            ))
            .unwrap_or_default();
        let aside = self.folder.join(format!("{name}.broken-{stamp}"));
        fs::rename(&path, &aside).map_err(|source| StorageError {
            act: "setting aside",
            path: path.clone(),
            source,
        })?;
        warn!(
            "{} is set aside as {}: {reason}",
            path.display(),
            aside.display()
        );
        Ok(())
    }
}

fn parse(text: &[u8]) -> Result<Certificate, String> {
    let key = PrivateKeyDer::from_pem_slice(text).map_err(|error| error.to_string())?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text).collect();
    Certificate::new(
        chain.map_err(|error| error.to_string())?,
        &key,
        CertificateSource::Acme,
    )
    .map_err(|error| error.to_string())
}

/// `acme-v02.api.letsencrypt.org-directory`: to be recognized by people.
fn folder_name(directory: &str) -> String {
    let name = match Url::parse(directory) {
        Ok(url) => format!(
            "{}{}{}",
            url.authority(),
            url.path(),
            url.query().unwrap_or_default()
        ),
        Err(_) => directory.to_owned(),
    };
    let keep = |c: char| {
        if c.is_ascii_alphanumeric() || c == '.' {
            c
        } else {
            '-'
        }
    };
    name.trim_matches('/').chars().map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["hub.example.org".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        (key.serialize_pem(), certificate.pem())
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_certificate_is_kept_with_its_key_and_closed_to_others() {
        let root = tempfile::tempdir().unwrap();
        let root = root.path().join("acme");
        let storage = Storage::open(&root, "https://ca.example:14000/dir").unwrap();
        assert!(storage.certificate().unwrap().is_none());
        let (key, chain) = pair();
        let issued = Issued { key, chain };
        storage.issued(&issued).unwrap();
        storage.save_certificate(&issued).unwrap();
        assert_eq!(
            storage.certificate().unwrap().unwrap().names(),
            ["hub.example.org"]
        );
        let folder = root.join("ca.example-14000-dir");
        assert_eq!(
            (
                mode(&root),
                mode(&folder),
                mode(&folder.join("certificate.pem"))
            ),
            (0o700, 0o700, 0o600)
        );
        // The key of another.
        let (key, _) = pair();
        let chain = issued.chain;
        assert!(storage.issued(&Issued { key, chain }).is_err());
    }

    #[test]
    fn torn_files_are_set_aside() {
        let root = tempfile::tempdir().unwrap();
        let storage = Storage::open(root.path(), "https://ca.example/dir").unwrap();
        let folder = root.path().join("ca.example-dir");
        let (key, chain) = pair();
        fs::write(
            folder.join("certificate.pem"),
            &format!("{key}{chain}")[..key.len() + 60],
        )
        .unwrap();
        fs::write(folder.join("account.json"), "{\"id\":").unwrap();
        assert!(storage.certificate().unwrap().is_none());
        assert!(storage.account().unwrap().is_none());
        let names: Vec<String> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        assert!(
            names.iter().all(|name| name.contains(".broken-")),
            "{names:?}"
        );
        assert_eq!(names.len(), 2);
    }

    #[test]
    fn failures_are_remembered() {
        let root = tempfile::tempdir().unwrap();
        let storage = Storage::open(root.path(), "https://ca.example/dir").unwrap();
        assert_eq!(storage.attempts().unwrap(), Attempts::default());
        let attempts = Attempts {
            failures: 3,
            last_error: Some("no".to_owned()),
            ..Attempts::default()
        };
        storage.save_attempts(&attempts).unwrap();
        assert_eq!(storage.attempts().unwrap(), attempts);
    }
}
