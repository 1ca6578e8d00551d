//! The distribution's packages.

use super::{Runbook, words};
use crate::setup::desired::{Content, Upgrade};
use crate::setup::distribution::Distribution;
use crate::setup::names::UPGRADED;
use crate::setup::step::Action;

impl Runbook<'_> {
    pub(in crate::setup) fn finish_interrupted_packages(&mut self) {
        if self.facts.dpkg_interrupted {
            self.step(
                "finish interrupted package installation",
                "dpkg was ended in the middle of its work",
                Action::Dpkg,
            );
        }
    }

    /// What hub and proxy need when they start, and whom they trust.
    pub(in crate::setup) fn page_packages(&mut self) {
        let needed = self.desired.page_packages.iter();
        let missing: Vec<String> = needed
            .filter(|name| self.is_missing(name))
            .cloned()
            .collect();
        if !missing.is_empty() {
            self.step(
                format!("install {}", missing.join(", ")),
                "hub or proxy starts with it",
                Action::Apt {
                    upgrade: false,
                    install: missing,
                },
            );
        }
        if self.touched.iter().any(|path| path.contains("ca-certificates"))
            || self.plan.steps.iter().any(|step| {
                matches!(&step.action, Action::Remove { path } if path.contains("ca-certificates"))
            })
        {
            self.step(
                "trust further certificate authorities",
                "`host.ca_bundle` changed",
                Action::Run {
                    commands: vec![words(&["update-ca-certificates"])],
                    deadline: 120,
                },
            );
        }
    }

    fn is_missing(&self, package: &str) -> bool {
        !matches!(self.facts.packages.get(package), Some(Some(_)))
    }

    pub(in crate::setup) fn packages(&mut self) {
        let wanted = &self.desired.packages;
        let beside = Distribution::of(&self.facts.os)
            .into_iter()
            .flat_map(|here| here.beside(wanted))
            .map(str::to_owned);
        let missing: Vec<String> = wanted
            .iter()
            .cloned()
            .chain(beside)
            .filter(|name| self.is_missing(name))
            .filter(|name| !self.desired.page_packages.contains(name))
            .collect();
        let upgrade = match self.desired.upgrade {
            Upgrade::Never => false,
            Upgrade::Once => self.file_facts(UPGRADED).is_none(),
            Upgrade::Now => true,
        };
        if !missing.is_empty() || upgrade {
            let asked = if self.desired.upgrade == Upgrade::Now {
                "asked for"
            } else {
                "it was not yet"
            };
            let (name, why) = match (upgrade, missing.is_empty()) {
                (true, true) => ("upgrade the system", asked.to_owned()),
                (true, false) => (
                    "upgrade the system and install packages",
                    format!("missing: {}", missing.join(", ")),
                ),
                (false, _) => (
                    "install packages",
                    format!("missing: {}", missing.join(", ")),
                ),
            };
            self.step(
                name,
                why,
                Action::Apt {
                    upgrade,
                    install: missing,
                },
            );
        }
        if upgrade {
            self.write(
                "note that the system was upgraded",
                "so that the next run need not",
                (UPGRADED, "root", "root", "0644"),
                Content::Text(
                    "Written by hubctl when the system was brought up to date.\n".to_owned(),
                ),
                None,
            );
        }
    }
}
