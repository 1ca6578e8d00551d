//! Each known JupyterHub security advisory that bears on a hub, as a test under its public id.
//!
//! Here: those of the API, scopes and tokens; in `cookies`: those of browsers.

#![allow(clippy::expect_used, reason = "a test that cannot go on says so")]

#[path = "advisories/cookies.rs"]
mod cookies;
#[path = "advisories/rough.rs"]
mod rough;
mod support;

use serde_json::{Value, json};
use support::{ADMIN, Running};

/// Roles of services that may part of what an admin may.
const PEOPLE: &str = r#"
[auth]
admin_users = ["adm"]
allowed_users = ["ann", "bob", "cyd"]
allow_all = true
dummy.dangerous = true
dummy.password = "s3cret"

[groups.class]
users = ["ann", "bob"]

[groups.other]
users = ["cyd"]

[[roles]]
name = "people-admin"
scopes = ["admin:users"]
services = ["people-admin"]

[[roles]]
name = "class-admin"
scopes = ["admin:users!group=class", "admin:groups!group=class", "list:users!group=class", "list:groups!group=class", "tokens!group=class", "read:roles:groups!group=class", "servers!group=class"]
services = ["class-admin"]

[[roles]]
name = "odd-filters"
scopes = ["list:users!server=ann/", "list:groups!user=ann", "list:services!user=ann"]
services = ["odd"]

[[roles]]
name = "service-admin"
scopes = ["admin:services"]
services = ["service-admin"]

[[services]]
name = "people-admin"
api_token_file = "FOLDER/people-admin"

[[services]]
name = "class-admin"
api_token_file = "FOLDER/class-admin"

[[services]]
name = "odd"
api_token_file = "FOLDER/odd"

[[services]]
name = "service-admin"
api_token_file = "FOLDER/service-admin"
"#;

const PEOPLE_ADMIN: &str = "the-token-of-people-admin";
const CLASS_ADMIN: &str = "the-token-of-class-admin";
const ODD: &str = "the-token-of-odd";
const SERVICE_ADMIN: &str = "the-token-of-service-admin";

async fn hub(more: &str) -> Running {
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["people-admin", "class-admin", "odd", "service-admin"] {
        std::fs::write(folder.path().join(name), format!("the-token-of-{name}")).expect("a file");
    }
    let people = PEOPLE.replace("FOLDER", &folder.path().display().to_string());
    Running::start(folder, &format!("{more}\n{people}")).await
}

async fn is_admin(hub: &Running, user: &str) -> Value {
    let (_, model) = hub.ask("GET", &format!("/users/{user}"), ADMIN, None).await;
    model["admin"].clone()
}

/// Who may change users could make himself or others admins.
#[tokio::test]
async fn cve_2024_41942_ghsa_9x4q_3gxw_849f_admin_users_makes_no_admins() {
    let hub = hub("").await;
    for (method, path, body) in [
        ("PATCH", "/users/ann", json!({"admin": true})),
        ("POST", "/users/new", json!({"admin": true})),
        (
            "POST",
            "/users",
            json!({"usernames": ["new"], "admin": true}),
        ),
        ("PATCH", "/users/adm", json!({"name": "ann2"})),
        ("PATCH", "/users/adm", json!({"admin": false})),
    ] {
        let (status, answer) = hub.ask(method, path, PEOPLE_ADMIN, Some(body)).await;
        assert_eq!(status, 403, "{method} {path}: {answer}");
    }
    assert_eq!(is_admin(&hub, "ann").await, json!(false));
    assert_eq!(is_admin(&hub, "adm").await, json!(true));
    let (status, _) = hub.ask("GET", "/users/new", ADMIN, None).await;
    assert_eq!(status, 404);
}

