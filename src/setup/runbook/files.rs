//! Files and folders.

use super::{Runbook, difference, owner_and_mode};
use crate::setup::HubPlaces;
use crate::setup::desired::{Content, ManagedFile, Part};
use crate::setup::plan::unified;
use crate::setup::step::{Action, Step};

impl Runbook<'_> {
    pub(in crate::setup) fn folders(&mut self) {
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

    pub(in crate::setup) fn files(&mut self, part: Part) {
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
                Content::Secret(_) | Content::Program(_) | Content::Bytes(_) => None,
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

    pub(super) fn write(
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

    /// Files of other choices, before anything is made of these.
    pub(in crate::setup) fn absent_files(&mut self) {
        self.absent(false);
    }

    /// Folders of other choices, when nothing runs from them any more.
    pub(in crate::setup) fn absent_folders(&mut self) {
        self.absent(true);
    }

    fn absent(&mut self, folders: bool) {
        for path in &self.desired.absent {
            // What a unit of another choice runs from and reads must be there until it has ended.
            let late = [
                "/opt/",
                "/etc/hubproxy",
                "/etc/traefik",
                "/var/lib/",
                "/etc/nginx/",
                "/etc/apache2/",
                "/etc/systemd/system/",
            ]
            .iter()
            .any(|place| path.starts_with(place))
                || HubPlaces::all()
                    .iter()
                    .any(|hub| path.starts_with(hub.folder) || hub.own.contains(&path.as_str()));
            if late == folders && self.file_facts(path).is_some() {
                self.step(
                    format!("remove {path}"),
                    "not asked for any more",
                    Action::Remove { path: path.clone() },
                );
            }
        }
    }
}
