//! The hub's secret key, and the keys made from it: one for each purpose.

use std::fmt;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// How many bytes a key has.
const LENGTH: usize = 32;

/// A key for one purpose. Its Debug shows nothing of it.
#[derive(Clone)]
pub struct Key([u8; LENGTH]);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(***)")
    }
}

/// Why the hub's secret key cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read or made.
    #[error("reading or making the secret key {path}: {source}; the hub's user must own the folder")]
    Io {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is open to others.
    #[error("the secret key {path} may be read by others (mode {mode:04o}): chmod 600 it, or delete it to log everybody out")]
    Open {
        /// The key file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file does not hold a key.
    #[error("the secret key {path} has {found} bytes instead of {LENGTH}: delete it, a new one is made and everybody logs in again")]
    Length {
        /// The key file.
        path: PathBuf,
        /// How many bytes it has.
        found: usize,
    },
}

impl Key {
    /// A new key from the system's randomness.
    pub fn generate() -> Self {
        Self(rand::random())
    }

    /// Reads the hub's key, or makes it at the first start, for its owner's eyes only.
    pub fn load_or_create(path: &Path) -> Result<Self, KeyError> {
        let io = |source| KeyError::Io { path: path.to_owned(), source };
        let created = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        match created {
            Ok(mut file) => {
                let key = Self::generate();
                file.write_all(&key.0).map_err(io)?;
                file.sync_all().map_err(io)?;
                Ok(key)
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Self::load(path),
            Err(error) => Err(io(error)),
        }
    }

    fn load(path: &Path) -> Result<Self, KeyError> {
        let io = |source| KeyError::Io { path: path.to_owned(), source };
        let mut file = std::fs::File::open(path).map_err(io)?;
        let mode = file.metadata().map_err(io)?.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyError::Open { path: path.to_owned(), mode });
        }
        let mut bytes = Vec::with_capacity(LENGTH);
        file.by_ref().take(4096).read_to_end(&mut bytes).map_err(io)?;
        let found = bytes.len();
        let key = bytes.try_into().map_err(|_| KeyError::Length { path: path.to_owned(), found })?;
        Ok(Self(key))
    }

    /// The key for one purpose: what is signed for one can never pass for another.
    pub fn purpose(&self, purpose: &str) -> Self {
        Self(self.sign(&[purpose.as_bytes()]))
    }

    /// Signs the parts, each with its length, so that no two lists of parts sign alike.
    pub fn sign(&self, parts: &[&[u8]]) -> [u8; LENGTH] {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else {
            unreachable!("HMAC takes keys of any length")
        };
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// Whether `signature` is this key's of these parts, in constant time.
    pub fn verifies(&self, parts: &[&[u8]], signature: &[u8]) -> bool {
        self.sign(parts).ct_eq(signature).into()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        let first = Key::load_or_create(&path).unwrap();
        let second = Key::load_or_create(&path).unwrap();
        assert_eq!(first.0, second.0);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(Key::load_or_create(&path), Err(KeyError::Open { mode: 0o640, .. })));

        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::write(&path, b"short").unwrap();
        assert!(matches!(Key::load_or_create(&path), Err(KeyError::Length { found: 5, .. })));
    }

    #[test]
    fn parts_and_purposes_are_kept_apart() {
        let key = Key::generate();
        assert_ne!(key.sign(&[b"ab", b"c"]), key.sign(&[b"a", b"bc"]));
        assert_ne!(key.purpose("xsrf").sign(&[b"x"]), key.purpose("state").sign(&[b"x"]));
        assert!(key.verifies(&[b"x"], &key.sign(&[b"x"])));
        assert!(!key.verifies(&[b"x"], &key.sign(&[b"y"])));
        assert!(!key.verifies(&[b"x"], b""));
        assert!(!format!("{key:?}").contains(char::is_numeric));
    }
}