/// Who may change members of one group, or that group, reached beyond it.
#[tokio::test]
async fn ghsa_69wv_m5fw_2fhp_filtered_admins_stay_within_their_filter() {
    let hub = hub("").await;
    for (method, path, body, expected) in [
        ("POST", "/users", Some(json!({"usernames": ["new"]})), 403),
        ("POST", "/users/new", None, 404),
        ("PATCH", "/users/cyd", Some(json!({"name": "cy"})), 404),
        ("DELETE", "/users/cyd", None, 404),
        ("GET", "/users/cyd", None, 404),
        ("POST", "/groups", Some(json!({"groups": ["new"]})), 403),
        ("POST", "/groups/new", None, 404),
        ("DELETE", "/groups/other", None, 404),
        (
            "POST",
            "/groups/other/users",
            Some(json!({"users": ["ann"]})),
            404,
        ),
        ("PUT", "/groups/other/properties", Some(json!({})), 404),
        ("GET", "/groups/other", None, 404),
        ("POST", "/users/cyd/server", None, 404),
        ("POST", "/users/cyd/tokens", None, 403),
        ("PATCH", "/users/ann", Some(json!({"admin": true})), 403),
        ("GET", "/users/ann", None, 200),
        ("GET", "/groups/class", None, 200),
    ] {
        let (status, answer) = hub.ask(method, path, CLASS_ADMIN, body).await;
        assert_eq!(status, expected, "{method} {path}: {answer}");
    }
    let names = |answer: Value| -> Vec<Value> {
        answer
            .as_array()
            .into_iter()
            .flatten()
            .map(|model| model["name"].clone())
            .collect()
    };
    let (_, users) = hub.ask("GET", "/users", CLASS_ADMIN, None).await;
    assert_eq!(names(users), ["ann", "bob"]);
    let (_, groups) = hub.ask("GET", "/groups", CLASS_ADMIN, None).await;
    assert_eq!(names(groups), ["class"]);
}

/// A filter that says nothing of what is listed became no filter at all.
#[tokio::test]
async fn filters_of_another_kind_list_nothing() {
    let hub = hub("").await;
    for path in ["/users", "/groups"] {
        let (status, answer) = hub.ask("GET", path, ODD, None).await;
        assert_eq!(status, 403, "{path}: {answer}");
    }
    let (status, answer) = hub.ask("GET", "/services", ODD, None).await;
    assert_eq!((status.as_u16(), answer), (200, json!({})));
}

/// A token could be given more than its owner has, or keep what its owner lost.
#[tokio::test]
async fn tokens_hold_no_more_than_their_owner_does_now() {
    let hub = hub("").await;
    let ann = hub.token("ann", json!(["inherit"])).await;
    for scopes in [
        json!(["admin:users"]),
        json!(["inherit", "admin:users"]),
        json!(["read:users!user=bob"]),
        json!(["read:users!group=class"]),
        json!(["access:servers!server=bob/"]),
    ] {
        let body = json!({"scopes": scopes});
        let (status, answer) = hub
            .ask("POST", "/users/ann/tokens", &ann, Some(body.clone()))
            .await;
        assert_eq!(status, 400, "{body}: {answer}");
    }
    let (status, _) = hub
        .ask(
            "POST",
            "/users/ann/tokens",
            &ann,
            Some(json!({"roles": ["admin"]})),
        )
        .await;
    assert_eq!(status, 400);

    // A token of an admin is none of an admin's any more once he is none.
    let adm = hub.token("adm", json!(["admin:users", "list:users"])).await;
    assert_eq!(hub.ask("GET", "/users", &adm, None).await.0, 200);
    hub.ask("PATCH", "/users/adm", ADMIN, Some(json!({"admin": false})))
        .await;
    assert_eq!(hub.ask("GET", "/users", &adm, None).await.0, 403);

    // A narrow token makes no wide one.
    let narrow = hub
        .token("ann", json!(["tokens!user", "read:users:name!user"]))
        .await;
    let (status, made) = hub.ask("POST", "/users/ann/tokens", &narrow, None).await;
    assert_eq!(status, 201);
    let made = made["token"].as_str().expect("a token");
    assert_eq!(hub.ask("DELETE", "/users/bob", made, None).await.0, 403);
}

