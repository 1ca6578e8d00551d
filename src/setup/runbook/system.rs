//! The system below the hub: disks, accounts, and the ways in.

use super::{Runbook, difference, words};
use crate::setup::desired::Content;
use crate::setup::edit::edited;
use crate::setup::names::{SSH_GROUP, SSH_GUARD};
use crate::setup::plan::unified;
use crate::setup::step::{Action, Step};

/// A volume that was grown has at least so much more than its file system: volumes grow by whole GiB.
const GROWTH_WORTHWHILE: u64 = 64 << 20;

impl Runbook<'_> {
    pub(in crate::setup) fn data_volume(&mut self) {
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

    pub(in crate::setup) fn swap(&mut self) {
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

    pub(in crate::setup) fn timezone(&mut self) {
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

    pub(in crate::setup) fn edits(&mut self) {
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

    pub(in crate::setup) fn groups_and_accounts(&mut self) {
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
        if let Some(name) = self.desired.person
            && !matches!(self.facts.accounts.get(name), Some(Some(_)))
        {
            self.step(
                format!("make the account {name}"),
                "absent",
                Action::Person {
                    name: name.to_owned(),
                },
            );
        }
    }

    pub(in crate::setup) fn private_homes(&mut self) {
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
    pub(in crate::setup) fn ssh_door(&mut self) {
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
}
