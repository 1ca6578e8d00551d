//! Host keys: fingerprints, and the deployment's own list of known hosts.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use sha2::{Digest, Sha256};

use super::HostError;

/// The SHA-256 fingerprint of a public key, as `ssh-keygen -l` prints it: `SHA256:…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(String);

impl Fingerprint {
    /// Of a key in its wire form.
    pub fn of(blob: &[u8]) -> Self {
        Self(format!(
            "SHA256:{}",
            STANDARD_NO_PAD.encode(Sha256::digest(blob))
        ))
    }

    /// From the text `SHA256:` and 43 characters.
    pub fn parse(text: &str) -> Option<Self> {
        let code = text.strip_prefix("SHA256:")?.trim_end_matches('=');
        let digest = STANDARD_NO_PAD.decode(code).ok()?;
        (digest.len() == 32).then(|| Self(format!("SHA256:{code}")))
    }

    /// Of a public key in base64, as `authorized_keys` and `known_hosts` have it.
    pub fn of_base64(code: &str) -> Option<Self> {
        STANDARD.decode(code).ok().map(|blob| Self::of(&blob))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What makes a host key good that the deployment has not seen before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// It is one of these, learnt over a channel that is authenticated: the cloud's API.
    Expected(Vec<Fingerprint>),
    /// Whatever answers first. Anyone in between can read everything.
    FirstUse,
    /// Nothing: it must be known already.
    Known,
}

/// A known_hosts file of our own, in OpenSSH's format, so that `ssh` can use it too.
#[derive(Debug, Clone)]
pub struct KnownHosts {
    path: PathBuf,
}

/// What the list says about a key.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Known,
    /// Believed now for the first time; written down.
    Learnt {
        on_first_use: bool,
    },
}

impl KnownHosts {
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// Key types and keys (base64) of a host.
    fn entries(&self, address: SocketAddr) -> Result<Vec<(String, String)>, HostError> {
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(self.error("reading", source)),
        };
        let name = host_name(address);
        Ok(text
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                let hosts = words.next()?;
                let entry = (words.next()?.to_owned(), words.next()?.to_owned());
                hosts.split(',').any(|host| host == name).then_some(entry)
            })
            .collect())
    }

    /// Types of the keys known for a host, to be asked for first.
    pub(super) fn types(&self, address: SocketAddr) -> Result<Vec<String>, HostError> {
        Ok(self
            .entries(address)?
            .into_iter()
            .map(|(kind, _)| kind)
            .collect())
    }

    /// Fingerprints of the keys known for a host, by key type (`ssh-ed25519`).
    pub fn by_type(&self, address: SocketAddr) -> Result<BTreeMap<String, Fingerprint>, HostError> {
        Ok(self
            .entries(address)?
            .into_iter()
            .filter_map(|(kind, code)| Some((kind, Fingerprint::of_base64(&code)?)))
            .collect())
    }

    /// Fingerprints of the keys known for a host.
    pub fn fingerprints(&self, address: SocketAddr) -> Result<Vec<Fingerprint>, HostError> {
        Ok(self
            .entries(address)?
            .iter()
            .filter_map(|(_, code)| Fingerprint::of_base64(code))
            .collect())
    }

    /// Accepts the key a server offers, or refuses it. A key accepted for the first time is written down.
    pub(super) fn check(
        &self,
        address: SocketAddr,
        kind: &str,
        blob: &[u8],
        trust: &Trust,
    ) -> Result<Verdict, HostError> {
        let offered = Fingerprint::of(blob);
        let known = self.fingerprints(address)?;
        if known.contains(&offered) {
            return Ok(Verdict::Known);
        }
        let wrong = |expected: Vec<Fingerprint>| HostError::WrongKey {
            address,
            expected,
            offered: offered.clone(),
        };
        match trust {
            // A new key that the cloud vouches for beats an old entry: the address got a new server.
            Trust::Expected(fingerprints) if fingerprints.contains(&offered) => {
                self.replace(address, kind, blob)?;
                Ok(Verdict::Learnt {
                    on_first_use: false,
                })
            }
            _ if !known.is_empty() => Err(wrong(known)),
            Trust::Expected(fingerprints) if !fingerprints.is_empty() => {
                Err(wrong(fingerprints.clone()))
            }
            Trust::FirstUse => {
                self.replace(address, kind, blob)?;
                Ok(Verdict::Learnt { on_first_use: true })
            }
            Trust::Expected(_) | Trust::Known => Err(HostError::UnknownKey { address, offered }),
        }
    }

    /// Adds a key to those known for a host.
    pub fn add(&self, address: SocketAddr, kind: &str, code: &str) -> Result<(), HostError> {
        let mut keys = self.entries(address)?;
        let key = (kind.to_owned(), code.to_owned());
        if !keys.contains(&key) {
            keys.push(key);
        }
        self.set(address, &keys)
    }

    /// Forgets one key of a host.
    pub fn remove(&self, address: SocketAddr, fingerprint: &Fingerprint) -> Result<(), HostError> {
        let mut keys = self.entries(address)?;
        keys.retain(|(_, code)| Fingerprint::of_base64(code).as_ref() != Some(fingerprint));
        self.set(address, &keys)
    }

    /// Forgets what was known of a host and writes down this key.
    fn replace(&self, address: SocketAddr, kind: &str, blob: &[u8]) -> Result<(), HostError> {
        self.set(address, &[(kind.to_owned(), STANDARD.encode(blob))])
    }

    /// These keys, and no others, are a host's.
    fn set(&self, address: SocketAddr, keys: &[(String, String)]) -> Result<(), HostError> {
        let name = host_name(address);
        let text = std::fs::read_to_string(&self.path).unwrap_or_default();
        let mut lines: Vec<String> = text
            .lines()
            .filter(|line| {
                line.split_whitespace()
                    .next()
                    .is_some_and(|hosts| hosts.split(',').all(|host| host != name))
            })
            .map(ToOwned::to_owned)
            .collect();
        lines.extend(
            keys.iter()
                .map(|(kind, code)| format!("{name} {kind} {code}")),
        );
        lines.push(String::new());
        crate::state::write_private(&self.path, lines.join("\n").as_bytes())
            .map_err(|source| self.error("writing", source))
    }

    fn error(&self, action: &'static str, source: std::io::Error) -> HostError {
        HostError::KnownHosts {
            action,
            path: Path::to_owned(&self.path),
            source,
        }
    }
}

