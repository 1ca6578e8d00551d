//! Servers that nobody uses: our own culler, and jupyterhub-idle-culler as a service.

use crate::world::{Front, World, peers, until};

/// Starts a server that nobody will use.
async fn start(world: &World) {
    let (status, answer) = world.api("POST", "/users").await;
    assert_eq!(status, 201, "{answer}");
    let (status, answer) = world.api("POST", "/users/alice/server").await;
    assert_eq!(status, 202, "{answer}");
    until("the server is ready", async || {
        world.server("alice", "").await["ready"] == true
    })
    .await;
}

async fn ends(world: &World) {
    until("the idle server is ended", async || {
        world.server("alice", "").await["stopped"] == true
    })
    .await;
    assert_eq!(world.routes().await, ["/"]);
}

#[tokio::test]
async fn our_own_culler_ends_them() {
    let world = World::new(6, Front::Hubproxy, "[cull]\nevery = 1\nidle = 3\n").await;
    start(&world).await;
    ends(&world).await;
    assert!(world.log().contains("culling"), "{}", world.log());
}

#[tokio::test]
async fn jupyterhub_idle_culler_ends_them() {
    let python = peers().join("jupyterhub-6/bin/python");
    let more = format!(
        r#"
[cull]
enabled = false

[[services]]
name = "idle-culler"
command = ["{}", "-m", "jupyterhub_idle_culler", "--timeout=3", "--cull-every=1"]

[[roles]]
name = "idle-culler"
scopes = ["list:users", "read:users:activity", "read:servers", "delete:servers"]
services = ["idle-culler"]
"#,
        python.display()
    );
    let world = World::new(6, Front::Chp, &more).await;
    start(&world).await;
    ends(&world).await;
    assert!(!world.log().contains("ended by itself"), "{}", world.log());
}
