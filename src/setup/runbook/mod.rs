//! What makes each step of [`diff`](super::diff) needed.

mod containers;
mod files;
mod packages;
mod problems;
mod programs;
mod system;
mod takeover;
mod units;

use super::desired::{Content, Desired};
use super::distribution::Distribution;
use super::facts::{Facts, FileFacts};
use super::plan::HostPlan;
use super::step::{Action, Step};

/// A plan in the making.
pub(super) struct Runbook<'a> {
    desired: &'a Desired,
    facts: &'a Facts,
    plan: HostPlan,
    /// Files and folders that the plan changes: what reads them is due.
    touched: Vec<String>,
}

impl<'a> Runbook<'a> {
    pub(in crate::setup) fn new(desired: &'a Desired, facts: &'a Facts) -> Self {
        Self {
            desired,
            facts,
            plan: HostPlan {
                environment: desired.environment.clone(),
                ..HostPlan::default()
            },
            touched: Vec::new(),
        }
    }

    pub(in crate::setup) fn finish(mut self) -> HostPlan {
        let facts = self.facts;
        if let Some(pid) = facts.busy.filter(|_| !self.plan.steps.is_empty()) {
            self.plan.warnings.push(format!(
                "another run is at work on the host (process {pid}); this one waits for it"
            ));
        }
        let os = &facts.os;
        match Distribution::of(os) {
            Some(known) if !known.tested => self.plan.warnings.push(format!(
                "the server runs {}, which is meant to work and is not tested",
                known.title
            )),
            None if Distribution::is_family(&os.id) => self.plan.warnings.push(format!(
                "the server runs {}, which hubctl does not know; it knows {}",
                os.name,
                Distribution::list()
            )),
            _ => {}
        }
        if facts.reboot_required {
            self.plan.warnings.push(
                "the host wants a reboot to finish an upgrade; it ends what users have open"
                    .to_owned(),
            );
        }
        if facts.cloud_init.starts_with("error") {
            self.plan.warnings.push(
                "cloud-init reports an error on the host; `cloud-init status --long` there says which".to_owned(),
            );
        }
        self.plan
    }

    fn step(&mut self, name: impl Into<String>, why: impl Into<String>, action: Action) {
        self.plan.steps.push(Step {
            name: name.into(),
            why: why.into(),
            diff: None,
            lane: None,
            action,
            content: None,
        });
    }

    /// Like [`Self::step`], beside its neighbours of other lanes.
    fn step_in(&mut self, lane: &'static str, name: String, why: String, action: Action) {
        self.step(name, why, action);
        if let Some(step) = self.plan.steps.last_mut() {
            step.lane = Some(lane);
        }
    }

    fn file_facts(&self, path: &str) -> Option<&'a FileFacts> {
        self.facts.files.get(path).and_then(Option::as_ref)
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(ToString::to_string).collect()
}

/// In what a file differs from what it should be.
fn difference(
    found: Option<&FileFacts>,
    content: &Content,
    owner: &str,
    group: &str,
    mode: &str,
) -> Option<String> {
    let Some(found) = found else {
        return Some("absent".to_owned());
    };
    if found.kind != "file" {
        return Some(format!("it is a {}", found.kind));
    }
    if found.sha256.as_deref() != Some(&content.sha256()) {
        return Some("changed".to_owned());
    }
    owner_and_mode(found, owner, group, mode)
}

fn owner_and_mode(found: &FileFacts, owner: &str, group: &str, mode: &str) -> Option<String> {
    if found.owner != owner || found.group != group {
        return Some(format!(
            "owner {}:{} → {owner}:{group}",
            found.owner, found.group
        ));
    }
    (found.mode != mode).then(|| format!("mode {} → {mode}", found.mode))
}
