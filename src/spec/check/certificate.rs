//! A certificate of the operator's own: whether browsers will take it for this hub.

use std::net::IpAddr;

use time::OffsetDateTime;
use x509_parser::prelude::{GeneralName, ParsedExtension, Pem, X509Certificate};

/// Browsers and teachers both need some notice.
const DAYS_OF_NOTICE: i64 = 21;

/// Something to say: path, message and hint.
pub(super) struct Said {
    /// The hub cannot be served with it; else it is a warning.
    pub(super) refused: bool,
    pub(super) words: (&'static str, String, String),
}

impl Said {
    fn new(
        refused: bool,
        path: &'static str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            refused,
            words: (path, message.into(), hint.into()),
        }
    }
}

const CERTIFICATE: &str = "tls.certificate";

/// Looks at the first certificate of `chain` (PEM): is it for `domain` (where that is known), valid at `now` (where that
/// is), and does `key` belong to it?
pub(super) fn check(
    chain: &str,
    key: Option<&str>,
    domain: Option<Option<&str>>,
    now: Option<OffsetDateTime>,
) -> Vec<Said> {
    let damaged = || {
        Said::new(
            true,
            CERTIFICATE,
            "holds a certificate that cannot be read",
            "fetch the file again; `openssl x509 -text -in FILE` shows what is in it",
        )
    };
    let pems: Result<Vec<Pem>, _> = Pem::iter_from_buffer(chain.as_bytes()).collect();
    let Ok(pems) = pems else {
        return vec![damaged()];
    };
    // A key may stand in the same file; the certificates are what is looked at.
    let Some(first) = pems.iter().find(|pem| pem.label.ends_with("CERTIFICATE")) else {
        return vec![damaged()];
    };
    let Ok(leaf) = first.parse_x509() else {
        return vec![damaged()];
    };
    let mut said = Vec::new();
    if leaf.is_ca() && pems.len() > 1 {
        said.push(Said::new(
            true,
            CERTIFICATE,
            "starts with an authority's certificate",
            "the hub's own comes first in the file, then the chain up to the authority",
        ));
        return said;
    }
    said.extend(domain.and_then(|domain| names(&leaf, domain)));
    said.extend(now.and_then(|now| validity(&leaf, now)));
    said.extend(key.and_then(|key| pair(&leaf, key)));
    said
}

fn names(leaf: &X509Certificate<'_>, domain: Option<&str>) -> Option<Said> {
    let mut names = Vec::new();
    let mut addresses = false;
    for extension in leaf.extensions() {
        if let ParsedExtension::SubjectAlternativeName(alternatives) = extension.parsed_extension()
        {
            for name in &alternatives.general_names {
                match name {
                    GeneralName::DNSName(name) => names.push((*name).to_lowercase()),
                    GeneralName::IPAddress(_) => addresses = true,
                    _ => {}
                }
            }
        }
    }
    let list = match names.as_slice() {
        [] => "no DNS name".to_owned(),
        names => names
            .iter()
            .take(5)
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(", "),
    };
    let Some(domain) = domain.map(|domain| domain.trim_end_matches('.')) else {
        return (!addresses).then(|| {
            Said::new(
                false,
                CERTIFICATE,
                format!("is for {list}, but without `domain` the hub is reached by its address: browsers will warn"),
                match names.iter().find(|name| !name.starts_with('*')) {
                    Some(name) => format!("set `domain: {name}`"),
                    None => "set `domain` to the hub's DNS name".to_owned(),
                },
            )
        });
    };
    let covered = names.iter().any(|name| match name.strip_prefix("*.") {
        Some(parent) => domain
            .split_once('.')
            .is_some_and(|(_, rest)| rest == parent),
        None => name == domain,
    });
    (!covered && domain.parse::<IpAddr>().is_err()).then(|| {
        Said::new(
            true,
            CERTIFICATE,
            format!("is for {list}, not for `{domain}`: browsers would refuse it"),
            "use the certificate made for this name, or change `domain`",
        )
    })
}

fn validity(leaf: &X509Certificate<'_>, now: OffsetDateTime) -> Option<Said> {
    let (from, until) = (
        leaf.validity().not_before.to_datetime(),
        leaf.validity().not_after.to_datetime(),
    );
    if now > until {
        return Some(Said::new(
            true,
            CERTIFICATE,
            format!("expired on {}", until.date()),
            "have it renewed; `tls.kind: self-signed` serves until then",
        ));
    }
    if now < from {
        return Some(Said::new(
            true,
            CERTIFICATE,
            format!("is valid from {} on, not yet", from.date()),
            "is this machine's clock right?",
        ));
    }
    let left = (until - now).whole_days();
    (left < DAYS_OF_NOTICE).then(|| {
        Said::new(
            false,
            CERTIFICATE,
            format!("expires in {left} days, on {}", until.date()),
            "have it renewed; the next `hubctl provision` puts the new one in place",
        )
    })
}

/// Whether the key is the certificate's. Kinds of keys that cannot be read here are let through.
fn pair(leaf: &X509Certificate<'_>, key: &str) -> Option<Said> {
    use rcgen::PublicKeyData;
    let key = rcgen::KeyPair::from_pem(key).ok()?;
    (key.subject_public_key_info() != leaf.public_key().raw).then(|| {
        Said::new(
            true,
            "tls.key",
            "does not belong to the certificate",
            "use the key that the certificate was requested with",
        )
    })
}
