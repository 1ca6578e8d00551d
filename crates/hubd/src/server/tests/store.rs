//! What must hold when the store cannot be written, or is slow.

use std::time::Duration;

use super::world::{World, key};
use crate::clock::Timestamp;
use crate::server::state::State;
use crate::server::{Outcome, Refusal, Wish, register};
use crate::store::{StoreError, token, user};

/// As on a full disk: what is deleted cannot be written down.
#[tokio::test]
async fn a_token_that_cannot_be_revoked_is_refused_and_revoked_later() {
    let world = World::new(|_| {}).await;
    let ada = key("ada", "");
    let sql = async |sql: &'static str| {
        let done = world.store.note(move |connection| {
            connection.execute_batch(sql)?;
            Ok::<_, StoreError>(())
        });
        done.await.unwrap();
    };
    let kept = async || {
        world
            .store
            .read(|connection| {
                let user = user::find(connection, "ada")?.unwrap();
                let tokens = token::list(connection, token::OwnerId::User(user.id), Timestamp(0))?;
                Ok::<_, StoreError>(tokens.len())
            })
            .await
            .unwrap()
    };
    const FULL: &str =
        "CREATE TRIGGER full BEFORE DELETE ON tokens BEGIN SELECT RAISE(ABORT, 'full'); END";
    world.servers.start(&ada, Wish::default()).await.unwrap();
    assert!(world.scopes().await.is_some());
    sql(FULL).await;
    assert_eq!(world.servers.stop(&ada).await.unwrap(), Outcome::Done);
    assert_eq!(kept().await, 1);
    assert_eq!(world.scopes().await, None, "it is still in the database");
    world.servers.0.clear_left().await;
    assert_eq!((kept().await, world.scopes().await), (1, None));

    sql("DROP TRIGGER full").await;
    world.servers.0.clear_left().await;
    assert_eq!(kept().await, 0);
    let row = world.row(&ada).await.unwrap();
    assert_eq!((row.target, row.started), (None, None));

    // What a start has made anew since is not taken away by a late try.
    world.servers.start(&ada, Wish::default()).await.unwrap();
    sql(FULL).await;
    world.servers.stop(&ada).await.unwrap();
    sql("DROP TRIGGER full").await;
    world.servers.start(&ada, Wish::default()).await.unwrap();
    world.servers.0.clear_left().await;
    assert!(world.scopes().await.is_some());
    assert!(world.row(&ada).await.unwrap().started.is_some());
}

#[tokio::test]
async fn nothing_starts_while_a_server_is_removed_or_its_user_renamed() {
    let world = World::new(|_| {}).await;
    let lab = key("ada", "lab2");
    world.servers.start(&lab, Wish::default()).await.unwrap();
    // The store is busy, so that the removal waits for it.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let busy = tokio::spawn({
        let store = world.store.clone();
        async move {
            store
                .note(move |_| {
                    let _let_go = wait.recv_timeout(Duration::from_secs(20));
                    Ok::<_, StoreError>(())
                })
                .await
        }
    });
    let removal = tokio::spawn({
        let (servers, lab) = (world.servers.clone(), lab.clone());
        async move { servers.remove(&lab).await }
    });
    world.servers.0.life(&lab).unwrap().past(State::Ready).await;
    let refused = world.servers.start(&lab, Wish::default()).await;
    assert!(
        matches!(
            refused,
            Err(Refusal::Pending {
                state: State::Stopping,
                ..
            })
        ),
        "{refused:?}"
    );
    go.send(()).unwrap();
    busy.await.unwrap().unwrap();
    assert_eq!(removal.await.unwrap().unwrap(), Outcome::Done);
    assert_eq!(world.row(&lab).await, None);
    assert_eq!(world.servers.state(&lab), State::Stopped);

    // The name is another by the time that the start is written down.
    let begun = world.store.write(|connection| {
        let ada = user::find(connection, "ada")?.unwrap();
        user::rename(connection, ada.id, "eve")?;
        Ok::<_, StoreError>(ada.id)
    });
    let id = begun.await.unwrap();
    let owner = register::Owner {
        user_id: id,
        groups: Vec::new(),
        server_exists: false,
        named_servers: 0,
        options: serde_json::Map::new(),
    };
    let begun = register::begin(
        &world.store,
        "/",
        &key("ada", ""),
        &owner,
        Wish::default(),
        serde_json::Map::new(),
    )
    .await;
    assert!(matches!(begun, Err(token::MintError::Owner)));
}

#[tokio::test]
async fn services_that_the_api_made_have_their_routes() {
    let world = World::new(|_| {}).await;
    let spec = crate::store::service::Spec {
        url: "http://127.0.0.1:9/".to_owned(),
        oauth_client_id: "service-own".to_owned(),
        ..Default::default()
    };
    let id = world
        .store
        .write(move |connection| {
            crate::store::service::put(connection, "my own", false, false, &spec)
        })
        .await
        .unwrap();
    world.servers.check_routes().await.unwrap();
    assert_eq!(world.routes(), ["/", "/services/my%20own"]);
    world
        .store
        .write(move |connection| crate::store::service::delete(connection, id))
        .await
        .unwrap();
    world.servers.check_routes().await.unwrap();
    assert_eq!(world.routes(), ["/"]);
}
