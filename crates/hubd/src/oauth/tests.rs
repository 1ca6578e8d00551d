//! The provider over a store: from an authorization request to a token, and all that does not come so far.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::exchange::Exchange;
use super::provider::{Consent, Decision, IssueError, Issued, authorize, issue};
use crate::clock::{Clock, Timestamp};
use crate::scope::{Catalog, default_roles};
use crate::store::oauth::{self, Client, ClientOf};
use crate::store::requester::Requester;
use crate::store::secret::TokenHash;
use crate::store::{Store, StoreError, role, server, session, user};

const VERIFIER: &str = "a verifier of the right length, which is 43 characters at least";
const LIFE: Duration = Duration::from_secs(14 * 86400);

struct World {
    store: Store,
    now: Arc<AtomicI64>,
    _folder: tempfile::TempDir,
}

impl World {
    /// Alice has a server; bob is a user, root an admin.
    async fn new(allowed_scopes: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = Arc::new(AtomicI64::new(1_000_000));
        let shown = now.clone();
        let clock = Clock::from_fn(move || Timestamp(shown.load(Ordering::SeqCst)));
        let path = folder.path().join("hub.sqlite");
        let store = Store::open(&path, Catalog::default(), clock).unwrap();
        let allowed_scopes = allowed_scopes
            .iter()
            .map(|scope| (*scope).to_owned())
            .collect();
        store
            .write(move |connection| {
                role::set_all(connection, &default_roles())?;
                let alice = user::create(connection, Timestamp(1), "alice", false)?;
                user::create(connection, Timestamp(1), "bob", false)?;
                user::create(connection, Timestamp(1), "root", true)?;
                let row = server::ensure(connection, alice, "", "")?;
                let client = Client {
                    identifier: "jupyterhub-user-alice".to_owned(),
                    description: "Server at /user/alice/".to_owned(),
                    secret: TokenHash::of("s3cret").0,
                    redirect_uri: "/user/alice/oauth_callback".to_owned(),
                    allowed_scopes,
                    of: ClientOf::Server {
                        id: row.id,
                        user: "alice".to_owned(),
                        name: String::new(),
                    },
                };
                oauth::put_client(connection, &client)
            })
            .await
            .unwrap();
        Self {
            store,
            now,
            _folder: folder,
        }
    }

    async fn visitor(&self, name: &'static str) -> Requester {
        let found = self
            .store
            .read(move |connection| user::find(connection, name));
        let id = found.await.unwrap().unwrap().id;
        let session = format!("session-of-{name}");
        let known = self.store.requester_by_user(id, Some(session));
        known.await.unwrap().unwrap()
    }

    async fn ask(&self, name: &'static str, query: &str, consent: Consent) -> Decision {
        let visitor = self.visitor(name).await;
        let session = format!("session-of-{name}");
        authorize(&self.store, &visitor, &session, query, consent)
            .await
            .unwrap()
    }

    /// A code for a visitor who is not asked.
    async fn code(&self, name: &'static str, query: &str) -> String {
        let Decision::Back(location) = self.ask(name, query, Consent::NotAsked).await else {
            panic!("{name} is asked");
        };
        let (path, rest) = location.split_once("?code=").expect("a code");
        assert_eq!(path, "/user/alice/oauth_callback");
        rest.split('&').next().unwrap().to_owned()
    }

    async fn exchange(&self, request: Exchange) -> Result<Issued, &'static str> {
        match issue(&self.store, request, LIFE).await {
            Ok(issued) => Ok(issued),
            Err(IssueError::Refused(error)) => Err(error.error),
            Err(other) => panic!("{other}"),
        }
    }
}

/// What the single-user server of 6.x asks.
fn query() -> String {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER.as_bytes()));
    format!(
        "client_id=jupyterhub-user-alice&redirect_uri=%2Fuser%2Falice%2Foauth_callback&response_type=code&state=st\
         &code_challenge={challenge}&code_challenge_method=S256"
    )
}

fn exchange(code: &str) -> Exchange {
    Exchange {
        client_id: "jupyterhub-user-alice".to_owned(),
        client_secret: "s3cret".to_owned(),
        code: code.to_owned(),
        redirect_uri: Some("/user/alice/oauth_callback".to_owned()),
        verifier: Some(VERIFIER.to_owned()),
    }
}

