//! Certificates the operator brings, checked before they are sent.

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::sign::SigningKey;
use rustls::{CertificateError, Error};
use time::{Duration, OffsetDateTime};
use x509_parser::oid_registry::Oid;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use super::{Leaf, Names, chain, leaf::alternative_names};
use crate::secret::Secret;

/// Something wrong with a certificate or its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub message: String,
    pub hint: String,
}

/// What was found to be usable, and what the operator should look at all the same.
#[derive(Debug)]
pub struct Checked {
    pub leaf: Leaf,
    pub warnings: Vec<Problem>,
}

/// Checks `certificate` (PEM: the server's, then its chain) and `key` (PEM) for `names`; every problem at once.
pub fn check(
    certificate: &str,
    key: &Secret,
    names: &Names,
    now: OffsetDateTime,
) -> Result<Checked, Vec<Problem>> {
    let mut found = Findings::default();
    let ders = found.certificates(certificate);
    let signing = found.key(key);
    let parsed: Vec<X509Certificate<'_>> = ders
        .iter()
        .filter_map(|der| X509Certificate::from_der(der).ok())
        .map(|(_, certificate)| certificate)
        .collect();
    if parsed.len() != ders.len() {
        found.problem(
            "a certificate in the file is damaged",
            "copy the file again",
        );
    }
    let Some(first) = parsed.first().filter(|_| parsed.len() == ders.len()) else {
        return Err(found.problems);
    };
    found.pair(&parsed, signing.as_deref());
    found.dates(&parsed, now);
    found.strength(&parsed);
    found.names(first, names);
    found.links(&ders, &parsed, names, now);
    if !found.problems.is_empty() {
        return Err(found.problems);
    }
    let not_after = parsed
        .iter()
        .map(|certificate| certificate.validity().not_after.to_datetime())
        .min()
        .unwrap_or(now);
    Ok(Checked {
        leaf: Leaf {
            certificate: certificate.to_owned(),
            key: key.clone(),
            authority: None,
            not_after,
            renewed: false,
            new_authority: false,
        },
        warnings: found.warnings,
    })
}

#[derive(Default)]
struct Findings {
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl Findings {
    fn problem(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        self.problems.push(Problem {
            message: message.into(),
            hint: hint.into(),
        });
    }

    fn warning(&mut self, message: impl Into<String>, hint: impl Into<String>) {
        self.warnings.push(Problem {
            message: message.into(),
            hint: hint.into(),
        });
    }

    fn certificates(&mut self, pem: &str) -> Vec<CertificateDer<'static>> {
        if pem.contains("PRIVATE KEY-----") {
            self.problem(
                "the certificate file holds a private key",
                "keep the key in a file of its own, 0600",
            );
        }
        let ders: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
        match ders {
            Ok(ders) if ders.is_empty() => {
                self.problem(
                    "the certificate file holds no certificate",
                    "it must be PEM: a text that begins with -----BEGIN CERTIFICATE-----",
                );
                Vec::new()
            }
            Ok(ders) => ders,
            Err(_) => {
                self.problem("the certificate file is damaged", "copy the file again");
                Vec::new()
            }
        }
    }

    fn key(&mut self, pem: &Secret) -> Option<std::sync::Arc<dyn SigningKey>> {
        if pem.reveal().contains("ENCRYPTED") {
            self.problem(
                "the key is protected by a passphrase",
                "the server must start unattended: `openssl pkey -in KEY -out PLAIN` takes it off",
            );
            return None;
        }
        let Ok(der) = PrivateKeyDer::from_pem_slice(pem.reveal().as_bytes()) else {
            self.problem(
                "the key file holds no private key",
                "it must be PEM: a text that begins with -----BEGIN PRIVATE KEY-----",
            );
            return None;
        };
        match any_supported_type(&der) {
            Ok(key) => Some(key),
            Err(_) => {
                self.problem(
                    "the key is of a kind that cannot be used",
                    "use ECDSA (P-256 or P-384), Ed25519 or RSA with 2048 to 8192 bits",
                );
                None
            }
        }
    }

