//! hubd beside a stock JupyterHub: the same requests, the same answers.
//!
//! Both have the same people, services and roles; [`table`] is sent to both in its order, and what comes back must be
//! the same, but for what [`differences`] lists with a reason. `docs/compatibility.md` is written from both.

#![allow(clippy::expect_used, reason = "a test that cannot go on says so")]

mod answer;
mod differences;
mod jupyterhub;
mod page;
#[path = "../support/mod.rs"]
mod support;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use answer::Answer;
use support::Running;
use table::{As, CASES, Case};

/// What both hubs are given beside the admin service: people, groups, services, roles.
const PEOPLE: &str = r#"
[auth]
allow_all = true
admin_users = ["adm"]
dummy.dangerous = true
dummy.password = "s3cret"

[[roles]]
name = "group-reader"
scopes = ["list:users!group=class", "read:users!group=class", "servers!group=class", "list:groups!group=class", "read:groups!group=class", "read:services!service=reader", "list:services!service=reader"]
services = ["class-reader"]

[[roles]]
name = "name-reader"
scopes = ["list:users", "read:users:name", "read:users:activity", "read:roles:users"]
services = ["reader"]

[[roles]]
name = "people-admin"
scopes = ["admin:users", "groups", "admin:services"]
services = ["people-admin"]

[[services]]
name = "reader"
api_token_file = "FOLDER/reader.token"

[[services]]
name = "class-reader"
api_token_file = "FOLDER/class-reader.token"

[[services]]
name = "people-admin"
api_token_file = "FOLDER/people-admin.token"
"#;

/// Names of the services that have a token, beside `tests`.
const SERVICES: [&str; 3] = ["reader", "class-reader", "people-admin"];

fn service_token(name: &str) -> String {
    format!("the-token-of-the-service-{name}")
}

/// One of the two hubs.
struct Side {
    url: String,
    tokens: BTreeMap<As, String>,
    client: reqwest::Client,
}

impl Side {
    async fn new(url: String) -> Self {
        let mut tokens = BTreeMap::from([
            (As::Admin, support::ADMIN.to_owned()),
            (As::Wrong, "nobody-has-this-token".to_owned()),
        ]);
        for (who, name) in [(As::Reader, 0), (As::ClassReader, 1), (As::PeopleAdmin, 2)] {
            tokens.insert(who, service_token(SERVICES[name]));
        }
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .expect("a client");
        let mut side = Self {
            url,
            tokens,
            client,
        };
        side.make_people().await;
        for (who, user, scopes) in [
            (As::Ann, "ann", None),
            (As::Adm, "adm", None),
            (
                As::Server,
                "ann",
                Some(r#"["users:activity!user", "access:servers!server=ann/"]"#),
            ),
            (As::Narrow, "ann", Some(r#"["read:users:name!user"]"#)),
        ] {
            let body = scopes.map_or_else(
                || "{}".to_owned(),
                |scopes| format!("{{\"scopes\": {scopes}}}"),
            );
            let path = format!("/users/{user}/tokens");
            let case = Case {
                token: As::Admin,
                ..Case::new("", "POST", "")
            };
            let answer = side.send(&case, &path, Some(&body)).await;
            let token = answer.json["token"].as_str().map(str::to_owned);
            side.tokens
                .insert(who, token.unwrap_or_else(|| panic!("{path}: {answer:?}")));
        }
        side
    }

    /// The users and groups, in one order on both sides.
    async fn make_people(&self) {
        for (path, body) in [
            ("/users", r#"{"usernames": ["ann"]}"#),
            ("/users", r#"{"usernames": ["bob"]}"#),
            ("/users", r#"{"usernames": ["cyd"]}"#),
            (
                "/groups",
                r#"{"groups": ["class"], "users": ["ann", "bob"]}"#,
            ),
            ("/groups", r#"{"groups": ["empty"]}"#),
        ] {
            let answer = self
                .send(&Case::new("", "POST", ""), path, Some(body))
                .await;
            assert_eq!(answer.status, 201, "{path} {body}: {answer:?}");
        }
    }

    async fn send(&self, case: &Case, path: &str, body: Option<&str>) -> Answer {
        let method = case.method.parse().expect("a method");
        let mut request = self
            .client
            .request(method, format!("{}/hub/api{path}", self.url));
        if let Some(token) = self.tokens.get(&case.token) {
            request = request.header("authorization", format!("token {token}"));
        }
        if let Some(accept) = case.accept {
            request = request.header("accept", accept);
        }
        if let Some(body) = body {
            request = request
                .header("content-type", "application/json")
                .body(body.to_owned());
        }
        Answer::of(request.send().await.expect("an answer")).await
    }
}

#[tokio::test]
async fn the_answers_are_jupyterhubs() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in SERVICES {
        std::fs::write(
            folder.path().join(format!("{name}.token")),
            service_token(name),
        )
        .expect("a file");
    }
    let people = PEOPLE.replace("FOLDER", &folder.path().display().to_string());
    let peer = jupyterhub::Running::start().await;
    let hub = Running::start(folder, &people).await;
    let theirs = Side::new(peer.url.clone()).await;
    let ours = Side::new(hub.url.clone()).await;

    let mut wrong = String::new();
    let mut differing = BTreeSet::new();
    for case in CASES {
        let (a, b) = tokio::join!(
            theirs.send(case, case.path, case.body),
            ours.send(case, case.path, case.body)
        );
        let apart = a.apart_from(&b);
        match (differences::of(case.name), apart) {
            (None, Some(apart)) => {
                let _infallible = write!(
                    wrong,
                    "\n{} ({} {}):\n{apart}\n",
                    case.name, case.method, case.path
                );
            }
            (Some(_), Some(_)) => {
                differing.insert(case.name);
            }
            (_, None) => {}
        }
    }
    for listed in differences::cases() {
        if !differing.contains(listed) {
            let _infallible = write!(
                wrong,
                "\n{listed}: listed as different, and is not (or no such case)\n"
            );
        }
    }
    assert!(
        wrong.is_empty(),
        "{wrong}\nJupyterHub's log:\n{}",
        peer.log_tail()
    );
}

#[tokio::test]
async fn a_shutdown_is_answered_and_happens() {
    let mut hub = Running::start(tempfile::tempdir().expect("a folder"), "").await;
    assert_eq!(
        hub.ask("POST", "/users/ann", support::ADMIN, None).await.0,
        201
    );
    assert_eq!(
        hub.ask("POST", "/users/ann/server", support::ADMIN, None)
            .await
            .0,
        201
    );
    let body = serde_json::json!({"servers": true, "proxy": false});
    let (status, answer) = hub
        .ask("POST", "/shutdown", support::ADMIN, Some(body))
        .await;
    let message = serde_json::json!({"message": "Shutting down Hub"});
    assert_eq!((status.as_u16(), answer), (202, message));
    hub.ended().await;
    let routes = hub.routes.table.lock().expect("a table");
    assert!(!routes.contains_key("/user/ann"), "{routes:?}");
}

#[test]
fn every_operation_is_asked_for() {
    let asked: BTreeSet<(&str, &str)> = CASES
        .iter()
        .filter_map(|case| table::operation(case.method, case.path))
        .collect();
    let missing: Vec<_> = table::OPERATIONS
        .iter()
        .filter(|(method, path)| !asked.contains(&(*method, *path)))
        .filter(|(method, path)| !table::elsewhere(method, path))
        .collect();
    assert!(missing.is_empty(), "no case for {missing:#?}");
}

#[test]
fn the_page_is_what_the_table_says() {
    page::check();
}
