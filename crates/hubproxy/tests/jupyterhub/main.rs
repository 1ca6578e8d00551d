//! A stock JupyterHub with hubproxy in configurable-http-proxy's place.

#![expect(clippy::expect_used, reason = "a test may")]

#[path = "../support/address.rs"]
mod address;
mod browser;
mod hub;
mod room;

use browser::{Browser, until};
use hub::{Hub, Told};

#[tokio::test]
async fn jupyterhub_6_finds_it_in_the_path() {
    story(6, Told::ByPath).await;
}

#[tokio::test]
async fn jupyterhub_5_is_given_its_command() {
    story(5, Told::ByCommand).await;
}

/// From a login to a cell that was run; the proxy killed; the end.
async fn story(version: u8, told: Told) {
    let mut hub = Hub::new(version, told);
    hub.start().await;
    let alice = Browser::new(hub.public, "alice");
    alice.log_in().await;
    alice.spawn().await;
    assert_eq!(alice.page("/files/hello.txt").await, "a file of alice's");
    if version == 6 {
        assert!(alice.page("/lab").await.contains("jupyter-config-data"));
    }
    let mut kernel = alice.kernel().await;
    assert_eq!(kernel.run("print(6 * 7)").await, "42\n");
    let before = hub.routes().await;
    assert_eq!(before.keys().collect::<Vec<_>>(), ["/", "/user/alice"]);
    assert_eq!(before["/user/alice"]["user"], "alice");

    assert!(!hub.log().contains("Traceback"), "{}", hub.log());

    // Killed: the hub starts it again, and every route is back.
    hub.room
        .run("kill -KILL $(cat jupyterhub-proxy.pid)")
        .await
        .expect("a proxy to kill");
    until("it runs again", async || {
        tokio::net::TcpStream::connect(hub.public).await.is_ok()
    })
    .await;
    until("every route is back", async || {
        let routes = hub.routes().await;
        before.iter().all(|(path, route)| {
            routes
                .get(path)
                .is_some_and(|again| again["target"] == route["target"])
        })
    })
    .await;
    assert_eq!(alice.page("/files/hello.txt").await, "a file of alice's");
    let mut kernel = alice.kernel().await;
    assert_eq!(kernel.run("print(6 * 7)").await, "42\n");

    hub.stop().await;
}

/// Killed beside a hub that does not look after it: with a state file it has every route by itself, at once; without one
/// the hub adds them when it looks.
#[tokio::test]
async fn routes_come_back_without_the_hub_and_with_it() {
    let mut hub = Hub::new(6, Told::NotToStart);
    hub.start_proxy_that_keeps_routes().await;
    hub.start().await;
    let alice = Browser::new(hub.public, "alice");
    alice.log_in().await;
    alice.spawn().await;
    alice.page("/files/hello.txt").await;
    let before = hub.routes().await;
    assert_eq!(before.keys().collect::<Vec<_>>(), ["/", "/user/alice"]);
    // Nobody but the file can bring them back while the hub stands still.
    hub.room
        .run("kill -STOP $(cat hub.pid); kill -KILL $(cat proxy.pid)")
        .await
        .expect("a proxy to kill");
    hub.start_proxy_that_keeps_routes().await;
    let after = hub.routes().await;
    for (path, route) in &before {
        for field in ["target", "user", "server_name", "hub", "jupyterhub"] {
            assert_eq!(after[path].get(field), route.get(field), "{path}");
        }
    }
    assert_eq!(alice.page("/files/hello.txt").await, "a file of alice's");

    hub.room
        .run("kill -CONT $(cat hub.pid); kill -KILL $(cat proxy.pid); rm routes.json")
        .await
        .expect("a proxy to kill");
    hub.start_proxy_that_keeps_routes().await;
    until("the hub has added every route", async || {
        hub.routes().await.len() == 2
    })
    .await;
    assert_eq!(alice.page("/files/hello.txt").await, "a file of alice's");
}

/// The hub goes and comes while a WebSocket is open: it is not cut, not even while there is no hub.
#[tokio::test]
async fn a_restart_of_the_hub_cuts_no_websocket() {
    let mut hub = Hub::new(6, Told::NotToStart);
    hub.start_proxy().await;
    hub.start().await;
    let alice = Browser::new(hub.public, "alice");
    alice.log_in().await;
    alice.spawn().await;
    alice.page("/files/hello.txt").await;
    let mut kernel = alice.kernel().await;
    assert_eq!(kernel.run("kept = 41; print(kept)").await, "41\n");

    hub.stop().await;
    assert_eq!(kernel.run("kept += 1; print(kept)").await, "42\n");
    assert_eq!(alice.page("/files/hello.txt").await, "a file of alice's");
    assert_eq!(alice.get("/hub/home").await.0, 503);

    hub.start().await;
    assert_eq!(kernel.run("kept += 1; print(kept)").await, "43\n");
    assert_eq!(alice.get("/hub/home").await.0, 200);
    let routes = hub.routes().await;
    assert_eq!(routes.keys().collect::<Vec<_>>(), ["/", "/user/alice"]);
}
