//! Certificates of the operator's own: what is said of those that browsers would refuse.

use std::fs;

use hubctl::spec::{self, Document};
use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use time::macros::datetime;

/// A certificate for a DNS name, and its key.
pub fn made(name: &str) -> (String, String) {
    made_for(&[name])
}

pub fn made_for(names: &[&str]) -> (String, String) {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(names).unwrap();
    params.not_before = datetime!(2026-11-01 0:00 UTC);
    params.not_after = datetime!(2027-02-01 0:00 UTC);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn authority() -> String {
    let mut params = CertificateParams::new(vec![]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params
        .self_signed(&KeyPair::generate().unwrap())
        .unwrap()
        .pem()
}

/// What is said of a certificate on a day, with the folder's name left out.
fn said(domain: Option<&str>, certificate: &str, key: &str, now: time::OffsetDateTime) -> String {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("hub.pem"), certificate).unwrap();
    fs::write(folder.path().join("hub.key"), key).unwrap();
    let domain = domain.map_or(String::new(), |domain| format!("domain: {domain}\n"));
    let text =
        format!("name: class\n{domain}tls:\n  kind: own\n  certificate: hub.pem\n  key: hub.key\n");
    let document = Document::new("hub.yaml", text, folder.path()).with_now(now);
    match spec::load(&document, None, &[]) {
        Ok(loaded) => loaded
            .warnings
            .iter()
            .map(|warning| format!("warning: {warning}"))
            .collect(),
        Err(problems) => problems.to_string(),
    }
}

#[test]
fn a_certificate_must_be_for_the_hub_valid_and_the_keys() {
    let (certificate, key) = made("hub.example.org");
    let (wildcard, wildcard_key) = made("*.example.org");
    let (both, both_key) = made_for(&["hub.example.org", "192.0.2.7"]);
    let hub = Some("hub.example.org");
    let today = datetime!(2026-11-22 12:00 UTC);
    let authority = authority();
    let chain = format!("{certificate}{authority}");
    let wrong_order = format!("{authority}{certificate}");
    let damaged = certificate.replace(&certificate[40..60], "AAAAAAAAAAAAAAAAAAAA");
    for (domain, certificate, key, now, expected) in [
        (hub, &certificate, &key, today, ""),
        (hub, &chain, &key, today, ""),
        (hub, &wildcard, &wildcard_key, today, ""),
        (None, &both, &both_key, today, ""),
        (
            Some("deep.hub.example.org"),
            &wildcard,
            &wildcard_key,
            today,
            "hub.yaml:5:16: tls.certificate: is for `*.example.org`, not for `deep.hub.example.org`: browsers would refuse it\n    \
             use the certificate made for this name, or change `domain`",
        ),
        (
            None,
            &certificate,
            &key,
            today,
            "warning: hub.yaml:4:16: tls.certificate: is for `hub.example.org`, but without `domain` the hub is reached by its \
             address: browsers will warn\n    set `domain: hub.example.org`",
        ),
        (
            hub,
            &certificate,
            &key,
            datetime!(2027-02-02 0:00 UTC),
            "hub.yaml:5:16: tls.certificate: expired on 2027-02-01\n    \
             have it renewed; `tls.kind: self-signed` serves until then",
        ),
        (
            hub,
            &certificate,
            &key,
            datetime!(2027-01-22 0:00 UTC),
            "warning: hub.yaml:5:16: tls.certificate: expires in 10 days, on 2027-02-01\n    \
             have it renewed; the next `hubctl provision` puts the new one in place",
        ),
        (
            hub,
            &certificate,
            &key,
            datetime!(2026-10-31 0:00 UTC),
            "hub.yaml:5:16: tls.certificate: is valid from 2026-11-01 on, not yet\n    is this machine's clock right?",
        ),
        (
            hub,
            &certificate,
            &wildcard_key,
            today,
            "hub.yaml:6:8: tls.key: does not belong to the certificate\n    \
             use the key that the certificate was requested with",
        ),
        (
            hub,
            &wrong_order,
            &key,
            today,
            "hub.yaml:5:16: tls.certificate: starts with an authority's certificate\n    \
             the hub's own comes first in the file, then the chain up to the authority",
        ),
        (
            hub,
            &damaged,
            &key,
            today,
            "hub.yaml:5:16: tls.certificate: holds a certificate that cannot be read\n    \
             fetch the file again; `openssl x509 -text -in FILE` shows what is in it",
        ),
    ] {
        assert_eq!(said(domain, certificate, key, now), expected);
    }
}
