//! Designate.

use serde_json::json;

use crate::support::{text, world};

#[tokio::test]
async fn a_record_is_pending_active_and_gone() {
    let world = world("default").await;
    let client = &world.client;
    let zone = client.id_of("dns", "/zones", "sandbox.test.").await;
    let path = format!("/zones/{zone}/recordsets");
    let wanted =
        json!({"name": "hub.sandbox.test.", "type": "A", "records": ["172.24.4.10"], "ttl": 60});
    let made = client.post("dns", &path, wanted.clone()).await;
    assert_eq!(
        (made.status, &made.body["status"]),
        (202, &json!("PENDING"))
    );
    let twice = client.post("dns", &path, wanted).await;
    assert_eq!(
        (twice.status, &twice.body["type"]),
        (409, &json!("duplicate_recordset"))
    );
    let wrong = json!({"name": "hub.elsewhere.test.", "type": "A", "records": ["172.24.4.10"]});
    assert_eq!(
        client.post("dns", &path, wrong).await.body["type"],
        "invalid_object"
    );
    let one = format!("{path}/{}", text(&made.body["id"]));
    let is = async |status: u16, word: &str| {
        for _ in 0..2000 {
            let answer = client.get("dns", &one).await;
            if answer.status == status && answer.body["status"].as_str().unwrap_or_default() == word
            {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        panic!("{one} never came to {status} {word}");
    };
    is(200, "ACTIVE").await;
    let changed = client
        .put("dns", &one, json!({"records": ["172.24.4.11"]}))
        .await;
    assert_eq!(
        (changed.status, &changed.body["action"]),
        (202, &json!("UPDATE"))
    );
    is(200, "ACTIVE").await;
    assert_eq!(client.delete("dns", &one).await.status, 202);
    is(404, "").await;
}
