//! The unmodified `jupyterhub-singleuser` of both majors under the hub, behind the stock proxy and behind hubproxy.

#![expect(clippy::expect_used, reason = "a test may")]

#[path = "../../../hubproxy/tests/support/address.rs"]
mod address;
mod browser;
mod idle;
mod reach;
#[path = "../../../hubproxy/tests/jupyterhub/room.rs"]
mod room;
mod web;
mod world;

use browser::Browser;
use world::{Front, World, until};

#[tokio::test]
async fn singleuser_6_behind_the_stock_proxy() {
    story(6, Front::Chp).await;
}

#[tokio::test]
async fn singleuser_5_behind_the_stock_proxy() {
    story(5, Front::Chp).await;
}

#[tokio::test]
async fn singleuser_6_behind_hubproxy_on_sockets() {
    story(6, Front::Hubproxy).await;
}

#[tokio::test]
async fn singleuser_5_behind_hubproxy_on_sockets() {
    story(5, Front::Hubproxy).await;
}

/// From login to logout, with a hub that is killed in the middle.
async fn story(version: u8, front: Front) {
    let mut world = World::new(version, front, "").await;
    world.put("alice", "hello.txt", "a file of alice's");
    let alice = Browser::at_work(&world, "alice").await;
    assert_eq!(alice.own("/files/hello.txt").await, "a file of alice's");
    // Beside the older major no JupyterLab is installed.
    if version == 6 {
        assert!(alice.own("/lab").await.contains("jupyter-config-data"));
    }
    let me = alice.json("/api/me").await;
    assert_eq!(me["identity"]["username"], "alice");
    let mut kernel = alice.kernel().await;
    assert_eq!(kernel.run("kept = 41; print(kept)").await, "41\n");
    assert_eq!(world.routes().await, ["/", "/user/alice"]);

    let server = world.server("alice", "").await;
    assert_eq!(server["ready"], true, "{server}");
    let since = server["last_activity"].as_str().expect("a time").to_owned();
    until("activity is reported", async || {
        // What was done before may have been reported before.
        kernel.run("kept").await;
        let now = world.server("alice", "").await;
        now["last_activity"]
            .as_str()
            .is_some_and(|now| now > since.as_str())
    })
    .await;

    // Nobody who uses a server notices that the hub is gone, nor that it is back.
    world.kill_hub().await;
    assert_eq!(kernel.run("kept += 1; print(kept)").await, "42\n");
    assert_eq!(alice.own("/files/hello.txt").await, "a file of alice's");
    world.start_hub().await;
    until("the server is adopted", async || {
        world.server("alice", "").await["ready"] == true
    })
    .await;
    assert_eq!(kernel.run("kept += 1; print(kept)").await, "43\n");
    let kernels = alice.json("/api/kernels").await;
    assert_eq!(kernels[0]["id"], kernel.id);
    let home = alice.get("/hub/home").await;
    assert_eq!(home.status, 200, "the session is still good: {home:?}");
    let adopted = world.server("alice", "").await;
    assert_eq!(adopted["started"], server["started"]);

    // The proxy lost every route: the hub puts them back.
    world.restart_proxy().await;
    until("every route is back", async || {
        world.routes().await == ["/", "/user/alice"]
    })
    .await;
    assert_eq!(alice.own("/files/hello.txt").await, "a file of alice's");

    // The token that the server has for alice's browser ends with her session. The server itself remembers for five
    // minutes what it heard of a token in a session, so the session's own cookie is left out.
    let cookies = alice.cookies_of("/user/alice/");
    let without_session: Vec<&str> = cookies
        .split("; ")
        .filter(|cookie| !cookie.starts_with("jupyterhub-session-id="))
        .collect();
    assert_eq!(alice.status_with("/api/me", &cookies).await, 200);
    assert_eq!(issued(&world).await, 1);
    alice.log_out().await;
    assert_eq!(issued(&world).await, 0);
    let status = alice
        .status_with("/api/me", &without_session.join("; "))
        .await;
    assert_eq!(status, 403);
    alice.log_in().await;

    let stopped = world.api("DELETE", "/users/alice/server").await.0;
    assert!(matches!(stopped, 202 | 204), "{stopped}");
    until("the server is gone", async || {
        world.server("alice", "").await["stopped"] == true
    })
    .await;
    assert_eq!(world.routes().await, ["/"]);
    let page = alice.get("/user/alice/lab").await;
    assert_eq!(
        (page.status, page.path.as_str()),
        (424, "/hub/user/alice/lab"),
        "{page:?}"
    );
    assert!(!world.log().contains("panicked"), "{}", world.log());
}

/// How many tokens alice's server has for her visits.
async fn issued(world: &World) -> usize {
    let (status, tokens) = world.api("GET", "/users/alice/tokens").await;
    assert_eq!(status, 200, "{tokens}");
    let tokens = tokens["api_tokens"].as_array().expect("tokens");
    tokens
        .iter()
        .filter(|token| token["oauth_client"] == "Server at /user/alice/")
        .count()
}
