//! The hub as others see it: its name, its certificate, whether it works.

use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::Context as _;

use super::{Deployment, SECOND_SESSION};
use crate::command::way::Way;
use crate::command::{certificate, domain};
use crate::event::{Event, Observer, Silent};
use crate::health::{self, Checking, Endpoint, Part, Trust};
use crate::infra::Outcome;
use crate::setup;
use crate::spec::{AuthenticatorKind, HubKind, Spec, TlsKind};
use crate::state::{Certificate, Receipt, State};
use crate::tls;
use crate::wait::{Probe, Wait};

/// How long a hub may take to answer after a run that changed something.
const STARTED: Duration = Duration::from_secs(60);
/// The same where there was nothing to change: a run that was cut short may have started it a moment ago.
const UNTOUCHED: Duration = Duration::from_secs(20);

impl Deployment<'_> {
    /// Where the hub is for its users, and who vouches for it.
    fn endpoint(&self) -> anyhow::Result<Endpoint> {
        let outcome = self
            .outcome
            .as_ref()
            .context("there is no server to reach the hub on")?;
        let trust = trust_of(&self.spec, &self.state)?;
        let endpoint = Endpoint::new(&self.url(outcome), Some(outcome.address), &trust)?;
        Ok(match self.spec.hub.kind {
            HubKind::Notebook => endpoint.of_notebook(),
            HubKind::Jupyterhub | HubKind::Hubd => endpoint,
        })
    }

    /// The way to the hub for who checks it.
    pub(in crate::command) async fn way(&mut self) -> anyhow::Result<Way> {
        if self.spec.tls.kind != TlsKind::None {
            return Ok(Way::straight(self.endpoint()?));
        }
        let outcome = self
            .outcome
            .clone()
            .context("there is no server to reach the hub on")?;
        let host = self.connect(&outcome, SECOND_SESSION).await?;
        let way = Way::over(&host, &self.url(&outcome)).await?;
        Ok(way.with_notebook(self.spec.hub.kind == HubKind::Notebook))
    }

    /// What users open; where the server alone reaches the hub, what it opens itself.
    pub(in crate::command) fn url(&self, outcome: &Outcome) -> String {
        let place = self.spec.web_place();
        match self.spec.tls.kind {
            TlsKind::None => format!("http://127.0.0.1{place}"),
            _ => url(self.spec.domain.as_deref(), outcome.address, &place),
        }
    }

    /// Says which DNS record to make, where the cloud keeps none for the domain.
    pub(in crate::command) async fn tell_record(&self) {
        if let (Some(domain), Some(outcome)) = (&self.spec.domain, &self.outcome)
            && !self.keeps_record
        {
            domain::tell(self.context, domain, outcome).await;
        }
    }

    /// Before a public certificate authority is asked: whether the domain leads to the server, now that its address is
    /// known. A record that the cloud keeps has a while to spread.
    pub(in crate::command) async fn check_name(&self) -> anyhow::Result<()> {
        match (&self.spec.domain, &self.outcome) {
            (Some(domain), Some(outcome)) if self.wants_public_name() => {
                if self.spec.dns.wait || self.keeps_record {
                    domain::wait(self.context, domain, outcome).await?;
                }
                domain::refuse_elsewhere(domain, outcome).await
            }
            _ => Ok(()),
        }
    }

    /// Waits until the proxy has the certificate it asked for by ACME; where it cannot have it, says why.
    pub(in crate::command) async fn wait_for_certificate(&mut self) -> anyhow::Result<()> {
        if !self.spec.tls.is_acme() || self.has_certificate {
            return Ok(());
        }
        let outcome = self
            .outcome
            .clone()
            .context("there is no server to have a certificate")?;
        let host = self.connect(&outcome, SECOND_SESSION).await?;
        let site = self.site(&outcome)?;
        let desired = setup::desired(&self.spec, &site)?;
        let Some(place) = desired.status else {
            // A proxy that does not say how it stands shows it.
            return certificate::wait_outside(&self.endpoint()?, &*self.context.ui).await;
        };
        certificate::wait(&host, &place, &*self.context.ui).await
    }

    /// Waits until the domain leads to the server, where the spec wants that.
    pub(in crate::command) async fn wait_for_record(&self) -> anyhow::Result<()> {
        match (&self.spec.domain, &self.outcome) {
            (Some(domain), Some(outcome)) if self.spec.dns.wait => {
                domain::wait(self.context, domain, outcome).await
            }
            _ => Ok(()),
        }
    }

    /// A server that was just started has its hub a while after it has SSH, and a hub that was just started is there a while
    /// after its unit is. Whether it is well is for the check to say.
    async fn wait_for_hub(&self, endpoint: &Endpoint, patience: Duration) {
        let wait = Wait::new("the hub to answer", Duration::from_millis(500), patience);
        let look = async || {
            let report = health::light(endpoint, &Silent).await;
            Ok::<_, Infallible>(match report.broken {
                Some(broken)
                    if matches!(broken.part, Part::Connection | Part::Proxy | Part::Hub) =>
                {
                    Probe::Pending(broken.cause)
                }
                _ => Probe::Ready(()),
            })
        };
        let _ = wait.until(&*self.context.ui, look).await;
    }

    /// Looks at the hub as its users see it: as one who computes something, or only whether it answers.
    pub(in crate::command) async fn check(&mut self, as_user: bool) -> anyhow::Result<()> {
        let way = self.way().await?;
        let endpoint = way.endpoint();
        let started = self.start_phase("health");
        self.wait_for_hub(endpoint, if as_user { STARTED } else { UNTOUCHED })
            .await;
        if as_user && let Some((password, _)) = self.notebook_password()? {
            health::full_notebook(endpoint, &password, &*self.context.ui)
                .await
                .healthy()?;
        } else if as_user && self.spec.authenticator.kind != AuthenticatorKind::Pam {
            // Nobody here has a password at the provider: how far it goes is seen without one.
            health::light(endpoint, &*self.context.ui).await.healthy()?;
            self.context.ui.on(Event::Warning {
                message: format!(
                    "people log in at a provider ({}): that was not tried; log in once yourself",
                    self.spec.authenticator.kind.word()
                ),
            });
        } else if as_user {
            let host = self.host.clone().context("no session to the server")?;
            // Its exchange stays open for as long as the user is there: a session of its own.
            let host = host.again(SECOND_SESSION, &*self.context.ui).await?;
            let visitor = health::synthetic(&host, &Checking::of(self.spec.hub.kind)).await?;
            let spawn = Duration::from_secs(u64::from(self.spec.spawner.start_timeout) + 30);
            let report = health::full(
                endpoint,
                &visitor.user,
                &visitor.password,
                spawn,
                &*self.context.ui,
            )
            .await;
            let left = visitor.end().await?;
            if !left.is_empty() {
                self.context.ui.on(Event::Warning {
                    message: format!("of the test user is still there: {}", left.join(", ")),
                });
            }
            report.healthy()?;
        } else {
            health::light(endpoint, &*self.context.ui).await.healthy()?;
        }
        self.finish_phase("health", started);
        Ok(())
    }
}

