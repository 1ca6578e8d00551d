//! When a route was last used: what the hub stops idle servers by.

use crate::address::free;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::program::{Program, Proxy, TOKEN};
use crate::routing::add;
use crate::table::PATIENCE;
use crate::upstream::Upstream;
use crate::wire::Connection;

async fn last(proxy: &Proxy) -> String {
    let mut connection = Connection::tcp(proxy.api).await;
    let text = format!("GET /api/routes/a\nAuthorization: token {TOKEN}");
    let reply = connection.ask(&text, "api", PATIENCE).await.reply();
    let route: serde_json::Value = serde_json::from_slice(&reply.body).expect("a route");
    route["last_activity"].as_str().expect("a time").to_owned()
}

/// Whether the time moves after `act`: soon, or at all where it is expected to. A time in milliseconds needs some to be
/// another.
async fn moves(proxy: &Proxy, expected: bool, act: impl AsyncFnOnce()) -> bool {
    let before = last(proxy).await;
    sleep(Duration::from_millis(3)).await;
    act().await;
    let soon = Duration::from_millis(250);
    let deadline = Instant::now() + if expected { PATIENCE } else { soon };
    while Instant::now() < deadline {
        if last(proxy).await > before {
            return true;
        }
        sleep(Duration::from_millis(10)).await;
    }
    false
}

const UPGRADE: &str = "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";

pub async fn of_requests(program: Program) {
    let upstream = Upstream::start("up").await;
    let proxy = Proxy::start(program, &[]).await;
    add(&proxy, "/a", &format!("http://{}", upstream.address)).await;
    add(&proxy, "/b", &format!("http://{}", upstream.address)).await;
    let ask = async |text: &str| {
        let mut client = Connection::tcp(proxy.public).await;
        client.ask(text, "h", PATIENCE).await.reply();
    };
    let time = last(&proxy).await;
    assert!(
        time.len() == 24 && time.ends_with('Z') && &time[19..20] == ".",
        "{time}"
    );
    for (text, wanted) in [
        ("GET /a/x", true),
        ("GET /a/x\nX-Act: status 204", true),
        ("HEAD /a/x", true),
        ("GET /a/x\nX-Act: status 302; Location: /", false),
        ("GET /a/x\nX-Act: status 304", false),
        ("GET /a/x\nX-Act: status 404", false),
        ("GET /a/x\nX-Act: status 500", false),
        ("GET /a/x\nX-Act: close", false),
        // A body counts whatever the answer is.
        ("POST /a/x\nX-Act: status 404\n\nbody", true),
        // Another route's.
        ("GET /b/x", false),
        ("GET /_chp_healthz", false),
    ] {
        assert_eq!(
            moves(&proxy, wanted, async || ask(text).await).await,
            wanted,
            "{program:?}: {text:?}"
        );
    }
    // Set anew with the route.
    let target = format!("http://{}", upstream.address);
    assert!(moves(&proxy, true, async || add(&proxy, "/a", &target).await).await);
    let dead = format!("http://{}", free());
    add(&proxy, "/a", &dead).await;
    assert!(
        !moves(&proxy, false, async || ask("GET /a/x").await).await,
        "{program:?}: nobody is there"
    );
}

pub async fn of_websockets(program: Program) {
    let upstream = Upstream::start("up").await;
    let proxy = Proxy::start(program, &[]).await;
    add(&proxy, "/a", &format!("http://{}", upstream.address)).await;
    let open = async |act: &str| {
        let mut client = Connection::tcp(proxy.public).await;
        let reply = client
            .ask(&format!("GET /a/x\n{UPGRADE}{act}"), "h", PATIENCE)
            .await
            .reply();
        assert_eq!(reply.status, 101);
        // What is under way already.
        sleep(Duration::from_millis(50)).await;
        client
    };
    let mut client = open("").await;
    assert!(
        moves(&proxy, true, async || client.send(b"x").await).await,
        "{program:?}: the client's bytes count"
    );
    let _talking = open("\nX-Act: talk").await;
    assert!(
        !moves(&proxy, false, async || ()).await,
        "{program:?}: the server's bytes do not count"
    );
}
