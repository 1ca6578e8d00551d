//! `hubctl doctor`: the way of a user, link by link, and what to do about the first that is broken.

mod dns;
mod person;
mod why;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::Context as _;

use super::deployment::{place_of, trust, trust_of, url};
use super::way::Way;
use super::{Context, server};
use crate::cloud::Cloud;
use crate::doctor::{self, Chart, Finding};
use crate::event::{Event, Observer, Silent};
use crate::health::{self, Endpoint, Fault, Part};
use crate::host::Host;
use crate::infra::{self, Inventory, Outcome, door, rule};
use crate::setup::{self, Vitals};
use crate::spec::{HubKind, Spec, TlsKind};
use crate::state::{Receipt, State};
use crate::ui::{Diagnosis, Exit};
use dns::dns;
use why::ask_why;

/// Find out what is broken: from the cloud and the name to a kernel that computes
///
/// Looks at one link after the other, from outside in, names the first that is broken and what to do about it, and leaves
/// out what depends on it. Makes a temporary user who logs in, starts a server and computes, and takes it away again.
/// Changes nothing else, takes no lock, works beside a run. `--output junit` is for CI.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The deployment; default: the spec's
    pub name: Option<String>,
    /// Write JUnit XML to this file, too
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
}

const OUTSIDE: [Part; 4] = [Part::Connection, Part::Certificate, Part::Proxy, Part::Hub];
/// Of a hub that its server alone reaches.
const LOCAL: [Part; 2] = [Part::Proxy, Part::Hub];
pub(super) async fn run(context: &Context, args: &Args) -> anyhow::Result<Exit> {
    let name = context.name(args.name.as_deref())?;
    let has_spec = context.has_spec() && context.outline()?.name.as_ref() == Some(&name);
    let spec = has_spec.then(|| context.spec()).transpose()?;
    let state = context.state_for_reading(&name)?;
    let mut doctor = Doctor {
        receipt: state.receipt()?,
        chart: Chart::new(&name),
        exit: Exit::Health,
        cloud: None,
        exchanges: 0,
        context,
        spec,
        state,
    };
    doctor.examine().await?;
    if let Some(path) = &args.junit {
        let document = doctor::junit::document(&doctor.chart).context("writing JUnit")?;
        std::fs::write(path, document).with_context(|| format!("writing {}", path.display()))?;
    }
    doctor.report()
}

struct Doctor<'a> {
    context: &'a Context,
    spec: Option<Spec>,
    state: State,
    receipt: Receipt,
    chart: Chart,
    /// How to end where something is broken.
    exit: Exit,
    cloud: Option<Cloud>,
    exchanges: usize,
}

/// Forwards what the operator should look at, and nothing else.
struct Warnings<'a>(&'a dyn Observer);

impl Observer for Warnings<'_> {
    fn on(&self, event: Event) {
        if matches!(event, Event::Warning { .. }) {
            self.0.on(event);
        }
    }
}

fn fault(problem: infra::Problem) -> Fault {
    Fault {
        cause: problem.message,
        hint: Some(problem.hint),
    }
}

