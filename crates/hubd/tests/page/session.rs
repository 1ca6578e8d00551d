//! Sessions that another than their browser ends: by the API, and from the shell.

use clap::Parser;
use http::{Method, StatusCode};
use hubd::cli::Args;
use hubd::store::token::{self, MintError, New, OwnerId};
use hubd::store::user;

use crate::browser::Browser;
use crate::hub::TestHub;

/// A token of a user: one of a browser's session, as servers get it, where that is named, else one the user made.
async fn token(test: &TestHub, name: &'static str, session: Option<&Browser>) -> String {
    let session = session.map(|browser| {
        browser
            .cookie("jupyterhub-session-id")
            .unwrap()
            .value
            .clone()
    });
    let store = test.hub.store.clone();
    let minted = test.hub.store.write(move |connection| {
        let owner = user::find(connection, name)?.unwrap();
        let new = New {
            scopes: Some(vec!["inherit".to_owned()]),
            session_id: session.as_deref(),
            ..New::of(OwnerId::User(owner.id), "a test's")
        };
        token::mint(connection, store.catalog(), store.clock().now(), &new)
    });
    let minted: Result<_, MintError> = minted.await;
    minted.unwrap().0
}

async fn api(test: &TestHub, method: Method, path: &str, token: &str) -> StatusCode {
    let bearer = format!("token {token}");
    let path = format!("/hub/api{path}");
    let headers = [("authorization", bearer.as_str())];
    test.browser()
        .send(method, &path, &headers, None)
        .await
        .status
}

async fn is_in(browser: &mut Browser) -> bool {
    browser.get("/hub/home").await.status == StatusCode::OK
}

#[tokio::test]
async fn sessions_are_ended_by_whoever_may_and_tokens_stay() {
    let test = TestHub::plain().await;
    test.admin("ada").await;
    test.user("bob").await;
    test.user("cyd").await;
    let mut ada = test.logged_in("ada").await;
    let mut bob = test.logged_in("bob").await;
    let mut elsewhere = test.logged_in("bob").await;
    let mut cyd = test.logged_in("cyd").await;
    let of_session = token(&test, "bob", Some(&bob)).await;
    let [adas, bobs, cyds] = [
        token(&test, "ada", None).await,
        token(&test, "bob", None).await,
        token(&test, "cyd", None).await,
    ];
    let user = "/user";
    assert_eq!(api(&test, Method::GET, user, &of_session).await, 200);

    // No other user's, and not everybody's.
    let of_bob = "/users/bob/sessions";
    assert_eq!(api(&test, Method::DELETE, of_bob, &cyds).await, 404);
    assert_eq!(api(&test, Method::DELETE, "/sessions", &cyds).await, 403);
    assert_eq!(api(&test, Method::DELETE, of_bob, "wrong").await, 403);
    assert!(is_in(&mut bob).await && is_in(&mut elsewhere).await);
    let nobody = "/users/nobody/sessions";
    assert_eq!(api(&test, Method::DELETE, nobody, &adas).await, 404);

    assert_eq!(api(&test, Method::DELETE, of_bob, &adas).await, 204);
    assert!(!is_in(&mut bob).await && !is_in(&mut elsewhere).await);
    assert!(is_in(&mut ada).await && is_in(&mut cyd).await);
    assert_eq!(api(&test, Method::GET, user, &of_session).await, 403);
    assert_eq!(api(&test, Method::GET, user, &bobs).await, 200);
    // Bob can, and come back.
    let mut bob = test.logged_in("bob").await;
    assert_eq!(api(&test, Method::DELETE, of_bob, &bobs).await, 204);
    assert!(!is_in(&mut bob).await);

    let of_session = token(&test, "cyd", Some(&cyd)).await;
    assert_eq!(api(&test, Method::DELETE, "/sessions", &adas).await, 204);
    assert!(!is_in(&mut ada).await && !is_in(&mut cyd).await);
    assert_eq!(api(&test, Method::GET, user, &of_session).await, 403);
    assert_eq!(api(&test, Method::GET, user, &cyds).await, 200);
}

#[tokio::test]
async fn sessions_are_ended_from_the_shell() {
    let test = TestHub::plain().await;
    for name in ["bob", "cyd"] {
        test.user(name).await;
    }
    let mut bob = test.logged_in("bob").await;
    let mut cyd = test.logged_in("cyd").await;
    let run = async |words: &[&str]| {
        let words = ["hubd", "user", "log-out"].iter().chain(words);
        let command = Args::try_parse_from(words)?.command.unwrap();
        command.run((*test.hub.config).clone()).await
    };
    let error = run(&["nobody", "Bob"]).await.unwrap_err();
    assert_eq!(error.to_string(), "there is no user nobody");
    assert!(!is_in(&mut bob).await && is_in(&mut cyd).await);
    assert!(run(&[]).await.is_err(), "nobody named");
    assert!(run(&["--all", "cyd"]).await.is_err());
    assert_eq!(run(&["--all"]).await.unwrap(), "");
    assert!(!is_in(&mut cyd).await);
}

/// A user who is removed is out at once, and whoever gets the name later does not get the session.
#[tokio::test]
async fn a_removed_users_sessions_are_gone() {
    let test = TestHub::plain().await;
    test.admin("ada").await;
    test.user("bob").await;
    let mut bob = test.logged_in("bob").await;
    let token = token(&test, "ada", None).await;
    assert_eq!(api(&test, Method::DELETE, "/users/bob", &token).await, 204);
    assert!(!is_in(&mut bob).await);
    test.user("bob").await;
    assert!(!is_in(&mut bob).await);
}