fn host_name(address: SocketAddr) -> String {
    match (address.ip(), address.port()) {
        (ip, 22) => ip.to_string(),
        (ip, port) => format!("[{ip}]:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "192.0.2.7:22";

    fn list(folder: &tempfile::TempDir) -> KnownHosts {
        KnownHosts::new(folder.path().join("known_hosts"))
    }

    fn check(list: &KnownHosts, blob: &[u8], trust: &Trust) -> Result<Verdict, HostError> {
        list.check(HOST.parse().unwrap(), "ssh-ed25519", blob, trust)
    }

    #[test]
    fn a_fingerprint_is_what_ssh_keygen_prints() {
        let code = "AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";
        assert_eq!(
            Fingerprint::of_base64(code).unwrap().to_string(),
            "SHA256:+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU"
        );
        assert_eq!(Fingerprint::parse("SHA256:short"), None);
    }

    #[test]
    fn a_key_is_learnt_once_and_then_the_only_one() {
        let folder = tempfile::tempdir().unwrap();
        let list = list(&folder);
        let expected = Trust::Expected(vec![Fingerprint::of(b"right")]);
        assert_eq!(
            check(&list, b"right", &expected).unwrap(),
            Verdict::Learnt {
                on_first_use: false
            }
        );
        assert_eq!(
            check(&list, b"right", &Trust::Known).unwrap(),
            Verdict::Known
        );
        for trust in [Trust::Known, Trust::FirstUse, expected] {
            let error = check(&list, b"wrong", &trust).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "the host key of 192.0.2.7:22 is not the one of this deployment's server\n  expected {}\n  offered  {}",
                    Fingerprint::of(b"right"),
                    Fingerprint::of(b"wrong")
                )
            );
        }
    }

    #[test]
    fn the_cloud_s_word_beats_an_old_entry() {
        let folder = tempfile::tempdir().unwrap();
        let list = list(&folder);
        check(&list, b"old", &Trust::FirstUse).unwrap();
        let other = "192.0.2.8:22".parse().unwrap();
        list.check(other, "ssh-ed25519", b"other", &Trust::FirstUse)
            .unwrap();
        let rebuilt = Trust::Expected(vec![Fingerprint::of(b"new")]);
        check(&list, b"new", &rebuilt).unwrap();
        assert!(matches!(
            check(&list, b"old", &Trust::Known),
            Err(HostError::WrongKey { .. })
        ));
        assert_eq!(
            list.fingerprints(other).unwrap(),
            [Fingerprint::of(b"other")]
        );
    }

    #[test]
    fn nothing_is_believed_unasked() {
        let folder = tempfile::tempdir().unwrap();
        let list = list(&folder);
        for trust in [Trust::Known, Trust::Expected(Vec::new())] {
            assert!(matches!(
                check(&list, b"any", &trust),
                Err(HostError::UnknownKey { .. })
            ));
        }
        assert!(list.fingerprints(HOST.parse().unwrap()).unwrap().is_empty());
    }
}
