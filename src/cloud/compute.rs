//! Servers (Nova).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::session::{Request, found};
use super::{Cloud, CloudError, Filter, NewServer, Rebuild, Server, ServerAction, Service};

const COMPUTE: Service = Service::Compute;

impl Cloud {
    /// Servers in full (status, metadata, tags, addresses, fault).
    pub async fn list_servers(&self, filter: &Filter) -> Result<Vec<Server>, CloudError> {
        let mut asked = filter.clone();
        for (key, value) in &mut asked.0 {
            if key == "name" {
                // Nova looks for a regular expression anywhere in the name.
                *value = format!("^{}$", escape_regex(value));
            }
        }
        let mut servers: Vec<Server> = self
            .pages(
                "listing servers",
                COMPUTE,
                &["servers", "detail"],
                "servers",
                &asked,
            )
            .await?;
        // A Nova before 2.26 passes over `tags` and lists every server of the project.
        servers.retain(|server| {
            filter.0.iter().all(|(key, value)| match key.as_str() {
                "name" => server.name == *value,
                "tags" => server.tags.contains(value) || has_metadata(server, value),
                _ => true,
            })
        });
        Ok(servers)
    }

    /// The server, or `None` once it is gone.
    pub async fn find_server(&self, id: &str) -> Result<Option<Server>, CloudError> {
        Ok(found(self.get_server(id).await)?.filter(|server| !server.is_deleted()))
    }

    pub async fn get_server(&self, id: &str) -> Result<Server, CloudError> {
        self.fetch(
            &format!("reading server {id}"),
            COMPUTE,
            &["servers", id],
            "server",
        )
        .await
    }

    /// Starts a create and returns the id; the server is in `BUILD`.
    pub async fn create_server(&self, server: &NewServer) -> Result<String, CloudError> {
        #[derive(Deserialize)]
        struct Created {
            id: String,
        }
        let body = new_server(server, self.compute_takes(52));
        let created: Created = self
            .create(
                &format!("creating server {}", server.name),
                COMPUTE,
                &["servers"],
                "server",
                json!({ "server": body }),
            )
            .await?;
        Ok(created.id)
    }

    /// Starts a delete.
    pub async fn delete_server(&self, id: &str) -> Result<(), CloudError> {
        self.remove(&format!("deleting server {id}"), COMPUTE, &["servers", id])
            .await
    }

    pub async fn server_action(&self, id: &str, action: &ServerAction) -> Result<(), CloudError> {
        let (verb, body, minor) = action_document(action);
        let act = format!("{verb} server {id}");
        let path = ["servers", id, "action"];
        let request = Request {
            method: Method::POST,
            body: Some(body),
            minor,
            ..Request::get(&act, COMPUTE, &path)
        };
        match self.send_twice(&request).await {
            // Nova does not start what runs: it did so the first time.
            (Err(CloudError::Conflict(_)), true) | (Ok(_), _) => Ok(()),
            (Err(error), _) => Err(error),
        }
    }

    /// The last `lines` lines of the console (`None`: all that is kept). Empty where there is nothing yet.
    pub async fn console_log(&self, id: &str, lines: Option<u32>) -> Result<String, CloudError> {
        let act = format!("reading the console of server {id}");
        let path = ["servers", id, "action"];
        let body = match lines {
            Some(lines) => json!({ "os-getConsoleOutput": { "length": lines } }),
            None => json!({ "os-getConsoleOutput": {} }),
        };
        let answer = self
            .send(&Request {
                method: Method::POST,
                body: Some(body),
                ..Request::get(&act, COMPUTE, &path)
            })
            .await;
        match answer {
            Ok(answer) => Ok(self
                .record::<Option<String>>(&act, &answer, "output")?
                .unwrap_or_default()),
            // Not on a host yet.
            Err(CloudError::Conflict(_)) => Ok(String::new()),
            Err(error) => Err(error),
        }
    }

