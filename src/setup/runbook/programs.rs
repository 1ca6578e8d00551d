//! The hub's programs.

use super::Runbook;
use crate::setup::desired::{CONDA_LANE, Content, Download, Venv};
use crate::setup::names::{NODE_ENVIRONMENT, RATTLER_ENVIRONMENT, STAMP, UNFINISHED};
use crate::setup::step::Action;
use crate::setup::{Lock, template};

impl Runbook<'_> {
    pub(in crate::setup) fn uv(&mut self) {
        let uv = &self.desired.uv;
        let needed = self
            .desired
            .venvs
            .iter()
            .any(|venv| self.environment_differs(venv).is_some());
        if needed && self.file_facts(&format!("{}/bin/uv", uv.folder)).is_none() {
            self.step(
                "install uv",
                "absent",
                Action::Uv {
                    folder: uv.folder.to_owned(),
                    requirement: uv.requirement.clone(),
                    index: uv.index.clone(),
                },
            );
        }
    }

    pub(in crate::setup) fn environments(&mut self) {
        for venv in &self.desired.venvs {
            let Some(why) = self.environment_differs(venv) else {
                continue;
            };
            let found = self.facts.venvs.get(venv.folder).and_then(Option::as_ref);
            self.step_in(
                venv.lane,
                format!("install {} into {}", venv.what, venv.folder),
                why,
                Action::Venv {
                    folder: venv.folder.to_owned(),
                    uv: format!("{}/bin/uv", self.desired.uv.folder),
                    requirements: venv.requirements.clone(),
                    system: venv.user_site,
                    fresh: found.is_none(),
                    index: self.desired.uv.index.clone(),
                    links: venv.links.clone(),
                    warm: venv.warm.iter().map(ToString::to_string).collect(),
                    lock: venv.lock.as_ref().map(Lock::text),
                },
            );
            self.touched.push(format!("{}/{STAMP}", venv.folder));
        }
    }

    pub(in crate::setup) fn conda(&mut self) {
        let Some(conda) = &self.desired.conda else {
            return;
        };
        let stamp = self.file_facts(&format!("{}/{STAMP}", conda.folder));
        let kernel = self.file_facts(&format!("{}/kernel.json", conda.kernel));
        let why = match stamp.and_then(|facts| facts.text.as_deref()) {
            None => "absent",
            Some(text) if text != conda.requirements => "other packages are asked for",
            Some(_) if kernel.is_none() => "its kernel is missing",
            Some(_) => return,
        };
        self.step_in(
            CONDA_LANE,
            format!(
                "install packages from {} into {}",
                conda.channel, conda.folder
            ),
            why.to_owned(),
            Action::Conda {
                folder: conda.folder.to_owned(),
                kernel: conda.kernel.to_owned(),
                requirements: conda.requirements.clone(),
                channel: conda.channel.clone(),
                python: format!("{RATTLER_ENVIRONMENT}/bin/python"),
                url: conda.url.clone(),
                sha256: conda.sha256.clone(),
                lock: conda.lock.as_ref().map(Lock::text),
            },
        );
        if let Some(step) = self.plan.steps.last_mut() {
            step.content = Some(Content::Text(template::CONDA.to_owned()));
        }
    }

    fn environment_differs(&self, venv: &Venv) -> Option<String> {
        let Some(found) = self.facts.venvs.get(venv.folder).and_then(Option::as_ref) else {
            return Some("absent".to_owned());
        };
        for (name, version) in &venv.pins {
            match found.packages.get(name) {
                Some(installed) if installed == version => {}
                Some(installed) => return Some(format!("{name} {installed} → {version}")),
                None => return Some(format!("{name} is missing")),
            }
        }
        for (_, link) in &venv.links {
            if self.file_facts(link).is_none() {
                return Some(format!("{link} is missing"));
            }
        }
        let stamp = self.file_facts(&format!("{}/{STAMP}", venv.folder));
        match stamp.and_then(|facts| facts.text.as_deref()) {
            None => Some("an installation was not finished".to_owned()),
            Some(text) if text.starts_with(UNFINISHED) => {
                Some("an installation was not finished".to_owned())
            }
            Some(text) if text != venv.requirements => {
                Some("other packages are asked for".to_owned())
            }
            Some(_) => {
                // Solved for another Python, it is nothing to go by.
                let lock = venv.lock.as_ref().filter(|lock| {
                    let python = lock.python.as_deref().unwrap_or_default();
                    found.python == python || found.python.starts_with(&format!("{python}."))
                })?;
                lock.versions().find_map(|(name, version)| {
                    let installed = found.packages.get(&name);
                    match installed.map(String::as_str) {
                        Some(installed) if installed == version => None,
                        Some(installed) => {
                            Some(format!("{name} {installed} → {version}, as locked"))
                        }
                        None => Some(format!("{name} {version} is missing, which is locked")),
                    }
                })
            }
        }
    }

    pub(in crate::setup) fn proxy(&mut self) {
        self.download();
        self.npm();
    }

    fn download(&mut self) {
        let Some(download) = &self.desired.download else {
            return;
        };
        // Which processor a server has that is not there yet, nobody knows; one that has none of these is a problem.
        let machine = match self.facts.arch.as_str() {
            "" => "x86_64",
            machine => machine,
        };
        let (Some(archive), Some(stamp)) =
            (download.archives.get(machine), download.stamp(machine))
        else {
            return;
        };
        let stamp_file = format!("{}/{}", download.folder, Download::STAMP);
        let found = self
            .file_facts(&stamp_file)
            .and_then(|facts| facts.text.as_deref());
        if found == Some(&stamp) {
            return;
        }
        let why = if found.is_some() {
            "another release is asked for"
        } else {
            "absent"
        };
        self.step_in(
            download.lane,
            format!("install {} into {}", download.what, download.folder),
            why.to_owned(),
            Action::Fetch {
                folder: download.folder.to_owned(),
                member: download.member.to_owned(),
                url: archive.url.clone(),
                sha256: archive.sha256.clone(),
                stamp,
                stamp_file: Download::STAMP.to_owned(),
            },
        );
        self.touched.push(stamp_file);
    }

    fn npm(&mut self) {
        let Some(npm) = &self.desired.npm else {
            return;
        };
        let found = self.facts.npm.get(npm.folder).cloned().flatten();
        if found.as_ref() == Some(&npm.version) {
            return;
        }
        self.step_in(
            npm.lane,
            format!("install {} {}", npm.package, npm.version),
            found.map_or_else(
                || "absent".to_owned(),
                |old| format!("{old} → {}", npm.version),
            ),
            Action::Npm {
                folder: npm.folder.to_owned(),
                package: format!("{}@{}", npm.package, npm.version),
                node: format!("{NODE_ENVIRONMENT}/node"),
                npm: format!("{NODE_ENVIRONMENT}/npm-cli.js"),
                registry: npm.registry.clone(),
            },
        );
        self.touched.push(format!(
            "{}/node_modules/{}/package.json",
            npm.folder, npm.package
        ));
    }
}
