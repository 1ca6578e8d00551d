//! Visits to servers that do not run, or that the proxy does not know, and starts that take their time.

#![expect(clippy::expect_used, reason = "a test may")]

#[path = "../support/mod.rs"]
mod support;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use hubd::session::origin::Origin;
use hubd::spawner::{Ending, Launch, ServerKey, SpawnError, Spawner, Started, Status, Target};
use hubd::store::{StoreError, user};
use reqwest::header::{COOKIE, LOCATION, RETRY_AFTER};
use reqwest::redirect::Policy;
use serde_json::{Value, json};
use tokio::sync::watch;

use support::{ADMIN, Running};

/// Whose starts come back only when they are let, and then as they are told.
struct Waiting {
    let_go: watch::Receiver<Option<Result<(), &'static str>>>,
    running: Mutex<HashMap<ServerKey, tokio::task::JoinHandle<()>>>,
}

#[async_trait]
impl Spawner for Waiting {
    async fn prepare(&self, _: &ServerKey) -> Result<Target, SpawnError> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        Ok(Target::Tcp(listener.local_addr().expect("an address")))
    }

    async fn start(&self, launch: &Launch, target: &Target) -> Result<Started, SpawnError> {
        let mut let_go = self.let_go.clone();
        let outcome = *let_go.wait_for(Option::is_some).await.expect("the test");
        if let Some(Err(message)) = outcome {
            let message = message.to_owned();
            return Err(SpawnError::Refused { message });
        }
        let Target::Tcp(address) = target else {
            unreachable!("it was prepared so")
        };
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .expect("a port");
        let task = tokio::spawn(async move {
            let router = axum::Router::new().fallback(|| async {});
            axum::serve(listener, router).await.expect("serving");
        });
        self.running
            .lock()
            .expect("servers")
            .insert(launch.key.clone(), task);
        Ok(Started {
            target: target.clone(),
            state: json!({}),
        })
    }

    async fn poll(&self, key: &ServerKey, _: &Value) -> Result<Status, SpawnError> {
        let runs = self.running.lock().expect("servers").contains_key(key);
        Ok(if runs {
            Status::Running
        } else {
            Status::Ended(Ending::default())
        })
    }

    async fn stop(&self, key: &ServerKey, _: &Value) -> Result<(), SpawnError> {
        if let Some(task) = self.running.lock().expect("servers").remove(key) {
            task.abort();
        }
        Ok(())
    }
}

struct World {
    running: Running,
    let_go: watch::Sender<Option<Result<(), &'static str>>>,
    client: reqwest::Client,
    cookies: String,
}

struct Answer {
    status: u16,
    location: String,
    text: String,
}

impl World {
    /// Alice, bob and their hub; alice is logged in.
    async fn new(more: &str) -> Self {
        let (let_go, wait) = watch::channel(None);
        let spawner = Arc::new(Waiting {
            let_go: wait,
            running: Mutex::default(),
        });
        let folder = tempfile::tempdir().expect("a folder");
        let more = format!("spawn.slow_spawn_timeout = 0\n{more}");
        let running = Running::start_with(folder, &more, spawner).await;
        let names = json!({"usernames": ["alice", "bob"]});
        let (status, answer) = running.ask("POST", "/users", ADMIN, Some(names)).await;
        assert_eq!(status, 201, "{answer}");
        let cookies = log_in(&running, "alice").await;
        let client = reqwest::Client::builder().redirect(Policy::none());
        Self {
            running,
            let_go,
            client: client.build().expect("a client"),
            cookies,
        }
    }

    async fn visit(&self, method: &str, path: &str, accept: &str) -> Answer {
        let request = self
            .client
            .request(
                method.parse().expect("a method"),
                format!("{}{path}", self.running.url),
            )
            .header(COOKIE, &self.cookies)
            .header("Accept", accept);
        let reply = request.send().await.expect("an answer");
        let location = reply.headers().get(LOCATION);
        Answer {
            status: reply.status().as_u16(),
            location: location.map_or_else(String::new, |to| to.to_str().expect("text").to_owned()),
            text: reply.text().await.expect("text"),
        }
    }

