//! The server and its data volume.

use super::super::desired::{Due, ServerWish};
use super::super::plan::{Change, Kind, Verb, Wake, Work};
use super::super::problem::Problem;
use super::super::{choose, tag};
use super::Diff;
use crate::cloud::Server;

impl Diff<'_> {
    pub(super) fn server(&mut self) {
        let desired = self.desired;
        match (&desired.server_due, &desired.server) {
            (Some(Due::Missing), Some(wish)) => {
                let work = Work::CreateServer(Box::new(wish.clone()));
                self.create(Kind::Server, &server_words(wish), work);
            }
            (
                Some(Due::Replace {
                    reason,
                    destructive,
                }),
                Some(wish),
            ) => {
                let Some(server) = self.inventory.server() else {
                    return;
                };
                let work = Work::ReplaceServer {
                    server: server.id.clone(),
                    wish: Box::new(wish.clone()),
                };
                let change = Change::new(Verb::Replace, Kind::Server, self.name.clone(), work);
                self.changes.push(
                    change
                        .detail(server_words(wish))
                        .because(reason)
                        .destructive(*destructive),
                );
            }
            (Some(_), None) => {}
            (None, _) => self.wake(),
        }
    }

    /// A server that is there but does not run.
    pub(super) fn wake(&mut self) {
        let Some(server) = self.inventory.server() else {
            return;
        };
        let id = server.id.clone();
        let wake = |how: &'static str, wake| {
            (
                how,
                Work::WakeServer {
                    server: id.clone(),
                    wake,
                },
            )
        };
        let (how, work) = match server.status.as_str() {
            "ACTIVE" => return,
            "SHUTOFF" => wake("start", Wake::Start),
            "PAUSED" => wake("unpause", Wake::Unpause),
            "SUSPENDED" => wake("resume", Wake::Resume),
            "SHELVED" | "SHELVED_OFFLOADED" => wake("unshelve", Wake::Unshelve),
            "BUILD" | "REBUILD" | "REBOOT" | "HARD_REBOOT" | "RESIZE" | "MIGRATING"
            | "REVERT_RESIZE" => (
                "wait until it is ACTIVE",
                Work::AwaitServer { server: id.clone() },
            ),
            other => {
                let hint = match other {
                    "VERIFY_RESIZE" => format!("`openstack server resize confirm {id}`"),
                    "RESCUE" => format!("`openstack server unrescue {id}`"),
                    _ => format!("`openstack server show {id}` tells more"),
                };
                return self.problems.add(Problem::new(
                    format!("server {} is {other}", server.name),
                    hint,
                ));
            }
        };
        self.update(
            Kind::Server,
            format!("{how} (it is {})", server.status),
            work,
        );
    }

    /// The server that stays; `None` where one is made.
    pub(super) fn kept_server(&self) -> Option<&Server> {
        if self.desired.server_due.is_some() {
            None
        } else {
            self.inventory.server()
        }
    }

    pub(super) fn volume(&mut self) {
        let Some(wish) = &self.desired.volume else {
            for volume in &self.inventory.volumes {
                self.notes.push(format!(
                    "volume {} ({} GiB) is not in the spec: it stays until the deployment is destroyed",
                    volume.name, volume.size
                ));
            }
            return;
        };
        let wished = u64::from(wish.size);
        let volume = match &self.inventory.volumes[..] {
            [] => {
                let kind = wish
                    .kind
                    .as_ref()
                    .map(|kind| format!(", {kind}"))
                    .unwrap_or_default();
                let work = Work::CreateVolume { size: wish.size };
                return self.create(Kind::Volume, &format!("{wished} GiB{kind}"), work);
            }
            [volume] => volume,
            several => {
                let ids: Vec<&str> = several.iter().map(|volume| volume.id.as_str()).collect();
                return self.problems.add(Problem::new(
                    format!("{} volumes carry the deployment's mark: {}", ids.len(), ids.join(", ")),
                    format!(
                        "take the mark off those without the homes: `openstack volume unset --property {} ID`",
                        tag::KEY
                    ),
                ));
            }
        };
        if volume.status == "error" {
            let mut change = Change::new(
                Verb::Replace,
                Kind::Volume,
                volume.name.clone(),
                Work::ReplaceVolume {
                    volume: volume.id.clone(),
                },
            )
            .because("the cloud could not make it (status error)");
            change.destructive = true;
            return self.changes.push(change);
        }
        if volume.size < wished {
            self.update(
                Kind::Volume,
                format!("{} -> {wished} GiB", volume.size),
                Work::GrowVolume {
                    volume: volume.id.clone(),
                    from: volume.size,
                    size: wish.size,
                },
            );
        } else if volume.size > wished {
            self.problems.add(Problem::new(
                format!(
                    "volume {} has {} GiB; a volume cannot shrink to {wished}",
                    volume.name, volume.size
                ),
                format!("`--set volume.size={}`", volume.size),
            ));
        }
        if let (Some(wanted), Some(kind)) = (&wish.kind, &volume.volume_type)
            && wanted != kind
        {
            self.notes.push(format!(
                "volume {} is of type {kind}, the spec says {wanted}: it stays so",
                volume.name
            ));
        }
    }

    pub(super) fn attachments(&mut self) {
        let (Some(_), [volume]) = (&self.desired.volume, &self.inventory.volumes[..]) else {
            return;
        };
        if volume.status == "error" {
            return;
        }
        let server = self.inventory.server().map(|server| server.id.as_str());
        match volume.attachments.first() {
            Some(attachment) if Some(attachment.server_id.as_str()) != server => {
                self.problems.add(Problem::new(
                    format!(
                        "volume {} is attached to another server, {}",
                        volume.name, attachment.server_id
                    ),
                    format!(
                        "`openstack server remove volume {} {}`",
                        attachment.server_id, volume.id
                    ),
                ));
            }
            Some(_) => {}
            None if self.desired.server_due == Some(Due::Missing) || server.is_some() => {
                self.update(Kind::Volume, "attach to the server", Work::AttachVolume);
            }
            None => {}
        }
    }
}

fn server_words(wish: &ServerWish) -> String {
    let boot = wish
        .boot_volume
        .map(|size| format!(", boots from a volume of {size} GiB"))
        .unwrap_or_default();
    format!(
        "{}, {}{boot}",
        wish.flavor.name,
        choose::image_words(&wish.image)
    )
}