/// A token that was deleted, or whose owner was, was still known.
#[tokio::test]
async fn a_token_ends_at_once() {
    let hub = hub("").await;
    let token = hub.token("bob", json!(["inherit"])).await;
    let (status, model) = hub.ask("GET", "/user", &token, None).await;
    assert_eq!(status, 200);
    let id = model["token_id"].as_str().expect("an id").to_owned();
    hub.ask("DELETE", &format!("/users/bob/tokens/{id}"), ADMIN, None)
        .await;
    assert_eq!(hub.ask("GET", "/user", &token, None).await.0, 403);

    let token = hub.token("bob", json!(["inherit"])).await;
    assert_eq!(hub.ask("GET", "/user", &token, None).await.0, 200);
    assert_eq!(hub.ask("DELETE", "/users/bob", ADMIN, None).await.0, 204);
    assert_eq!(hub.ask("GET", "/user", &token, None).await.0, 403);
}

/// The longest life of a token could be gone round by asking for none, or for an odd one.
#[tokio::test]
async fn ghsa_pvm9_48cg_w76j_the_longest_life_of_tokens_holds() {
    let hub = hub("tokens.expires_in_max = 3600").await;
    let ann = hub.token("ann", json!(["inherit"])).await;
    for (life, expected) in [
        (json!(null), 201),
        (json!(3600), 201),
        (json!(3601), 400),
        (json!(0), 400),
        (json!(-1), 400),
        (json!(1e9), 400),
        (json!("3601"), 400),
        (json!(true), 400),
        (json!(i64::MAX), 400),
    ] {
        let body = json!({"expires_in": life});
        let (status, answer) = hub.ask("POST", "/users/ann/tokens", &ann, Some(body)).await;
        assert_eq!(status, expected, "{life}: {answer}");
        if status == 201 {
            assert!(answer["expires_at"].is_string(), "{answer}");
        }
    }
}

/// Another name was not checked as a first one is, and ended in pages as it came.
#[tokio::test]
async fn ghsa_x7xh_7hc7_9436_ghsa_93gc_h923_mp36_names_are_checked_everywhere() {
    let hub = hub("").await;
    for bad in [
        "a/b", "..", ".", "%2e%2e", " ann", "ann ", "", "a\nb", "a\u{0}b",
    ] {
        for (method, path, body) in [
            ("PATCH", "/users/ann", json!({"name": bad})),
            ("POST", "/users", json!({"usernames": [bad]})),
        ] {
            let (status, answer) = hub.ask(method, path, ADMIN, Some(body)).await;
            assert_eq!(status, 400, "{method} {bad:?}: {answer}");
        }
    }
    for bad in ["a%2Fb", "%2E%2E", "%252e%252e", "%20x", "a%0Ab"] {
        let (status, answer) = hub.ask("POST", &format!("/users/{bad}"), ADMIN, None).await;
        assert!(status.is_client_error(), "{bad}: {status} {answer}");
        let (status, answer) = hub
            .ask("PUT", &format!("/users/ann/servers/{bad}"), ADMIN, None)
            .await;
        assert!(status.is_client_error(), "server {bad}: {status} {answer}");
        let (status, answer) = hub
            .ask("POST", &format!("/users/ann/servers/{bad}"), ADMIN, None)
            .await;
        assert!(status.is_client_error(), "server {bad}: {status} {answer}");
    }
    for bad in ["a%2Fb", "%2E%2E", "%252e%252e"] {
        let body = Some(json!({"info": {}}));
        let (status, answer) = hub
            .ask("POST", &format!("/services/{bad}"), ADMIN, body)
            .await;
        assert!(status.is_client_error(), "service {bad}: {status} {answer}");
    }
    // Answers of the API are no pages, whatever a name looks like.
    let name = "<script>alert(1)<%2Fscript>".replace("%2F", "");
    hub.ask("PATCH", "/users/ann", ADMIN, Some(json!({"name": name})))
        .await;
    let answer = reqwest::Client::new()
        .get(format!("{}/hub/api/users", hub.url))
        .header("authorization", format!("token {ADMIN}"))
        .send()
        .await
        .expect("an answer");
    let header = |name: &str| answer.headers()[name].to_str().expect("text").to_owned();
    assert_eq!(header("content-type"), "application/json");
    assert!(header("content-security-policy").contains("default-src 'none'"));
}

