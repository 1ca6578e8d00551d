use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use rustls::pki_types::{CertificateDer, pem::PemObject};
use tempfile::TempDir;
use time::macros::datetime;

use super::*;

const NOW: OffsetDateTime = datetime!(2026-11-22 12:00 UTC);

fn state() -> (TempDir, State) {
    let base = tempfile::tempdir().unwrap();
    let state = State::open(base.path(), "class").unwrap();
    (base, state)
}

fn names(domain: Option<&str>, addresses: &[&str]) -> Names {
    Names::new(
        domain,
        addresses.iter().map(|text| text.parse::<IpAddr>().unwrap()),
    )
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

fn rustls_accepts(leaf: &Leaf, name: &str) -> bool {
    let authority = der(leaf.authority.as_deref().unwrap());
    chain::verify(&der(&leaf.certificate), &[], &[authority], name, NOW).is_ok()
}

/// `openssl verify`, as strict as it can be.
fn openssl_accepts(folder: &Path, leaf: &Leaf, option: &str, name: &str) -> bool {
    let (ca, server) = (folder.join("verify-ca"), folder.join("verify-leaf"));
    std::fs::write(&ca, leaf.authority.as_deref().unwrap()).unwrap();
    std::fs::write(&server, &leaf.certificate).unwrap();
    Command::new("openssl")
        .args(["verify", "-x509_strict", "-purpose", "sslserver"])
        .args(["-attime", &NOW.unix_timestamp().to_string()])
        .args([option, name, "-CAfile"])
        .args([&ca, &server])
        .output()
        .unwrap()
        .status
        .success()
}

#[test]
fn openssl_and_rustls_accept_every_name_of_the_deployment_and_no_other() {
    for (domain, addresses) in [
        (Some("hub.example.org"), vec!["203.0.113.7", "2001:db8::7"]),
        (Some("Hub.Example.ORG."), vec![]),
        (None, vec!["203.0.113.7"]),
        (None, vec!["2001:db8::7"]),
    ] {
        let (base, state) = state();
        let names = names(domain, &addresses);
        let leaf = ensure(&state, &names, NOW).unwrap();
        assert!(leaf.renewed && leaf.new_authority, "{names:?}");
        for address in &addresses {
            assert!(rustls_accepts(&leaf, address), "{address}");
            assert!(
                openssl_accepts(base.path(), &leaf, "-verify_ip", address),
                "{address}"
            );
        }
        if domain.is_some() {
            assert!(rustls_accepts(&leaf, "hub.example.org"));
            assert!(openssl_accepts(
                base.path(),
                &leaf,
                "-verify_hostname",
                "hub.example.org"
            ));
        }
        assert!(!rustls_accepts(&leaf, "bank.example.com"));
        assert!(!rustls_accepts(&leaf, "198.51.100.1"));
    }
}

/// The point of the constraints: even whoever has the authority's key cannot pose as someone else.
#[test]
fn a_leaf_for_a_foreign_name_is_refused_though_the_authority_signed_it() {
    let (base, _) = state();
    for (ours, foreign, option, name) in [
        (
            names(Some("hub.example.org"), &["203.0.113.7"]),
            names(Some("bank.example.com"), &[]),
            "-verify_hostname",
            "bank.example.com",
        ),
        (
            names(Some("hub.example.org"), &["203.0.113.7"]),
            names(None, &["198.51.100.1"]),
            "-verify_ip",
            "198.51.100.1",
        ),
        (
            names(Some("hub.example.org"), &["203.0.113.7"]),
            names(None, &["2001:db8::1"]),
            "-verify_ip",
            "2001:db8::1",
        ),
        (
            names(None, &["203.0.113.7"]),
            names(Some("bank.example.com"), &[]),
            "-verify_hostname",
            "bank.example.com",
        ),
        (
            names(Some("hub.example.org"), &[]),
            names(None, &["198.51.100.1"]),
            "-verify_ip",
            "198.51.100.1",
        ),
        (
            names(Some("hub.example.org"), &[]),
            names(None, &["2001:db8::1"]),
            "-verify_ip",
            "2001:db8::1",
        ),
    ] {
        let authority = Authority::make("class", &ours, NOW).unwrap();
        let leaf = leaf::issue("class", &authority, &foreign, NOW).unwrap();
        assert!(
            !rustls_accepts(&leaf, name),
            "rustls took {name} from an authority for {ours:?}"
        );
        assert!(
            !openssl_accepts(base.path(), &leaf, option, name),
            "openssl took {name} from an authority for {ours:?}"
        );
    }
}

#[test]
fn a_second_run_changes_nothing() {
    let (_base, state) = state();
    let names = names(Some("hub.example.org"), &["203.0.113.7"]);
    let first = ensure(&state, &names, NOW).unwrap();
    let second = ensure(&state, &names, NOW + time::Duration::days(300)).unwrap();
    assert_eq!(first.certificate, second.certificate);
    assert_eq!(first.key, second.key);
    assert_eq!(first.not_after, second.not_after);
    assert!(!second.renewed && !second.new_authority);
}

#[test]
fn a_leaf_is_renewed_in_its_last_month_by_the_same_authority() {
    let (_base, state) = state();
    let names = names(Some("hub.example.org"), &["203.0.113.7"]);
    let first = ensure(&state, &names, NOW).unwrap();
    let later = NOW + time::Duration::days(336);
    let second = ensure(&state, &names, later).unwrap();
    assert!(second.renewed && !second.new_authority);
    assert_eq!(first.authority, second.authority);
    assert_ne!(first.key, second.key);
    assert!(second.not_after > later + time::Duration::days(364));
}

#[test]
fn an_authority_is_renewed_while_it_outlives_its_leaves() {
    let (_base, state) = state();
    let names = names(None, &["203.0.113.7"]);
    ensure(&state, &names, NOW).unwrap();
    let late = NOW + time::Duration::days(365 * 9);
    assert!(ensure(&state, &names, late).unwrap().new_authority);
}

#[test]
fn another_address_gets_another_authority_and_fewer_names_do_not() {
    let (_base, state) = state();
    let both = names(Some("hub.example.org"), &["203.0.113.7"]);
    let moved = names(Some("hub.example.org"), &["203.0.113.8"]);
    let fewer = names(Some("hub.example.org"), &[]);
    ensure(&state, &both, NOW).unwrap();
    let leaf = ensure(&state, &fewer, NOW).unwrap();
    assert!(leaf.renewed && !leaf.new_authority);
    let leaf = ensure(&state, &moved, NOW).unwrap();
    assert!(leaf.renewed && leaf.new_authority);
    assert!(rustls_accepts(&leaf, "203.0.113.8") && !rustls_accepts(&leaf, "203.0.113.7"));
}

#[test]
fn a_run_killed_between_any_two_files_is_finished_by_the_next() {
    let names = names(Some("hub.example.org"), &["203.0.113.7"]);
    let files = ["ca.key", "ca.pem", "server.key", "server.pem"];
    // In the order they are written, over nothing and over an older generation.
    for older in [false, true] {
        for written in 0..files.len() {
            let (_old_base, old) = state();
            let (_base, state) = state();
            let (_new_base, new) = self::state();
            ensure(&old, &names, NOW).unwrap();
            ensure(&new, &names, NOW).unwrap();
            for (place, file) in files.iter().enumerate() {
                let source = if place < written { &new } else { &old };
                if place < written || older {
                    state
                        .write(file, source.read(file).unwrap().unwrap().as_bytes())
                        .unwrap();
                }
            }
            let leaf = ensure(&state, &names, NOW).unwrap();
            assert!(
                rustls_accepts(&leaf, "hub.example.org"),
                "{written} files written"
            );
            assert!(!ensure(&state, &names, NOW).unwrap().renewed);
        }
    }
}

#[test]
fn damaged_files_are_made_anew_and_all_are_private() {
    use std::os::unix::fs::PermissionsExt;
    let names = names(Some("hub.example.org"), &["203.0.113.7"]);
    for file in ["ca.key", "ca.pem", "server.key", "server.pem"] {
        let (_base, state) = state();
        ensure(&state, &names, NOW).unwrap();
        state
            .write(
                file,
                b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            )
            .unwrap();
        let leaf = ensure(&state, &names, NOW).unwrap();
        assert!(
            leaf.renewed && rustls_accepts(&leaf, "203.0.113.7"),
            "{file}"
        );
        let mode = std::fs::metadata(state.path(file))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
}

#[test]
fn nothing_to_be_for_is_refused() {
    let (_base, state) = state();
    assert!(matches!(
        ensure(&state, &names(None, &[]), NOW),
        Err(TlsError::NoNames)
    ));
}

mod own;