impl Doctor<'_> {
    async fn examine(&mut self) -> anyhow::Result<()> {
        let inventory = self.cloud().await;
        let (address, closed) = self.way_there(inventory.as_ref()).await?;
        let outcome = inventory.as_ref().and_then(Outcome::of);
        let shut = closed.contains(&22) || address.is_none();
        let (way, host, vitals) = if self.is_on_loopback() {
            self.by_ssh(outcome.as_ref(), shut).await?
        } else {
            let way = address.map(|address| self.endpoint(address, inventory.as_ref()));
            let way = way.transpose()?.map(Way::straight);
            let is_closed = way
                .as_ref()
                .is_some_and(|way| closed.contains(&way.endpoint().port()));
            let (host, vitals) = self
                .by_web(way.as_ref(), is_closed, outcome.as_ref(), shut)
                .await;
            (way, host, vitals)
        };
        if let Some(vitals) = &vitals {
            self.warn(vitals);
        }

        // As a user.
        let blocked = self
            .chart
            .blocked(&[OUTSIDE.as_slice(), &[Part::Ssh, Part::Host]].concat());
        match (blocked, &host, &vitals, &way) {
            (None, Some(host), Some(vitals), Some(way)) => {
                let inside = self.inside(host, vitals, way.endpoint()).await;
                self.tell_all(inside);
            }
            (because, ..) => {
                let because = because.unwrap_or(Part::Ssh);
                let skipped = self.as_user().iter();
                let skipped = skipped.map(|part| Finding::skipped(*part, because));
                self.tell_all(skipped.collect());
            }
        }
        self.exchanges = host.as_ref().map_or(0, Host::exchanges);
        Ok(())
    }

    /// The hub from outside, then the server from inside. What is broken outside is told after the server was asked why.
    async fn by_web(
        &mut self,
        way: Option<&Way>,
        is_closed: bool,
        outcome: Option<&Outcome>,
        shut: bool,
    ) -> (Option<Host>, Option<Vitals>) {
        let mut outside = self.outside(way.map(Way::endpoint), is_closed).await;
        let ask_first = outside
            .iter()
            .any(|finding| matches!(finding.state, doctor::State::Broken { .. }));
        if !ask_first {
            self.tell_all(std::mem::take(&mut outside));
        }
        let (server, host, vitals) = self.server(outcome, shut).await;
        if let (Some(host), Some(vitals)) = (&host, &vitals) {
            for finding in &mut outside {
                ask_why(finding, host, vitals, None).await;
            }
        }
        self.tell_all(outside);
        self.tell_all(server);
        (host, vitals)
    }

    /// The server from inside, then its hub, which nobody but the server reaches.
    async fn by_ssh(
        &mut self,
        outcome: Option<&Outcome>,
        shut: bool,
    ) -> anyhow::Result<(Option<Way>, Option<Host>, Option<Vitals>)> {
        let (server, host, vitals) = self.server(outcome, shut).await;
        self.tell_all(server);
        let (Some(host), Some(vitals)) = (&host, &vitals) else {
            let because = self.chart.blocked(&[Part::Ssh, Part::Host]);
            let because = because.unwrap_or(Part::Ssh);
            self.tell_all(LOCAL.map(|part| Finding::skipped(part, because)).into());
            return Ok((None, host, vitals));
        };
        let url = match &self.spec {
            Some(spec) => format!("http://127.0.0.1{}", spec.web_place()),
            None => self.receipt.url.clone().unwrap_or_default(),
        };
        let way = Way::over(host, &url)
            .await?
            .with_notebook(self.is_notebook());
        let report = health::light(way.endpoint(), &Silent).await;
        let mut findings = doctor::findings(&report, &LOCAL);
        for finding in &mut findings {
            ask_why(finding, host, vitals, None).await;
        }
        self.tell_all(findings);
        Ok((Some(way), Some(host.clone()), Some(vitals.clone())))
    }

    /// Whether the hub is without TLS, so that nobody but its server reaches it.
    fn is_on_loopback(&self) -> bool {
        match &self.spec {
            Some(spec) => spec.tls.kind == TlsKind::None,
            None => self.receipt.is_on_loopback(),
        }
    }

    fn is_notebook(&self) -> bool {
        match &self.spec {
            Some(spec) => spec.hub.kind == HubKind::Notebook,
            None => self.receipt.notebook,
        }
    }

    /// Says what was found of a link, as soon as it is known.
    fn tell(&mut self, finding: Finding) {
        let ui = &self.context.ui;
        if ui.is_json() {
            let mut record = serde_json::json!({"event": "check"});
            if let (Some(record), Ok(serde_json::Value::Object(found))) =
                (record.as_object_mut(), serde_json::to_value(&finding))
            {
                record.extend(found);
            }
            ui.record(&record);
        } else if ui.is_junit() {
            ui.say(&finding.lines().join("\n"));
        } else {
            ui.data(&finding.lines().join("\n"));
        }
        self.chart.findings.push(finding);
    }

    fn tell_all(&mut self, findings: Vec<Finding>) {
        for finding in findings {
            self.tell(finding);
        }
    }

    async fn cloud(&mut self) -> Option<Inventory> {
        let started = Instant::now();
        let looked = async {
            let cloud = self.context.cloud().await?;
            let inventory = infra::observe(&cloud, &self.chart.name).await?;
            anyhow::Ok((cloud, inventory))
        };
        let looked = looked.await;
        let seconds = started.elapsed().as_secs_f64();
        match looked {
            Ok((cloud, inventory)) => {
                let region = cloud
                    .region()
                    .map(|region| format!(", region {region}"))
                    .unwrap_or_default();
                let seen = format!("project {}{region}", cloud.project().name);
                self.tell(Finding::holds(Part::Cloud, seconds, seen));
                self.cloud = Some(cloud);
                Some(inventory)
            }
            Err(error) => {
                let diagnosis = Diagnosis::of(&error);
                self.exit = diagnosis.exit;
                self.tell(Finding::of(Part::Cloud, seconds, Err(diagnosis.fault())));
                None
            }
        }
    }

    /// From the cloud's side: the server, its address, its name, its ports. Gives the address, where there is one that can
    /// lead anywhere, and the ports that are closed.
    async fn way_there(
        &mut self,
        inventory: Option<&Inventory>,
    ) -> anyhow::Result<(Option<IpAddr>, std::collections::BTreeSet<u16>)> {
        let none = std::collections::BTreeSet::new();
        let Some(inventory) = inventory else {
            for part in [Part::Server, Part::Address, Part::Dns, Part::SecurityGroup] {
                self.tell(Finding::skipped(part, Part::Cloud));
            }
            // Whether the hub works can be told all the same, where it was.
            let known = self.receipt.address.as_deref();
            return Ok((known.and_then(|text| text.parse().ok()), none));
        };
        let server = door::server(inventory).map_err(fault);
        let runs = server.is_ok();
        self.tell(Finding::of(Part::Server, 0.0, server));
        if !runs {
            for part in [Part::Address, Part::Dns, Part::SecurityGroup] {
                self.tell(Finding::skipped(part, Part::Server));
            }
            return Ok((None, none));
        }
        let known =
            self.receipt.address.as_deref().filter(|_| {
                self.receipt.server_id.as_deref() == inventory.server().map(|s| &*s.id)
            });
        let address = door::address(inventory, known).map_err(fault);
        let outcome = Outcome::of(inventory).filter(|_| address.is_ok());
        self.tell(Finding::of(Part::Address, 0.0, address));
        match (self.domain(Some(inventory)), &outcome) {
            (Some(_), None) => self.tell(Finding::skipped(Part::Dns, Part::Address)),
            (Some(domain), Some(outcome)) => {
                let started = Instant::now();
                let led = dns(&domain, outcome, inventory).await;
                self.tell(Finding::of(Part::Dns, started.elapsed().as_secs_f64(), led));
            }
            (None, _) => {}
        }
        let wanted = match (&self.spec, &self.cloud) {
            (Some(spec), Some(cloud)) => {
                let operator = server::operator_address(cloud, spec).await?;
                Some(rule::wanted(&spec.access, &spec.web_ports(), operator))
            }
            _ => None,
        };
        let closed = match door::security_group(inventory, wanted.as_ref()) {
            Ok(seen) => {
                self.tell(Finding::holds(Part::SecurityGroup, 0.0, seen));
                none
            }
            Err(closed) => {
                let looked = Err(fault(closed.problem));
                self.tell(Finding::of(Part::SecurityGroup, 0.0, looked));
                closed.ports
            }
        };
        Ok((outcome.map(|outcome| outcome.address), closed))
    }

    /// The name of the hub: the spec's, the cloud's record's, or the one it had.
    fn domain(&self, inventory: Option<&Inventory>) -> Option<String> {
        if let Some(spec) = &self.spec {
            return spec.domain.clone();
        }
        let record = inventory.and_then(|inventory| inventory.recordsets.first());
        if let Some(record) = record {
            return Some(record.name.trim_end_matches('.').to_owned());
        }
        let url = url::Url::parse(self.receipt.url.as_deref()?).ok()?;
        url.domain().map(str::to_owned)
    }

    fn endpoint(&self, address: IpAddr, inventory: Option<&Inventory>) -> anyhow::Result<Endpoint> {
        let trust = match &self.spec {
            Some(spec) => trust_of(spec, &self.state)?,
            None => trust(&self.state)?,
        };
        let place = match &self.spec {
            Some(spec) => spec.web_place(),
            None => place_of(&self.receipt),
        };
        let url = url(self.domain(inventory).as_deref(), address, &place);
        let endpoint = Endpoint::new(&url, Some(address), &trust)?;
        Ok(if self.is_notebook() {
            endpoint.of_notebook()
        } else {
            endpoint
        })
    }

    async fn outside(&self, endpoint: Option<&Endpoint>, closed: bool) -> Vec<Finding> {
        let because = match (endpoint, closed) {
            (Some(endpoint), false) => {
                let report = health::light(endpoint, &Warnings(&*self.context.ui)).await;
                return doctor::findings(&report, &OUTSIDE);
            }
            (Some(_), true) => Some(Part::SecurityGroup),
            (None, _) => self
                .chart
                .blocked(&[Part::Address, Part::Server, Part::Cloud]),
        };
        let because = because.unwrap_or(Part::Address);
        OUTSIDE.map(|part| Finding::skipped(part, because)).to_vec()
    }

    /// The server from inside, by SSH.
    async fn server(
        &self,
        outcome: Option<&Outcome>,
        shut: bool,
    ) -> (Vec<Finding>, Option<Host>, Option<Vitals>) {
        if shut {
            let ways = [
                Part::Address,
                Part::SecurityGroup,
                Part::Server,
                Part::Cloud,
            ];
            let because = self.chart.blocked(&ways).unwrap_or(Part::Address);
            let skipped = [Part::Ssh, Part::Host].map(|part| Finding::skipped(part, because));
            return (skipped.into(), None, None);
        }
        let started = Instant::now();
        let opened = match outcome {
            Some(outcome) => server::visit_server(self.context, &self.state, outcome).await,
            None => server::visit(self.context, &self.chart.name).await,
        };
        let seconds = started.elapsed().as_secs_f64();
        let host = match opened {
            Ok(host) => host,
            Err(error) => {
                let broken = Finding::of(Part::Ssh, seconds, Err(Diagnosis::of(&error).fault()));
                let skipped = Finding::skipped(Part::Host, Part::Ssh);
                return (vec![broken, skipped], None, None);
            }
        };
        let target = host.target();
        let seen = format!("{}@{}", target.login, target.address.ip());
        let ssh = Finding::holds(Part::Ssh, seconds, seen);
        let started = Instant::now();
        let looked = setup::vitals(&host).await;
        let seconds = started.elapsed().as_secs_f64();
        match looked {
            Ok(vitals) => {
                let room = Finding::of(Part::Host, seconds, doctor::host::room(&vitals));
                (vec![ssh, room], Some(host), Some(vitals))
            }
            Err(error) => {
                let error = anyhow::Error::new(error);
                let room = Finding::of(Part::Host, seconds, Err(Diagnosis::of(&error).fault()));
                (vec![ssh, room], Some(host), None)
            }
        }
    }

    /// Units that do not run and broke no link that was looked at.
    fn warn(&self, vitals: &Vitals) {
        let told: Vec<&str> = self
            .chart
            .findings
            .iter()
            .filter_map(|finding| match &finding.state {
                doctor::State::Broken { cause, .. } => Some(cause.as_str()),
                _ => None,
            })
            .collect();
        let observer: &dyn Observer = &*self.context.ui;
        for service in vitals.idle() {
            let words = service.words();
            if !told.iter().any(|cause| cause.contains(&words)) {
                observer.warn(format!("{words}; `hubctl provision` starts it"));
            }
        }
        if vitals.reboot_required {
            observer.warn(
                "the server wants a restart to finish its updates: `hubctl ssh -- sudo systemctl reboot`, when nobody \
                 works",
            );
        }
    }

    fn report(self) -> anyhow::Result<Exit> {
        let broken = self.chart.broken().map(|finding| finding.part);
        let seconds = self.context.started.elapsed().as_secs_f64();
        let ui = &self.context.ui;
        if ui.is_json() {
            ui.record(&serde_json::json!({
                "event": "done",
                "changed": 0,
                "healthy": broken.is_none(),
                "broken": broken,
                "api_calls": self.cloud.as_ref().map_or(0, Cloud::api_calls),
                "ssh_exchanges": self.exchanges,
                "seconds": seconds,
            }));
        } else if ui.is_junit() {
            ui.data(&doctor::junit::document(&self.chart).context("writing JUnit")?);
        } else {
            match broken {
                None if self.chart.has_untried() => ui.say(&format!(
                    "\nevery link that could be tried holds ({seconds:.1} s)"
                )),
                None => ui.say(&format!("\nevery link holds ({seconds:.1} s)")),
                Some(part) => ui.say(&format!(
                    "\nthe first broken link is {} ({seconds:.1} s)",
                    part.name()
                )),
            }
        }
        Ok(match broken {
            None => Exit::Ok,
            Some(Part::Cloud) => self.exit,
            Some(Part::Ssh) => Exit::Ssh,
            Some(_) => Exit::Health,
        })
    }
}