/// Options that are no options brought the hub down for everybody.
#[tokio::test]
async fn ghsa_hx46_2cv3_mh6g_bad_options_hurt_nobody() {
    let hub = hub("").await;
    let ann = hub.token("ann", json!(["inherit"])).await;
    for body in [
        json!([1]),
        json!("x"),
        json!(7),
        json!({"user_options": [1]}),
        json!({"user_options": "x"}),
        json!({"display_name": {"a": 1}}),
        json!({"user_options": {}, "display_name": "x\u{0}y"}),
    ] {
        let path = "/users/ann/servers/lab";
        let (status, answer) = hub.ask("POST", path, &ann, Some(body.clone())).await;
        assert!(status.is_client_error(), "{body}: {status} {answer}");
        let (status, answer) = hub.ask("PUT", path, &ann, Some(body.clone())).await;
        assert!(status.is_client_error(), "{body}: {status} {answer}");
    }
    let deep = (0..100).fold(json!(1), |value, _| json!({"a": value}));
    hub.ask(
        "POST",
        "/users/ann/server",
        &ann,
        Some(json!({"user_options": {"deep": deep}})),
    )
    .await;
    for path in [
        "/users/ann",
        "/users?include_stopped_servers=1",
        "/users?state=active",
    ] {
        assert_eq!(hub.ask("GET", path, ADMIN, None).await.0, 200, "{path}");
    }
}

/// Renamed, a user left what was shared with the old name to whoever got that name next. Nothing is shared here; tokens
/// and what they allow go by the owner, not by the name.
#[tokio::test]
async fn ghsa_mj6q_mp44_53v8_ghsa_c4gm_pwx9_9w8j_an_old_name_gives_nothing() {
    let hub = hub("").await;
    let old = hub
        .token(
            "ann",
            json!(["access:servers!user=ann", "read:users!user=ann"]),
        )
        .await;
    assert_eq!(
        hub.ask("PATCH", "/users/ann", ADMIN, Some(json!({"name": "anna"})))
            .await
            .0,
        200
    );
    assert_eq!(hub.ask("POST", "/users/ann", ADMIN, None).await.0, 201);
    assert_eq!(
        hub.ask("GET", "/users/ann", &old, None).await.0,
        404,
        "the new ann is somebody else"
    );
    let (status, who) = hub.ask("GET", "/user", &old, None).await;
    assert_eq!((status.as_u16(), &who["name"]), (200, &json!("anna")));
    assert!(!who["scopes"].to_string().contains("user=ann\""), "{who}");
    for path in [
        "/shares/ann/",
        "/shares/ann/x",
        "/share-codes/ann",
        "/users/ann/shared",
    ] {
        assert_eq!(hub.ask("GET", path, ADMIN, None).await.0, 404, "{path}");
    }
}

