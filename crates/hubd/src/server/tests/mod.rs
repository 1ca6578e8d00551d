//! Servers from request to end, with a spawner whose servers are tasks of the test, and a proxy that is a table.

mod store;
mod world;

use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::http::StatusCode;
use futures::StreamExt;
use serde_json::json;

use super::progress::Progress;
use super::state::State;
use super::*;
use crate::clock::Timestamp;
use crate::store::secret::TokenHash;
use crate::store::{server, token, user};
use world::{Act, World, key};

#[tokio::test]
async fn up_and_down_leaves_nothing() {
    let world = World::new(|_| {}).await;
    let ada = key("ada", "");
    let outcome = world.servers.start(&ada, Wish::default()).await.unwrap();
    assert_eq!(outcome, Outcome::Done);
    assert_eq!(world.servers.state(&ada), State::Ready);
    assert_eq!(world.routes(), ["/user/ada"]);
    assert_eq!(
        world.scopes().await.unwrap(),
        [
            "access:servers!server=ada/",
            "read:users:activity!user=ada",
            "read:users:groups!user=ada",
            "read:users:name!user=ada",
            "users:activity!user=ada"
        ]
    );
    let row = world.row(&ada).await.unwrap();
    assert_eq!(row.state, json!({"unit": "ada"}));
    assert!(row.started.is_some() && row.last_activity == row.started);
    let again = world
        .servers
        .start(&ada, Wish::default())
        .await
        .unwrap_err();
    assert_eq!(again.to_string(), "ada is already running");

    assert_eq!(world.servers.stop(&ada).await.unwrap(), Outcome::Done);
    assert_eq!(world.routes(), Vec::<String>::new());
    assert_eq!(world.scopes().await, None, "the token is revoked");
    let row = world.row(&ada).await.unwrap();
    assert_eq!((row.target, row.started), (None, None));
    assert_eq!(world.servers.stop(&ada).await.unwrap(), Outcome::Done);
    assert!(world.servers.0.config.named_servers.allow);
}

#[tokio::test]
async fn progress_is_told_from_the_first_to_the_last() {
    let world = World::new(|_| {}).await;
    let ada = key("ada", "");
    assert!(matches!(
        world.servers.progress(&ada),
        Err(Refusal::NotStarting(_))
    ));
    world.act(Act::Silent);
    let servers = world.servers.clone();
    let start = tokio::spawn({
        let ada = ada.clone();
        async move { servers.start(&ada, Wish::default()).await }
    });
    world.spawner.asked.notified().await;
    let events = world.servers.progress(&ada).unwrap();
    *world.spawner.answer.lock().unwrap() = true;
    let told: Vec<Progress> = events.collect().await;
    let steps: Vec<u8> = told.iter().map(|event| event.progress).collect();
    assert_eq!(steps, [0, 50, 75, 100]);
    assert_eq!(told.last().unwrap(), &Progress::ready("/user/ada/"));
    assert_eq!(start.await.unwrap().unwrap(), Outcome::Done);
    let late: Vec<Progress> = world.servers.progress(&ada).unwrap().collect().await;
    assert_eq!(late, [Progress::ready("/user/ada/")]);
}

#[tokio::test]
async fn a_slow_start_is_pending_and_can_be_given_up() {
    let world = World::new(|config| config.spawn.slow_spawn_timeout = 0).await;
    let ada = key("ada", "");
    world.act(Act::Hang);
    let outcome = world.servers.start(&ada, Wish::default()).await.unwrap();
    assert_eq!(outcome, Outcome::Pending);
    let again = world.servers.start(&ada, Wish::default()).await.unwrap();
    assert_eq!(again, Outcome::Pending, "asking again starts no second one");
    world.spawner.asked.notified().await;
    let events = world.servers.progress(&ada).unwrap();
    assert!(world.scopes().await.is_some());

    world.servers.stop(&ada).await.unwrap();
    let last = events.collect::<Vec<_>>().await.pop().unwrap();
    assert!(last.failed);
    assert_eq!(last.message, "Spawn cancelled");
    world.servers.0.life(&ada).unwrap().ended().await;
    assert_eq!(world.scopes().await, None);
    assert_eq!(world.servers.view(&ada).failure, None);
    assert_eq!(world.spawner.stops.load(Ordering::SeqCst), 1);
    world.act(Act::Answer);
    world.servers.start(&ada, Wish::default()).await.unwrap();
    world
        .servers
        .0
        .life(&ada)
        .unwrap()
        .past(State::Spawning)
        .await;
    assert_eq!(world.servers.state(&ada), State::Ready);
}

