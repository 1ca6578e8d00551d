//! Bodies and paths of the REST API, sent to the program itself: never a 5xx, and what is taken is kept.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value};

use crate::program::{Program, Proxy, TOKEN};
use crate::wire::{Connection, Outcome, Reply};
use crate::{lines, runner};

const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// The API over one connection that stays.
struct Api {
    runtime: tokio::runtime::Runtime,
    proxy: Proxy,
    connection: std::cell::Cell<Option<Connection>>,
}

impl Api {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let proxy = runtime.block_on(Proxy::start(Program::Hubproxy, &["--log-level", "error"]));
        Self {
            runtime,
            proxy,
            connection: None.into(),
        }
    }

    fn ask(&self, method: &str, path: &str, body: Option<&[u8]>) -> Result<Reply, TestCaseError> {
        self.runtime.block_on(async {
            let mut connection = match self.connection.take() {
                Some(connection) => connection,
                None => Connection::tcp(self.proxy.api).await,
            };
            let mut bytes = format!("{method} /api/routes{path} HTTP/1.1\r\nHost: api\r\nAuthorization: token {TOKEN}\r\n").into_bytes();
            if let Some(body) = body {
                bytes.extend(format!("Content-Length: {}\r\n", body.len()).into_bytes());
            }
            bytes.extend(b"\r\n");
            bytes.extend(body.unwrap_or_default());
            connection.send(&bytes).await;
            match connection.reply(false, PATIENCE).await {
                Outcome::Reply(reply) if reply.status < 500 => {
                    if reply.header("connection") != Some("close") {
                        self.connection.set(Some(connection));
                    }
                    Ok(reply)
                }
                other => Err(TestCaseError::fail(format!("{method} {path}: {other:?}\n{}", self.proxy.log()))),
            }
        })
    }
}

/// What is to be taken of a body: an object with a text for its target.
fn taken(body: &[u8]) -> Option<Map<String, Value>> {
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(body) else {
        return None;
    };
    fields.get("target")?.as_str()?;
    fields.remove("last_activity");
    Some(fields)
}

fn check(api: &Api, path: &str, body: &[u8]) -> Result<(), TestCaseError> {
    let all = matches!(path, "" | "/");
    let posted = api.ask("POST", path, Some(body))?;
    let Some(fields) = taken(body) else {
        prop_assert_eq!(posted.status, 400);
        let got = api.ask("GET", path, None)?;
        let wanted = if all { "200 {}" } else { "404 " };
        prop_assert_eq!(format!("{} {}", got.status, got.text()), wanted);
        return Ok(());
    };
    prop_assert_eq!(posted.status, 201);
    let got = api.ask("GET", path, None)?;
    prop_assert_eq!(got.status, 200);
    let mut kept: Value = serde_json::from_slice(&got.body)
        .map_err(|error| TestCaseError::fail(error.to_string()))?;
    if all {
        kept = kept["/"].take();
    }
    let mut kept = kept.as_object().cloned().unwrap_or_default();
    let time = kept.remove("last_activity");
    prop_assert!(time.is_some_and(|time| time.as_str().is_some_and(|time| time.ends_with('Z'))));
    prop_assert_eq!(kept, fields);
    let path = if path.is_empty() { "/" } else { path };
    prop_assert_eq!(api.ask("DELETE", path, None)?.status, 204);
    prop_assert_eq!(api.ask("DELETE", path, None)?.status, 404);
    Ok(())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(Value::from("http://127.0.0.1:1/x")),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let name = prop_oneof![
            select(&["target", "user", "jupyterhub", "last_activity", "host"][..])
                .prop_map(str::to_owned),
            any::<String>()
        ];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((name, inner), 0..5).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Objects mostly, some with a target, some then broken.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let with_target = (value(), any::<String>()).prop_map(|(value, target)| {
        let mut fields = value.as_object().cloned().unwrap_or_default();
        fields.insert("target".to_owned(), Value::from(target));
        Value::Object(fields).to_string().into_bytes()
    });
    let broken =
        (value(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(value, at, byte)| {
            let mut bytes = value.to_string().into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        });
    prop_oneof![4 => with_target, 2 => value().prop_map(|value| value.to_string().into_bytes()), 2 => broken, 1 => vec(any::<u8>(), 0..64)]
}

const PATHS: &[&str] = &[
    "",
    "/",
    "/a",
    "/a/",
    "/a/b",
    "/user/foo%20bar",
    "/user/%C3%BC",
    "/a%2Fb",
    "/a//b",
    "/x.y/z@",
    "/%3Fq",
    "/%25",
];

#[test]
fn what_is_taken_is_kept_and_nothing_breaks_it() {
    let api = Api::start();
    for known in lines(include_str!("corpus/body.txt")) {
        check(&api, "/corpus", known.as_bytes()).expect("the corpus");
    }
    let deep = format!(
        "{{\"target\":\"http://h\",\"x\":{}1{}}}",
        "[".repeat(100),
        "]".repeat(100)
    );
    check(&api, "/corpus", deep.as_bytes()).expect("a hundred levels");
    runner("tests/property/corpus/body.seeds", 384)
        .run(&(select(PATHS), body()), |(path, body)| {
            check(&api, path, &body)
        })
        .expect("an API like the model");
}

/// Any method on any path: an answer, and not one of ours being broken.
#[test]
fn every_request_is_answered() {
    let api = Api::start();
    let method = select(&["GET", "POST", "DELETE", "PUT", "PATCH", "OPTIONS"][..]);
    let path = "[/?#%&=.~a-zA-Z0-9;:@+-]{0,24}";
    runner("tests/property/corpus/request.seeds", 384)
        .run(
            &(method, path, prop::option::of(vec(any::<u8>(), 0..32))),
            |(method, path, body)| {
                // Without a slash it is another path.
                let path = if path.is_empty() || path.starts_with('?') {
                    path
                } else {
                    format!("/{path}")
                };
                api.ask(method, &path.replace('#', ""), body.as_deref())
                    .map(drop)
            },
        )
        .expect("an answer below 500");
}