    /// The key must be the first certificate's.
    fn pair(&mut self, chain: &[X509Certificate<'_>], key: Option<&dyn SigningKey>) {
        let Some(public) = key.and_then(SigningKey::public_key) else {
            return;
        };
        let fits =
            |certificate: &X509Certificate<'_>| certificate.public_key().raw == public.as_ref();
        match chain.iter().position(fits) {
            Some(0) => {}
            Some(place) => self.problem(
                format!("the certificates are in the wrong order: the server's is number {}", place + 1),
                "put the server's first, then the one that signed it, and so on",
            ),
            None => self.problem(
                "the key does not belong to the certificate",
                "compare `openssl x509 -in CERTIFICATE -noout -pubkey` with `openssl pkey -in KEY -pubout`",
            ),
        }
    }

    fn dates(&mut self, chain: &[X509Certificate<'_>], now: OffsetDateTime) {
        for certificate in chain {
            let subject = certificate.subject();
            let from = certificate.validity().not_before.to_datetime();
            let until = certificate.validity().not_after.to_datetime();
            if until <= now {
                self.problem(
                    format!("the certificate of {subject} ended on {}", until.date()),
                    "renew it",
                );
            } else if from > now {
                self.problem(
                    format!("the certificate of {subject} begins on {}", from.date()),
                    "check this machine's clock",
                );
            } else if until - now < Duration::days(14) {
                self.warning(
                    format!("the certificate of {subject} ends on {}", until.date()),
                    "renew it and provision again",
                );
            }
        }
    }

    fn strength(&mut self, chain: &[X509Certificate<'_>]) {
        for certificate in chain {
            let subject = certificate.subject();
            if let Ok(PublicKey::RSA(key)) = certificate.public_key().parsed()
                && key.key_size() < 2048
            {
                self.problem(
                    format!(
                        "the key of {subject} is weak: RSA with {} bits",
                        key.key_size()
                    ),
                    "use ECDSA P-256, or RSA with at least 2048 bits",
                );
            }
            // What a root is signed with convinces nobody and so harms nobody.
            let own = certificate.subject() == certificate.issuer();
            if !own && let Some(name) = weak_signature(&certificate.signature_algorithm.algorithm) {
                self.problem(
                    format!(
                        "the certificate of {subject} is signed with {name}, which browsers refuse"
                    ),
                    "have it signed with SHA-256",
                );
            }
        }
    }

    fn names(&mut self, certificate: &X509Certificate<'_>, names: &Names) {
        if certificate.is_ca() {
            self.warning(
                "the server's certificate is an authority's",
                "whoever trusts it trusts the server to sign for any name: use one for the server alone",
            );
        }
        let usage = certificate.extended_key_usage().ok().flatten();
        if usage.is_some_and(|usage| !usage.value.server_auth && !usage.value.any) {
            self.problem(
                "the certificate is not meant for servers",
                "it needs the extended key usage serverAuth",
            );
        }
        let covered = alternative_names(certificate);
        let listing = || match covered.len() {
            0 => "it names none (a common name does not count)".to_owned(),
            _ => format!(
                "it is for {}",
                covered.iter().cloned().collect::<Vec<_>>().join(", ")
            ),
        };
        // With a domain, users come by the domain; a public authority gives no certificate for the address as well.
        match names.domain() {
            Some(domain) if !covered.iter().any(|name| matches(name, domain)) => self.problem(
                format!("the certificate is not for {domain}: {}", listing()),
                "get one for the hub's domain, or change `domain`",
            ),
            Some(_) => {}
            None => {
                let missing: Vec<String> = names
                    .addresses()
                    .map(|address| address.to_string())
                    .filter(|address| !covered.contains(address))
                    .collect();
                if !missing.is_empty() {
                    self.problem(
                        format!(
                            "the certificate is not for {}: {}",
                            missing.join(", "),
                            listing()
                        ),
                        "set `domain` to a name of the certificate, or get one for the address",
                    );
                }
            }
        }
    }

    /// Each certificate must be signed by the next one.
    fn links(
        &mut self,
        ders: &[CertificateDer<'static>],
        chain: &[X509Certificate<'_>],
        names: &Names,
        now: OffsetDateTime,
    ) {
        for (place, pair) in chain.windows(2).enumerate() {
            if let [signed, signer] = pair
                && signed.issuer() != signer.subject()
            {
                self.problem(
                    format!(
                        "certificate {} was signed by {}, but {} follows",
                        place + 1,
                        signed.issuer(),
                        signer.subject()
                    ),
                    "put the server's first, then the one that signed it, and so on",
                );
            }
        }
        if !self.problems.is_empty() {
            return;
        }
        let (Some(first), Some(last), Some(top)) = (ders.first(), ders.last(), chain.last()) else {
            return;
        };
        let own = top.subject() == top.issuer();
        if chain.len() == 1 {
            if own {
                self.warning(
                    "the certificate signs itself: browsers will warn",
                    "`tls.kind: self-signed` makes one that users can trust safely",
                );
            } else {
                self.warning(
                    format!(
                        "the file holds no certificate of {}, which signed the server's",
                        top.issuer()
                    ),
                    "unless browsers know it, append it (`fullchain.pem`, not `cert.pem`)",
                );
            }
            return;
        }
        if own {
            self.warning(
                "the file holds the root as well",
                "leave it out: who trusts it has it, who does not will not",
            );
        }
        let between = ders.get(1..).unwrap_or_default();
        let covered = chain.first().map(alternative_names).unwrap_or_default();
        let name = names
            .texts()
            .find(|name| covered.iter().any(|covered| matches(covered, name)));
        let Some(name) = name else { return };
        match chain::verify(first, between, std::slice::from_ref(last), &name, now) {
            Ok(()) => {}
            Err(Error::InvalidCertificate(CertificateError::BadSignature)) => self.problem(
                "a certificate of the chain does not carry the signature of the next",
                "the names fit, the keys do not: get the chain again from who signed the certificate",
            ),
            Err(error) => self.problem(
                format!("the chain is not valid: {error}"),
                "get the chain again from who signed the certificate",
            ),
        }
    }
}

/// Whether `pattern`, a name of a certificate (its first label may be `*`), is `name`.
fn matches(pattern: &str, name: &str) -> bool {
    pattern == name
        || pattern.strip_prefix("*.").is_some_and(|rest| {
            name.split_once('.')
                .is_some_and(|(_, parent)| parent == rest)
        })
}

fn weak_signature(algorithm: &Oid<'_>) -> Option<&'static str> {
    match algorithm.to_id_string().as_str() {
        "1.2.840.113549.1.1.4" => Some("MD5"),
        "1.2.840.113549.1.1.5" | "1.2.840.10045.4.1" => Some("SHA-1"),
        _ => None,
    }
}
