//! What is behind a front, or behind hubproxy where there is no hub, and how it is known that it is the right one.

use serde::Serialize;

use super::super::files::text_file;
use super::super::{ManagedFile, Part, Site, notebook};
use super::public_host;
use crate::setup::SetupError;
use crate::setup::hub::HubPlaces;
use crate::setup::names::FRONT_PORT;
use crate::spec::model::{HubKind, ProxyKind, Spec, TlsKind};
use crate::tls;

/// Authorities that the system knows.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The next hop.
#[derive(Debug, Serialize)]
pub(super) struct Backend {
    /// Without a slash at its end.
    pub(super) url: String,
    /// Where its pages begin.
    pub(super) base: String,
    /// The authorities that its certificate must come from, where it speaks TLS.
    pub(super) authority: Option<String>,
    /// Whether these authorities sign for this server alone, so that the name needs no check beside.
    pub(super) own_authority: bool,
    /// The name or address in its certificate.
    pub(super) name: String,
    /// What the certificate says of whom it is for beside an address, where it has no name: nginx compares no addresses.
    pub(super) subject: Option<String>,
}

impl Backend {
    pub(super) fn of(spec: &Spec, site: &Site) -> Self {
        let host = public_host(site);
        let name = host.trim_matches(['[', ']', '.']).to_lowercase();
        if spec.hub.kind != HubKind::Notebook {
            return Self {
                url: format!("http://127.0.0.1:{FRONT_PORT}"),
                base: "/".to_owned(),
                authority: None,
                own_authority: false,
                name,
                subject: None,
            };
        }
        let own_authority = is_of_own_authority(spec);
        Self {
            url: notebook::url(spec),
            base: spec.hub.base_path(),
            authority: match spec.tls.kind {
                TlsKind::None => None,
                TlsKind::Own => Some(SYSTEM_AUTHORITIES.to_owned()),
                TlsKind::SelfSigned | TlsKind::Acme | TlsKind::AcmeIp => {
                    Some(HubPlaces::of_hub(&spec.hub).authority())
                }
            },
            own_authority,
            name,
            subject: site.domain.is_none().then(|| tls::subject(&spec.name)),
        }
    }
}

/// Whether the deployment's authority signs for the notebook server: for the world, or, where the proxy has a certificate
/// by ACME, for the proxy.
fn is_of_own_authority(spec: &Spec) -> bool {
    matches!(
        spec.tls.kind,
        TlsKind::SelfSigned | TlsKind::Acme | TlsKind::AcmeIp
    )
}

/// The file with the authority that a second hop is checked against, where one is needed.
pub(super) fn authority(spec: &Spec, site: &Site) -> Result<Option<ManagedFile>, SetupError> {
    let alone = spec.proxy.kind == ProxyKind::None;
    if spec.hub.kind != HubKind::Notebook || alone || !is_of_own_authority(spec) {
        return Ok(None);
    }
    let text = site.authority_pem.clone().ok_or_else(|| {
        SetupError::Configuration("a second hop with TLS, and no authority".to_owned())
    })?;
    let path = HubPlaces::of_hub(&spec.hub).authority();
    Ok(Some(text_file(Part::Hub, &path, text)))
}