#[tokio::test]
async fn the_owner_is_not_asked_and_the_token_is_for_this_server_alone() {
    let world = World::new(&[]).await;
    let code = world.code("alice", &query()).await;
    let issued = world.exchange(exchange(&code)).await.unwrap();
    assert_eq!(issued.expires_in, LIFE);
    let expected = [
        "access:servers!server=alice/",
        "read:users:groups!user=alice",
        "read:users:name!user=alice",
    ];
    assert_eq!(issued.scopes, expected);
    let known = world
        .store
        .requester_by_token(&issued.access_token)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(known.name(), "alice");
    assert_eq!(known.scopes.to_sorted(), expected);
    assert_eq!(known.session_id.as_deref(), Some("session-of-alice"));

    // Her session ends, and the token with it.
    let ended = world
        .store
        .write(|connection| session::end(connection, "session-of-alice"));
    ended.await.unwrap();
    assert!(
        world
            .store
            .requester_by_token(&issued.access_token)
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn a_code_is_good_once_for_its_client_its_secret_and_its_verifier() {
    let world = World::new(&[]).await;
    let code = world.code("alice", &query()).await;
    let with = |change: fn(&mut Exchange)| {
        let mut request = exchange(&code);
        change(&mut request);
        request
    };
    for change in [
        (|request| request.client_secret = "wrong".to_owned()) as fn(&mut Exchange),
        |request| request.client_id = "jupyterhub-user-bob".to_owned(),
    ] {
        let refused = world.exchange(with(change)).await.err();
        assert_eq!(
            refused,
            Some("invalid_client"),
            "and the code is not used up by strangers"
        );
    }
    assert!(world.exchange(with(|_| ())).await.is_ok());
    assert_eq!(
        world.exchange(with(|_| ())).await.err(),
        Some("invalid_grant")
    );

    for (change, error) in [
        (
            (|request| request.verifier = Some("other".to_owned())) as fn(&mut Exchange),
            "invalid_grant",
        ),
        (|request| request.verifier = None, "invalid_request"),
        (
            |request| request.redirect_uri = Some("/user/bob/oauth_callback".to_owned()),
            "invalid_request",
        ),
        (
            |request| request.code = "made up".to_owned(),
            "invalid_grant",
        ),
    ] {
        let code = world.code("alice", &query()).await;
        let mut request = exchange(&code);
        change(&mut request);
        let guessed = request.code == code;
        assert_eq!(world.exchange(request).await.err(), Some(error));
        if guessed {
            let again = world.exchange(exchange(&code)).await.err();
            assert_eq!(again, Some("invalid_grant"), "one wrong try uses a code up");
        }
    }
}

#[tokio::test]
async fn a_code_gets_old_and_ends_with_its_session() {
    let world = World::new(&[]).await;
    let code = world.code("alice", &query()).await;
    world.now.fetch_add(301_000_000, Ordering::SeqCst);
    assert_eq!(
        world.exchange(exchange(&code)).await.err(),
        Some("invalid_grant")
    );

    let code = world.code("alice", &query()).await;
    let ended = world
        .store
        .write(|connection| session::end(connection, "session-of-alice"));
    ended.await.unwrap();
    assert_eq!(
        world.exchange(exchange(&code)).await.err(),
        Some("invalid_grant")
    );
}

#[tokio::test]
async fn a_code_of_one_client_is_nothing_to_another() {
    let world = World::new(&[]).await;
    let made = world.store.write(|connection| {
        let bob = user::find(connection, "bob")?.unwrap();
        let row = server::ensure(connection, bob.id, "", "")?;
        let client = Client {
            identifier: "jupyterhub-user-bob".to_owned(),
            description: String::new(),
            secret: TokenHash::of("bobs").0,
            redirect_uri: "/user/bob/oauth_callback".to_owned(),
            allowed_scopes: Vec::new(),
            of: ClientOf::Server {
                id: row.id,
                user: "bob".to_owned(),
                name: String::new(),
            },
        };
        oauth::put_client(connection, &client)
    });
    made.await.unwrap();
    let code = world.code("alice", &query()).await;
    let stolen = Exchange {
        client_id: "jupyterhub-user-bob".to_owned(),
        client_secret: "bobs".to_owned(),
        ..exchange(&code)
    };
    assert_eq!(world.exchange(stolen).await.err(), Some("invalid_grant"));
}

#[tokio::test]
async fn who_may_not_go_there_gets_no_code_and_an_admin_is_asked_once() {
    let world = World::new(&[]).await;
    for consent in [Consent::NotAsked, Consent::Given(Vec::new())] {
        let decision = world.ask("bob", &query(), consent).await;
        let description = "Server at /user/alice/".to_owned();
        assert_eq!(decision, Decision::Forbidden { description });
    }
    let Decision::Ask(question) = world.ask("root", &query(), Consent::NotAsked).await else {
        panic!("an admin is asked");
    };
    assert_eq!(question.grant.beyond, Vec::<String>::new());
    let agreed = world
        .ask("root", &query(), Consent::Given(question.grant.scopes))
        .await;
    let Decision::Back(location) = agreed else {
        panic!("{agreed:?}")
    };
    let code = location
        .split("code=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap()
        .to_owned();
    let issued = world.exchange(exchange(&code)).await.unwrap();
    let known = world
        .store
        .requester_by_token(&issued.access_token)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(known.name(), "root");
    assert_eq!(
        known.scopes.to_sorted(),
        [
            "access:servers!server=alice/",
            "read:users:groups!user=root",
            "read:users:name!user=root"
        ],
        "of all that an admin may, alice's server gets nothing"
    );
    let again = world.ask("root", &query(), Consent::NotAsked).await;
    assert!(matches!(again, Decision::Back(_)), "{again:?}");
}

#[tokio::test]
async fn a_client_gets_what_it_may_ask_for_and_the_visitor_holds() {
    let world = World::new(&["read:users!user", "list:users"]).await;
    let Decision::Ask(question) = world.ask("root", &query(), Consent::NotAsked).await else {
        panic!("an admin is asked");
    };
    assert_eq!(question.grant.beyond, ["read:users!user", "list:users"]);
    let agreed = world
        .ask(
            "root",
            &query(),
            Consent::Given(vec!["read:users!user".to_owned()]),
        )
        .await;
    let Decision::Back(location) = agreed else {
        panic!("{agreed:?}")
    };
    let code = location
        .split("code=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap()
        .to_owned();
    let issued = world.exchange(exchange(&code)).await.unwrap();
    assert!(issued.scopes.contains(&"read:users!user".to_owned()));
    assert!(
        !issued.scopes.contains(&"list:users".to_owned()),
        "not named in the form"
    );

    // Alice does not hold list:users herself.
    let code = world.code("alice", &query()).await;
    let issued = world.exchange(exchange(&code)).await.unwrap();
    assert!(!issued.scopes.contains(&"list:users".to_owned()));

    let greedy = format!("{}&scope=admin:users", query());
    let decision = world.ask("alice", &greedy, Consent::NotAsked).await;
    let Decision::Back(location) = decision else {
        panic!("{decision:?}")
    };
    assert!(location.contains("error=invalid_scope"), "{location}");
}

#[tokio::test]
async fn what_is_no_request_gets_a_page_or_goes_back() {
    let world = World::new(&[]).await;
    let unknown = "client_id=other&response_type=code";
    let decision = world.ask("alice", unknown, Consent::NotAsked).await;
    assert_eq!(
        decision,
        Decision::Bad("Invalid client_id parameter value.")
    );
    let elsewhere =
        "client_id=jupyterhub-user-alice&response_type=code&redirect_uri=https://evil.example/";
    let decision = world.ask("alice", elsewhere, Consent::NotAsked).await;
    assert_eq!(decision, Decision::Bad("Mismatching redirect URI."));
    let implicit = "client_id=jupyterhub-user-alice&response_type=token";
    let decision = world.ask("alice", implicit, Consent::NotAsked).await;
    let Decision::Back(location) = decision else {
        panic!("{decision:?}")
    };
    assert!(
        location.contains("error=unsupported_response_type"),
        "{location}"
    );
}

#[tokio::test]
async fn rights_that_were_lost_since_the_code_give_no_token() {
    let world = World::new(&[]).await;
    let Decision::Back(location) = world
        .ask("root", &query(), Consent::Given(Vec::new()))
        .await
    else {
        panic!("a code");
    };
    let code = location
        .split("code=")
        .nth(1)
        .unwrap()
        .split('&')
        .next()
        .unwrap()
        .to_owned();
    let demoted = world.store.write(|connection| {
        let root = user::find(connection, "root")?.unwrap();
        user::set_admin(connection, root.id, false)?;
        Ok::<_, StoreError>(())
    });
    demoted.await.unwrap();
    assert_eq!(
        world.exchange(exchange(&code)).await.err(),
        Some("invalid_grant")
    );
}
