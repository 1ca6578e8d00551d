//! Answers to challenges, taken back when the order is over however it ends.

use std::net::IpAddr;
use std::sync::Arc;

use hub_api::proxy;
use instant_acme::{ChallengeType, KeyAuthorization};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::sign::CertifiedKey;

use super::super::Store;
use super::Tokens;

/// Where challenges are answered.
#[derive(Clone, Debug)]
pub(super) struct Responder {
    /// How.
    pub challenge: proxy::Challenge,
    /// HTTP-01.
    pub tokens: Arc<Tokens>,
    /// TLS-ALPN-01.
    pub store: Arc<Store>,
}

/// An answer that stands until it is dropped.
pub(super) struct Standing {
    responder: Responder,
    key: String,
}

impl Responder {
    /// The type of challenge, as the directory calls it.
    pub(super) fn kind(&self) -> ChallengeType {
        match self.challenge {
            proxy::Challenge::Http01 => ChallengeType::Http01,
            proxy::Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
        }
    }

    /// Its name.
    pub(super) fn name(&self) -> &'static str {
        match self.challenge {
            proxy::Challenge::Http01 => "http-01",
            proxy::Challenge::TlsAlpn01 => "tls-alpn-01",
        }
    }

    /// Answers the challenge for `name` from now on.
    pub(super) fn answer(
        &self,
        name: &str,
        token: &str,
        authorization: &KeyAuthorization,
    ) -> Result<Standing, String> {
        let key = match self.challenge {
            proxy::Challenge::Http01 => {
                self.tokens.set(token, authorization.as_str());
                token.to_owned()
            }
            proxy::Challenge::TlsAlpn01 => {
                let sni = server_name(name);
                self.store.set_challenge(
                    &sni,
                    Arc::new(certificate(name, authorization.digest().as_ref())?),
                );
                sni
            }
        };
        Ok(Standing {
            responder: self.clone(),
            key,
        })
    }
}

impl Drop for Standing {
    fn drop(&mut self) {
        match self.responder.challenge {
            proxy::Challenge::Http01 => self.responder.tokens.remove(&self.key),
            proxy::Challenge::TlsAlpn01 => self.responder.store.remove_challenge(&self.key),
        }
    }
}

/// The certificate of RFC 8737: for the name alone, with the digest of the key authorization in an extension.
fn certificate(name: &str, digest: &[u8]) -> Result<CertifiedKey, String> {
    let mut params =
        CertificateParams::new(vec![name.to_owned()]).map_err(|error| error.to_string())?;
    let now = time::OffsetDateTime::now_utc();
    params.not_before = now - time::Duration::hours(1);
    params.not_after = now + time::Duration::days(1);
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let key = KeyPair::generate().map_err(|error| error.to_string())?;
    let certificate = params
        .self_signed(&key)
        .map_err(|error| error.to_string())?;
    let key = PrivateKeyDer::try_from(key.serialize_der())?;
    let key =
        rustls::crypto::ring::sign::any_supported_type(&key).map_err(|error| error.to_string())?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], key))
}

/// What a validator names in its hello: an IP address by its reverse name (RFC 8738).
fn server_name(name: &str) -> String {
    match name.parse::<IpAddr>() {
        Err(_) => name.to_ascii_lowercase(),
        Ok(IpAddr::V4(address)) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        Ok(IpAddr::V6(address)) => {
            let nibbles = address
                .octets()
                .into_iter()
                .rev()
                .flat_map(|byte| [byte & 0xf, byte >> 4]);
            let nibbles: Vec<String> = nibbles.map(|nibble| format!("{nibble:x}")).collect();
            format!("{}.ip6.arpa", nibbles.join("."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn validators_name_addresses_in_reverse() {
        assert_eq!(server_name("Hub.example.org"), "hub.example.org");
        assert_eq!(server_name("192.0.2.7"), "7.2.0.192.in-addr.arpa");
        assert_eq!(
            server_name("2001:db8::1"),
            "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"
        );
    }

    #[test]
    fn the_extension_is_there_and_critical() {
        let certified = certificate("192.0.2.7", &[7; 32]).unwrap();
        let (_, certificate) = x509_parser::parse_x509_certificate(&certified.cert[0]).unwrap();
        let extension = certificate
            .extensions()
            .iter()
            .find(|extension| extension.oid.to_id_string() == "1.3.6.1.5.5.7.1.31");
        let extension = extension.unwrap();
        assert!(extension.critical);
        assert_eq!(&extension.value[2..], [7; 32]);
    }
}
