//! Keystone.

use serde_json::{Value, json};

use crate::support::{Client, entry, text, world};

/// Asks for a token; the status and the body.
async fn ask(url: &str, auth: Value) -> (u16, Value) {
    let body = json!({"auth": auth});
    let response = reqwest::Client::new()
        .post(format!("{url}/auth/tokens"))
        .json(&body)
        .send()
        .await
        .unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn an_application_credential_is_made_used_and_taken_away() {
    let world = world("default").await;
    let (client, url) = (&world.client, &world.sandbox.auth_url);
    let path = format!("/users/{}/application_credentials", client.user);
    let wanted = json!({"application_credential": {"name": "lab", "roles": [{"name": "member"}]}});
    let made = client.post("identity", &path, wanted.clone()).await;
    assert_eq!(made.status, 201);
    let (id, secret) = (
        text(&made.body["application_credential"]["id"]),
        text(&made.body["application_credential"]["secret"]),
    );
    assert_eq!(client.post("identity", &path, wanted).await.status, 409);

    let given = json!({"methods": ["application_credential"], "application_credential": {"id": id, "secret": secret}});
    let (status, body) = ask(url, json!({"identity": given})).await;
    assert_eq!(status, 201);
    assert_eq!(body["token"]["project"]["id"], client.project.as_str());
    assert_eq!(body["token"]["application_credential"]["restricted"], true);

    let scope = json!({"project": {"id": client.project}});
    let (status, body) = ask(url, json!({"identity": given, "scope": scope})).await;
    assert_eq!(
        (status, &body["error"]["message"]),
        (
            401,
            &json!("Application credentials cannot request a scope.")
        )
    );

    let shown = client.get("identity", &format!("{path}/{id}")).await;
    assert_eq!(shown.body["application_credential"]["secret"], Value::Null);
    assert_eq!(
        client
            .delete("identity", &format!("{path}/{id}"))
            .await
            .status,
        204
    );
    assert_eq!(ask(url, json!({"identity": given})).await.0, 404);
}

#[tokio::test]
async fn a_restricted_credential_makes_no_others() {
    let world = world("default").await;
    let given = entry(&world.sandbox.clouds_yaml, "sandbox-appcred");
    let credential = json!({
        "id": given["auth"]["application_credential_id"],
        "secret": given["auth"]["application_credential_secret"],
    });
    let auth = json!({"identity": {"methods": ["application_credential"], "application_credential": credential}});
    let response = reqwest::Client::new()
        .post(format!("{}/auth/tokens", world.sandbox.auth_url))
        .json(&json!({"auth": auth}))
        .send()
        .await
        .unwrap();
    let token = response.headers()["x-subject-token"]
        .to_str()
        .unwrap()
        .to_owned();
    let client = Client {
        token,
        ..world.client.clone()
    };
    let path = format!("/users/{}/application_credentials", client.user);
    let answer = client
        .post(
            "identity",
            &path,
            json!({"application_credential": {"name": "x"}}),
        )
        .await;
    assert_eq!(answer.status, 403);
    assert!(
        text(&answer.body["error"]["message"])
            .contains("Using method 'application_credential' is not allowed")
    );
}

#[tokio::test]
async fn a_revoked_token_is_refused_everywhere() {
    let world = world("default").await;
    let client = &world.client;
    let request = client.request(reqwest::Method::DELETE, "identity", "/auth/tokens");
    let revoked = client
        .send(request.header("x-subject-token", &client.token))
        .await;
    assert_eq!(revoked.status, 204);
    for (service, path) in [
        ("compute", "/servers"),
        ("network", "/networks"),
        ("image", "/images"),
        ("volumev3", "/volumes"),
    ] {
        let answer = client.get(service, path).await;
        assert_eq!(answer.status, 401, "{service}");
        assert!(
            answer.headers["www-authenticate"]
                .to_str()
                .unwrap()
                .starts_with("Keystone uri=")
        );
    }
}

#[tokio::test]
async fn versions_need_no_token_and_tls_needs_the_authority() {
    let options = sandbox::Options {
        tls: true,
        ..sandbox::Options::default()
    };
    let sandbox = sandbox::Sandbox::start(options).unwrap();
    let plain = reqwest::Client::new().get(&sandbox.auth_url).send().await;
    assert!(plain.is_err(), "a stranger's certificate was trusted");
    let client = Client::login(&sandbox.clouds_yaml, "sandbox").await;
    assert!(client.endpoint("compute").starts_with("https://127.0.0.1:"));
    assert_eq!(
        client.get("compute", "/servers").await.body,
        json!({"servers": []})
    );
    let nobody = Client {
        token: String::new(),
        ..client
    };
    assert_eq!(
        nobody.get("compute", "").await.body["version"]["version"],
        "2.95"
    );
    assert_eq!(nobody.get("compute", "/servers").await.status, 401);
}

#[tokio::test]
async fn a_second_region_is_a_place_of_its_own() {
    let world = world("two-regions").await;
    let catalog = world.client.get("identity", "/auth/catalog").await;
    let compute = catalog.body["catalog"]
        .as_array()
        .unwrap()
        .iter()
        .find(|s| s["type"] == "compute")
        .unwrap()
        .clone();
    let regions: Vec<String> = compute["endpoints"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| text(&e["region"]))
        .collect();
    assert_eq!(regions.iter().filter(|r| *r == "RegionTwo").count(), 3);
    let made = world
        .client
        .make("network", "/networks", json!({"network": {"name": "here"}}))
        .await;
    let there = world
        .client
        .endpoint("network")
        .replace("/network", "/two/network");
    let response = reqwest::Client::new()
        .get(format!("{there}/networks/{made}"))
        .header("x-auth-token", &world.client.token)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 404);
}
