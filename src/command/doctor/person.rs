//! The hub as somebody who works there sees it.

use std::time::{Duration, Instant};

use super::why::ask_why;
use super::{Doctor, OUTSIDE};
use crate::doctor::{self, Finding};
use crate::event::{Observer, Silent};
use crate::health::{self, Browser, Checking, Endpoint, Part};
use crate::host::Host;
use crate::setup::Vitals;
use crate::setup::names::NOTEBOOK_ACCOUNT;
use crate::spec::{AuthenticatorKind, HubKind};
use crate::ui::Diagnosis;
use crate::users::{Credentials, credentials};

/// A server of a user's takes no longer to start, where no spec says otherwise; and the hub speaks first.
const SPAWN: u32 = 60;
const LATER: Duration = Duration::from_secs(30);

const INSIDE: [Part; 7] = [
    Part::Login,
    Part::Spawn,
    Part::Notebook,
    Part::Kernel,
    Part::Compute,
    Part::Stop,
    Part::Logout,
];
/// Of one person's notebook server, which runs whether they are there or not.
const ALONE: [Part; 5] = [
    Part::Login,
    Part::Notebook,
    Part::Kernel,
    Part::Compute,
    Part::Logout,
];

impl Doctor<'_> {
    /// The links of somebody who works there.
    pub(super) fn as_user(&self) -> &'static [Part] {
        if self.is_notebook() { &ALONE } else { &INSIDE }
    }

    /// As somebody who works there.
    pub(super) async fn inside(
        &self,
        host: &Host,
        vitals: &Vitals,
        endpoint: &Endpoint,
    ) -> Vec<Finding> {
        match vitals.hub() {
            Some(HubKind::Notebook) => self.alone(host, vitals, endpoint).await,
            _ if self.is_elsewhere(endpoint).await => not_tried(
                &INSIDE,
                "people log in at a provider, which knows nobody for this; log in once yourself",
            ),
            Some(kind) => self.as_visitor(kind, host, vitals, endpoint).await,
            None => no_user(
                self.as_user(),
                0.0,
                &anyhow::anyhow!("no hub is set up on the server"),
            ),
        }
    }

    /// Whether people log in at a provider: as the spec says, else as the hub's login page looks.
    async fn is_elsewhere(&self, endpoint: &Endpoint) -> bool {
        match &self.spec {
            Some(spec) => spec.authenticator.kind != AuthenticatorKind::Pam,
            None => Browser::logs_in_elsewhere(endpoint).await,
        }
    }

    /// As the person whose notebook server it is, where their password is here.
    async fn alone(&self, host: &Host, vitals: &Vitals, endpoint: &Endpoint) -> Vec<Finding> {
        let credentials = match Credentials::load(&self.state) {
            Ok(credentials) => credentials,
            Err(error) => return not_tried(&ALONE, &Diagnosis::of(&error.into()).fault().cause),
        };
        let Some(known) = credentials.of(NOTEBOOK_ACCOUNT) else {
            return not_tried(
                &ALONE,
                &format!(
                    "this machine does not have its password ({})",
                    credentials::FILE
                ),
            );
        };
        let report = health::full_notebook(endpoint, &known.password, &Silent).await;
        let mut findings = seen(&report, &ALONE);
        for finding in &mut findings {
            ask_why(finding, host, vitals, Some(NOTEBOOK_ACCOUNT)).await;
        }
        findings
    }

    /// As a user of its own, who is gone after.
    async fn as_visitor(
        &self,
        kind: HubKind,
        host: &Host,
        vitals: &Vitals,
        endpoint: &Endpoint,
    ) -> Vec<Finding> {
        let started = Instant::now();
        // Its exchange stays open for as long as the user is there: a session of its own.
        let made = async {
            let session = host.again(LATER, &Silent).await?;
            anyhow::Ok(health::synthetic(&session, &Checking::of(kind)).await?)
        };
        let visitor = match made.await {
            Ok(visitor) => visitor,
            Err(error) => return no_user(&INSIDE, started.elapsed().as_secs_f64(), &error),
        };
        let seconds = self
            .spec
            .as_ref()
            .map_or(SPAWN, |spec| spec.spawner.start_timeout);
        let within = Duration::from_secs(u64::from(seconds)) + LATER;
        let (user, password) = (&visitor.user, &visitor.password);
        let report = health::full(endpoint, user, password, within, &Silent).await;
        let mut findings = seen(&report, &INSIDE);
        for finding in &mut findings {
            ask_why(finding, host, vitals, Some(&visitor.user)).await;
        }
        let observer: &dyn Observer = &*self.context.ui;
        match visitor.end().await {
            Ok(left) if left.is_empty() => {}
            Ok(left) => observer.warn(format!(
                "of the test user is still there: {}",
                left.join(", ")
            )),
            Err(error) => observer.warn(format!("the test user was not taken away: {error}")),
        }
        findings
    }
}

/// What a check found of these links. It looks at the hub from outside once more, and that worked a moment ago.
fn seen(report: &health::Report, parts: &[Part]) -> Vec<Finding> {
    match &report.broken {
        Some(broken) if OUTSIDE.contains(&broken.part) => {
            let cause = format!("the hub was there, and then: {broken}");
            let login = Finding::broken(Part::Login, broken.seconds, cause, &broken.hint);
            first_of(parts, login)
        }
        _ => doctor::findings(report, parts),
    }
}

/// No test user could be made to look further.
fn no_user(parts: &[Part], seconds: f64, error: &anyhow::Error) -> Vec<Finding> {
    let mut fault = Diagnosis::of(error).fault();
    fault.cause = format!("no test user could be made: {}", fault.cause);
    first_of(parts, Finding::of(Part::Login, seconds, Err(fault)))
}

/// There is nobody to log in as.
fn not_tried(parts: &[Part], why: &str) -> Vec<Finding> {
    first_of(parts, Finding::untried(Part::Login, why))
}

/// A login beyond which nothing was looked at.
fn first_of(parts: &[Part], login: Finding) -> Vec<Finding> {
    let rest = parts.iter().skip(1);
    std::iter::once(login)
        .chain(rest.map(|part| Finding::skipped(*part, Part::Login)))
        .collect()
}
