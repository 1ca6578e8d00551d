//! What the host half needs to know: names, addresses, secrets, keys, the certificate, our own programs.

use anyhow::Context as _;
use time::OffsetDateTime;

use super::Deployment;
use crate::command::server;
use crate::event::{Event, Observer};
use crate::infra::{self, Outcome};
use crate::secret::Secret;
use crate::setup::{Locks, Site};
use crate::spec::{self, AuthenticatorKind, HubKind, Spec, TlsKind};
use crate::tls;

impl Deployment<'_> {
    /// What the host half needs to know of the cloud half and of what was generated.
    pub(super) fn site(&mut self, outcome: &Outcome) -> anyhow::Result<Site> {
        let (certificate_pem, key_pem, authority_pem) = match self.certificate(outcome)? {
            Some(leaf) => (leaf.certificate, leaf.key, leaf.authority),
            None => (String::new(), Secret::new(""), None),
        };
        let site = Site {
            public_address: outcome.address,
            domain: self.spec.domain.clone(),
            login: server::login(&self.spec, outcome),
            hostname: outcome.server_name.clone(),
            memory_mb: outcome.memory_mib.unwrap_or(0),
            vcpus: outcome.vcpus.unwrap_or(0),
            data_volume: outcome.volume_id.clone(),
            certificate_pem,
            key_pem,
            authority_pem,
            proxy_token: self.receipt.secret("proxy-token", 32),
            cookie_secret: self.receipt.secret("cookie-secret", 32),
            api_token: self.receipt.secret("api-token", 32),
            oauth_client_secret: self.client_secret()?,
            password_hash: self.notebook_password()?.map(|(_, hash)| hash),
            programs: self.programs.clone(),
            locks: self.locks.clone(),
            operator_keys: self
                .local
                .public_key
                .iter()
                .chain(&self.spec.ssh.authorized_keys)
                .cloned()
                .collect(),
        };
        self.state.write_receipt(&self.receipt)?;
        Ok(site)
    }

    fn names(&self, outcome: &Outcome) -> tls::Names {
        tls::Names::new(self.spec.domain.as_deref(), outcome.addresses())
    }

    /// The certificate that the proxy is given; none where it gets one itself.
    fn certificate(&self, outcome: &Outcome) -> anyhow::Result<Option<tls::Leaf>> {
        let now = OffsetDateTime::now_utc();
        let names = self.names(outcome);
        Ok(match self.spec.tls.kind {
            TlsKind::SelfSigned => Some(tls::ensure(&self.state, &names, now)?),
            TlsKind::Own => Some(self.own_certificate(&names, now)?),
            // The proxy gets its own; a notebook server behind it has one for that proxy.
            TlsKind::Acme | TlsKind::AcmeIp if self.spec.hub.kind == HubKind::Notebook => {
                Some(tls::ensure(&self.state, &names, now)?)
            }
            TlsKind::Acme | TlsKind::AcmeIp | TlsKind::None => None,
        })
    }

    /// The operator's own certificate, checked before it goes anywhere.
    fn own_certificate(
        &self,
        names: &tls::Names,
        now: OffsetDateTime,
    ) -> anyhow::Result<tls::Leaf> {
        let read = |path: &Option<std::path::PathBuf>| {
            let path = path
                .as_deref()
                .context("tls.kind own needs certificate and key")?;
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
        };
        let certificate = read(&self.spec.tls.certificate)?;
        let key = Secret::new(read(&self.spec.tls.key)?);
        let checked =
            tls::own::check(&certificate, &key, names, now).map_err(tls::TlsError::Own)?;
        for warning in checked.warnings {
            self.context.ui.on(Event::Warning {
                message: format!("{}; {}", warning.message, warning.hint),
            });
        }
        Ok(checked.leaf)
    }
}

/// What `render` puts where only the cloud or a real run knows better.
pub(in crate::command) fn placeholder_site(spec: &Spec) -> Site {
    let placeholder = |name: &str| Secret::new(format!("({name})"));
    Site {
        public_address: std::net::Ipv4Addr::new(192, 0, 2, 7).into(),
        domain: spec.domain.clone(),
        login: spec
            .server
            .login
            .clone()
            .unwrap_or_else(|| "debian".to_owned()),
        hostname: infra::tag::name(&spec.name),
        memory_mb: spec::size::needed(&spec.limits),
        vcpus: 2,
        data_volume: spec.volume.as_ref().map(|_| "(volume)".to_owned()),
        certificate_pem: "(certificate)\n".to_owned(),
        key_pem: placeholder("key"),
        authority_pem: Some("(authority)\n".to_owned()),
        proxy_token: placeholder("proxy-token"),
        cookie_secret: placeholder("cookie-secret"),
        api_token: placeholder("api-token"),
        oauth_client_secret: (spec.authenticator.kind != AuthenticatorKind::Pam)
            .then(|| placeholder("oauth-client-secret")),
        password_hash: (spec.hub.kind == HubKind::Notebook).then(|| placeholder("password-hash")),
        operator_keys: spec.ssh.authorized_keys.clone(),
        programs: Vec::new(),
        locks: Locks::default(),
    }
}
