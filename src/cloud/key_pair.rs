//! Key pairs (Nova).

use serde::Deserialize;
use serde_json::json;

use super::session::found;
use super::{Cloud, CloudError, Filter, KeyPair, Service};

const COMPUTE: Service = Service::Compute;

impl Cloud {
    pub async fn list_key_pairs(&self) -> Result<Vec<KeyPair>, CloudError> {
        #[derive(Deserialize)]
        struct Wrapped {
            keypair: KeyPair,
        }
        let wrapped: Vec<Wrapped> = self
            .pages(
                "listing key pairs",
                COMPUTE,
                &["os-keypairs"],
                "keypairs",
                &Filter::all(),
            )
            .await?;
        Ok(wrapped.into_iter().map(|wrapped| wrapped.keypair).collect())
    }

    pub async fn find_key_pair(&self, name: &str) -> Result<Option<KeyPair>, CloudError> {
        found(
            self.fetch(
                &format!("reading key pair {name}"),
                COMPUTE,
                &["os-keypairs", name],
                "keypair",
            )
            .await,
        )
    }

    /// Imports the public half of a key pair made here.
    pub async fn create_key_pair(
        &self,
        name: &str,
        public_key: &str,
    ) -> Result<KeyPair, CloudError> {
        self.create(
            &format!("importing key pair {name}"),
            COMPUTE,
            &["os-keypairs"],
            "keypair",
            json!({ "keypair": { "name": name, "public_key": public_key.trim() } }),
        )
        .await
    }

    pub async fn delete_key_pair(&self, name: &str) -> Result<(), CloudError> {
        self.remove(
            &format!("deleting key pair {name}"),
            COMPUTE,
            &["os-keypairs", name],
        )
        .await
    }
}
