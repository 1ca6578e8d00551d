//! What makes each step of [`diff`](super::diff) needed.

use super::desired::{Content, Desired, ManagedFile, Part, Unit, Upgrade};
use super::edit::edited;
use super::facts::{Facts, FileFacts, UnitFacts};
use super::names::{NODE_ENVIRONMENT, SSH_GROUP, SSH_GUARD, STAMP, UPGRADED};
use super::plan::{HostPlan, Problem, unified};
use super::step::{Action, Step};

/// A plan in the making.
pub(super) struct Runbook<'a> {
    desired: &'a Desired,
    facts: &'a Facts,
    plan: HostPlan,
    /// Files and folders that the plan changes: what reads them is due.
    touched: Vec<String>,
}

/// Below this much free disk an installation is not begun.
const DISK_NEEDED_MB: u64 = 2048;

/// A volume that was grown has at least so much more than its file system: volumes grow by whole GiB.
const GROWTH_WORTHWHILE: u64 = 64 << 20;

impl<'a> Runbook<'a> {
    pub(super) fn new(desired: &'a Desired, facts: &'a Facts) -> Self {
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

    pub(super) fn finish(mut self) -> HostPlan {
        let facts = self.facts;
        if let Some(pid) = facts.busy.filter(|_| !self.plan.steps.is_empty()) {
            self.plan.warnings.push(format!(
                "another run is at work on the host (process {pid}); this one waits for it"
            ));
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

    // --- problems ---

    pub(super) fn look_for_problems(&mut self) {
        for holder in &self.facts.ports {
            if holder.unit.as_deref() != Some("jupyterhub-proxy.service") {
                let unit = holder.unit.as_deref().unwrap_or("no unit");
                self.plan.problems.push(Problem {
                    message: format!(
                        "port {} is taken by {} (process {}, {unit})",
                        holder.port, holder.process, holder.pid
                    ),
                    hint: Some(format!(
                        "stop it on the server: `sudo systemctl disable --now {unit}`; the hub needs ports 80 and 443"
                    )),
                });
            }
        }
        if let Some(volume) = &self.facts.volume {
            if !volume.present {
                self.plan.problems.push(Problem {
                    message: format!("the data volume {} is not on the server", volume.device),
                    hint: Some(
                        "is it attached? `openstack server volume list` shows it".to_owned(),
                    ),
                });
            } else if !volume.empty && volume.kind.as_deref() != Some("ext4") {
                self.plan.problems.push(Problem {
                    message: format!(
                        "the data volume {} holds something else than homes ({}); it is not formatted",
                        volume.device,
                        volume.kind.as_deref().unwrap_or("not a file system")
                    ),
                    hint: Some("use another volume, or empty this one yourself: `sudo wipefs --all`".to_owned()),
                });
            }
            if let Some(other) = self
                .facts
                .home_mount
                .as_ref()
                .filter(|_| !self.volume_is_home())
            {
                self.plan.problems.push(Problem {
                    message: format!("/home is a file system of its own already ({other})"),
                    hint: Some("leave `volume` out of hub.yaml, or unmount it".to_owned()),
                });
            }
        }
        let installed = self.facts.venvs.values().any(Option::is_some);
        if !installed && self.facts.disk_free_mb < DISK_NEEDED_MB {
            self.plan.problems.push(Problem {
                message: format!(
                    "{} MB are free on the server's disk; the hub needs {DISK_NEEDED_MB}",
                    self.facts.disk_free_mb
                ),
                hint: Some("`server.boot_volume` gives the server a larger disk".to_owned()),
            });
        }
    }

    fn volume_is_home(&self) -> bool {
        self.facts
            .volume
            .as_ref()
            .is_some_and(|volume| volume.mounted.iter().any(|place| place == "/home"))
    }

    // --- packages ---

    pub(super) fn finish_interrupted_packages(&mut self) {
        if self.facts.dpkg_interrupted {
            self.step(
                "finish interrupted package installation",
                "dpkg was ended in the middle of its work",
                Action::Dpkg,
            );
        }
    }

    pub(super) fn packages(&mut self) {
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
        let missing: Vec<String> = self
            .desired
            .packages
            .iter()
            .filter(|name| !matches!(self.facts.packages.get(*name), Some(Some(_))))
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

    // --- the system ---

    pub(super) fn data_volume(&mut self) {
        let Some(volume) = &self.facts.volume else {
            return;
        };
        if volume.present && !self.volume_is_home() {
            let (name, why) = if volume.empty {
                (
                    "format the data volume and mount it at /home",
                    "it is empty",
                )
            } else {
                ("mount the data volume at /home", "it is not mounted")
            };
            self.step(
                name,
                why,
                Action::Volume {
                    device: volume.device.clone(),
                    format: volume.empty,
                },
            );
        }
        let unused = volume
            .size
            .saturating_sub(volume.used.unwrap_or(volume.size));
        if self.volume_is_home() && unused >= GROWTH_WORTHWHILE {
            self.step(
                "grow the homes' file system to its volume",
                format!("{} MB of it are not used", unused >> 20),
                Action::Run {
                    commands: vec![words(&["resize2fs", &volume.device])],
                    deadline: 1800,
                },
            );
        }
    }

    pub(super) fn swap(&mut self) {
        let Some(size_mb) = self.desired.swap_mb else {
            return;
        };
        if self.facts.swap_kb == 0 && !self.facts.container {
            self.step(
                "make a swap file",
                format!("{} MB of memory", self.facts.memory_kb / 1024),
                Action::Swap {
                    path: "/swapfile".to_owned(),
                    size_mb,
                },
            );
        }
    }

    pub(super) fn timezone(&mut self) {
        let Some(zone) = &self.desired.timezone else {
            return;
        };
        if *zone != self.facts.timezone {
            self.step(
                "set the time zone",
                format!("{} → {zone}", self.facts.timezone),
                Action::Run {
                    commands: vec![words(&["timedatectl", "set-timezone", zone])],
                    deadline: 60,
                },
            );
        }
    }

    pub(super) fn edits(&mut self) {
        for edit in &self.desired.edits {
            let found = self.file_facts(&edit.path);
            let old = found
                .and_then(|facts| facts.text.as_deref())
                .unwrap_or_default();
            let new = edited(old, &edit.kind);
            // A distribution without the file does not read it either.
            let optional = edit.path != "/etc/hosts" && !edit.path.ends_with("authorized_keys");
            if old == new || optional && found.is_none() {
                continue;
            }
            let (owner, group, mode) = found.map_or(
                (edit.owner.as_str(), edit.owner.as_str(), edit.mode),
                |facts| (&*facts.owner, &*facts.group, &*facts.mode),
            );
            let diff = unified(&edit.path, old, &new);
            self.write(
                format!("edit {}", edit.path),
                edit.why,
                (&edit.path, owner, group, mode),
                Content::Text(new),
                Some(diff),
            );
        }
    }

    pub(super) fn groups_and_accounts(&mut self) {
        for name in &self.desired.groups {
            if !matches!(self.facts.groups.get(*name), Some(Some(_))) {
                self.step(
                    format!("make the group {name}"),
                    "absent",
                    Action::Group {
                        name: (*name).to_owned(),
                    },
                );
            }
        }
        for name in &self.desired.accounts {
            if !matches!(self.facts.accounts.get(*name), Some(Some(_))) {
                self.step(
                    format!("make the system account {name}"),
                    "absent",
                    Action::Account {
                        name: (*name).to_owned(),
                        home: "/nonexistent".to_owned(),
                    },
                );
            }
        }
    }

    pub(super) fn private_homes(&mut self) {
        if !self.facts.open_homes.is_empty() {
            self.step(
                "make homes private",
                format!("others can look into {}", self.facts.open_homes.join(", ")),
                Action::Owner {
                    paths: self.facts.open_homes.clone(),
                    owner: None,
                    group: None,
                    mode: "0700".to_owned(),
                },
            );
        }
    }

    /// Lets nobody in by SSH but the operators, who are all those that can log in by key and use sudo today.
    pub(super) fn ssh_door(&mut self) {
        let door = &self.desired.ssh;
        let members = self
            .facts
            .groups
            .get(SSH_GROUP)
            .cloned()
            .flatten()
            .unwrap_or_default();
        let mut operators = self.facts.key_users.clone();
        operators.push(self.desired.login.clone());
        operators.sort();
        operators.dedup();
        operators.retain(|name| !members.contains(name));
        if !operators.is_empty() {
            self.step(
                format!("let {} log in by SSH", operators.join(", ")),
                format!("not in the group {SSH_GROUP}"),
                Action::Join {
                    group: SSH_GROUP.to_owned(),
                    accounts: operators,
                },
            );
        }
        let content = Content::Text(door.content.clone());
        let file = difference(self.file_facts(door.path), &content, "root", "root", "0644");
        let effective = self.facts.sshd.as_ref().is_some_and(|sshd| {
            door.expect.iter().all(|line| {
                let (key, value) = line.split_once(' ').unwrap_or((line, ""));
                sshd.get(key)
                    .is_some_and(|values| values.iter().any(|found| found == value))
            })
        });
        let guarded = self
            .facts
            .units
            .get(SSH_GUARD)
            .is_some_and(|timer| timer.active == "active");
        let Some(why) = file
            .or((!effective).then(|| "it has no effect".to_owned()))
            .or(guarded.then(|| "an earlier run ended before a second login proved it".to_owned()))
        else {
            return;
        };
        let old = self
            .file_facts(door.path)
            .and_then(|facts| facts.text.as_deref());
        let diff = unified(door.path, old.unwrap_or_default(), &door.content);
        self.plan.steps.push(Step {
            name: format!("close SSH to all but the group {SSH_GROUP}, and passwords"),
            why,
            diff: Some(diff).filter(|diff| !diff.is_empty()),
            lane: None,
            action: Action::Sshd {
                path: door.path.to_owned(),
                unit: door.unit.to_owned(),
                expect: door.expect.clone(),
                deadline: 60,
            },
            content: Some(content),
        });
    }

    // --- programs ---

    pub(super) fn uv(&mut self) {
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

    pub(super) fn environments(&mut self) {
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
                },
            );
            self.touched.push(format!("{}/{STAMP}", venv.folder));
        }
    }

    fn environment_differs(&self, venv: &super::desired::Venv) -> Option<String> {
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
            Some(text) if text != venv.requirements => {
                Some("other packages are asked for".to_owned())
            }
            Some(_) => None,
        }
    }

    pub(super) fn proxy(&mut self) {
        let npm = &self.desired.npm;
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

    // --- files and units ---

    pub(super) fn folders(&mut self) {
        for folder in &self.desired.folders {
            let why = match self.file_facts(folder.path) {
                None => "absent".to_owned(),
                Some(found) => match owner_and_mode(found, folder.owner, folder.group, folder.mode)
                {
                    None => continue,
                    Some(why) => why,
                },
            };
            self.step(
                format!("make the folder {}", folder.path),
                why,
                Action::Folder {
                    path: folder.path.to_owned(),
                    owner: folder.owner.to_owned(),
                    group: folder.group.to_owned(),
                    mode: folder.mode.to_owned(),
                },
            );
        }
    }

    pub(super) fn files(&mut self, part: Part) {
        for file in self.desired.files.iter().filter(|file| file.part == part) {
            self.file(file);
        }
    }

    fn file(&mut self, file: &ManagedFile) {
        let found = self.file_facts(&file.path);
        let Some(why) = difference(found, &file.content, file.owner, file.group, file.mode) else {
            return;
        };
        let same_content = found.is_some_and(|found| found.sha256 == Some(file.content.sha256()));
        if same_content && found.is_some_and(|found| found.kind == "file") {
            self.step(
                format!("set owner and mode of {}", file.path),
                why,
                Action::Owner {
                    paths: vec![file.path.clone()],
                    owner: Some(file.owner.to_owned()),
                    group: Some(file.group.to_owned()),
                    mode: file.mode.to_owned(),
                },
            );
        } else {
            let old = found.and_then(|found| found.text.as_deref());
            let diff = match &file.content {
                Content::Text(new) => Some(unified(&file.path, old.unwrap_or_default(), new)),
                Content::Secret(_) => None,
            };
            self.write(
                format!("write {}", file.path),
                why,
                (&file.path, file.owner, file.group, file.mode),
                file.content.clone(),
                diff,
            );
        }
        self.touched.push(file.path.clone());
    }

    fn write(
        &mut self,
        name: impl Into<String>,
        why: impl Into<String>,
        (path, owner, group, mode): (&str, &str, &str, &str),
        content: Content,
        diff: Option<String>,
    ) {
        self.plan.steps.push(Step {
            name: name.into(),
            why: why.into(),
            diff,
            lane: None,
            action: Action::Write {
                path: path.to_owned(),
                owner: owner.to_owned(),
                group: group.to_owned(),
                mode: mode.to_owned(),
            },
            content: Some(content),
        });
    }

    pub(super) fn absent_files(&mut self) {
        for path in &self.desired.absent {
            if self.file_facts(path).is_some() {
                self.step(
                    format!("remove {path}"),
                    "not asked for any more",
                    Action::Remove { path: path.clone() },
                );
            }
        }
    }

    pub(super) fn units(&mut self, early: bool) {
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
            return Some(("start", state));
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
