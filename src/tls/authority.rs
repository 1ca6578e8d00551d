//! The authority of one deployment: made once, allowed to sign for the deployment's names alone.

use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use rustls::pki_types::{CertificateDer, pem::PemObject};
use time::{Duration, OffsetDateTime};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Names;
use crate::state::{State, StateError};

pub(super) const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca.key";
/// Everything that is kept of it, the certificate first: it is nothing without the key.
pub(super) const FILES: [&str; 2] = [CERTIFICATE, KEY];
const YEARS: i64 = 10;

/// Clocks of servers and laptops are off; a certificate made now is valid for those that are behind.
pub(super) const SKEW: Duration = Duration::days(1);

pub(super) struct Authority {
    pub(super) pem: String,
    pub(super) der: CertificateDer<'static>,
    key: KeyPair,
}

impl Authority {
    /// Makes an authority for `names`, for ten years from `now`.
    pub(super) fn make(
        deployment: &str,
        names: &Names,
        now: OffsetDateTime,
    ) -> Result<Self, rcgen::Error> {
        let key = KeyPair::generate()?;
        let mut params = CertificateParams::default();
        // The date tells two authorities of one deployment apart in a browser's list.
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(
            DnType::CommonName,
            format!("hubctl {deployment} {}", now.date()),
        );
        params.not_before = now - SKEW;
        params.not_after = now + Duration::days(365 * YEARS);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        // Nothing but web servers: no mail, no code, no clients.
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.name_constraints = Some(constraints(names));
        params.use_authority_key_identifier_extension = true;
        let certificate = params.self_signed(&key)?;
        Ok(Self {
            pem: certificate.pem(),
            der: certificate.der().clone(),
            key,
        })
    }

    /// The state folder's authority; none where there is none, or where its two files are not a pair.
    pub(super) fn load(state: &State) -> Result<Option<Self>, StateError> {
        let (Some(pem), Some(key)) = (state.read(CERTIFICATE)?, state.read(KEY)?) else {
            return Ok(None);
        };
        let (Ok(der), Ok(key)) = (
            CertificateDer::from_pem_slice(pem.as_bytes()),
            KeyPair::from_pem(&key),
        ) else {
            return Ok(None);
        };
        let pair = X509Certificate::from_der(&der).is_ok_and(|(_, certificate)| {
            certificate.public_key().subject_public_key.data.as_ref() == key.public_key_raw()
        });
        Ok(pair.then_some(Self { pem, der, key }))
    }

    /// Writes the key first: a certificate whose key was lost would be trusted for nothing.
    pub(super) fn save(&self, state: &State) -> Result<(), StateError> {
        state.write(KEY, self.key.serialize_pem().as_bytes())?;
        state.write(CERTIFICATE, self.pem.as_bytes())
    }

    /// Whether it may sign for every one of `names` and outlives a leaf made `now`.
    pub(super) fn serves(&self, names: &Names, now: OffsetDateTime) -> bool {
        let Ok((_, certificate)) = X509Certificate::from_der(&self.der) else {
            return false;
        };
        let validity = certificate.validity();
        if validity.not_before.to_datetime() > now
            || validity.not_after.to_datetime() < now + Duration::days(400)
        {
            return false;
        }
        let Some(permitted) = certificate
            .extensions()
            .iter()
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::NameConstraints(found) => found.permitted_subtrees.as_ref(),
                _ => None,
            })
        else {
            return false;
        };
        let permits = |wanted: &dyn Fn(&GeneralName<'_>) -> bool| {
            permitted.iter().any(|subtree| wanted(&subtree.base))
        };
        names.domain().is_none_or(|domain| {
            permits(&|name| matches!(name, GeneralName::DNSName(found) if *found == domain))
        }) && names.addresses().all(|address| {
            let bytes = match address {
                std::net::IpAddr::V4(address) => address.octets().to_vec(),
                std::net::IpAddr::V6(address) => address.octets().to_vec(),
            };
            permits(&|name| {
                matches!(name, GeneralName::IPAddress(found) if found.strip_prefix(&bytes[..])
                    .is_some_and(|mask| mask.len() == bytes.len() && mask.iter().all(|byte| *byte == 255)))
            })
        })
    }

    pub(super) fn issuer(&self) -> Result<Issuer<'static, &KeyPair>, rcgen::Error> {
        Issuer::from_ca_cert_der(&self.der, &self.key)
    }
}

/// Exactly `names`. A kind of name that is not mentioned would be unconstrained, so a hub without a domain excludes every
/// domain, and one without an address every address.
fn constraints(names: &Names) -> NameConstraints {
    let mut permitted = Vec::new();
    let mut excluded = Vec::new();
    match names.domain() {
        Some(domain) => permitted.push(GeneralSubtree::DnsName(domain.to_owned())),
        None => excluded.push(GeneralSubtree::DnsName(String::new())),
    }
    for address in names.addresses() {
        let all_bits = if address.is_ipv4() { 32 } else { 128 };
        permitted.push(GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(
            address, all_bits,
        )));
    }
    if names.addresses().next().is_none() {
        excluded.push(GeneralSubtree::IpAddress(CidrSubnet::V4([0; 4], [0; 4])));
        excluded.push(GeneralSubtree::IpAddress(CidrSubnet::V6([0; 16], [0; 16])));
    }
    NameConstraints {
        permitted_subtrees: permitted,
        excluded_subtrees: excluded,
    }
}