    /// Adds or replaces these keys; the others stay.
    pub async fn set_server_metadata(
        &self,
        id: &str,
        metadata: &BTreeMap<String, String>,
    ) -> Result<(), CloudError> {
        let act = format!("setting metadata of server {id}");
        let path = ["servers", id, "metadata"];
        self.send(&Request {
            method: Method::POST,
            body: Some(json!({ "metadata": metadata })),
            ..Request::get(&act, COMPUTE, &path)
        })
        .await?;
        Ok(())
    }

    /// Replaces all tags.
    pub async fn set_server_tags(&self, id: &str, tags: &[String]) -> Result<(), CloudError> {
        let act = format!("tagging server {id}");
        self.put(
            &act,
            COMPUTE,
            &["servers", id, "tags"],
            json!({ "tags": tags }),
        )
        .await?;
        Ok(())
    }

    /// Starts attaching a volume; the device the guest may see it as.
    pub async fn attach_volume(
        &self,
        server_id: &str,
        volume_id: &str,
    ) -> Result<String, CloudError> {
        #[derive(Deserialize)]
        struct Attachment {
            #[serde(default)]
            device: Option<String>,
        }
        let act = format!("attaching volume {volume_id} to server {server_id}");
        let path = ["servers", server_id, "os-volume_attachments"];
        let request = Request {
            method: Method::POST,
            body: Some(json!({ "volumeAttachment": { "volumeId": volume_id } })),
            ..Request::get(&act, COMPUTE, &path)
        };
        match self.send_twice(&request).await {
            (Ok(answer), _) => Ok(self
                .record::<Attachment>(&act, &answer, "volumeAttachment")?
                .device
                .unwrap_or_default()),
            // "volume … already attached", "Invalid volume: status must be available": by our first attempt.
            (Err(CloudError::Conflict(_) | CloudError::Refused(_)), true) => Ok(String::new()),
            (Err(error), _) => Err(error),
        }
    }

    /// Gives a server a port that is there. Content where it has it already.
    pub async fn attach_port(&self, server_id: &str, port_id: &str) -> Result<(), CloudError> {
        #[derive(Deserialize)]
        struct Interface {
            port_id: String,
        }
        let act = format!("giving port {port_id} to server {server_id}");
        let path = ["servers", server_id, "os-interface"];
        let outcome = self
            .send(&Request {
                method: Method::POST,
                body: Some(json!({ "interfaceAttachment": { "port_id": port_id } })),
                ..Request::get(&act, COMPUTE, &path)
            })
            .await;
        let Err(error @ (CloudError::Conflict(_) | CloudError::Refused(_))) = outcome else {
            return outcome.map(drop);
        };
        // Nova says "Port … is still in use", whoever uses it.
        let interfaces: Vec<Interface> = self
            .fetch(&act, COMPUTE, &path, "interfaceAttachments")
            .await?;
        if interfaces
            .iter()
            .any(|interface| interface.port_id == port_id)
        {
            return Ok(());
        }
        Err(error)
    }

    /// Starts detaching a volume.
    pub async fn detach_volume(&self, server_id: &str, volume_id: &str) -> Result<(), CloudError> {
        self.remove(
            &format!("detaching volume {volume_id} from server {server_id}"),
            COMPUTE,
            &["servers", server_id, "os-volume_attachments", volume_id],
        )
        .await
    }
}

/// Where servers have no tags: a tag written as metadata is `key=value` or `key:value`.
fn has_metadata(server: &Server, tag: &str) -> bool {
    server.tags.is_empty()
        && server.metadata.iter().any(|(key, value)| {
            tag.strip_prefix(key.as_str())
                .and_then(|rest| rest.strip_prefix(['=', ':']))
                .is_some_and(|rest| rest == value)
        })
}

