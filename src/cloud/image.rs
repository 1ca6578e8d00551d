//! Images (Glance).

use super::session::found;
use super::{Cloud, CloudError, Filter, Image, Service};

impl Cloud {
    /// Images the project can boot from, the newest first.
    pub async fn list_images(&self, filter: &Filter) -> Result<Vec<Image>, CloudError> {
        let mut asked = filter.clone();
        for (key, _) in &mut asked.0 {
            if key == "tags" {
                "tag".clone_into(key);
            }
        }
        for (key, value) in [("status", "active"), ("sort", "created_at:desc")] {
            if !asked.0.iter().any(|(asked, _)| asked == key) {
                asked = asked.and(key, value);
            }
        }
        let mut images: Vec<Image> = self
            .pages(
                "listing images",
                Service::Image,
                &["images"],
                "images",
                &asked,
            )
            .await?;
        images.sort_by(|a, b| b.created_at.cmp(&a.created_at));
        Ok(images)
    }

    /// The image with this id, or `None`: it may have vanished while servers made from it live on.
    pub async fn find_image(&self, id: &str) -> Result<Option<Image>, CloudError> {
        found(self.get_image(id).await)
    }

    pub async fn get_image(&self, id: &str) -> Result<Image, CloudError> {
        // Glance's document has no envelope.
        self.fetch(
            &format!("reading image {id}"),
            Service::Image,
            &["images", id],
            "",
        )
        .await
    }
}