/// Where a hub is.
pub(in crate::command) fn url(domain: Option<&str>, address: IpAddr, place: &str) -> String {
    match (domain, address) {
        (Some(domain), _) => format!("https://{domain}{place}"),
        (None, IpAddr::V4(address)) => format!("https://{address}{place}"),
        (None, IpAddr::V6(address)) => format!("https://[{address}]{place}"),
    }
}

/// What stands behind the host in the address that users open, as the last provision found it.
pub(in crate::command) fn place_of(receipt: &Receipt) -> String {
    let url = receipt.url.as_deref().filter(|_| receipt.notebook);
    match url.and_then(|url| url::Url::parse(url).ok()) {
        Some(url) => match url.port() {
            Some(port) => format!(":{port}{}", url.path()),
            None => url.path().to_owned(),
        },
        None => "/".to_owned(),
    }
}

/// Whom to believe about the hub, as the spec says it.
pub(in crate::command) fn trust_of(spec: &Spec, state: &State) -> anyhow::Result<Trust> {
    Ok(match (spec.tls.kind, &spec.tls.directory_ca) {
        (TlsKind::SelfSigned, _) => own_authority(state)?,
        (TlsKind::Own | TlsKind::None, _) => Trust::System,
        (TlsKind::Acme | TlsKind::AcmeIp, Some(path)) => Trust::Authority(
            std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?,
        ),
        (TlsKind::Acme | TlsKind::AcmeIp, None) if spec.tls.staging => Trust::Anyone,
        (TlsKind::Acme | TlsKind::AcmeIp, None) => Trust::System,
    })
}

/// Whom to believe about the hub: the deployment's own authority, where this machine has it and the hub uses it.
pub(in crate::command) fn trust(state: &State) -> anyhow::Result<Trust> {
    match state.receipt()?.certificate {
        Certificate::Deployment => {}
        Certificate::Public => return Ok(Trust::System),
        Certificate::Staging => return Ok(Trust::Anyone),
    }
    own_authority(state)
}

fn own_authority(state: &State) -> anyhow::Result<Trust> {
    Ok(state
        .read(tls::AUTHORITY)?
        .map_or(Trust::System, Trust::Authority))
}
