//! Compute (Nova): servers, flavors, key pairs.

use std::collections::BTreeMap;

use super::{Cloud, CloudError, Filter, Flavor, KeyPair, NewServer, Quotas, Server, ServerAction};

impl Cloud {
    /// Servers in full (status, metadata, tags, addresses, fault).
    pub async fn list_servers(&self, filter: &Filter) -> Result<Vec<Server>, CloudError> {
        let _ = filter;
        todo!()
    }

    /// The server, or `None` once it is gone.
    pub async fn find_server(&self, id: &str) -> Result<Option<Server>, CloudError> {
        let _ = id;
        todo!()
    }

    pub async fn get_server(&self, id: &str) -> Result<Server, CloudError> {
        let _ = id;
        todo!()
    }

    /// Starts a create and returns the id; the server is in `BUILD`.
    pub async fn create_server(&self, server: &NewServer) -> Result<String, CloudError> {
        let _ = server;
        todo!()
    }

    /// Starts a delete.
    pub async fn delete_server(&self, id: &str) -> Result<(), CloudError> {
        let _ = id;
        todo!()
    }

    pub async fn server_action(&self, id: &str, action: &ServerAction) -> Result<(), CloudError> {
        let _ = (id, action);
        todo!()
    }

    /// The last `lines` lines of the console (`None`: all that is kept). Empty where there is nothing yet.
    pub async fn console_log(&self, id: &str, lines: Option<u32>) -> Result<String, CloudError> {
        let _ = (id, lines);
        todo!()
    }

    /// Adds or replaces these keys; the others stay.
    pub async fn set_server_metadata(
        &self,
        id: &str,
        metadata: &BTreeMap<String, String>,
    ) -> Result<(), CloudError> {
        let _ = (id, metadata);
        todo!()
    }

    /// Replaces all tags.
    pub async fn set_server_tags(&self, id: &str, tags: &[String]) -> Result<(), CloudError> {
        let _ = (id, tags);
        todo!()
    }

    pub async fn list_flavors(&self) -> Result<Vec<Flavor>, CloudError> {
        todo!()
    }

    pub async fn get_flavor(&self, id: &str) -> Result<Flavor, CloudError> {
        let _ = id;
        todo!()
    }

    pub async fn list_key_pairs(&self) -> Result<Vec<KeyPair>, CloudError> {
        todo!()
    }

    pub async fn find_key_pair(&self, name: &str) -> Result<Option<KeyPair>, CloudError> {
        let _ = name;
        todo!()
    }

    /// Imports the public half of a key pair made here.
    pub async fn create_key_pair(
        &self,
        name: &str,
        public_key: &str,
    ) -> Result<KeyPair, CloudError> {
        let _ = (name, public_key);
        todo!()
    }

    pub async fn delete_key_pair(&self, name: &str) -> Result<(), CloudError> {
        let _ = name;
        todo!()
    }

    /// `instances`, `cores`, `ram` (MiB), `key_pairs` (whose use is not told: 0), `server_groups`.
    pub async fn compute_quotas(&self) -> Result<Quotas, CloudError> {
        todo!()
    }

    /// Starts attaching a volume; the device the guest may see it as.
    pub async fn attach_volume(
        &self,
        server_id: &str,
        volume_id: &str,
    ) -> Result<String, CloudError> {
        let _ = (server_id, volume_id);
        todo!()
    }

    /// Gives a server a port that is there. Content where it has it already.
    pub async fn attach_port(&self, server_id: &str, port_id: &str) -> Result<(), CloudError> {
        let _ = (server_id, port_id);
        todo!()
    }

    /// Starts detaching a volume.
    pub async fn detach_volume(&self, server_id: &str, volume_id: &str) -> Result<(), CloudError> {
        let _ = (server_id, volume_id);
        todo!()
    }

    /// Names of the availability zones servers can be made in.
    pub async fn list_availability_zones(&self) -> Result<Vec<String>, CloudError> {
        todo!()
    }
}