/// The right to a server was good for another one by giving it another name.
#[tokio::test]
async fn a_server_is_renamed_to_no_place_that_one_has_no_right_to() {
    let hub = hub("").await;
    for name in ["lab", "den"] {
        assert_eq!(
            hub.ask("PUT", &format!("/users/ann/servers/{name}"), ADMIN, None)
                .await
                .0,
            201
        );
    }
    let lab = hub.token("ann", json!(["servers!server=ann/lab"])).await;
    for (path, body, expected) in [
        ("/users/ann/servers/lab", json!({"name": "fresh"}), 404),
        ("/users/ann/servers/den", json!({"name": "fresh"}), 404),
        (
            "/users/ann/servers/lab",
            json!({"display_name": "Lab"}),
            200,
        ),
    ] {
        let (status, answer) = hub.ask("PATCH", path, &lab, Some(body)).await;
        assert_eq!(status, expected, "{path}: {answer}");
    }
    let (status, _) = hub.ask("GET", "/users/ann/servers/den", &lab, None).await;
    assert_eq!(status, 404);
}

/// Who may make services could make one that may more than he, or that takes the place of somebody's server.
#[tokio::test]
async fn services_are_no_way_up() {
    let hub = hub("").await;
    for body in [
        json!({"admin": true}),
        json!({"oauth_client_allowed_scopes": ["admin:users"]}),
        json!({"oauth_client_allowed_scopes": ["inherit", "admin:users"]}),
        json!({"oauth_client_allowed_scopes": ["inherit"]}),
        json!({"oauth_no_confirm": true}),
        json!({"oauth_client_id": "service-odd", "api_token": "long-enough-token"}),
        json!({"oauth_client_id": "jupyterhub-user-ann", "api_token": "long-enough-token"}),
        json!({"command": ["sh", "-c", "id"]}),
        json!({"api_token": "short"}),
    ] {
        let (status, answer) = hub
            .ask("POST", "/services/mine", SERVICE_ADMIN, Some(body.clone()))
            .await;
        assert_eq!(status, 400, "{body}: {answer}");
        assert_eq!(
            hub.ask("GET", "/services/mine", ADMIN, None).await.0,
            404,
            "{body}"
        );
    }
}

/// A token that may make services could make one that may all that the token's owner may.
#[tokio::test]
async fn a_token_for_services_makes_no_service_that_may_more_than_it() {
    let hub = hub("").await;
    let narrow = hub
        .token("adm", json!(["admin:services", "read:services"]))
        .await;
    for (body, expected) in [
        (
            json!({"admin": true, "api_token": "long-enough-token"}),
            400,
        ),
        (json!({"oauth_client_allowed_scopes": ["list:users"]}), 400),
        (
            json!({"oauth_client_allowed_scopes": ["read:services"]}),
            201,
        ),
    ] {
        let (status, answer) = hub
            .ask("POST", "/services/mine", &narrow, Some(body.clone()))
            .await;
        assert_eq!(status, expected, "{body}: {answer}");
    }
    let body = json!({"admin": true, "oauth_no_confirm": true, "oauth_client_allowed_scopes": ["inherit"]});
    let (status, answer) = hub.ask("POST", "/services/yours", ADMIN, Some(body)).await;
    assert_eq!(status, 201, "an admin may: {answer}");
}

/// Names and passwords in the body of a request for a token: no cookie, so no XSRF, and nothing told of who exists.
#[tokio::test]
async fn a_password_in_the_body_makes_tokens_for_its_owner_alone() {
    let hub = hub("").await;
    let ask = async |path: &str, user: &str, password: &str| {
        let body = json!({"auth": {"username": user, "password": password}});
        let answer = reqwest::Client::new()
            .post(format!("{}/hub/api{path}", hub.url))
            .json(&body)
            .send()
            .await;
        answer.expect("an answer").status().as_u16()
    };
    assert_eq!(ask("/users/ann/tokens", "ann", "s3cret").await, 201);
    for (path, user, password) in [
        ("/users/bob/tokens", "ann", "s3cret"),
        ("/users/ann/tokens", "ann", "wrong"),
        ("/users/nobody/tokens", "nobody", "s3cret"),
    ] {
        assert_eq!(ask(path, user, password).await, 403, "{path} by {user}");
    }
}
