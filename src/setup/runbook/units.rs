//! Units: what must start, and what must start again.

use super::Runbook;
use crate::setup::desired::Unit;
use crate::setup::facts::UnitFacts;
use crate::setup::names::{
    APACHE_CONFIGURATION, APACHE_SERVICE, NGINX_CONFIGURATION, NGINX_SERVICE,
};
use crate::setup::step::Action;

impl Runbook<'_> {
    pub(in crate::setup) fn units(&mut self, early: bool) {
        for unit in self.desired.units.iter().filter(|unit| unit.early == early) {
            let none = UnitFacts::default();
            let found = self.facts.units.get(unit.name).unwrap_or(&none);
            let Some((verb, why)) = self.unit_differs(unit, found) else {
                continue;
            };
            let name = match verb {
                "" => format!("reload the definition of {}", unit.name),
                "enable" => format!("start {} at boot", unit.name),
                verb => format!("{verb} {}", unit.name),
            };
            self.step(
                name,
                why,
                Action::Unit {
                    name: unit.name.to_owned(),
                    enable: unit.enable,
                    verb: if verb == "enable" { "" } else { verb }.to_owned(),
                    ready: unit.ready.clone(),
                    deadline: 120,
                },
            );
        }
    }

    /// Ends what other choices left.
    pub(in crate::setup) fn retired_units(&mut self) {
        for name in &self.desired.retired {
            self.retire(name, "another proxy was chosen");
        }
    }

    pub(super) fn retire(&mut self, name: &str, why: &str) {
        if !self.is_there(name) {
            return;
        }
        let (what, path) = if told_to_the_distributions(name).is_some() {
            ("stop", format!("/etc/systemd/system/{name}.d"))
        } else {
            ("stop and remove", format!("/etc/systemd/system/{name}"))
        };
        self.step(
            format!("{what} {name}"),
            why,
            Action::Retire {
                name: name.to_owned(),
                path,
            },
        );
    }

    /// One may run on when its file is gone. A package's that serves something else is not ours to stop.
    pub(super) fn is_there(&self, name: &str) -> bool {
        let Some(unit) = self.facts.units.get(name) else {
            return false;
        };
        match told_to_the_distributions(name) {
            Some(file) => {
                self.file_facts(file).is_some()
                    && (unit.active == "active" || unit.enabled == "enabled")
            }
            None => unit.active == "active" || (!unit.load.is_empty() && unit.load != "not-found"),
        }
    }

    /// What a unit needs, and why. Whether it is due is observed: it started before the newest thing it reads.
    fn unit_differs(&self, unit: &Unit, found: &UnitFacts) -> Option<(&'static str, String)> {
        let touched = unit.reads.iter().find(|path| self.touched.contains(path));
        if unit.verb.is_empty() {
            let why = touched.map(|path| format!("{path} changes")).or(found
                .needs_reload
                .then(|| "its file changed since systemd read it".to_owned()))?;
            return Some(("", why));
        }
        if found.active != "active" {
            let state = if found.result.is_empty() || found.result == "success" {
                found.active.clone()
            } else {
                format!("{}: {}", found.active, found.result)
            };
            let state = if state.is_empty() || found.load == "not-found" {
                "absent".to_owned()
            } else {
                format!("it is {state}")
            };
            // The distribution's package starts its unit, before ours is there for it to read.
            let theirs = !self
                .desired
                .files
                .iter()
                .any(|file| file.path.ends_with(&format!("/{}", unit.name)));
            let verb = if theirs && touched.is_some() {
                "restart"
            } else {
                "start"
            };
            return Some((verb, state));
        }
        if let Some(path) = touched {
            return Some((unit.verb, format!("{path} changes")));
        }
        if found.newest > found.started {
            return Some((
                unit.verb,
                format!("{} changed since it started", found.newest_path),
            ));
        }
        if unit.name == "hubctl-metadata.service" && !self.tables_are_loaded() {
            return Some((unit.verb, "its rules are not loaded".to_owned()));
        }
        if found.needs_reload {
            return Some((
                unit.verb,
                "its file changed since systemd read it".to_owned(),
            ));
        }
        if unit.enable && found.enabled != "enabled" {
            return Some(("enable", format!("it is {}", found.enabled)));
        }
        None
    }

    fn tables_are_loaded(&self) -> bool {
        // Versions of nft print the way of a rejection differently, and counters or handles.
        let rules = |text: &str| -> Vec<String> {
            text.lines()
                .filter_map(|line| line.split_once(" reject"))
                .map(|(rule, _)| rule.trim().to_owned())
                .collect()
        };
        self.desired.nft_tables.iter().all(|(table, wanted)| {
            self.facts
                .nft
                .get(table)
                .and_then(Option::as_deref)
                .is_some_and(|found| rules(found) == rules(wanted))
        })
    }
}

/// Where a package's unit finds what is ours of it. It stays without that, and must not start.
fn told_to_the_distributions(name: &str) -> Option<&'static str> {
    match name {
        NGINX_SERVICE => Some(NGINX_CONFIGURATION),
        APACHE_SERVICE => Some(APACHE_CONFIGURATION),
        _ => None,
    }
}
