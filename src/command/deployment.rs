//! A deployment as a run works on it: the spec, what the cloud and the host have of it, and the halves that change them.

mod closing;
mod locks;
mod outside;
mod rotation;
mod secrets;
mod site;

use std::time::{Duration, Instant};

use anyhow::Context as _;
use hub_api::proxy::Status;

use super::Context;
use super::look::look;
use super::{certificate, domain, programs, rotate, server};
use crate::cloud::Cloud;
use crate::event::{Event, Observer};
use crate::host::{Host, HostError};
use crate::infra::{self, Inventory, Local, Outcome};
use crate::key;
use crate::release::Program;
use crate::setup::{self, HostPlan, Locks, Upgrade};
use crate::spec::{Spec, TlsKind};
use crate::state::{Receipt, State};

pub(super) use locks::FILE as LOCKS;
pub(super) use outside::{place_of, trust, trust_of, url};
pub(super) use site::placeholder_site;

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
    /// Which versions were installed.
    locks: Locks,
    /// Whether the proxy was seen with a certificate by ACME and nothing was to be done to it.
    has_certificate: bool,
    host: Option<Host>,
    timings: Vec<(&'static str, f64)>,
    /// Where a run that only looks has its state.
    look: Option<tempfile::TempDir>,
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
        let spec = context.spec()?;
        let state = context.state(&spec.name)?;
        Self::observe(context, spec, state, None).await
    }

    /// The same for a run that only looks: it takes no lock and writes nothing down.
    pub(super) async fn look(context: &'a Context) -> anyhow::Result<Self> {
        let spec = context.spec()?;
        let (state, folder) = look(&context.state_base()?, &spec.name)?;
        Self::observe(context, spec, state, Some(folder)).await
    }

    async fn observe(
        context: &'a Context,
        spec: Spec,
        state: State,
        look: Option<tempfile::TempDir>,
    ) -> anyhow::Result<Self> {
        let started = Instant::now();
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
        if rotate::is_unfinished(&state) {
            context.ui.on(Event::Warning {
                message: "a rotation was cut short: old keys may still get in; `hubctl rotate` goes on with it"
                    .to_owned(),
            });
        }
        let outcome = Outcome::of(&inventory);
        let locks = Locks::load(&locks::place(&spec, &state))?;
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
            locks,
            has_certificate: false,
            host: None,
            timings: Vec::new(),
            look,
        };
        deployment.finish_phase("observe", started);
        Ok(deployment)
    }

    /// The session to the server, where there is one already.
    pub(super) fn host(&self) -> Option<&Host> {
        self.host.as_ref()
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

    /// From when on it may be removed, from now on.
    pub(super) fn expires(&mut self, time: String) {
        self.local.expires = Some(time);
    }

    /// What differs in the cloud. All that stands in the way is refused together.
    ///
    /// What the server will need of this machine is looked for first.
    pub(super) async fn plan_cloud(&mut self) -> anyhow::Result<infra::Plan> {
        self.programs = programs::find(self.context, &self.spec).await?;
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
        let mut news = Vec::new();
        let applied = setup::apply(&host, &work.plan, &*self.context.ui, &mut |folder, lock| {
            news.push((folder.to_owned(), lock));
        })
        .await;
        self.keep(news)?;
        let applied = applied?;
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
        self.keep(setup::unkept_locks(&desired, &facts))?;
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
