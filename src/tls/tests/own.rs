//! The operator's own certificates: what is found wrong with each.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};
use time::Duration;

use super::super::own::check;
use super::{NOW, names};
use crate::secret::Secret;
use crate::tls::Names;

struct Made {
    pem: String,
    key: KeyPair,
    params: CertificateParams,
}

fn params(subject: &str, names: &[&str]) -> CertificateParams {
    let mut params =
        CertificateParams::new(names.iter().map(ToString::to_string).collect::<Vec<_>>()).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, subject);
    params.not_before = NOW - Duration::days(1);
    params.not_after = NOW + Duration::days(90);
    params
}

fn authority(subject: &str, signer: Option<&Made>) -> Made {
    let mut params = params(subject, &[]);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    sign(params, signer)
}

fn sign(params: CertificateParams, signer: Option<&Made>) -> Made {
    let key = KeyPair::generate().unwrap();
    let pem = match signer {
        None => params.self_signed(&key).unwrap(),
        Some(signer) => params
            .signed_by(&key, &Issuer::from_params(&signer.params, &signer.key))
            .unwrap(),
    }
    .pem();
    Made { pem, key, params }
}

fn hub() -> Names {
    names(Some("hub.example.org"), &["203.0.113.7"])
}

fn problems(certificate: &str, key: &str, names: &Names) -> Vec<String> {
    match check(certificate, &Secret::new(key), names, NOW) {
        Ok(_) => Vec::new(),
        Err(problems) => problems
            .into_iter()
            .map(|problem| problem.message)
            .collect(),
    }
}

fn warnings(certificate: &str, key: &str) -> Vec<String> {
    check(certificate, &Secret::new(key), &hub(), NOW)
        .unwrap()
        .warnings
        .into_iter()
        .map(|warning| warning.message)
        .collect()
}

#[test]
fn a_full_chain_in_order_is_taken_without_a_word() {
    let root = authority("root", None);
    let middle = authority("middle", Some(&root));
    for name in ["hub.example.org", "*.example.org"] {
        let leaf = sign(params("leaf", &[name]), Some(&middle));
        let chain = format!("{}{}", leaf.pem, middle.pem);
        assert_eq!(warnings(&chain, &leaf.key.serialize_pem()), [""; 0]);
    }
    let leaf = sign(params("leaf", &["hub.example.org"]), Some(&middle));
    let whole = format!("{}{}{}", leaf.pem, middle.pem, root.pem);
    assert_eq!(
        warnings(&whole, &leaf.key.serialize_pem()),
        ["the file holds the root as well"]
    );
    assert_eq!(
        warnings(&leaf.pem, &leaf.key.serialize_pem()),
        ["the file holds no certificate of CN=middle, which signed the server's"]
    );
}

