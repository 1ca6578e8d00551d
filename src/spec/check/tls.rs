//! The certificate and other files that are sent to the server.

use std::path::Path;

use super::{Checks, certificate, nearest};
use crate::spec::document;
use crate::spec::model::{ProgramSource, ProxyKind, Source, TlsKind};
use crate::spec::problem::Problem;

/// The end of a name that is of no public DNS (RFC 2606, 6761, 6762, 8375, and ICANN's `internal`).
fn inner(domain: &str) -> Option<&'static str> {
    const ENDS: &[&str] = &[
        "test",
        "example",
        "invalid",
        "localhost",
        "local",
        "internal",
        "home.arpa",
        "lan",
    ];
    let domain = domain.trim_end_matches('.').to_lowercase();
    ENDS.iter()
        .find(|end| domain.ends_with(&format!(".{end}")))
        .copied()
}

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
                (TlsKind::SelfSigned | TlsKind::Acme | TlsKind::AcmeIp | TlsKind::None, true) => {
                    self.problem(
                        path,
                        format!("has no use while `tls.kind` is `{}`", tls.kind.word()),
                        "set `tls.kind: own`, or remove this line",
                    )
                }
                _ => {}
            }
        }
        if tls.is_acme() {
            self.acme();
        } else {
            for (path, given) in [
                ("tls.email", tls.email.is_some()),
                ("tls.staging", tls.staging),
                ("tls.directory", tls.directory.is_some()),
                ("tls.directory_ca", tls.directory_ca.is_some()),
            ] {
                if given {
                    self.problem(
                        path,
                        format!("has no use while `tls.kind` is `{}`", tls.kind.word()),
                        "set `tls.kind: acme`, or remove this line",
                    );
                }
            }
        }
    }

    /// What a certificate by ACME needs, as far as the spec alone shows.
    fn acme(&mut self) {
        let tls = &self.spec.tls;
        let kind = tls.kind.word();
        if self.sound(&["domain"]) {
            match (tls.kind, &self.spec.domain) {
                (TlsKind::Acme, None) => self.problem(
                    "tls.kind",
                    "is `acme`, and there is no `domain` for the certificate to be for",
                    "give the hub's DNS name in `domain`, or set `tls.kind: acme-ip`",
                ),
                (TlsKind::AcmeIp, Some(_)) => self.problem(
                    "tls.kind",
                    "is `acme-ip`, for a hub without a name, and `domain` gives it one",
                    "set `tls.kind: acme`, or remove `domain`",
                ),
                (TlsKind::Acme, Some(domain)) if tls.directory.is_none() => {
                    if let Some(end) = inner(domain) {
                        self.problem(
                            "domain",
                            format!("ends with `.{end}`, for which no public authority gives certificates"),
                            "use a name of the public DNS, a `tls.directory` of your own, or `tls.kind: self-signed`",
                        );
                    }
                }
                _ => {}
            }
        }
        match (&tls.directory, tls.staging, &tls.directory_ca) {
            (Some(_), true, _) => self.problem(
                "tls.staging",
                "is Let's Encrypt's staging directory, and `tls.directory` names another",
                "remove one of the two",
            ),
            (None, _, Some(_)) => self.problem(
                "tls.directory_ca",
                "has no use: `tls.directory` is not set",
                "Let's Encrypt is known to every system; remove this line, or name your directory",
            ),
            _ => {}
        }
        let everyone =
            |source: &Source| matches!(source, Source::Net(net) if net.prefix_len() == 0);
        if tls.directory.is_none()
            && self.sound(&["access.web"])
            && !self.spec.access.web.iter().any(everyone)
        {
            self.problem(
                "access.web",
                format!("closes port 80 to the certificate authority, which asks there for a proof (`tls.kind: {kind}`)"),
                "let everyone in (`[0.0.0.0/0, \"::/0\"]`), or set `tls.kind: self-signed`",
            );
        }
    }

    /// Settings of the proxy that only others have.
    pub(super) fn proxy(&mut self) {
        const TLS_ENDS: &[ProxyKind] = &[
            ProxyKind::Hubproxy,
            ProxyKind::Traefik,
            ProxyKind::Nginx,
            ProxyKind::Apache,
        ];
        const OWN: &[ProxyKind] = &[ProxyKind::Hubproxy];
        const UPLOADS: &[ProxyKind] = &[ProxyKind::Hubproxy, ProxyKind::Nginx, ProxyKind::Apache];
        const TRAEFIK: &[ProxyKind] = &[ProxyKind::Traefik];
        if !self.sound(&["proxy"]) {
            return;
        }
        let kind = self.spec.proxy.kind;
        for (path, kinds) in [
            ("proxy.limits.connections", OWN),
            ("proxy.limits.connections_per_address", OWN),
            ("proxy.limits.login_per_minute", OWN),
            ("proxy.limits.upload_mib", UPLOADS),
            ("proxy.hsts_days", TLS_ENDS),
            ("proxy.access_log", TLS_ENDS),
            ("proxy.drain_seconds", TLS_ENDS),
            ("proxy.source", TRAEFIK),
            ("proxy.release", TRAEFIK),
        ] {
            if self.tree.at(path).is_some() && !kinds.contains(&kind) {
                self.warning(
                    path,
                    format!("has no use while `proxy.kind` is `{}`", kind.word()),
                    format!("set `proxy.kind: {}`, or remove it", kinds[0].word()),
                );
            }
        }
        if self.spec.proxy.source == ProgramSource::Registry && self.spec.proxy.release.is_some() {
            self.warning(
                "proxy.release",
                "has no use while `proxy.source` is `registry`",
                "set `proxy.source: release`, or remove it",
            );
        }
        if let Some(release) = &self.spec.proxy.release {
            for (path, given) in [
                ("proxy.release.url", !release.url.is_empty()),
                ("proxy.release.sha256", !release.sha256.is_empty()),
            ] {
                if !given && self.sound(&[path]) {
                    self.problem(
                        path,
                        "is missing: a release is taken for what it is by its checksum alone",
                        "the releases page has both; without `proxy.release` the one that hubctl knows is taken",
                    );
                }
            }
        }
    }

    /// Files that will be sent must be there, and be what they are named for.
    pub(super) fn files(&mut self) {
        let tls = &self.spec.tls;
        let certificate = self.pem("tls.certificate", tls.certificate.as_deref(), "CERTIFICATE");
        let key = self.pem("tls.key", tls.key.as_deref(), "PRIVATE KEY");
        self.pem(
            "tls.directory_ca",
            tls.directory_ca.as_deref(),
            "CERTIFICATE",
        );
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
