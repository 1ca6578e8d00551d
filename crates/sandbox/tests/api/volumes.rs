//! Volumes: files, attached and not.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Client, lan, server, text, world};

async fn wait_volume(client: &Client, id: &str, status: &str) -> Value {
    for _ in 0..2000 {
        let answer = client.get("volumev3", &format!("/volumes/{id}")).await;
        let gone = status.is_empty() && answer.status == 404;
        if gone || answer.body["volume"]["status"] == status {
            return answer.body["volume"].clone();
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    panic!("volume {id} never came to {status:?}");
}

#[tokio::test]
async fn a_volume_is_attached_held_and_outlives_the_server() {
    let world = world("default").await;
    let client = &world.client;
    let lan = lan(client).await;
    let volume = client
        .make(
            "volumev3",
            "/volumes",
            json!({"volume": {"size": 1, "name": "homes"}}),
        )
        .await;
    wait_volume(client, &volume, "available").await;
    let file = world
        .sandbox
        .clouds_yaml
        .with_file_name("volumes")
        .join(&volume);
    assert_eq!(std::fs::metadata(&file).unwrap().len(), 1 << 30);
    let id = text(&server(client, &lan.network, json!({})).await.body["server"]["id"]);
    client.wait_server(&id, "ACTIVE").await;
    let path = format!("/servers/{id}/os-volume_attachments");
    let attached = client
        .post(
            "compute",
            &path,
            json!({"volumeAttachment": {"volumeId": volume}}),
        )
        .await;
    assert_eq!(
        (
            attached.status,
            &attached.body["volumeAttachment"]["device"]
        ),
        (200, &json!("/dev/vdb"))
    );
    let shown = wait_volume(client, &volume, "in-use").await;
    assert_eq!(shown["attachments"][0]["server_id"], id.as_str());
    assert_eq!(
        world.machines.spec(&id).unwrap().volumes,
        [file.canonicalize().unwrap()]
    );
    let held = client
        .delete("volumev3", &format!("/volumes/{volume}"))
        .await;
    assert_eq!(held.status, 400);
    let listed = client.nova("2.89", Method::GET, &path, Value::Null).await;
    let one = &listed.body["volumeAttachments"][0];
    assert!(
        one["attachment_id"].is_string() && one["bdm_uuid"].is_string() && one.get("id").is_none()
    );

    client.delete("compute", &format!("/servers/{id}")).await;
    client.wait_server_gone(&id).await;
    wait_volume(client, &volume, "available").await;
    assert_eq!(
        client
            .delete("volumev3", &format!("/volumes/{volume}"))
            .await
            .status,
        202
    );
    wait_volume(client, &volume, "").await;
    assert!(!file.exists());
}

#[tokio::test]
async fn a_server_boots_from_a_volume_that_goes_with_it() {
    let world = world("default").await;
    let client = &world.client;
    let lan = lan(client).await;
    let image = client.image().await;
    let data = client
        .make("volumev3", "/volumes", json!({"volume": {"size": 2}}))
        .await;
    wait_volume(client, &data, "available").await;
    let more = json!({
        "imageRef": "", "flavorRef": "c9d31e8e-2f6c-4f0e-9f0e-0f6d3f6c1a01",
        "block_device_mapping_v2": [
            {"boot_index": 0, "uuid": image, "source_type": "image", "destination_type": "volume",
             "volume_size": 10, "delete_on_termination": true},
            {"boot_index": -1, "uuid": data, "source_type": "volume", "destination_type": "volume"},
        ],
    });
    let created = server(client, &lan.network, more).await;
    assert_eq!(created.status, 202, "{created:?}");
    let id = text(&created.body["server"]["id"]);
    let shown = client.wait_server(&id, "ACTIVE").await;
    assert_eq!(shown["image"], "");
    assert_eq!(
        shown["os-extended-volumes:volumes_attached"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    // Only the data disk is the machine's business: its root is the image.
    assert_eq!(world.machines.spec(&id).unwrap().volumes.len(), 1);
    client.delete("compute", &format!("/servers/{id}")).await;
    client.wait_server_gone(&id).await;
    let left = client.get("volumev3", "/volumes").await;
    let left: Vec<String> = left.body["volumes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| text(&v["id"]))
        .collect();
    assert_eq!(left, [data]);
}