#[test]
fn each_mistake_has_its_message() {
    let root = authority("root", None);
    let stranger = authority("root", None);
    let middle = authority("middle", Some(&root));
    let leaf = sign(params("leaf", &["hub.example.org"]), Some(&middle));
    let key = leaf.key.serialize_pem();
    let wrong_name = sign(
        params("leaf", &["www.example.org", "*.hub.example.org"]),
        Some(&middle),
    );
    let mut late = params("leaf", &["hub.example.org"]);
    late.not_after = NOW - Duration::days(1);
    let late = sign(late, Some(&middle));
    let mut early = params("leaf", &["hub.example.org"]);
    early.not_before = NOW + Duration::days(2);
    let early = sign(early, Some(&middle));
    let mut client = params("leaf", &["hub.example.org"]);
    client.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let client = sign(client, Some(&middle));
    let forged = sign(params("leaf", &["hub.example.org"]), Some(&stranger));
    let table: [(&str, String, String, &[&str]); 11] = [
        (
            "nothing",
            String::new(),
            key.clone(),
            &["the certificate file holds no certificate"],
        ),
        (
            "key in it",
            format!("{}{}{key}", leaf.pem, middle.pem),
            key.clone(),
            &["the certificate file holds a private key"],
        ),
        (
            "other key",
            format!("{}{}", leaf.pem, middle.pem),
            root.key.serialize_pem(),
            &["the key does not belong to the certificate"],
        ),
        (
            "no key",
            leaf.pem.clone(),
            leaf.pem.clone(),
            &["the key file holds no private key"],
        ),
        (
            "locked key",
            leaf.pem.clone(),
            "-----BEGIN ENCRYPTED PRIVATE KEY-----".into(),
            &["the key is protected by a passphrase"],
        ),
        (
            "order",
            format!("{}{}", middle.pem, leaf.pem),
            key.clone(),
            &[
                "the certificates are in the wrong order: the server's is number 2",
                "the certificate is not for hub.example.org: it names none (a common name does not count)",
                "certificate 1 was signed by CN=root, but CN=leaf follows",
            ],
        ),
        (
            "name",
            format!("{}{}", wrong_name.pem, middle.pem),
            wrong_name.key.serialize_pem(),
            &[
                "the certificate is not for hub.example.org: it is for *.hub.example.org, www.example.org",
            ],
        ),
        (
            "late",
            format!("{}{}", late.pem, middle.pem),
            late.key.serialize_pem(),
            &["the certificate of CN=leaf ended on 2026-11-21"],
        ),
        (
            "early",
            format!("{}{}", early.pem, middle.pem),
            early.key.serialize_pem(),
            &["the certificate of CN=leaf begins on 2026-11-24"],
        ),
        (
            "client",
            format!("{}{}", client.pem, middle.pem),
            client.key.serialize_pem(),
            &["the certificate is not meant for servers"],
        ),
        (
            "forged",
            format!("{}{}", forged.pem, root.pem),
            forged.key.serialize_pem(),
            &["a certificate of the chain does not carry the signature of the next"],
        ),
    ];
    for (case, certificate, key, expected) in table {
        assert_eq!(problems(&certificate, &key, &hub()), expected, "{case}");
    }
}

#[test]
fn a_hub_without_a_domain_needs_its_address_in_the_certificate() {
    let mut by_address = params("leaf", &[]);
    by_address.subject_alt_names = vec![SanType::IpAddress("203.0.113.7".parse().unwrap())];
    let by_address = sign(by_address, None);
    let key = by_address.key.serialize_pem();
    assert_eq!(
        problems(&by_address.pem, &key, &names(None, &["203.0.113.7"])),
        [""; 0]
    );
    assert_eq!(
        problems(&by_address.pem, &key, &names(None, &["203.0.113.8"])),
        ["the certificate is not for 203.0.113.8: it is for 203.0.113.7"]
    );
}

#[test]
fn weak_keys_and_signatures_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for (bits, digest, expected) in [
        (
            "1024",
            "-sha256",
            vec![
                "the key is of a kind that cannot be used",
                "the key of CN=leaf is weak: RSA with 1024 bits",
            ],
        ),
        ("2048", "-sha256", vec![]),
    ] {
        let made = std::process::Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                &format!("rsa:{bits}"),
                "-nodes",
                digest,
                "-days",
                "3000",
            ])
            .args([
                "-subj",
                "/CN=leaf",
                "-addext",
                "subjectAltName=DNS:hub.example.org",
            ])
            .arg("-keyout")
            .arg(path("key"))
            .arg("-out")
            .arg(path("pem"))
            .output()
            .unwrap();
        assert!(made.status.success());
        let pem = std::fs::read_to_string(path("pem")).unwrap();
        let key = std::fs::read_to_string(path("key")).unwrap();
        // openssl dates it by the real clock.
        let now = time::OffsetDateTime::now_utc();
        let found = match check(&pem, &Secret::new(key), &hub(), now) {
            Ok(_) => Vec::new(),
            Err(problems) => problems
                .into_iter()
                .map(|problem| problem.message)
                .collect(),
        };
        assert_eq!(found, expected, "{bits} {digest}");
    }
}
