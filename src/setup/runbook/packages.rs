//! The distribution's packages.

use super::{Runbook, words};
use crate::setup::desired::{Content, Upgrade};
use crate::setup::names::UPGRADED;
use crate::setup::step::Action;

/// The package with the certificates of those whom all trust.
const AUTHORITIES: &str = "ca-certificates";

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

    /// Whom the host trusts: hub and proxy read it when they start.
    pub(in crate::setup) fn authorities(&mut self) {
        if self.desired.page_first && self.is_missing(AUTHORITIES) {
            self.step(
                format!("install {AUTHORITIES}"),
                "absent",
                Action::Apt {
                    upgrade: false,
                    install: vec![AUTHORITIES.to_owned()],
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
        let missing: Vec<String> = self
            .desired
            .packages
            .iter()
            .filter(|name| self.is_missing(name))
            .filter(|name| !(self.desired.page_first && *name == AUTHORITIES))
            .cloned()
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
