//! The data volume: made, grown and attached.

use super::super::plan::Work;
use super::super::{InfraError, tag};
use super::Run;
use crate::cloud::{NewVolume, Volume};
use crate::wait::Probe;

impl Run<'_> {
    /// The volume, made or grown; it may not be ready yet.
    pub(super) async fn volume(&self) -> Result<Option<Volume>, InfraError> {
        if let Some((change, size)) = self.find(|work| match work {
            Work::CreateVolume { size } => Some(*size),
            _ => None,
        }) {
            return self
                .step(change, async { Ok(Some(self.create_volume(size).await?)) })
                .await;
        }
        if let Some((change, old)) = self.find(|work| match work {
            Work::ReplaceVolume { volume } => Some(volume),
            _ => None,
        }) {
            let size = self.desired().volume.as_ref().map_or(1, |wish| wish.size);
            return self
                .step(change, async {
                    super::super::destroy::delete_volume(self.cloud, old, self.pace, self.observer)
                        .await?;
                    Ok(Some(self.create_volume(size).await?))
                })
                .await;
        }
        let Some(volume) = self.inventory().volumes.first() else {
            return Ok(None);
        };
        if let Some((change, size)) = self.find(|work| match work {
            Work::GrowVolume { size, .. } => Some(*size),
            _ => None,
        }) {
            return self
                .step(change, async {
                    self.cloud.extend_volume(&volume.id, size).await?;
                    let grown = self.volume_until(&volume.id, "to grow", |volume| {
                        volume.size >= u64::from(size)
                            && matches!(volume.status.as_str(), "available" | "in-use")
                    });
                    Ok(Some(grown.await?))
                })
                .await;
        }
        Ok(Some(volume.clone()))
    }

    async fn create_volume(&self, size: u32) -> Result<Volume, InfraError> {
        let deployment = &self.desired().name;
        let mut metadata = tag::metadata(deployment);
        let expires = self.desired().expires.clone();
        metadata.extend(expires.map(|time| (tag::EXPIRES.to_owned(), time)));
        let wish = NewVolume {
            name: self.name.clone(),
            description: self.mark.clone(),
            size,
            volume_type: self
                .desired()
                .volume
                .as_ref()
                .and_then(|wish| wish.kind.clone()),
            availability_zone: None,
            metadata,
        };
        let before: Vec<&str> = self
            .inventory()
            .volumes
            .iter()
            .map(|volume| volume.id.as_str())
            .collect();
        self.made(
            async || self.cloud.create_volume(&wish).await,
            async || {
                let found = self
                    .cloud
                    .list_volumes_by_metadata(tag::KEY, deployment)
                    .await?;
                Ok(found.into_iter().find(|volume| {
                    !before.contains(&volume.id.as_str())
                        && !matches!(volume.status.as_str(), "deleting")
                }))
            },
        )
        .await
    }

    /// Attaches the volume where the plan says so, and waits until it is.
    pub(super) async fn attach(
        &self,
        volume: Option<Volume>,
        server: &str,
    ) -> Result<Option<Volume>, InfraError> {
        let (Some(volume), Some(_)) = (volume, &self.desired().volume) else {
            return Ok(self.inventory().volumes.first().cloned());
        };
        let is_attached = |volume: &Volume| {
            volume.status == "in-use"
                && volume
                    .attachments
                    .iter()
                    .any(|attachment| attachment.server_id == server)
        };
        if is_attached(&volume) {
            return Ok(Some(volume));
        }
        let attach = async {
            let ready = self
                .volume_until(&volume.id, "to be ready", |volume| {
                    volume.status == "available" || is_attached(volume)
                })
                .await?;
            if !is_attached(&ready) {
                match self.cloud.attach_volume(server, &volume.id).await {
                    // Done already, maybe: the wait that follows tells.
                    Err(error) if !(error.is_lost() || error.is_conflict()) => {
                        return Err(error.into());
                    }
                    _ => {}
                }
            }
            self.volume_until(&volume.id, "to be attached", is_attached)
                .await
        };
        let attached = match self.has(&Work::AttachVolume) {
            Some(change) => self.step(change, attach).await?,
            None => attach.await?,
        };
        Ok(Some(attached))
    }

    /// Waits until a server can be made with the volume: one that is made anew has let go of it.
    pub(super) async fn volume_free(&self, volume: &Volume) -> Result<(), InfraError> {
        if volume.status == "available" && volume.attachments.is_empty() {
            return Ok(());
        }
        self.volume_until(&volume.id, "to be ready", |volume| {
            volume.status == "available"
        })
        .await
        .map(drop)
    }

    async fn volume_until(
        &self,
        id: &str,
        what: &str,
        is_so: impl Fn(&Volume) -> bool,
    ) -> Result<Volume, InfraError> {
        let wait = self
            .pace
            .wait(format!("volume {} {what}", self.name), self.pace.volume);
        let volume = wait
            .until(self.observer, async || {
                let volume = self.cloud.get_volume(id).await?;
                if is_so(&volume) {
                    Ok(Probe::Ready(volume))
                } else if volume.status.starts_with("error") {
                    Err(InfraError::Volume {
                        name: volume.name,
                        status: volume.status,
                    })
                } else {
                    Ok(Probe::Pending(volume.status))
                }
            })
            .await?;
        Ok(volume)
    }
}
