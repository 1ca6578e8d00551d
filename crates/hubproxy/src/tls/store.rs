//! The certificates in use, found by the name that a client asks for.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use arc_swap::ArcSwap;
use hub_api::proxy::CertificateStatus;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{ACME_TLS, Certificate};

/// Certificates by name. Changing them does not disturb connections.
#[derive(Default)]
pub struct Store {
    current: ArcSwap<Current>,
    challenges: RwLock<HashMap<String, Arc<CertifiedKey>>>,
    handshakes: AtomicU64,
}

#[derive(Default)]
struct Current {
    files: Vec<Certificate>,
    acme: Option<Certificate>,
    by_name: HashMap<String, Arc<CertifiedKey>>,
    /// For clients that name no host: they came by an IP address, or are very old.
    unnamed: Option<Arc<CertifiedKey>>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("certificates", &self.status())
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Replaces the certificates from files.
    pub fn set_files(&self, files: Vec<Certificate>) {
        self.current
            .rcu(|current| Current::new(files.clone(), current.acme.clone()));
    }

    /// Replaces the certificate from ACME, or the self-signed one in its place.
    pub fn set_acme(&self, certificate: Certificate) {
        self.current
            .rcu(|current| Current::new(current.files.clone(), Some(certificate.clone())));
    }

    /// What there is to know about each certificate in use, the default one first.
    pub fn status(&self) -> Vec<CertificateStatus> {
        let current = self.current.load();
        current
            .files
            .iter()
            .chain(&current.acme)
            .map(|certificate| certificate.status.clone())
            .collect()
    }

    /// Handshakes that were answered with one of them.
    pub fn handshakes(&self) -> u64 {
        self.handshakes.load(Ordering::Relaxed)
    }

    /// Answers TLS-ALPN-01 for `name` (a domain name, or the reverse name of an IP address) until it is removed.
    pub fn set_challenge(&self, name: &str, certified: Arc<CertifiedKey>) {
        self.challenges
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name.to_ascii_lowercase(), certified);
    }

    /// Stops answering TLS-ALPN-01 for `name`.
    pub fn remove_challenge(&self, name: &str) {
        self.challenges
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&name.to_ascii_lowercase());
    }

    fn find(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.load();
        let Some(name) = name else {
            return current.unnamed.clone();
        };
        let exact = current.by_name.get(name);
        let wildcard = || {
            name.split_once('.')
                .and_then(|(_, rest)| current.by_name.get(&format!("*.{rest}")))
        };
        // A name that no certificate is for: the client will say so better than an alert.
        exact
            .or_else(wildcard)
            .or(current.unnamed.as_ref())
            .cloned()
    }
}

impl Current {
    fn new(files: Vec<Certificate>, acme: Option<Certificate>) -> Self {
        let mut by_name = HashMap::new();
        for certificate in files.iter().chain(&acme) {
            for name in certificate.names() {
                by_name
                    .entry(name.clone())
                    .or_insert_with(|| Arc::clone(&certificate.certified));
            }
        }
        let is_for_an_address = |certificate: &&Certificate| {
            certificate
                .names()
                .iter()
                .any(|name| name.parse::<IpAddr>().is_ok())
        };
        let all = || files.iter().chain(&acme);
        let unnamed = all()
            .find(is_for_an_address)
            .or(all().next())
            .map(|certificate| Arc::clone(&certificate.certified));
        Self {
            files,
            acme,
            by_name,
            unnamed,
        }
    }
}

impl ResolvesServerCert for Store {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // RFC 8737: a validator offers `acme-tls/1` and nothing else.
        let is_challenge = hello.alpn().is_some_and(|mut offered| {
            offered.next() == Some(ACME_TLS) && offered.next().is_none()
        });
        if is_challenge {
            let challenges = self
                .challenges
                .read()
                .unwrap_or_else(PoisonError::into_inner);
            return challenges
                .get(&hello.server_name()?.to_ascii_lowercase())
                .cloned();
        }
        self.handshakes.fetch_add(1, Ordering::Relaxed);
        self.find(hello.server_name())
    }
}

#[cfg(test)]
mod tests {
    use super::super::self_signed;
    use super::*;

    fn certificate(names: &[&str]) -> Certificate {
        self_signed(&names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_certificate_is_found_by_name_wildcard_or_address() {
        let store = Store::default();
        assert!(store.find(None).is_none());
        let named = certificate(&["a.example.org", "*.b.example.org"]);
        let addressed = certificate(&["c.example.org", "127.0.0.1"]);
        store.set_files(vec![named.clone()]);
        let found = |name: Option<&str>| store.find(name).unwrap();
        assert!(Arc::ptr_eq(&found(None), &named.certified));
        store.set_acme(addressed.clone());
        for (name, certificate) in [
            (Some("a.example.org"), &named),
            (Some("x.b.example.org"), &named),
            (Some("c.example.org"), &addressed),
            (None, &addressed),
            (Some("elsewhere.example"), &addressed),
        ] {
            assert!(
                Arc::ptr_eq(&found(name), &certificate.certified),
                "{name:?}"
            );
        }
        assert_eq!(store.status()[0].names, named.names());
    }
}
