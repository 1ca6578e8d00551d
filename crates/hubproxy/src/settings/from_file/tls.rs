//! `[tls]`: certificates from files and by ACME.

use std::net::IpAddr;

use hub_api::proxy::{self, Challenge, File};
use url::Url;

use super::files::{absolute, clients, key_files, readable};
use crate::config::Problems;
use crate::settings::{Acme, Tls};

const LETS_ENCRYPT: &str = "https://acme-v02.api.letsencrypt.org/directory";
const LETS_ENCRYPT_STAGING: &str = "https://acme-staging-v02.api.letsencrypt.org/directory";

/// Certificates and how TLS is spoken; none without `[https]`.
pub(super) fn tls(file: &File, problems: &mut Problems) -> Option<Tls> {
    let https = match (&file.https, &file.tls) {
        (Some(https), _) => https,
        (None, Some(_)) => {
            problems.add("tls", "is of no use without [https]");
            return None;
        }
        (None, None) => return None,
    };
    let certificates = file.tls.clone().unwrap_or_default();
    if certificates.files.is_empty() && certificates.acme.is_none() {
        problems.add(
            "https",
            "needs a certificate: write [[tls.files]] or [tls.acme]",
        );
    }
    let files = certificates.files.iter().enumerate();
    let files = files
        .filter_map(|(index, pair)| key_files(&format!("tls.files[{index}]"), pair, problems))
        .collect();
    let acme = certificates
        .acme
        .and_then(|acme| self::acme(acme, file.http.is_some(), problems));
    Some(Tls {
        files,
        acme,
        min_version: https.min_version,
        only_tls12: false,
        http2: https.http2,
        clients: clients(
            "https",
            https.client_certificates,
            https.client_ca.as_deref(),
            problems,
        ),
        hsts: https.hsts.clone(),
    })
}

fn acme(acme: proxy::Acme, has_http: bool, problems: &mut Problems) -> Option<Acme> {
    if acme.names.is_empty() {
        problems.add("tls.acme.names", "needs at least one name or IP address");
    }
    let mut names = Vec::new();
    for name in &acme.names {
        match canonical_name(name) {
            Ok(name) if names.contains(&name) => {
                problems.add("tls.acme.names", format!("{name} is there twice"));
            }
            Ok(name) => names.push(name),
            Err(reason) => problems.add("tls.acme.names", reason),
        }
    }
    absolute("tls.acme.storage", &acme.storage, problems);
    if acme.challenge == Challenge::Http01 && !has_http {
        problems.add(
            "tls.acme.challenge",
            "http-01 needs [http] on port 80: add it, or use tls-alpn-01",
        );
    }
    if acme.staging && acme.directory.is_some() {
        problems.add(
            "tls.acme.staging",
            "is Let's Encrypt's; there is a directory of its own",
        );
    }
    let default = if acme.staging {
        LETS_ENCRYPT_STAGING
    } else {
        LETS_ENCRYPT
    };
    let directory = acme.directory.unwrap_or_else(|| default.to_owned());
    if Url::parse(&directory).map_or(true, |url| url.scheme() != "https" || url.host().is_none()) {
        problems.add(
            "tls.acme.directory",
            format!("\"{directory}\" is no https URL"),
        );
    }
    let contact = acme
        .contact
        .iter()
        .map(|contact| match contact.strip_prefix("mailto:") {
            Some(_) => contact.clone(),
            None => format!("mailto:{contact}"),
        });
    let contact: Vec<String> = contact.collect();
    for address in &contact {
        if !address.contains('@') {
            problems.add("tls.acme.contact", format!("{address} is no mail address"));
        }
    }
    if let Some(ca) = &acme.directory_ca {
        readable("tls.acme.directory_ca", ca, problems);
    }
    Some(Acme {
        directory,
        names,
        contact,
        storage: acme.storage,
        profile: acme.profile,
        challenge: acme.challenge,
        directory_ca: acme.directory_ca,
    })
}

/// A name as certificates have it: lower case; an IP address in its shortest form.
fn canonical_name(name: &str) -> Result<String, String> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    if name.starts_with("*.") {
        return Err(format!(
            "{name}: a wildcard needs the DNS challenge, which is not spoken here; list the names"
        ));
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    if name.len() > 253 || !name.split('.').all(is_label) || !name.contains('.') {
        return Err(format!(
            "\"{name}\" is neither a full domain name nor an IP address"
        ));
    }
    Ok(name.to_ascii_lowercase())
}
