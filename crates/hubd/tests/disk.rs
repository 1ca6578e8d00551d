//! A hub on a disk with nothing left, not a byte: it starts, serves those who are known, and loses nothing.

#![expect(clippy::expect_used, reason = "a test may")]

#[path = "../../hubproxy/tests/support/address.rs"]
mod address;
#[path = "../../hubproxy/tests/jupyterhub/room.rs"]
mod room;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use address::free;
use reqwest::cookie::{CookieStore, Jar};
use room::Room;
use serde_json::Value;
use tokio::time::{Instant, sleep};

const SERVICE: &str = "the-token-of-the-tests-own-service-which-may-everything";
const PATIENCE: Duration = Duration::from_secs(60);

/// A hub whose database is on a small file system of its own.
struct World {
    folder: tempfile::TempDir,
    room: Room,
    public: SocketAddr,
    internal: SocketAddr,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let (public, internal) = (free(), free());
        let path = |name: &str| folder.path().join(name).display().to_string();
        std::fs::write(folder.path().join("service.token"), SERVICE).expect("a file");
        let config = format!(
            r#"
database = "{database}"
listen.public = "{public}"
listen.internal.bind = "{internal}"
# Nobody is there: the hub asks again and again, and serves meanwhile.
proxy.api = "http://{nobody}"
auth.allow_all = true
auth.dummy.dangerous = true
spawn.kind = "process"
spawn.process.homes = "{homes}"

[groups]
class.users = ["ann"]

[[services]]
name = "tests"
admin = true
api_token_file = "{token}"
"#,
            database = path("disk/hubd.sqlite"),
            nobody = free(),
            homes = path("homes"),
            token = path("service.token"),
        );
        std::fs::write(folder.path().join("hubd.toml"), config).expect("a file");
        let mut room = Room::open(folder.path());
        let mount = "mkdir disk && mount -t tmpfs -o size=8m,mode=700 tmpfs disk";
        room.run(mount).await.expect("a file system");
        Self {
            folder,
            room,
            public,
            internal,
        }
    }

    async fn start(&mut self) {
        let script = format!(
            "{} --config hubd.toml serve >>hub.log 2>&1 & echo $! >hub.pid",
            env!("CARGO_BIN_EXE_hubd"),
        );
        self.room.run(&script).await.expect("a start");
        let url = format!("http://{}/hub/health", self.public);
        let deadline = Instant::now() + PATIENCE;
        while !reqwest::get(&url)
            .await
            .is_ok_and(|answer| answer.status() == 200)
        {
            let running = self.room.run("kill -0 $(cat hub.pid)").await;
            assert!(
                running.is_ok() && Instant::now() < deadline,
                "the hub does not answer: {running:?}\n{}",
                self.log()
            );
            sleep(Duration::from_millis(20)).await;
        }
    }

    /// Ends the hub, in the middle of whatever it does or in order.
    async fn end(&mut self, signal: &str) {
        let script = format!(
            "kill -{signal} $(cat hub.pid) && while kill -0 $(cat hub.pid); do sleep 0.02; done 2>/dev/null"
        );
        self.room.run(&script).await.expect("an end");
    }

    /// Takes all that is left.
    async fn fill(&mut self) {
        let script = "head -c 16M /dev/zero >>disk/all; df --output=avail disk | tail -n 1";
        let free = self.room.run(script).await.expect("a file");
        assert!(
            free.lines().last().is_some_and(|line| line.trim() == "0"),
            "{free}"
        );
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("hub.log")).expect("a log")
    }

    async fn api(&self, method: &str, path: &str, token: &str) -> (u16, Value) {
        let answer = reqwest::Client::new()
            .request(
                method.parse().expect("a method"),
                format!("http://{}/hub/api{path}", self.internal),
            )
            .header("authorization", format!("token {token}"))
            .send()
            .await
            .expect("an answer");
        let status = answer.status().as_u16();
        (status, answer.json().await.unwrap_or_default())
    }
}

/// A person's browser.
struct Browser {
    client: reqwest::Client,
    cookies: Arc<Jar>,
    hub: String,
}

impl Browser {
    fn new(world: &World) -> Self {
        let cookies = Arc::new(Jar::default());
        let client = reqwest::Client::builder()
            .cookie_provider(cookies.clone())
            .redirect(reqwest::redirect::Policy::none());
        Self {
            client: client.build().expect("a client"),
            cookies,
            hub: format!("http://{}/hub", world.public),
        }
    }

