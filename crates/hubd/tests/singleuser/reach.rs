//! Who gets to a server, and who does not.

use serde_json::Value;

use crate::browser::Browser;
use crate::world::{Front, World, until};

#[tokio::test]
async fn a_server_is_its_owners_and_of_those_who_are_let_in() {
    let world = World::new(6, Front::Hubproxy, "").await;
    world.put("alice", "hello.txt", "a file of alice's");
    let _alice = Browser::at_work(&world, "alice").await;

    // Another user is turned away by the hub, and by the server if he comes with a token.
    let bob = Browser::new(&world, "bob");
    bob.log_in().await;
    let page = bob.get("/user/alice/lab").await;
    assert_eq!(
        (page.status, page.path.as_str()),
        (403, "/hub/api/oauth2/authorize"),
        "{page:?}"
    );
    let token = token_of(&world, "bob").await;
    assert_eq!(world.status("/user/alice/api/contents", &token).await, 403);
    assert_eq!(
        world.status("/user/alice/files/hello.txt", &token).await,
        403
    );
    assert_eq!(world.status("/hub/api/users/alice", &token).await, 404);
    for (method, path) in [
        ("POST", "/users/alice/server"),
        ("DELETE", "/users/alice/server"),
        ("GET", "/users/alice/server/progress"),
        ("POST", "/users/alice/activity"),
    ] {
        let (status, answer) = world.api_as(&token, method, path).await;
        assert_eq!(status, 404, "{method} {path}: {answer}");
    }
    let own = token_of(&world, "alice").await;
    assert_eq!(world.status("/user/alice/api/contents", &own).await, 200);

    // Someone who comes without having logged in is asked to, and led back.
    let nobody = Browser::new(&world, "nobody");
    let page = nobody.get("/user/alice/lab").await;
    assert_eq!(
        (page.status, page.path.as_str()),
        (200, "/hub/login"),
        "{page:?}"
    );

    // An admin may, and is asked whether alice's server is to know him: her server is a program of hers.
    let root = Browser::new(&world, "root");
    root.log_in().await;
    let page = root.get("/user/alice/files/hello.txt").await;
    assert_eq!(
        (page.status, page.path.as_str()),
        (200, "/hub/api/oauth2/authorize"),
        "{page:?}"
    );
    assert!(page.text.contains("<form"), "{page:?}");
    let cross = root.post_without_token(&page.uri).await;
    assert_eq!(cross, 403);
    let page = root.post_form(&page.uri, &[]).await;
    assert_eq!(
        (page.status, page.text.as_str()),
        (200, "a file of alice's"),
        "{page:?}"
    );
}

#[tokio::test]
async fn named_servers_stand_beside_the_default_one() {
    let world = World::new(6, Front::Chp, "").await;
    let alice = Browser::new(&world, "alice");
    alice.log_in().await;
    let (status, answer) = world.api("POST", "/users/alice/servers/lab2").await;
    assert_eq!(status, 202, "{answer}");
    until("the named server is ready", async || {
        world.server("alice", "lab2").await["ready"] == true
    })
    .await;
    assert_eq!(world.routes().await, ["/", "/user/alice/lab2"]);
    assert!(alice.own("/lab2/lab").await.contains("jupyter-config-data"));
    assert_eq!(alice.get("/user/alice/lab").await.status, 424);
    let status = world.remove("/users/alice/servers/lab2").await;
    assert!(matches!(status, 202 | 204), "{status}");
    until("it is gone", async || {
        world.server("alice", "lab2").await == Value::Null
    })
    .await;
    assert_eq!(world.routes().await, ["/"]);
}

/// A token of a user, with all that the user may.
async fn token_of(world: &World, user: &str) -> String {
    let (status, answer) = world.api("POST", &format!("/users/{user}/tokens")).await;
    assert_eq!(status, 201, "{answer}");
    answer["token"].as_str().expect("a token").to_owned()
}
