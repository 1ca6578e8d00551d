//! The deployment's SSH key pair, made on the operator's machine; only its public half ever leaves.

use ssh_key::{Algorithm, LineEnding, PrivateKey};

use crate::infra::HostKeyPair;
use crate::secret::Secret;
use crate::state::{State, StateError};

/// Why there is no key to log in with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error(transparent)]
    State(#[from] StateError),
    #[error("making or reading the SSH key {path}")]
    Key {
        path: String,
        #[source]
        source: ssh_key::Error,
    },
}

impl KeyError {
    pub fn hint(&self) -> String {
        match self {
            Self::State(error) => error.hint(),
            Self::Key { path, .. } => format!(
                "restore {path} from a backup; without it only the keys under ssh.authorized_keys can log in"
            ),
        }
    }
}

/// File name of the private half in the deployment's folder.
pub const FILE: &str = "id_ed25519";

/// Returns the public half in OpenSSH form, and makes the key pair when there is none yet.
pub fn ensure(state: &State) -> Result<String, KeyError> {
    ensure_file(state, FILE)
}

fn ensure_file(state: &State, file: &str) -> Result<String, KeyError> {
    if let Some(public) = public_of(state, file)? {
        return Ok(public);
    }
    let wrap = |source| KeyError::Key {
        path: state.path(file).display().to_string(),
        source,
    };
    let mut key = random().map_err(wrap)?;
    key.set_comment(format!("hubctl-{}", state.name()));
    let text = key.to_openssh(LineEnding::LF).map_err(wrap)?;
    state.write(file, text.as_bytes())?;
    key.public_key().to_openssh().map_err(wrap)
}

/// Returns the public half in OpenSSH form, or `None` where no key pair was made.
pub fn public(state: &State) -> Result<Option<String>, KeyError> {
    public_of(state, FILE)
}

fn public_of(state: &State, file: &str) -> Result<Option<String>, KeyError> {
    let Some(text) = state.read(file)? else {
        return Ok(None);
    };
    PrivateKey::from_openssh(&text)
        .and_then(|key| key.public_key().to_openssh())
        .map(Some)
        .map_err(|source| KeyError::Key {
            path: state.path(file).display().to_string(),
            source,
        })
}

/// File name of the private half of a key that is to take the other's place.
pub const NEXT: &str = "id_ed25519.next";

/// Returns the public half of the key that is to take the deployment's place, made on first use.
pub fn ensure_next(state: &State) -> Result<String, KeyError> {
    ensure_file(state, NEXT)
}

/// Puts the next key in the place of the one there is, where there is a next one.
pub fn adopt_next(state: &State) -> Result<(), StateError> {
    if let Some(text) = state.read(NEXT)? {
        state.write(FILE, text.as_bytes())?;
        state.delete(NEXT)?;
    }
    Ok(())
}

/// File name of the one-time host key.
const HOST_KEY: &str = "first_host_key";

/// Returns the one-time SSH host key that a fresh server is told from others by, made on first use.
pub fn host_key(state: &State) -> Result<HostKeyPair, KeyError> {
    let wrap = |source| KeyError::Key {
        path: state.path(HOST_KEY).display().to_string(),
        source,
    };
    let key = match state.read(HOST_KEY)? {
        Some(text) => PrivateKey::from_openssh(&text).map_err(wrap)?,
        None => random().map_err(wrap)?,
    };
    let private = key.to_openssh(LineEnding::LF).map_err(wrap)?;
    state.write(HOST_KEY, private.as_bytes())?;
    Ok(HostKeyPair {
        private: Secret::new(private.as_str()),
        public: key.public_key().to_openssh().map_err(wrap)?,
    })
}

/// Whether a one-time host key was made and not replaced yet.
pub fn has_host_key(state: &State) -> bool {
    state.path(HOST_KEY).exists()
}

/// Forgets the one-time host key, once the server has another.
pub fn forget_host_key(state: &State) -> Result<(), StateError> {
    state.delete(HOST_KEY)
}

fn random() -> ssh_key::Result<PrivateKey> {
    PrivateKey::random(&mut ssh_key::rand_core::OsRng, Algorithm::Ed25519)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_key_comes_back() {
        let base = tempfile::tempdir().unwrap();
        let state = State::open(base.path(), "class").unwrap();
        assert_eq!(public(&state).unwrap(), None);
        let made = ensure(&state).unwrap();
        assert!(made.starts_with("ssh-ed25519 ") && made.ends_with(" hubctl-class"));
        assert_eq!(ensure(&state).unwrap(), made);
    }

    #[test]
    fn the_next_key_takes_the_others_place_once() {
        let base = tempfile::tempdir().unwrap();
        let state = State::open(base.path(), "class").unwrap();
        let old = ensure(&state).unwrap();
        let next = ensure_next(&state).unwrap();
        assert_eq!(ensure_next(&state).unwrap(), next);
        assert_ne!(old, next);
        for _ in 0..2 {
            adopt_next(&state).unwrap();
            assert_eq!(ensure(&state).unwrap(), next);
        }
        assert!(!state.path(NEXT).exists());
    }

    #[test]
    fn a_damaged_key_is_not_replaced() {
        let base = tempfile::tempdir().unwrap();
        let state = State::open(base.path(), "class").unwrap();
        state.write(FILE, b"garbage").unwrap();
        assert!(ensure(&state).is_err());
        assert_eq!(state.read(FILE).unwrap().unwrap(), "garbage");
    }
}
