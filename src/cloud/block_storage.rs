//! Block storage (Cinder).

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::json;

use super::session::{Request, found};
use super::{Cloud, CloudError, Filter, NewVolume, Service, Volume};

const VOLUMES: Service = Service::BlockStorage;

impl Cloud {
    /// Volumes whose metadata has `key` with `value`, in full.
    pub async fn list_volumes_by_metadata(
        &self,
        key: &str,
        value: &str,
    ) -> Result<Vec<Volume>, CloudError> {
        let filter = Filter::all().and("metadata", json!({ key: value }).to_string());
        let mut volumes = self.list_volumes(&filter).await?;
        // A cloud may have this filter switched off: it is passed over then.
        volumes.retain(|volume| volume.metadata.get(key).is_some_and(|found| found == value));
        Ok(volumes)
    }

    pub async fn list_volumes(&self, filter: &Filter) -> Result<Vec<Volume>, CloudError> {
        self.pages(
            "listing volumes",
            VOLUMES,
            &["volumes", "detail"],
            "volumes",
            filter,
        )
        .await
    }

    /// The volume, or `None` once it is gone.
    pub async fn find_volume(&self, id: &str) -> Result<Option<Volume>, CloudError> {
        found(self.get_volume(id).await)
    }

    pub async fn get_volume(&self, id: &str) -> Result<Volume, CloudError> {
        self.fetch(
            &format!("reading volume {id}"),
            VOLUMES,
            &["volumes", id],
            "volume",
        )
        .await
    }

    /// Starts a create; the volume is in `creating`.
    pub async fn create_volume(&self, volume: &NewVolume) -> Result<Volume, CloudError> {
        let mut body = json!({
            "name": volume.name,
            "description": volume.description,
            "size": volume.size,
            "metadata": volume.metadata,
        });
        if let Some(kind) = &volume.volume_type {
            body["volume_type"] = json!(kind);
        }
        if let Some(zone) = &volume.availability_zone {
            body["availability_zone"] = json!(zone);
        }
        self.create(
            &format!("creating volume {}", volume.name),
            VOLUMES,
            &["volumes"],
            "volume",
            json!({ "volume": body }),
        )
        .await
    }

    /// Lets the volume grow to `size` GiB. One in use can only grow on clouds that can (microversion 3.42).
    pub async fn extend_volume(&self, id: &str, size: u32) -> Result<(), CloudError> {
        let act = format!("growing volume {id} to {size} GiB");
        let path = ["volumes", id, "action"];
        let request = |minor| Request {
            method: Method::POST,
            body: Some(json!({ "os-extend": { "new_size": size } })),
            minor,
            ..Request::get(&act, VOLUMES, &path)
        };
        let outcome = match self.send_twice(&request(Some(42))).await {
            (Err(CloudError::Refused(refusal)), false) if refusal.status == 406 => {
                self.send_twice(&request(None)).await
            }
            other => other,
        };
        match outcome {
            // "New size for extend must be greater than current size", "volume must be available": we did it.
            (Err(CloudError::Refused(_) | CloudError::Conflict(_)), true) | (Ok(_), _) => Ok(()),
            (Err(error), _) => Err(error),
        }
    }

    /// Sets metadata, and leaves what else there is.
    pub async fn set_volume_metadata(
        &self,
        id: &str,
        metadata: &BTreeMap<String, String>,
    ) -> Result<(), CloudError> {
        let act = format!("setting metadata of volume {id}");
        let path = ["volumes", id, "metadata"];
        self.send(&Request {
            method: Method::POST,
            body: Some(json!({ "metadata": metadata })),
            ..Request::get(&act, VOLUMES, &path)
        })
        .await?;
        Ok(())
    }

    /// Starts a delete.
    pub async fn delete_volume(&self, id: &str) -> Result<(), CloudError> {
        self.remove(&format!("deleting volume {id}"), VOLUMES, &["volumes", id])
            .await
    }
}
