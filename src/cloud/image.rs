//! Images (Glance).

use super::{Cloud, CloudError, Filter, Image};

impl Cloud {
    /// Images the project can boot from, the newest first.
    pub async fn list_images(&self, filter: &Filter) -> Result<Vec<Image>, CloudError> {
        let _ = filter;
        todo!()
    }

    /// The image with this id, or `None`: it may have vanished while servers made from it live on.
    pub async fn find_image(&self, id: &str) -> Result<Option<Image>, CloudError> {
        let _ = id;
        todo!()
    }

    pub async fn get_image(&self, id: &str) -> Result<Image, CloudError> {
        let _ = id;
        todo!()
    }
}