    async fn get(&self, page: &str) -> (u16, String) {
        let asked = self.client.get(format!("{}{page}", self.hub));
        let answer = asked
            .header("sec-fetch-mode", "navigate")
            .send()
            .await
            .expect("an answer");
        (
            answer.status().as_u16(),
            answer.text().await.expect("a page"),
        )
    }

    /// The status of the answer to the form, and its text.
    async fn log_in(&self, user: &str) -> (u16, String) {
        let (status, page) = self.get("/login").await;
        assert_eq!(status, 200, "{page}");
        let url = format!("{}/login", self.hub).parse().expect("a URL");
        let cookies = self.cookies.cookies(&url).expect("cookies");
        let xsrf = cookies
            .to_str()
            .expect("text")
            .split("; ")
            .find_map(|cookie| cookie.strip_prefix("_xsrf="))
            .expect("a token")
            .to_owned();
        let form = [("username", user), ("password", "x"), ("_xsrf", &xsrf)];
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let answer = self
            .client
            .post(format!("{}/login", self.hub))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
            .await
            .expect("an answer");
        (
            answer.status().as_u16(),
            answer.text().await.expect("a page"),
        )
    }
}

/// Those who are known are served, the rest is told why not.
async fn serves_who_is_known(world: &World, ann: &Browser, token: &str) {
    let (status, user) = world.api("GET", "/user", token).await;
    assert_eq!((status, &user["name"]), (200, &"ann".into()), "{user}");
    let (status, users) = world.api("GET", "/users", SERVICE).await;
    assert_eq!((status, &users[0]["groups"][0]), (200, &"class".into()));
    let (status, page) = ann.get("/home").await;
    assert_eq!(status, 200, "ann's browser stays logged in: {page}");
    let (status, page) = Browser::new(world).log_in("bob").await;
    assert_eq!(status, 507, "{page}");
    assert!(page.contains("disk is full"), "{page}");
    let (status, _) = world.api("POST", "/users/dora", SERVICE).await;
    assert_eq!(status, 507);
}

#[tokio::test]
async fn a_hub_starts_on_a_full_disk_and_loses_nothing() {
    let mut world = World::new().await;
    world.start().await;
    let (status, made) = world.api("POST", "/users/ann/tokens", SERVICE).await;
    assert_eq!(status, 201, "{made}");
    let token = made["token"].as_str().expect("a token").to_owned();
    let ann = Browser::new(&world);
    assert_eq!(ann.log_in("ann").await.0, 302);
    let kept = "until [ -s disk/hubd.sqlite.reserve ]; do sleep 0.05; done";
    world.room.run(kept).await.expect("a reserve");

    // Killed, and what the kernel gave back is taken at once.
    world.fill().await;
    serves_who_is_known(&world, &ann, &token).await;
    world.end("KILL").await;
    world.fill().await;
    world.start().await;
    serves_who_is_known(&world, &ann, &token).await;

    // Ended in order: then SQLite has removed what it needs for a start. Here there is no reserve, but what it gave back.
    world.end("TERM").await;
    world.start().await;
    serves_who_is_known(&world, &ann, &token).await;

    // Room again: it writes, and keeps some for the next time, when nothing at all is left to start with.
    world.room.run("rm disk/all").await.expect("room");
    world.room.run(kept).await.expect("a reserve");
    let (status, _) = world.api("POST", "/users/dora", SERVICE).await;
    assert_eq!(status, 201);
    assert_eq!(Browser::new(&world).log_in("bob").await.0, 302);
    world.end("TERM").await;
    world.fill().await;
    world.start().await;
    let (status, users) = world.api("GET", "/users", SERVICE).await;
    assert_eq!((status, users.as_array().map(Vec::len)), (200, Some(3)));
    let (_, page) = ann.get("/home").await;
    assert!(page.contains("ann"), "{page}");

    world.end("KILL").await;
    let check = "python3 -c \"import sqlite3; print(sqlite3.connect('disk/hubd.sqlite').execute('pragma integrity_check').fetchone()[0])\"";
    world.room.run("rm disk/all").await.expect("room");
    assert_eq!(world.room.run(check).await.as_deref(), Ok("ok"));
}

/// A disk that was full from the first moment: there is nothing to serve, and it is said why.
#[tokio::test]
async fn a_hub_that_never_ran_says_that_its_disk_is_full() {
    let mut world = World::new().await;
    world.fill().await;
    let script = format!("{} --config hubd.toml serve", env!("CARGO_BIN_EXE_hubd"));
    let said = world.room.run(&script).await.expect_err("no hub");
    assert!(said.contains("full"), "{said}");
}