    async fn get(&self, path: &str) -> Answer {
        self.visit("GET", path, "text/html").await
    }

    async fn api(&self, method: &str, path: &str) -> (u16, Value) {
        let (status, answer) = self.running.ask(method, path, ADMIN, None).await;
        (status.as_u16(), answer)
    }

    /// The events of alice's start, to the last.
    async fn progress(&self) -> String {
        let (status, events) = self.api("GET", "/users/alice/server/progress").await;
        assert_eq!(status, 200, "{events}");
        events.as_str().expect("events").to_owned()
    }
}

/// Begins a session as the login page does; the cookies.
async fn log_in(running: &Running, name: &'static str) -> String {
    let hub = &running.hub;
    let found = hub
        .store
        .read(move |connection| user::find(connection, name));
    let id = found.await.expect("a store").expect("a user").id;
    let (parts, ()) = http::Request::new(()).into_parts();
    let origin = Origin::of(&parts);
    let set: Result<_, StoreError> = hub
        .sessions
        .begin(&hub.store, &parts.headers, &origin, id, name)
        .await;
    let set = set.expect("a session");
    let cookies = set.iter().map(|cookie| {
        let cookie = cookie.to_str().expect("text");
        cookie.split(';').next().expect("a cookie").to_owned()
    });
    cookies.collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn a_server_that_does_not_run_is_called_that_to_people_and_to_programs() {
    let world = World::new("").await;
    let page = world.get("/hub/user/alice/lab?x=1").await;
    assert_eq!(page.status, 424);
    assert!(
        page.text
            .contains("/hub/spawn/alice?next=%2Fhub%2Fuser%2Falice%2Flab%3Fx%3D1"),
        "{}",
        page.text
    );
    for (method, path, accept) in [
        ("GET", "/hub/user/alice/lab", "application/json"),
        ("GET", "/hub/user/alice/api/kernels", "text/html"),
        ("POST", "/hub/user/alice/lab", "text/html"),
        ("DELETE", "/hub/user/alice/files/x", "*/*"),
    ] {
        let answer = world.visit(method, path, accept).await;
        assert_eq!(answer.status, 424, "{method} {path}");
        let body: Value = serde_json::from_str(&answer.text).expect("JSON");
        let message = body["message"].as_str().expect("a message");
        let at = path.trim_start_matches("/hub");
        assert!(
            message.starts_with(&format!("JupyterHub server no longer running at {at}.")),
            "{message}"
        );
        assert!(message.ends_with("/hub/spawn/alice"), "{message}");
    }
}

#[tokio::test]
async fn other_peoples_servers_are_not_there() {
    let world = World::new("").await;
    for path in ["/hub/user/bob/lab", "/hub/user/nobody/lab"] {
        assert_eq!(world.get(path).await.status, 404, "{path}");
    }
    let stranger = World {
        cookies: String::new(),
        ..world
    };
    let login = stranger.get("/hub/user/alice/lab?x=1").await;
    assert_eq!(login.status, 302);
    assert_eq!(
        login.location,
        "/hub/login?next=%2Fhub%2Fuser%2Falice%2Flab%3Fx%3D1"
    );
}

#[tokio::test]
async fn what_lies_outside_the_hub_leads_inside() {
    let world = World::new("").await;
    for (path, to) in [
        ("/", "/hub/"),
        ("/user/alice/lab?x=1", "/hub/user/alice/lab?x=1"),
        ("/x", "/hub/x"),
        ("//evil.example/x", "/hub/evil.example/x"),
    ] {
        let answer = world.get(path).await;
        assert_eq!(
            (answer.status, answer.location.as_str()),
            (302, to),
            "{path}"
        );
    }
    let own = world.get("/hub/user-redirect/lab/tree/x.ipynb?a=1").await;
    assert_eq!(own.status, 302);
    assert_eq!(
        own.location,
        "/hub/spawn/alice?next=%2Fuser%2Falice%2Flab%2Ftree%2Fx.ipynb%3Fa%3D1"
    );
}

#[tokio::test]
async fn a_start_is_pending_then_ready_and_the_visitor_goes_on() {
    let world = World::new("").await;
    let (status, _) = world.api("POST", "/users/alice/server").await;
    assert_eq!(status, 202);
    let (status, _) = world.api("POST", "/users/alice/server").await;
    assert_eq!(status, 202, "asking again changes nothing");
    let (_, model) = world.api("GET", "/users/alice").await;
    assert_eq!(model["pending"], "spawn", "{model}");
    let page = world.get("/hub/user/alice/lab").await;
    assert_eq!(page.status, 303);
    assert_eq!(
        page.location,
        "/hub/spawn-pending/alice?next=%2Fhub%2Fuser%2Falice%2Flab"
    );

    world.let_go.send_replace(Some(Ok(())));
    let events = world.progress().await;
    assert!(
        events.starts_with("data: {\"progress\":0,\"message\":\"Server requested\"}\n\n"),
        "{events}"
    );
    assert!(
        events.contains("{\"progress\":50,\"message\":\"Spawning server...\"}"),
        "{events}"
    );
    assert!(
        events.trim_end().ends_with("\"url\":\"/user/alice/\"}"),
        "{events}"
    );
    let (status, answer) = world.api("POST", "/users/alice/server").await;
    assert_eq!(
        (status, &answer["message"]),
        (400, &"alice is already running".into())
    );

    // The proxy sent the visitor here although the server runs: it has lost the route, which comes back.
    world.running.routes.table.lock().expect("a table").clear();
    let page = world.get("/hub/user/alice/lab?x=1").await;
    assert_eq!(page.status, 302);
    assert_eq!(page.location, "/user/alice/lab?x=1&redirects=1");
    while !world
        .running
        .routes
        .table
        .lock()
        .expect("a table")
        .contains_key("/user/alice")
    {
        tokio::task::yield_now().await;
    }
    let page = world.get("/hub/user/alice/lab?redirects=4").await;
    assert_eq!(page.status, 500);
    assert!(
        page.text.contains("Redirect loop detected"),
        "{}",
        page.text
    );
}

#[tokio::test]
async fn a_start_that_fails_is_told_where_the_visitor_looks() {
    let world = World::new("").await;
    let (status, _) = world.api("POST", "/users/alice/server").await;
    assert_eq!(status, 202);
    world
        .let_go
        .send_replace(Some(Err("there is no room for you")));
    let events = world.progress().await;
    let last = events.trim_end().rsplit("data: ").next().expect("an event");
    let last: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(
        last,
        json!({"progress": 100, "failed": true, "message": "Spawn failed: there is no room for you"})
    );
    let page = world.get("/hub/user/alice/lab").await;
    assert_eq!(page.status, 303);
    let page = world.get(&page.location).await;
    assert!(
        page.text.contains("There is no room for you."),
        "{}",
        page.text
    );
}

#[tokio::test]
async fn too_many_starts_are_told_when_to_come_back() {
    let world = World::new("spawn.concurrent_spawn_limit = 1").await;
    let (status, _) = world.api("POST", "/users/alice/server").await;
    assert_eq!(status, 202);
    let url = format!("{}/hub/api/users/bob/server", world.running.url);
    let request = world
        .client
        .post(url)
        .header("Authorization", format!("token {ADMIN}"));
    let reply = request.send().await.expect("an answer");
    assert_eq!(reply.status(), 429);
    let after = reply.headers()[RETRY_AFTER].to_str().expect("text");
    assert!(
        (30..=60).contains(&after.parse::<u32>().expect("seconds")),
        "{after}"
    );
    let (status, _) = world.api("DELETE", "/users/alice/server").await;
    assert!(matches!(status, 202 | 204), "{status}");
}