#[tokio::test]
async fn failures_are_told_to_the_owner_and_clean_up() {
    let world = World::new(|_| {}).await;
    let ada = key("ada", "");
    world.act(Act::Refuse);
    let refused = world
        .servers
        .start(&ada, Wish::default())
        .await
        .unwrap_err();
    assert_eq!(refused.to_string(), "there is no room");
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    assert_eq!(world.scopes().await, None);
    let told: Vec<Progress> = world.servers.progress(&ada).unwrap().collect().await;
    assert_eq!(told[0].message, "Spawn failed: there is no room");

    world.act(Act::Die);
    let died = world
        .servers
        .start(&ada, Wish::default())
        .await
        .unwrap_err();
    assert_eq!(died.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let view = world.servers.view(&ada);
    assert!(view.failed_to_start);
    let failure = view.failure.unwrap();
    assert!(failure.to_string().contains("out of memory"), "{failure}");
    assert_eq!(failure.last_lines(), ["Killed"]);
    assert!(world.row(&ada).await.unwrap().target.is_none());
}

#[tokio::test]
async fn a_server_that_never_answers_is_not_waited_for_for_ever() {
    let world = World::new(|config| config.spawn.http_timeout = 1).await;
    let ada = key("ada", "");
    world.act(Act::Silent);
    let silent = world
        .servers
        .start(&ada, Wish::default())
        .await
        .unwrap_err();
    assert!(
        silent
            .to_string()
            .contains("did not answer within 1 seconds"),
        "{silent}"
    );
    assert_eq!(world.spawner.running.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn limits() {
    let world = World::new(|config| {
        config.spawn.concurrent_spawn_limit = 1;
        config.spawn.active_server_limit = 2;
        config.spawn.slow_spawn_timeout = 0;
        config.named_servers.limit = 1;
    })
    .await;
    world.act(Act::Hang);
    world
        .servers
        .start(&key("ada", ""), Wish::default())
        .await
        .unwrap();
    let refused = world
        .servers
        .start(&key("bob", ""), Wish::default())
        .await
        .unwrap_err();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!((30..=60).contains(&refused.retry_after().unwrap()));
    world.spawner.asked.notified().await;
    world.servers.stop(&key("ada", "")).await.unwrap();
    world.servers.0.life(&key("ada", "")).unwrap().ended().await;

    world.act(Act::Answer);
    for (key, user) in [(key("ada", ""), "ada"), (key("ada", "lab2"), "ada")] {
        world.servers.start(&key, Wish::default()).await.unwrap();
        world
            .servers
            .0
            .life(&key)
            .unwrap()
            .past(State::Spawning)
            .await;
        assert_eq!(key.user, user);
    }
    let refused = world
        .servers
        .start(&key("bob", ""), Wish::default())
        .await
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Active user limit exceeded. Try again in a few minutes."
    );
    let refused = world
        .servers
        .start(&key("ada", "lab3"), Wish::default())
        .await
        .unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("already has the maximum of 1 named servers")
    );
    let refused = world
        .servers
        .start(&key("nobody", ""), Wish::default())
        .await
        .unwrap_err();
    assert_eq!(refused.status(), StatusCode::NOT_FOUND);
    let refused = world
        .servers
        .start(&key("bob", "Not/A name"), Wish::default())
        .await
        .unwrap_err();
    assert!(matches!(refused, Refusal::Name(_)), "{refused}");
}

#[tokio::test]
async fn a_named_server_is_removed_and_the_default_one_stays() {
    let world = World::new(|_| {}).await;
    let lab = key("ada", "lab2");
    let wish = Wish {
        display_name: Some("My lab".to_owned()),
        ..Wish::default()
    };
    world.servers.start(&lab, wish).await.unwrap();
    assert_eq!(world.row(&lab).await.unwrap().display_name, "My lab");
    assert_eq!(world.routes(), ["/user/ada/lab2"]);
    assert_eq!(world.servers.remove(&lab).await.unwrap(), Outcome::Done);
    assert_eq!(world.row(&lab).await, None);
    let missing = world.servers.remove(&lab).await.unwrap_err();
    assert_eq!(missing.to_string(), "ada has no server named 'lab2'");
    let stays = world.servers.remove(&key("ada", "")).await.unwrap_err();
    assert!(matches!(stays, Refusal::DefaultStays));
}

#[tokio::test]
async fn a_restart_adopts_what_runs_and_clears_what_does_not() {
    let mut world = World::new(|_| {}).await;
    let (ada, bob) = (key("ada", ""), key("bob", ""));
    world.servers.start(&bob, Wish::default()).await.unwrap();
    let of_bob = world.token();
    world.servers.start(&ada, Wish::default()).await.unwrap();
    world.spawner.end(&bob);
    world.table.lock().unwrap().clear();

    world.restart();
    assert_eq!(world.servers.state(&ada), State::Stopped);
    assert_eq!(world.servers.adopt().await.unwrap(), 2);
    let refused = world.servers.start(&ada, Wish::default()).await;
    assert!(matches!(
        refused,
        Err(Refusal::Pending {
            state: State::Checking,
            ..
        } | Refusal::Running(_))
    ));
    for key in [&ada, &bob] {
        world
            .servers
            .0
            .life(key)
            .unwrap()
            .past(State::Checking)
            .await;
    }
    assert_eq!(world.servers.state(&ada), State::Ready);
    assert_eq!(world.servers.state(&bob), State::Stopped);
    assert!(world.scopes().await.is_some(), "ada's token is still good");
    assert!(
        world
            .store
            .requester_by_token(&of_bob)
            .await
            .unwrap()
            .is_none()
    );
    world.servers.check_routes().await.unwrap();
    assert_eq!(world.routes(), ["/", "/user/ada"]);
}

#[tokio::test]
async fn a_start_that_the_hubs_end_cut_off_is_cleared() {
    let mut world = World::new(|config| config.spawn.slow_spawn_timeout = 0).await;
    let ada = key("ada", "");
    world.act(Act::Hang);
    world.servers.start(&ada, Wish::default()).await.unwrap();
    world.spawner.asked.notified().await;
    assert!(world.row(&ada).await.unwrap().target.is_some());
    world.restart();
    assert_eq!(world.servers.adopt().await.unwrap(), 1);
    world.servers.0.life(&ada).unwrap().ended().await;
    assert!(world.row(&ada).await.unwrap().target.is_none());
    assert_eq!(world.spawner.stops.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn one_that_ended_by_itself_is_seen_and_its_owner_told() {
    let world = World::new(|config| config.spawn.poll_interval = 1).await;
    let ada = key("ada", "");
    world.servers.start(&ada, Wish::default()).await.unwrap();
    let servers = world.servers.clone();
    let watch = tokio::spawn(async move { servers.run().await });
    world.spawner.end(&ada);
    world.servers.0.life(&ada).unwrap().ended().await;
    watch.abort();
    let view = world.servers.view(&ada);
    assert!(view.failure.unwrap().to_string().contains("out of memory"));
    assert!(!view.failed_to_start);
    assert_eq!(world.scopes().await, None);
}

#[tokio::test]
async fn the_proxy_tells_when_a_server_was_used() {
    let world = World::new(|_| {}).await;
    let ada = key("ada", "");
    world.servers.start(&ada, Wish::default()).await.unwrap();
    let later = Timestamp::parse("2099-01-01T00:00:00Z").unwrap();
    world.table.lock().unwrap().get_mut("/user/ada").unwrap()["last_activity"] =
        json!("2099-01-01T00:00:00.000Z");
    world.table.lock().unwrap().insert(
        "/user/gone".to_owned(),
        json!({"target": "http://x", "jupyterhub": true}),
    );
    world
        .table
        .lock()
        .unwrap()
        .insert("/other".to_owned(), json!({"target": "http://x"}));
    world.servers.check_routes().await.unwrap();
    assert_eq!(world.row(&ada).await.unwrap().last_activity, Some(later));
    assert_eq!(world.routes(), ["/", "/other", "/user/ada"]);
}

#[tokio::test]
async fn idle_servers_are_culled_and_idle_users_where_asked() {
    let world = World::new(|config| {
        config.cull.idle = 1;
        config.cull.users = true;
        config.cull.remove_named_servers = true;
    })
    .await;
    let (ada, lab) = (key("ada", ""), key("ada", "lab2"));
    world.servers.start(&ada, Wish::default()).await.unwrap();
    world.servers.start(&lab, Wish::default()).await.unwrap();
    let used = Timestamp::parse("2099-01-01T00:00:00Z").unwrap();
    let row = world.row(&ada).await.unwrap();
    world
        .store
        .note(move |connection| server::note_activity(connection, row.id, used))
        .await
        .unwrap();
    let started = world.row(&lab).await.unwrap().started.unwrap();
    while world.store.clock().now().since(started) < Duration::from_secs(1) {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    world.servers.cull().await.unwrap();
    assert_eq!(world.servers.state(&ada), State::Ready);
    assert_eq!(world.row(&lab).await, None);
    let bob = world
        .store
        .read(|connection| user::find(connection, "bob"))
        .await
        .unwrap();
    assert_eq!(bob, None, "bob was never active");
    let ada = world
        .store
        .read(|connection| user::find(connection, "ada"))
        .await
        .unwrap();
    assert!(ada.is_some());
}

#[tokio::test]
async fn the_clients_secret_is_the_servers_token_and_the_environment_is_whole() {
    let world = World::new(|config| {
        config
            .spawn
            .environment
            .insert("LANG".to_owned(), "C.UTF-8".to_owned());
    })
    .await;
    let ada = key("ada", "");
    world.servers.start(&ada, Wish::default()).await.unwrap();
    let launch = world.spawner.launches.lock().unwrap()[0].clone();
    assert_eq!(launch.environment["LANG"], "C.UTF-8");
    assert_eq!(
        launch.environment["JUPYTERHUB_API_URL"],
        "http://127.0.0.1:881/hub/api"
    );
    let secret = TokenHash::of(&launch.environment["JUPYTERHUB_API_TOKEN"]).0;
    let client = world
        .store
        .read(|connection| crate::store::oauth::find_client(connection, "jupyterhub-user-ada"))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(client.secret, secret);
    assert_eq!(client.redirect_uri, "/user/ada/oauth_callback");
    assert_eq!(client.description, "Server at /user/ada/");
    let note = "Server at /user/ada/";
    let tokens = world
        .store
        .read(move |connection| {
            let user = user::find(connection, "ada")?.unwrap();
            token::list(connection, token::OwnerId::User(user.id), Timestamp(0))
        })
        .await
        .unwrap();
    assert_eq!(tokens.len(), 1);
    assert_eq!(tokens[0].note, note);
}
