//! Block storage (Cinder).

use super::{Cloud, CloudError, Filter, NewVolume, Quotas, Volume};

impl Cloud {
    /// Volumes whose metadata has `key` with `value`, in full.
    pub async fn list_volumes_by_metadata(
        &self,
        key: &str,
        value: &str,
    ) -> Result<Vec<Volume>, CloudError> {
        let _ = (key, value);
        todo!()
    }

    pub async fn list_volumes(&self, filter: &Filter) -> Result<Vec<Volume>, CloudError> {
        let _ = filter;
        todo!()
    }

    /// The volume, or `None` once it is gone.
    pub async fn find_volume(&self, id: &str) -> Result<Option<Volume>, CloudError> {
        let _ = id;
        todo!()
    }

    pub async fn get_volume(&self, id: &str) -> Result<Volume, CloudError> {
        let _ = id;
        todo!()
    }

    /// Starts a create; the volume is in `creating`.
    pub async fn create_volume(&self, volume: &NewVolume) -> Result<Volume, CloudError> {
        let _ = volume;
        todo!()
    }

    /// Lets the volume grow to `size` GiB. One in use can only grow on clouds that can (microversion 3.42).
    pub async fn extend_volume(&self, id: &str, size: u32) -> Result<(), CloudError> {
        let _ = (id, size);
        todo!()
    }

    /// Starts a delete.
    pub async fn delete_volume(&self, id: &str) -> Result<(), CloudError> {
        let _ = id;
        todo!()
    }

    /// `volumes`, `gigabytes`, `snapshots`.
    pub async fn volume_quotas(&self) -> Result<Quotas, CloudError> {
        todo!()
    }
}
