//! Clouds unlike the sandbox: older ones, half-configured ones, ones behind something that is no cloud.

use hubctl::cloud::{CloudError, Filter, NewServer, Quota};

use crate::script::Script;
use crate::support::told;

const NOT_ACCEPTABLE: &str =
    r#"{"computeFault": {"code": 406, "message": "Version 2.52 is not supported by the API."}}"#;
const SERVERS: &str = r#"{"servers": [
    {"id": "1", "name": "class", "status": "ACTIVE", "metadata": {"hubctl:deployment": "class"}},
    {"id": "2", "name": "other", "status": "ACTIVE", "metadata": {"hubctl:deployment": "other"}},
    {"id": "3", "name": "alien", "status": "ACTIVE"}]}"#;

#[tokio::test]
async fn a_nova_without_tags_is_used_by_metadata() {
    let script = Script::new(&[
        ("GET /nova/v2.1/p/servers/detail", 406, NOT_ACCEPTABLE),
        ("GET /nova/v2.1/p/servers/detail", 200, SERVERS),
        (
            "GET /nova/v2.1/",
            200,
            r#"{"version": {"id": "v2.1", "min_version": "2.1", "version": "2.20"}}"#,
        ),
        (
            "POST /nova/v2.1/p/servers",
            202,
            r#"{"server": {"id": "4"}}"#,
        ),
    ])
    .await;
    let cloud = script.connect().await;
    let found = cloud
        .list_servers(&Filter::tag("hubctl:deployment=class"))
        .await
        .unwrap();
    let ids: Vec<_> = found.iter().map(|server| server.id.as_str()).collect();
    assert_eq!(ids, ["1"]);
    cloud
        .create_server(&NewServer {
            name: "class".into(),
            tags: vec!["hubctl".into()],
            ..NewServer::default()
        })
        .await
        .unwrap();
    let asked = script.asked();
    assert!(asked[0].contains("compute 2.52"), "{asked:?}");
    assert!(asked[2].contains("compute 2.20"), "{asked:?}");
    assert!(
        asked[3].contains("compute 2.20") && !asked[3].contains("tags"),
        "{asked:?}"
    );
}

#[tokio::test]
async fn a_neutron_without_tags_or_details_does_not_fool_us() {
    let script = Script::new(&[
        (
            "GET /neutron/v2.0/networks",
            200,
            r#"{"networks": [{"id": "1", "name": "theirs"}, {"id": "2", "name": "ours", "tags": ["hubctl"], "status": null}]}"#,
        ),
        (
            "GET /neutron/v2.0/quotas/p",
            200,
            r#"{"quota": {"floatingip": 5, "router": -1, "odd": "x"}}"#,
        ),
    ])
    .await;
    let cloud = script.connect().await;
    // It passes over the filter and gives everything: only what is marked counts.
    let found = cloud.list_networks(&Filter::tag("hubctl")).await.unwrap();
    assert_eq!(
        found
            .iter()
            .map(|network| network.id.as_str())
            .collect::<Vec<_>>(),
        ["2"]
    );
    let quotas = cloud.network_quotas().await.unwrap();
    assert_eq!(
        quotas["floatingip"],
        Quota {
            limit: Some(5),
            used: 0
        }
    );
    assert_eq!(quotas["router"].limit, None);
    assert!(!quotas.contains_key("odd"));
}

