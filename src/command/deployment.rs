//! A deployment as a run works on it: the spec, what the cloud and the host have of it, and the halves that change them.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use hub_api::proxy::Status;
use time::OffsetDateTime;

use super::Context;
use super::certificate;
use super::domain;
use super::server;
use crate::cloud::Cloud;
use crate::event::{Event, Observer};
use crate::health::{self, Checking, Endpoint, Trust};
use crate::host::{Host, HostError};
use crate::infra::{self, Inventory, Local, Outcome};
use crate::key;
use crate::release::{self, Program};
use crate::secret::Secret;
use crate::setup::names::NOTEBOOK_ACCOUNT;
use crate::setup::{self, HostPlan, Site, Upgrade};
use crate::spec::{self, AuthenticatorKind, HubKind, Spec, TlsKind};
use crate::state::{Certificate, Receipt, State};
use crate::tls;
use crate::users::{Credential, Credentials, password};

/// How long a server that is known may take to answer when it is only looked at.
const LOOK: Duration = Duration::from_secs(30);
/// How long a further session to a server that is up may take.
const SECOND_SESSION: Duration = Duration::from_secs(30);

pub(super) struct Deployment<'a> {
    pub(super) context: &'a Context,
    pub(super) spec: Spec,
    pub(super) state: State,
    pub(super) cloud: Cloud,
    pub(super) inventory: Inventory,
    pub(super) outcome: Option<Outcome>,
    /// Whether the server's system is to be brought up to date now.
    pub(super) upgrade: bool,
    receipt: Receipt,
    local: Local,
    /// Whether the cloud keeps the DNS record of the domain.
    keeps_record: bool,
    /// Our own programs for the server, once they are found.
    programs: Vec<Program>,
    /// Whether the proxy was seen with a certificate by ACME and nothing was to be done to it.
    has_certificate: bool,
    host: Option<Host>,
    timings: Vec<(&'static str, f64)>,
}

/// The host half of a plan, and what it was made from.
pub(super) struct HostWork {
    pub(super) plan: HostPlan,
    /// What hubproxy says of itself, or why it says nothing.
    pub(super) proxy: Option<Result<Status, String>>,
}

impl<'a> Deployment<'a> {
    /// Reads the spec, takes the deployment's lock, and looks at what the cloud has of it. Changes nothing.
    pub(super) async fn open(context: &'a Context) -> anyhow::Result<Self> {
        let started = Instant::now();
        let loaded = context.load()?;
        let spec = loaded.spec;
        let state = context.state(&spec.name)?;
        let mut receipt = state.receipt()?;

        context.ui.on(Event::PhaseStarted { phase: "observe" });
        let cloud = context.cloud().await?;
        context.works_on(&cloud, &spec.name);
        remember_project(&mut receipt, &cloud, &spec.name)?;
        let inventory = infra::observe(&cloud, &spec.name).await?;

        let local = Local {
            public_key: Some(key::ensure(&state)?),
            operator_address: server::operator_address(&cloud, &spec).await?,
            host_key: server::injected_host_key(&state, &spec, &inventory)?,
            expires: None,
            machine: None,
        };
        let outcome = Outcome::of(&inventory);
        let mut deployment = Self {
            context,
            spec,
            state,
            cloud,
            inventory,
            outcome,
            upgrade: false,
            receipt,
            local,
            keeps_record: false,
            programs: Vec::new(),
            has_certificate: false,
            host: None,
            timings: Vec::new(),
        };
        deployment.finish_phase("observe", started);
        Ok(deployment)
    }

    fn finish_phase(&mut self, phase: &'static str, started: Instant) {
        let seconds = started.elapsed().as_secs_f64();
        self.timings.push((phase, seconds));
        self.context.ui.on(Event::PhaseFinished { phase, seconds });
    }

    fn start_phase(&self, phase: &'static str) -> Instant {
        self.context.ui.on(Event::PhaseStarted { phase });
        Instant::now()
    }

    /// What differs in the cloud. All that stands in the way is refused together.
    ///
    /// What the server will need of this machine is looked for first.
    pub(super) async fn plan_cloud(&mut self) -> anyhow::Result<infra::Plan> {
        self.programs = programs(&self.spec)?;
        self.local.machine = self.programs.first().map(|program| program.machine.clone());
        let offer = if infra::needs_offer(&self.spec, &self.inventory, &self.local) {
            let block_storage = self.inventory.around.block_storage;
            Some(infra::offer(&self.cloud, block_storage).await?)
        } else {
            None
        };
        let plan = infra::plan(&self.spec, offer.as_ref(), &self.inventory, &self.local)?;
        self.keeps_record = !plan.desired.records.is_empty();
        // A record that is still to be made is looked at once it is.
        if self.wants_public_name()
            && !plan.touches_server()
            && !self.keeps_record
            && !self.spec.dns.wait
            && let (Some(domain), Some(outcome)) = (&self.spec.domain, &self.outcome)
        {
            domain::refuse_elsewhere(domain, outcome).await?;
        }
        Ok(plan)
    }