fn escape_regex(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if !(c.is_alphanumeric() || matches!(c, '-' | '_' | ' ')) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

fn new_server(server: &NewServer, takes_tags: bool) -> Value {
    let mut body = json!({
        "name": server.name,
        "flavorRef": server.flavor_id,
        "metadata": server.metadata,
        "networks": if server.port_ids.is_empty() {
            json!("auto")
        } else {
            server.port_ids.iter().map(|id| json!({ "port": id })).collect()
        },
    });
    let root = match server.boot_volume {
        None => {
            body["imageRef"] = json!(server.image_id);
            json!({ "source_type": "image", "destination_type": "local" })
        }
        Some(size) => {
            json!({ "source_type": "image", "destination_type": "volume", "volume_size": size })
        }
    };
    // Nova makes the mapping of an image on the flavor's own disk by itself, but only when there is no other.
    if server.boot_volume.is_some() || !server.volume_ids.is_empty() {
        let mut disks = vec![root];
        disks[0]["boot_index"] = json!(0);
        disks[0]["uuid"] = json!(server.image_id);
        disks[0]["delete_on_termination"] = json!(true);
        disks.extend(server.volume_ids.iter().map(|id| {
            json!({
                "boot_index": -1,
                "uuid": id,
                "source_type": "volume",
                "destination_type": "volume",
                "delete_on_termination": false,
            })
        }));
        body["block_device_mapping_v2"] = json!(disks);
    }
    if takes_tags && !server.tags.is_empty() {
        body["tags"] = json!(server.tags);
    }
    if let Some(key_name) = &server.key_name {
        body["key_name"] = json!(key_name);
    }
    if let Some(user_data) = &server.user_data {
        body["user_data"] = json!(BASE64.encode(user_data));
    }
    if let Some(zone) = &server.availability_zone {
        body["availability_zone"] = json!(zone);
    }
    if let Some(description) = &server.description {
        body["description"] = json!(description);
    }
    if let Some(config_drive) = server.config_drive {
        body["config_drive"] = json!(config_drive);
    }
    body
}

/// The action's verb, its document, and the microversion it needs.
fn action_document(action: &ServerAction) -> (&'static str, Value, Option<u16>) {
    match action {
        ServerAction::Start => ("starting", json!({ "os-start": null }), None),
        ServerAction::Stop => ("stopping", json!({ "os-stop": null }), None),
        ServerAction::Reboot => ("rebooting", json!({ "reboot": { "type": "SOFT" } }), None),
        ServerAction::HardReboot => ("rebooting", json!({ "reboot": { "type": "HARD" } }), None),
        ServerAction::Unpause => ("unpausing", json!({ "unpause": null }), None),
        ServerAction::Resume => ("resuming", json!({ "resume": null }), None),
        ServerAction::Unshelve => ("unshelving", json!({ "unshelve": null }), None),
        ServerAction::Rebuild(Rebuild {
            image_id,
            user_data,
            key_name,
            metadata,
        }) => {
            let mut body = json!({ "imageRef": image_id });
            let mut minor = None;
            if let Some(metadata) = metadata {
                body["metadata"] = json!(metadata);
            }
            if let Some(key_name) = key_name {
                body["key_name"] = json!(key_name);
                minor = Some(54);
            }
            if let Some(user_data) = user_data {
                body["user_data"] = json!(BASE64.encode(user_data));
                minor = Some(57);
            }
            ("rebuilding", json!({ "rebuild": body }), minor)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_document_says_what_was_asked_and_no_more() {
        let server = NewServer {
            name: "class".into(),
            flavor_id: "f".into(),
            image_id: "i".into(),
            ..NewServer::default()
        };
        assert_eq!(
            new_server(&server, true),
            json!({"name": "class", "flavorRef": "f", "imageRef": "i", "metadata": {}, "networks": "auto"})
        );
        let server = NewServer {
            boot_volume: Some(20),
            port_ids: vec!["p".into()],
            tags: vec!["hubctl".into()],
            user_data: Some(b"#cloud-config\n".to_vec()),
            key_name: Some("k".into()),
            ..server
        };
        let body = new_server(&server, true);
        assert_eq!(body.get("imageRef"), None);
        assert_eq!(body["block_device_mapping_v2"][0]["volume_size"], 20);
        assert_eq!(body["networks"], json!([{"port": "p"}]));
        assert_eq!(body["user_data"], "I2Nsb3VkLWNvbmZpZwo=");
        assert_eq!(body["tags"], json!(["hubctl"]));
        assert_eq!(new_server(&server, false).get("tags"), None);
    }

    #[test]
    fn names_are_quoted_for_nova() {
        assert_eq!(escape_regex("hub-1.example (a)"), r"hub-1\.example \(a\)");
    }
}
