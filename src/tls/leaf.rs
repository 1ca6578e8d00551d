//! The certificate the server shows.

use std::collections::BTreeSet;
use std::net::IpAddr;

use rcgen::{
    CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, SanType,
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use time::{Duration, OffsetDateTime};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::authority::{Authority, SKEW};
use super::{Leaf, Names, chain};
use crate::secret::Secret;
use crate::state::{State, StateError};

const CERTIFICATE: &str = "server.pem";
const KEY: &str = "server.key";
/// Everything that is kept of it.
pub(super) const FILES: [&str; 2] = [CERTIFICATE, KEY];
/// No client takes more than about a year from an authority of any kind.
const VALID: Duration = Duration::days(365);
const RENEW_BEFORE: Duration = Duration::days(30);

/// Whom a deployment's certificate is for, in words. Not a DNS name, so that nobody takes it for one: the names are the
/// alternative names.
pub fn subject(deployment: &str) -> String {
    format!("hub {deployment}")
}

/// Signs a new certificate for `names`, valid for a year from `now`.
pub(super) fn issue(
    deployment: &str,
    authority: &Authority,
    names: &Names,
    now: OffsetDateTime,
) -> Result<Leaf, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, subject(deployment));
    params.not_before = now - SKEW;
    params.not_after = now + VALID;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    if let Some(domain) = names.domain() {
        params
            .subject_alt_names
            .push(SanType::DnsName(domain.try_into()?));
    }
    params
        .subject_alt_names
        .extend(names.addresses().map(SanType::IpAddress));
    let certificate = params.signed_by(&key, &authority.issuer()?)?;
    Ok(Leaf {
        certificate: certificate.pem(),
        key: Secret::new(key.serialize_pem()),
        authority: Some(authority.pem.clone()),
        not_after: params.not_after,
        renewed: true,
        new_authority: false,
    })
}

/// The state folder's certificate, where it is still good for `names`.
pub(super) fn load(
    state: &State,
    authority: &Authority,
    names: &Names,
    now: OffsetDateTime,
) -> Result<Option<Leaf>, StateError> {
    let (Some(pem), Some(key)) = (state.read(CERTIFICATE)?, state.read(KEY)?) else {
        return Ok(None);
    };
    Ok(
        still_good(&pem, &key, authority, names, now).map(|not_after| Leaf {
            certificate: pem,
            key: Secret::new(key),
            authority: Some(authority.pem.clone()),
            not_after,
            renewed: false,
            new_authority: false,
        }),
    )
}

pub(super) fn save(state: &State, leaf: &Leaf) -> Result<(), StateError> {
    state.write(KEY, leaf.key.reveal().as_bytes())?;
    state.write(CERTIFICATE, leaf.certificate.as_bytes())
}

/// When the certificate ends, where it is the authority's, for exactly `names`, fits its key and has time left.
fn still_good(
    pem: &str,
    key: &str,
    authority: &Authority,
    names: &Names,
    now: OffsetDateTime,
) -> Option<OffsetDateTime> {
    let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
    let key = KeyPair::from_pem(key).ok()?;
    let (_, certificate) = X509Certificate::from_der(&der).ok()?;
    let pair = certificate.public_key().subject_public_key.data.as_ref() == key.public_key_raw();
    let not_after = certificate.validity().not_after.to_datetime();
    if !pair || not_after - now <= RENEW_BEFORE {
        return None;
    }
    let wanted: BTreeSet<String> = names.texts().collect();
    if alternative_names(&certificate) != wanted {
        return None;
    }
    let roots = [authority.der.clone()];
    wanted
        .iter()
        .all(|name| chain::verify(&der, &[], &roots, name, now).is_ok())
        .then_some(not_after)
}

/// DNS names and addresses of a certificate, as text.
pub(super) fn alternative_names(certificate: &X509Certificate<'_>) -> BTreeSet<String> {
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return BTreeSet::new();
    };
    names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            GeneralName::IPAddress(bytes) => match bytes.len() {
                4 => <[u8; 4]>::try_from(*bytes)
                    .ok()
                    .map(|octets| IpAddr::from(octets).to_string()),
                16 => <[u8; 16]>::try_from(*bytes)
                    .ok()
                    .map(|octets| IpAddr::from(octets).to_string()),
                _ => None,
            },
            _ => None,
        })
        .collect()
}
