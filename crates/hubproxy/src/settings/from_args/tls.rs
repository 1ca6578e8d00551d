//! Certificates and authorities of the command line.

use std::path::{Path, PathBuf};

use hub_api::proxy::MinVersion;
use secrecy::SecretString;

use crate::cli::Args;
use crate::config::Problems;
use crate::settings::{ClientAuthority, KeyFiles, Tls};

/// The public listener's, if it is to speak TLS.
pub(super) fn public_tls(
    args: &Args,
    passphrase: Option<SecretString>,
    problems: &mut Problems,
) -> Option<Tls> {
    let files = pair(
        "--ssl",
        args.ssl_cert.clone(),
        args.ssl_key.clone(),
        passphrase,
        problems,
    )?;
    Some(Tls {
        files: vec![files],
        acme: None,
        min_version: MinVersion::Tls12,
        only_tls12: false,
        http2: true,
        clients: authority(
            "--ssl",
            args.ssl_request_cert,
            args.ssl_reject_unauthorized,
            args.ssl_ca.clone(),
            problems,
        ),
        hsts: None,
    })
}

/// Certificate and key go together; one alone would fail at each handshake.
pub(super) fn pair(
    option: &str,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    passphrase: Option<SecretString>,
    problems: &mut Problems,
) -> Option<KeyFiles> {
    match (certificate, key) {
        (Some(certificate), Some(key)) => {
            for (file, part) in [(&certificate, "cert"), (&key, "key")] {
                readable(&format!("{option}-{part}"), file, problems);
            }
            problems.note_if_open(&format!("{option}-key"), &key);
            Some(KeyFiles {
                certificate,
                key,
                passphrase,
            })
        }
        (Some(_), None) => {
            problems.add(format!("{option}-cert"), format!("needs {option}-key"));
            None
        }
        (None, Some(_)) => {
            problems.add(format!("{option}-key"), format!("needs {option}-cert"));
            None
        }
        (None, None) => None,
    }
}

/// A certificate that is asked for but not checked is looked at by nobody, so it is not asked for.
pub(super) fn authority(
    option: &str,
    request: bool,
    reject: bool,
    ca: Option<PathBuf>,
    problems: &mut Problems,
) -> ClientAuthority {
    match (request && reject, ca) {
        (false, _) => ClientAuthority::Off,
        (true, Some(ca)) => {
            readable(&format!("{option}-ca"), &ca, problems);
            ClientAuthority::Require(ca)
        }
        (true, None) => {
            problems.add(
                format!("{option}-reject-unauthorized"),
                format!("needs {option}-ca"),
            );
            ClientAuthority::Off
        }
    }
}

fn readable(option: &str, file: &Path, problems: &mut Problems) {
    if let Err(error) = std::fs::File::open(file) {
        problems.add(option, format!("reading {}: {error}", file.display()));
    }
}