    /// Whether a public certificate authority has to find the hub by its name.
    fn wants_public_name(&self) -> bool {
        self.spec.tls.kind == TlsKind::Acme && self.spec.tls.directory.is_none()
    }

    /// What differs on the host, where there is one that runs and `cloud` does not make another.
    pub(super) async fn plan_host(
        &mut self,
        cloud: &infra::Plan,
    ) -> anyhow::Result<Option<HostWork>> {
        let Some(outcome) = self.outcome.clone() else {
            return Ok(None);
        };
        if outcome.status != "ACTIVE" || cloud.touches_server() {
            return Ok(None);
        }
        if !server::is_known(&self.state, &self.receipt, &outcome)? {
            return Ok(None);
        }
        match self.observe_host(&outcome, LOOK).await {
            Ok(work) => Ok(Some(work)),
            Err(error) if matches!(error.downcast_ref(), Some(HostError::NeverUp { .. })) => {
                self.context.ui.on(Event::Warning {
                    message: format!("the host could not be looked at: {error}"),
                });
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Carries the cloud half out; returns how many changes it made.
    pub(super) async fn apply_cloud(&mut self, plan: infra::Plan) -> anyhow::Result<usize> {
        if plan.is_empty() {
            return Ok(0);
        }
        let changes = plan.changes.len();
        let started = self.start_phase("cloud");
        let outcome = infra::apply(
            &self.cloud,
            &plan,
            &infra::Pace::default(),
            &*self.context.ui,
        )
        .await?;
        self.outcome = Some(outcome);
        if plan.touches_server() {
            self.host = None;
        }
        self.finish_phase("cloud", started);
        Ok(changes)
    }

    /// Carries the host half out, from `known` where the host was observed already; returns how many steps changed something.
    pub(super) async fn apply_host(&mut self, known: Option<HostWork>) -> anyhow::Result<usize> {
        let outcome = self
            .outcome
            .clone()
            .context("the cloud gave the server no address")?;
        let work = match known {
            Some(work) => work,
            None => self.observe_host(&outcome, server::SSH_DEADLINE).await?,
        };
        if work.plan.is_empty() {
            return Ok(0);
        }
        let host = self.host.clone().context("no session to the server")?;
        let started = self.start_phase("setup");
        let applied = setup::apply(&host, &work.plan, &*self.context.ui).await?;
        self.finish_phase("setup", started);
        Ok(applied.changed)
    }

    /// One exchange: what the host has, against what it should.
    async fn observe_host(
        &mut self,
        outcome: &Outcome,
        within: Duration,
    ) -> anyhow::Result<HostWork> {
        let host = self.connect(outcome, within).await?;
        let started = self.start_phase("host");
        let site = self.site(outcome)?;
        let mut desired = setup::desired(&self.spec, &site)?;
        if self.upgrade {
            desired.upgrade = Upgrade::Now;
        }
        let facts = setup::observe(&host, &desired, &*self.context.ui).await?;
        let plan = setup::diff(&desired, &facts);
        self.finish_phase("host", started);
        let proxy = facts.proxy_status();
        self.has_certificate =
            plan.is_empty() && matches!(&proxy, Some(Ok(status)) if certificate::is_issued(status));
        Ok(HostWork { plan, proxy })
    }

    /// The session to the server, opened on first use.
    async fn connect(&mut self, outcome: &Outcome, within: Duration) -> anyhow::Result<Host> {
        if let Some(host) = &self.host {
            return Ok(host.clone());
        }
        let started = self.start_phase("ssh");
        let host = server::connect(
            self.context,
            &self.cloud,
            &self.spec,
            &self.state,
            &mut self.receipt,
            outcome,
            within,
        )
        .await?;
        self.host = Some(host.clone());
        self.finish_phase("ssh", started);
        Ok(host)
    }

    /// What the host half needs to know of the cloud half and of what was generated.
    fn site(&mut self, outcome: &Outcome) -> anyhow::Result<Site> {
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

    fn url(&self, outcome: &Outcome) -> String {
        url(
            self.spec.domain.as_deref(),
            outcome.address,
            &self.spec.web_place(),
        )
    }

    /// What the authenticator's provider knows this hub by, from where the spec says.
    fn client_secret(&self) -> anyhow::Result<Option<Secret>> {
        let asked = &self.spec.authenticator;
        if asked.kind == AuthenticatorKind::Pam {
            return Ok(None);
        }
        let secret = match (&asked.client_secret_file, &asked.client_secret_env) {
            (Some(path), _) => std::fs::read_to_string(path)
                .with_context(|| format!("reading {}", path.display()))?,
            (None, Some(name)) => std::env::var(name).map_err(|_| {
                anyhow::anyhow!("the variable {name} is not set, in which `authenticator.client_secret_env` says the client's secret is")
            })?,
            (None, None) => String::new(),
        };
        anyhow::ensure!(
            !secret.trim().is_empty(),
            "the client's secret of `authenticator` is empty: name its file in `authenticator.client_secret_file`"
        );
        Ok(Some(Secret::new(secret.trim())))
    }

    /// The password of a notebook server, from the credentials file or made for it, and its hash.
    fn notebook_password(&mut self) -> anyhow::Result<Option<(Secret, Secret)>> {
        if self.spec.hub.kind != HubKind::Notebook {
            return Ok(None);
        }
        let salt = self.receipt.secret("notebook-salt", 16);
        let mut credentials = Credentials::load(&self.state)?;
        let known = credentials
            .of(NOTEBOOK_ACCOUNT)
            .filter(|known| !known.password.reveal().is_empty());
        let password = known.map_or_else(password::generate, |known| known.password.clone());
        credentials.put(Credential {
            url: self
                .outcome
                .as_ref()
                .map(|outcome| self.url(outcome))
                .unwrap_or_default(),
            user: NOTEBOOK_ACCOUNT.to_owned(),
            password: password.clone(),
        });
        credentials.save(&self.state)?;
        let hash = password::jupyter_hash(&password, &salt)?;
        Ok(Some((password, hash)))
    }

    /// Where the hub is, and who vouches for it.
    pub(super) fn endpoint(&self) -> anyhow::Result<Endpoint> {
        let outcome = self
            .outcome
            .as_ref()
            .context("there is no server to reach the hub on")?;
        let trust = match (self.spec.tls.kind, &self.spec.tls.directory_ca) {
            (TlsKind::SelfSigned, _) => own_authority(&self.state)?,
            (TlsKind::Own | TlsKind::None, _) => Trust::System,
            (TlsKind::Acme | TlsKind::AcmeIp, Some(path)) => Trust::Authority(
                std::fs::read_to_string(path)
                    .with_context(|| format!("reading {}", path.display()))?,
            ),
            (TlsKind::Acme | TlsKind::AcmeIp, None) if self.spec.tls.staging => Trust::Anyone,
            (TlsKind::Acme | TlsKind::AcmeIp, None) => Trust::System,
        };
        let endpoint = Endpoint::new(&self.url(outcome), Some(outcome.address), &trust)?;
        Ok(match self.spec.hub.kind {
            HubKind::Notebook => endpoint.of_notebook(),
            HubKind::Jupyterhub | HubKind::Hubd => endpoint,
        })
    }

    /// Says which DNS record to make, where the cloud keeps none for the domain.
    pub(super) async fn tell_record(&self) {
        if let (Some(domain), Some(outcome)) = (&self.spec.domain, &self.outcome)
            && !self.keeps_record
        {
            domain::tell(self.context, domain, outcome).await;
        }
    }

    /// Before a public certificate authority is asked: whether the domain leads to the server, now that its address is
    /// known. A record that the cloud keeps has a while to spread.
    pub(super) async fn check_name(&self) -> anyhow::Result<()> {
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
    pub(super) async fn wait_for_certificate(&mut self) -> anyhow::Result<()> {
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
            return Ok(());
        };
        certificate::wait(&host, &place, &*self.context.ui).await
    }

    /// Waits until the domain leads to the server, where the spec wants that.
    pub(super) async fn wait_for_record(&self) -> anyhow::Result<()> {
        match (&self.spec.domain, &self.outcome) {
            (Some(domain), Some(outcome)) if self.spec.dns.wait => {
                domain::wait(self.context, domain, outcome).await
            }
            _ => Ok(()),
        }
    }

    /// Looks at the hub from outside: as a user who computes something, or only whether it answers.
    pub(super) async fn check(&mut self, as_user: bool) -> anyhow::Result<()> {
        if self.spec.tls.kind == TlsKind::None {
            self.context.ui.on(Event::Warning {
                message: "the hub is on the server's loopback device alone and is not checked from here; `hubctl tunnel` leads to it".to_owned(),
            });
            return Ok(());
        }
        let endpoint = self.endpoint()?;
        let started = self.start_phase("health");
        if as_user && let Some((password, _)) = self.notebook_password()? {
            health::full_notebook(&endpoint, &password, &*self.context.ui)
                .await
                .healthy()?;
        } else if as_user {
            let host = self.host.clone().context("no session to the server")?;
            // Its exchange stays open for as long as the user is there: a session of its own.
            let host = host.again(SECOND_SESSION, &*self.context.ui).await?;
            let visitor = health::synthetic(&host, &Checking::of(self.spec.hub.kind)).await?;
            let spawn = Duration::from_secs(u64::from(self.spec.spawner.start_timeout) + 30);
            let report = health::full(
                &endpoint,
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
            health::light(&endpoint, &*self.context.ui)
                .await
                .healthy()?;
        }
        self.finish_phase("health", started);
        Ok(())
    }

    /// The closing words: where it is, what to do next, what took how long.
    pub(super) fn report(&mut self, changed: usize) -> anyhow::Result<()> {
        let url = match self.spec.tls.kind {
            TlsKind::None => "http://127.0.0.1/".to_owned(),
            _ => self.endpoint()?.url().to_string(),
        };
        self.receipt.url = Some(url.clone());
        self.receipt.notebook = self.spec.hub.kind == HubKind::Notebook;
        self.receipt.certificate = match self.spec.tls.kind {
            TlsKind::SelfSigned => Certificate::Deployment,
            _ if self.spec.tls.staging => Certificate::Staging,
            _ => Certificate::Public,
        };
        self.state.write_receipt(&self.receipt)?;
        let seconds = self.context.started.elapsed().as_secs_f64();
        let ui = &self.context.ui;
        if ui.is_json() {
            ui.record(&serde_json::json!({
                "event": "done",
                "changed": changed,
                "api_calls": self.cloud.api_calls(),
                "ssh_exchanges": self.host.as_ref().map_or(0, Host::exchanges),
                "seconds": seconds,
                "url": url,
            }));
            return Ok(());
        }
        let table = self
            .timings
            .iter()
            .map(|(phase, seconds)| format!("{phase} {seconds:.1} s"))
            .collect::<Vec<_>>()
            .join(", ");
        let what = match changed {
            0 => "nothing to do".to_owned(),
            1 => "1 change".to_owned(),
            n => format!("{n} changes"),
        };
        ui.say(&format!("\n{what} in {seconds:.1} s ({table})"));
        ui.data(&url);
        Ok(())
    }
}

/// Where a hub is.
pub(super) fn url(domain: Option<&str>, address: IpAddr, place: &str) -> String {
    match (domain, address) {
        (Some(domain), _) => format!("https://{domain}{place}"),
        (None, IpAddr::V4(address)) => format!("https://{address}{place}"),
        (None, IpAddr::V6(address)) => format!("https://[{address}]{place}"),
    }
}

/// Our own programs that the spec puts on the server, from where this machine has them.
pub(super) fn programs(spec: &Spec) -> anyhow::Result<Vec<Program>> {
    let hubctl = std::env::current_exe().ok();
    let folders = release::folders(spec.release.source.as_deref(), hubctl.as_deref());
    setup::programs(spec)
        .into_iter()
        .map(|name| Ok(Program::find(name, &folders)?))
        .collect()
}

/// Whom to believe about the hub: the deployment's own authority, where this machine has it and the hub uses it.
pub(super) fn trust(state: &State) -> anyhow::Result<Trust> {
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

/// What `render` puts where only the cloud or a real run knows better.
pub(super) fn placeholder_site(spec: &Spec) -> Site {
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
    }
}

/// Notices a deployment of this name that lives in another project: its keys must not be mixed with ours.
fn remember_project(receipt: &mut Receipt, cloud: &Cloud, name: &str) -> anyhow::Result<()> {
    let project = cloud.project().id;
    if receipt.project_id.is_empty() {
        receipt.project_id = project;
        receipt.region = cloud.region().map(str::to_owned);
    }
    anyhow::ensure!(
        receipt.project_id == cloud.project().id,
        "{name} was made in another project ({}); choose that one with --os-cloud, or another name",
        receipt.project_id
    );
    Ok(())
}
