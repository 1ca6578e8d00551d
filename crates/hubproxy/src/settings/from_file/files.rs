//! Files that the configuration names, and secrets in them.

use std::path::Path;

use hub_api::proxy::{self, ClientCertificates, Listen};
use secrecy::SecretString;

use crate::config::Problems;
use crate::settings::{Address, ClientAuthority, KeyFiles};

pub(super) fn clients(
    section: &str,
    wanted: ClientCertificates,
    ca: Option<&Path>,
    problems: &mut Problems,
) -> ClientAuthority {
    let path = format!("{section}.client_ca");
    if let Some(ca) = ca {
        readable(&path, ca, problems);
    }
    match (wanted, ca) {
        (ClientCertificates::Off, _) => ClientAuthority::Off,
        (ClientCertificates::Request, Some(ca)) => ClientAuthority::Request(ca.to_owned()),
        (ClientCertificates::Require, Some(ca)) => ClientAuthority::Require(ca.to_owned()),
        (_, None) => {
            problems.add(path, "is missing: who signs the certificates?");
            ClientAuthority::Off
        }
    }
}

pub(super) fn key_files(
    path: &str,
    pair: &proxy::KeyPair,
    problems: &mut Problems,
) -> Option<KeyFiles> {
    readable(&format!("{path}.certificate"), &pair.certificate, problems);
    readable(&format!("{path}.key"), &pair.key, problems);
    problems.note_if_open(&format!("{path}.key"), &pair.key);
    let passphrase = match &pair.key_passphrase_file {
        Some(file) => Some(secret(
            &format!("{path}.key_passphrase_file"),
            file,
            problems,
        )?),
        None => None,
    };
    Some(KeyFiles {
        certificate: pair.certificate.clone(),
        key: pair.key.clone(),
        passphrase,
    })
}

pub(super) fn with_mode(listen: Listen, mode: u32) -> Address {
    match listen {
        Listen::Tcp(address) => Address::Tcp(address),
        Listen::Unix(path) => Address::Unix {
            path,
            mode: Some(mode),
        },
    }
}

/// Reads a secret from its file, without one trailing newline.
pub(super) fn secret(path: &str, file: &Path, problems: &mut Problems) -> Option<SecretString> {
    problems.note_if_open(path, file);
    match std::fs::read_to_string(file) {
        Ok(text) => {
            let text = text.strip_suffix('\n').unwrap_or(&text);
            if text.is_empty() || text.chars().any(char::is_control) {
                problems.add(path, format!("{} must hold one line", file.display()));
                return None;
            }
            Some(SecretString::from(text.to_owned()))
        }
        Err(error) => {
            problems.add(path, format!("reading {}: {error}", file.display()));
            None
        }
    }
}

pub(super) fn readable(path: &str, file: &Path, problems: &mut Problems) {
    if let Err(error) = std::fs::File::open(file) {
        problems.add(path, format!("reading {}: {error}", file.display()));
    }
}

pub(super) fn absolute(path: &str, file: &Path, problems: &mut Problems) {
    if !file.is_absolute() {
        problems.add(path, format!("{} is not an absolute path", file.display()));
    }
}
