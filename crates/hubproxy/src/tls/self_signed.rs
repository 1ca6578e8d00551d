//! A self-signed certificate: what is served until the first real one arrives.

use hub_api::proxy::CertificateSource;
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use time::{Duration, OffsetDateTime};

use super::{Certificate, CertificateError};

/// How long it is valid; ACME has long succeeded or somebody has looked.
const LIFETIME: Duration = Duration::days(90);

/// Makes a certificate for `names` with a fresh key.
pub fn self_signed(names: &[String]) -> Result<Certificate, CertificateError> {
    let failed = |error: rcgen::Error| {
        CertificateError::Parse(format!("making a self-signed certificate: {error}"))
    };
    let mut params = CertificateParams::new(names.to_vec()).map_err(failed)?;
    params
        .distinguished_name
        .push(DnType::CommonName, "hubproxy: no certificate yet");
    let now = OffsetDateTime::now_utc();
    params.not_before = now - Duration::hours(1);
    params.not_after = now + LIFETIME;
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = params.self_signed(&key).map_err(failed)?;
    let key = PrivateKeyDer::try_from(key.serialize_der())
        .map_err(|error| CertificateError::Parse(error.to_owned()))?;
    Certificate::new(
        vec![certificate.der().clone()],
        &key,
        CertificateSource::SelfSigned,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_for_the_names_and_addresses_and_not_for_ever() {
        let names = [
            "hub.example.org".to_owned(),
            "192.0.2.7".to_owned(),
            "2001:db8::1".to_owned(),
        ];
        let certificate = self_signed(&names).unwrap();
        assert_eq!(certificate.names(), names);
        let status = certificate.status;
        assert_eq!(status.source, CertificateSource::SelfSigned);
        assert!(status.not_after - status.not_before < Duration::days(91));
    }
}