#[tokio::test]
async fn a_volume_grows_on_old_and_new_cinders() {
    let script = Script::new(&[("POST /cinder/v3/p/volumes/v/action", 202, "")]).await;
    script.connect().await.extend_volume("v", 30).await.unwrap();
    assert_eq!(
        script.asked(),
        [r#"POST /cinder/v3/p/volumes/v/action volume 3.42 {"os-extend":{"new_size":30}}"#]
    );
    let script = Script::new(&[
        ("POST /cinder/v3/p/volumes/v/action", 406, "{}"),
        ("POST /cinder/v3/p/volumes/v/action", 202, ""),
    ])
    .await;
    script.connect().await.extend_volume("v", 30).await.unwrap();
    assert_eq!(
        script.asked()[1],
        r#"POST /cinder/v3/p/volumes/v/action  {"os-extend":{"new_size":30}}"#
    );
    // An answer that was not given, and a volume that has grown already.
    let script = Script::new(&[
        ("POST /cinder/v3/p/volumes/v/action", 503, "<html>503</html>"),
        (
            "POST /cinder/v3/p/volumes/v/action",
            400,
            r#"{"badRequest": {"code": 400, "message": "New size for extend must be greater than current size."}}"#,
        ),
    ])
    .await;
    script.connect().await.extend_volume("v", 30).await.unwrap();
}

#[tokio::test]
async fn answers_that_are_none_are_told_as_such() {
    let script = Script::new(&[
        (
            "GET /nova/v2.1/p/flavors/detail",
            200,
            "<html><title>Sign in</title></html>",
        ),
        ("GET /nova/v2.1/p/os-keypairs", 200, r#"{"wrong": []}"#),
        ("GET /nova/v2.1/p/limits", 200, ""),
        ("GET /neutron/v2.0/networks", 301, ""),
        ("GET /glance/v2/images/i", 200, r#"{"id": 7}"#),
    ])
    .await;
    let cloud = script.connect().await;
    for (said, expected) in [
        (
            told(cloud.list_flavors().await),
            "listing flavors: the answer is not understood: it is no JSON: Sign in",
        ),
        (
            told(cloud.list_key_pairs().await),
            "listing key pairs: the answer is not understood: no keypairs in it",
        ),
        (
            told(cloud.compute_quotas().await),
            "reading compute quotas: the answer is not understood: it is empty",
        ),
        (
            told(cloud.list_networks(&Filter::all()).await),
            "listing networks: the service has moved to https://elsewhere.example/v3 (HTTP 301, request req-9)",
        ),
        (
            told(cloud.get_image("i").await),
            "reading image i: the answer is not understood: invalid type: integer `7`, expected a string",
        ),
    ] {
        assert!(said.starts_with(expected), "{said}");
    }
}

#[tokio::test]
async fn pages_that_go_round_end() {
    let script = Script::new(&[(
        "GET /neutron/v2.0/routers",
        200,
        r#"{"routers": [{"id": "1"}], "routers_links": [{"rel": "next", "href": "BASE/neutron/v2.0/routers?marker=1"}]}"#,
    )])
    .await;
    let said = told(script.connect().await.list_routers(&Filter::all()).await);
    assert!(said.contains("go round in a circle"), "{said}");
}

#[tokio::test]
async fn keystones_that_say_no_are_told_apart() {
    for (status, body, expected) in [
        (
            401,
            r#"{"error": {"code": 401, "title": "Unauthorized", "message": "Application credentials cannot request a scope."}}"#,
            "unset OS_PROJECT_ID",
        ),
        (
            401,
            r#"{"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}"#,
            "user ada of domain default, project class of domain default or the password in the OS_* variables is wrong",
        ),
        (
            404,
            r#"{"error": {"code": 404, "title": "Not Found", "message": "The resource could not be found."}}"#,
            "no Keystone answers at",
        ),
        (301, "", "has moved to https://elsewhere.example/v3"),
        (
            200,
            "<html>welcome</html>",
            "does not answer as Keystone does",
        ),
        (
            201,
            r#"{"token": {"user": {"id": "u", "name": "ada"}, "catalog": []}}"#,
            "name no project",
        ),
    ] {
        let script = Script::new(&[("POST /v3/auth/tokens", status, body)]).await;
        let error = script.try_connect().await.map(drop).unwrap_err();
        let said = told::<()>(Err(error));
        assert!(said.contains(expected), "{status}: {said}");
        assert!(!said.contains("hunter2"));
    }
}

#[tokio::test]
async fn nothing_sent_or_said_shows_the_password() {
    let script = Script::new(&[("POST /v3/auth/tokens", 401, "{}")]).await;
    let config = script.config();
    assert!(!format!("{config:?}").contains("hunter2"));
    let error = script.try_connect().await.map(drop).unwrap_err();
    assert!(matches!(error, CloudError::Auth { .. }));
    assert!(!format!("{error:?}").contains("hunter2"));
}
