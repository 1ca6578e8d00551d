//! The certificate and other files that are sent to the server.

use std::path::Path;

use super::{Checks, certificate, nearest};
use crate::spec::document;
use crate::spec::model::TlsKind;
use crate::spec::problem::Problem;

impl Checks<'_> {
    pub(super) fn tls(&mut self) {
        if !self.sound(&["tls"]) {
            return;
        }
        let tls = &self.spec.tls;
        let files = [
            (
                "tls.certificate",
                tls.certificate.is_some(),
                "the certificate and its chain",
                "`certificate: hub.pem`",
            ),
            (
                "tls.key",
                tls.key.is_some(),
                "the private key",
                "`key: hub.key`",
            ),
        ];
        for (path, given, what, example) in files {
            match (tls.kind, given) {
                (TlsKind::Own, false) => {
                    let place = nearest(self.tree, "tls.kind");
                    self.problems.push(
                        Problem::new(place, path, "is missing, and `tls.kind` is `own`")
                            .hint(format!("the file with {what}, PEM: {example}")),
                    );
                }
                (TlsKind::SelfSigned, true) => self.problem(
                    path,
                    "has no use while `tls.kind` is `self-signed`",
                    "set `tls.kind: own`, or remove this line",
                ),
                _ => {}
            }
        }
    }

    /// Files that will be sent must be there, and be what they are named for.
    pub(super) fn files(&mut self) {
        let tls = &self.spec.tls;
        let certificate = self.pem("tls.certificate", tls.certificate.as_deref(), "CERTIFICATE");
        let key = self.pem("tls.key", tls.key.as_deref(), "PRIVATE KEY");
        self.pem(
            "host.ca_bundle",
            self.spec.host.ca_bundle.as_deref(),
            "CERTIFICATE",
        );
        if tls.kind != TlsKind::Own || !self.sound(&["tls"]) {
            return;
        }
        let Some(chain) = certificate else {
            return;
        };
        // Where the domain is wrong, whether the certificate is for it cannot be told.
        let domain = self
            .sound(&["domain"])
            .then_some(self.spec.domain.as_deref());
        for said in certificate::check(&chain, key.as_deref(), domain, self.now) {
            let (path, message, hint) = said.words;
            if said.refused {
                self.problem(path, message, hint);
            } else {
                self.warning(path, message, hint);
            }
        }
    }

    /// The content of a PEM file that holds what `label` says, where the spec names one and it is right.
    fn pem(&mut self, path: &str, file: Option<&Path>, label: &str) -> Option<String> {
        let file = file.filter(|_| self.sound(&[path]))?;
        let shown = file.display();
        let what = if label == "CERTIFICATE" {
            "certificate"
        } else {
            "private key"
        };
        let (message, hint) = match document::read(file) {
            Err((message, _)) if message == "does not exist" => (
                format!("is {shown}, which {message}"),
                "paths start beside the file that names them".to_owned(),
            ),
            Err((message, _)) if message.starts_with("is not UTF-8") => (
                format!("is {shown}, which is not in PEM form"),
                format!(
                    "where it is DER, `openssl {} -inform der -in {shown}` prints it as PEM",
                    if label == "CERTIFICATE" {
                        "x509"
                    } else {
                        "pkey"
                    }
                ),
            ),
            Err((message, hint)) => (format!("is {shown}, which {message}"), hint),
            Ok(text) if !text.contains("-----BEGIN ") => (
                format!("is {shown}, which is not in PEM form"),
                format!("a PEM file has a line `-----BEGIN {label}-----`"),
            ),
            Ok(text)
                if text.contains("-----BEGIN ENCRYPTED PRIVATE KEY")
                    || text.contains("Proc-Type: 4,ENCRYPTED") =>
            {
                (
                    format!("is {shown}, a key with a passphrase, which the proxy cannot ask for"),
                    format!("`openssl pkey -in {shown} -out hub.key` writes it without one"),
                )
            }
            Ok(text) => {
                let end = format!("{label}-----");
                if text
                    .lines()
                    .any(|line| line.starts_with("-----BEGIN ") && line.trim_end().ends_with(&end))
                {
                    return Some(text);
                }
                let swapped = path.starts_with("tls.")
                    && (text.contains("PRIVATE KEY-----") || text.contains("CERTIFICATE-----"));
                let hint = if swapped {
                    "are `certificate` and `key` the wrong way round?"
                } else {
                    "is it the right file?"
                };
                (
                    format!("is {shown}, which holds no {what}"),
                    hint.to_owned(),
                )
            }
        };
        self.problem(path, message, hint);
        None
    }
}
