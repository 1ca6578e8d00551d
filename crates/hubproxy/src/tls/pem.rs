//! Certificates and keys in PEM files, encrypted keys among them.

use std::path::{Path, PathBuf};

use pkcs8::EncryptedPrivateKeyInfoRef;
use pkcs8::der::SecretDocument;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use secrecy::{ExposeSecret, SecretString};

/// Why a PEM file is of no use.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// It cannot be read.
    #[error("reading {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no certificate in it.
    #[error("{}: there is no PEM certificate in it", .0.display())]
    NoCertificate(PathBuf),
    /// A block in it is broken.
    #[error("{}: the PEM is broken: {reason}", path.display())]
    Broken {
        /// The file.
        path: PathBuf,
        /// How.
        reason: String,
    },
    /// There is no key in it.
    #[error("{}: there is no PEM private key in it", .0.display())]
    NoKey(PathBuf),
    /// The key is encrypted and there is no passphrase.
    #[error("{}: the key is encrypted: give its passphrase", .0.display())]
    PassphraseMissing(PathBuf),
    /// The key is encrypted and the passphrase does not open it.
    #[error("{}: the key cannot be decrypted: {reason}", path.display())]
    Decrypt {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The key is encrypted in OpenSSL's old way.
    #[error("{}: the key is encrypted in a format that is not read: convert it with openssl pkcs8 -topk8", .0.display())]
    OldEncryption(PathBuf),
}

fn read(path: &Path) -> Result<Vec<u8>, PemError> {
    std::fs::read(path).map_err(|source| PemError::Read {
        path: path.to_owned(),
        source,
    })
}

/// The certificates of a file, in its order; at least one.
pub fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let bytes = read(path)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err(PemError::NoCertificate(path.to_owned())),
        Ok(chain) => Ok(chain),
        Err(error) => Err(PemError::Broken {
            path: path.to_owned(),
            reason: error.to_string(),
        }),
    }
}

/// The authorities of a file: its certificates.
pub fn authorities(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    chain(path)
}

/// The private key of a file.
pub fn key(
    path: &Path,
    passphrase: Option<&SecretString>,
) -> Result<PrivateKeyDer<'static>, PemError> {
    let bytes = read(path)?;
    let text = String::from_utf8_lossy(&bytes);
    if let Some(block) = block(&text, "ENCRYPTED PRIVATE KEY") {
        let Some(passphrase) = passphrase else {
            return Err(PemError::PassphraseMissing(path.to_owned()));
        };
        return decrypt(block, passphrase).map_err(|reason| PemError::Decrypt {
            path: path.to_owned(),
            reason,
        });
    }
    if text.contains("Proc-Type: 4,ENCRYPTED") {
        return Err(PemError::OldEncryption(path.to_owned()));
    }
    match PrivateKeyDer::from_pem_slice(&bytes) {
        Ok(key) => Ok(key),
        Err(rustls::pki_types::pem::Error::NoItemsFound) => Err(PemError::NoKey(path.to_owned())),
        Err(error) => Err(PemError::Broken {
            path: path.to_owned(),
            reason: error.to_string(),
        }),
    }
}

fn block<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let start = text.find(&format!("-----BEGIN {label}-----"))?;
    let end = format!("-----END {label}-----");
    let length = text[start..].find(&end)? + end.len();
    Some(&text[start..start + length])
}

fn decrypt(block: &str, passphrase: &SecretString) -> Result<PrivateKeyDer<'static>, String> {
    let (_, document) = SecretDocument::from_pem(block).map_err(|error| error.to_string())?;
    let info = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes())
        .map_err(|error| error.to_string())?;
    // What a wrong passphrase leaves is noise, or an error of the padding.
    let plain = info
        .decrypt(passphrase.expose_secret())
        .map_err(|error| format!("{error}: is the passphrase right?"))?;
    Ok(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(
        plain.as_bytes().to_vec(),
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.pem");
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    // openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 | openssl pkcs8 -topk8 -passout pass:open-sesame
    const ENCRYPTED: &str = include_str!("../../tests/data/encrypted.key");

    #[test]
    fn a_file_that_cannot_be_read_says_why() {
        let error = chain(Path::new("/nowhere/chain.pem"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("No such file"), "{error}");
    }

    #[test]
    fn an_encrypted_key_opens_with_its_passphrase_alone() {
        let (_folder, path) = file(&format!("text before\n{ENCRYPTED}"));
        let right = SecretString::from("open-sesame");
        let key = key(&path, Some(&right)).unwrap();
        assert!(rustls::crypto::ring::sign::any_supported_type(&key).is_ok());
        let wrong = SecretString::from("open-barley");
        assert!(matches!(
            super::key(&path, Some(&wrong)),
            Err(PemError::Decrypt { .. })
        ));
        assert!(matches!(
            super::key(&path, None),
            Err(PemError::PassphraseMissing(_))
        ));
    }

    #[test]
    fn what_is_of_no_use_says_why() {
        let (_folder, path) = file("no PEM at all");
        assert!(matches!(chain(&path), Err(PemError::NoCertificate(_))));
        assert!(matches!(key(&path, None), Err(PemError::NoKey(_))));
        assert!(matches!(
            key(Path::new("/nonexistent"), None),
            Err(PemError::Read { .. })
        ));
        let (_folder, path) = file(
            "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: DES\n\nAA==\n-----END RSA PRIVATE KEY-----",
        );
        assert!(matches!(key(&path, None), Err(PemError::OldEncryption(_))));
        let (_folder, path) = file("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n");
        assert!(matches!(chain(&path), Err(PemError::Broken { .. })));
    }
}
