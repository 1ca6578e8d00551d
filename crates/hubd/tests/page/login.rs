//! Login and logout.

use http::StatusCode;
use hub_api::hub::Dummy;
use hubd::store::{session, user};

use crate::hub::{PASSWORD, TestHub};

#[tokio::test]
async fn from_the_front_door_in_and_out() {
    let test = TestHub::new(|config, _| config.pages.home_first = true).await;
    test.user("alice").await;
    let mut browser = test.browser();
    let page = browser.get("/").await;
    assert_eq!((page.status, page.location()), (StatusCode::FOUND, "/hub/"));
    let page = browser.get("/hub/").await;
    assert_eq!(page.location(), "/hub/login?next=%2Fhub%2F");
    let page = browser.get("/hub/login?next=%2Fhub%2F").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(
        page.attributes("main form", "action"),
        ["/hub/login?next=%2Fhub%2F"]
    );
    let anonymous = browser.cookie("_xsrf").unwrap().clone();
    assert_eq!(anonymous.path, "/hub/");
    assert!(
        anonymous.attributes.contains("Max-Age=3600") && !anonymous.attributes.contains("HttpOnly")
    );

    let page = browser
        .post(
            "/hub/login?next=%2Fhub%2F",
            &[("username", "Alice"), ("password", PASSWORD)],
        )
        .await;
    assert_eq!((page.status, page.location()), (StatusCode::FOUND, "/hub/"));
    let login = browser.cookie("jupyterhub-hub-login").unwrap().clone();
    assert_eq!(login.path, "/hub/");
    assert!(login.attributes.contains("HttpOnly") && login.attributes.contains("SameSite=Lax"));
    let session = browser.cookie("jupyterhub-session-id").unwrap().clone();
    assert_eq!((&*session.path, session.value.len()), ("/", 32));
    assert!(session.attributes.contains("HttpOnly"));
    assert_ne!(browser.cookie("_xsrf").unwrap().value, anonymous.value);
    assert_eq!(browser.cookies.len(), 3);

    let page = browser.visit("/").await;
    assert_eq!(page.one("h1"), "Your server");
    assert_eq!(page.one(".me .name"), "Logged in as alice");

    let page = browser.get("/hub/logout").await;
    assert_eq!(page.location(), "/hub/login?done=logged-out");
    assert!(browser.cookies.is_empty(), "{:?}", browser.cookies);
    // What was in the cookie is worth nothing any more.
    browser.cookies.push(login);
    assert_eq!(
        browser.get("/hub/home").await.location(),
        "/hub/login?next=%2Fhub%2Fhome"
    );
}

/// A real limit on the database's size: SQLite says what it says of a full disk.
#[tokio::test]
async fn a_full_disk_is_said_and_lets_nobody_in() {
    let test = TestHub::plain().await;
    test.user("alice").await;
    let mut inside = test.logged_in("alice").await;
    let limited = test.hub.store.note(|connection| {
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
        Ok::<_, hubd::store::StoreError>(())
    });
    limited.await.expect("a limit");
    // What is free within the file's pages is taken first.
    let fields = [("username", "alice"), ("password", PASSWORD)];
    let mut browser = test.browser();
    browser.get("/hub/login").await;
    let mut page = browser.post("/hub/login", &fields).await;
    for _ in 0..500 {
        if page.status != StatusCode::FOUND {
            break;
        }
        browser = test.browser();
        browser.get("/hub/login").await;
        page = browser.post("/hub/login", &fields).await;
    }
    assert_eq!(page.status, StatusCode::INSUFFICIENT_STORAGE);
    assert_eq!(page.one("h1"), "The hub’s disk is full");
    assert_eq!(inside.get("/hub/home").await.status, StatusCode::OK);
    assert_eq!(
        test.browser().get("/hub/login").await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_look_alike() {
    let test = TestHub::plain().await;
    test.user("alice").await;
    let mut pages = Vec::new();
    for name in ["alice", "nobody", "a/b", ""] {
        let mut browser = test.browser();
        browser.get("/hub/login").await;
        let page = browser
            .post("/hub/login", &[("username", name), ("password", "wrong")])
            .await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert!(browser.cookie("jupyterhub-hub-login").is_none());
        pages.push(page.one("[role=alert]"));
    }
    pages.dedup();
    assert_eq!(pages.len(), 1, "{pages:?}");
}

#[tokio::test]
async fn next_leads_to_pages_of_this_hub_only() {
    let test = TestHub::plain().await;
    test.user("alice").await;
    for (next, expected) in [
        ("/hub/token", "/hub/token"),
        ("/user/alice/lab?x=1", "/user/alice/lab?x=1"),
        ("https://evil.example/", "/hub/"),
        ("//evil.example", "/hub/"),
        ("/\\evil.example", "/hub/"),
        ("/%09/evil.example", "/%09/evil.example"),
        ("/\t/evil.example", "/hub/"),
        ("/.//evil.example", "/hub/"),
        ("", "/hub/"),
    ] {
        let mut browser = test.browser();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("next", next)
            .finish();
        let address = format!("/hub/login?{query}");
        browser.get(&address).await;
        let page = browser
            .post(&address, &[("username", "alice"), ("password", PASSWORD)])
            .await;
        assert_eq!(page.location(), expected, "{next:?}");
        // Logged in already: the same.
        assert_eq!(browser.get(&address).await.location(), expected, "{next:?}");
    }
}

#[tokio::test]
async fn a_login_ends_the_session_before_it() {
    let test = TestHub::plain().await;
    test.user("alice").await;
    test.user("bob").await;
    let mut browser = test.logged_in("alice").await;
    let before = browser.clone();
    let page = browser
        .post("/hub/login", &[("username", "bob"), ("password", PASSWORD)])
        .await;
    assert_eq!(page.status, StatusCode::FOUND);
    for name in ["jupyterhub-session-id", "jupyterhub-hub-login", "_xsrf"] {
        assert_ne!(browser.cookie(name), before.cookie(name), "{name}");
    }
    assert_eq!(
        before.clone().get("/hub/home").await.status,
        StatusCode::FOUND,
        "alice's session goes on"
    );
    assert_eq!(browser.get("/hub/home").await.status, StatusCode::OK);
}

#[tokio::test]
async fn over_https_cookies_are_for_https_only() {
    let test = TestHub::plain().await;
    test.user("alice").await;
    let mut browser = test.browser().with("x-forwarded-proto", "https,http");
    browser.log_in("alice", PASSWORD).await;
    assert!(
        browser
            .cookies
            .iter()
            .all(|cookie| cookie.attributes.contains("; Secure")),
        "{:?}",
        browser.cookies
    );
    let login = browser
        .cookie("__Secure-jupyterhub-hub-login")
        .unwrap()
        .clone();
    assert_eq!(browser.get("/hub/home").await.status, StatusCode::OK);
    // A cookie planted over plain http has not the prefix, and is not looked at over https.
    browser.cookies = vec![crate::browser::Stored {
        name: "jupyterhub-hub-login".to_owned(),
        ..login
    }];
    assert_eq!(browser.get("/hub/home").await.status, StatusCode::FOUND);
}

#[tokio::test]
async fn failures_of_an_address_end_in_a_refusal() {
    let test = TestHub::new(|config, _| config.auth.failures_per_minute = 1).await;
    test.user("alice").await;
    let mut browser = test.browser();
    browser.get("/hub/login").await;
    for attempt in 0..6 {
        let name = format!("name{attempt}");
        let page = browser
            .post("/hub/login", &[("username", &name), ("password", "wrong")])
            .await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
    }
    let page = browser
        .post(
            "/hub/login",
            &[("username", "alice"), ("password", PASSWORD)],
        )
        .await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(page.header("retry-after").parse::<u64>().unwrap() >= 1);
    let mut elsewhere = test
        .browser()
        .with("x-forwarded-for", "192.0.2.1, 198.51.100.7");
    elsewhere.log_in("alice", PASSWORD).await;
}

#[tokio::test]
async fn a_session_ends_with_its_user_and_by_its_age() {
    let test = TestHub::new(|config, _| config.pages.home_first = true).await;
    test.user("alice").await;
    let mut browser = test.logged_in("alice").await;
    let later = test.hub.clock.now().after(test.hub.sessions.lifetime());
    let forgotten = test
        .hub
        .store
        .write(move |connection| session::delete_expired(connection, later))
        .await
        .unwrap();
    assert_eq!(forgotten, 1);
    assert_eq!(browser.get("/hub/home").await.status, StatusCode::FOUND);

    browser.log_in("alice", PASSWORD).await;
    test.hub
        .store
        .write(|connection| {
            let alice = user::find(connection, "alice")?.unwrap();
            user::delete(connection, alice.id)
        })
        .await
        .unwrap();
    assert_eq!(browser.get("/hub/home").await.status, StatusCode::FOUND);
}

#[tokio::test]
async fn a_page_of_another_site_logs_nobody_out() {
    let test = TestHub::plain().await;
    test.user("alice").await;
    let mut browser = test
        .logged_in("alice")
        .await
        .with("sec-fetch-site", "cross-site");
    let page = browser.get("/hub/logout").await;
    assert_eq!(
        (page.status, page.one("h1")),
        (StatusCode::OK, "Log out?".to_owned())
    );
    assert_eq!(browser.get("/hub/home").await.status, StatusCode::OK);
    let page = browser.post("/hub/logout", &[]).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "nor does its form");
    let mut browser = browser.with("sec-fetch-site", "same-origin");
    assert_eq!(
        browser.post("/hub/logout", &[]).await.location(),
        "/hub/login?done=logged-out"
    );
    assert_eq!(browser.get("/hub/home").await.status, StatusCode::FOUND);
}

#[tokio::test]
async fn the_dummy_says_what_it_is() {
    let test = TestHub::new(|config, _| {
        config.auth.password_file = None;
        config.auth.dummy = Some(Dummy {
            dangerous: true,
            password: None,
        });
    })
    .await;
    let mut browser = test.browser();
    assert!(
        browser
            .get("/hub/login")
            .await
            .one(".warning")
            .contains("Anyone can log in as anyone")
    );
    browser.log_in("anyone", "").await;
}

#[tokio::test]
async fn no_way_in_is_said() {
    let test = TestHub::new(|config, _| config.auth.password_file = None).await;
    let page = test.browser().get("/hub/login").await;
    assert!(page.one(".warning").contains("hubd.toml"));
    assert!(page.all("form").is_empty());
}

#[tokio::test]
async fn thirty_at_once_are_all_let_in_and_the_form_stays_quick() {
    let test = TestHub::plain().await;
    for student in 0..30 {
        test.user(&format!("student{student}")).await;
    }
    let begun = std::time::Instant::now();
    let logins = futures::future::join_all((0..30).map(|student| {
        let mut browser = test.browser();
        async move {
            browser.log_in(&format!("student{student}"), PASSWORD).await;
        }
    }));
    let form = async {
        let mut slowest = std::time::Duration::ZERO;
        for _ in 0..20 {
            let asked = std::time::Instant::now();
            assert_eq!(
                test.browser().get("/hub/login").await.status,
                StatusCode::OK
            );
            slowest = slowest.max(asked.elapsed());
            tokio::task::yield_now().await;
        }
        slowest
    };
    let (_, slowest) = futures::join!(logins, form);
    let all = begun.elapsed();
    assert!(
        slowest * 3 < all.max(std::time::Duration::from_millis(300)),
        "the form took {slowest:?}, the logins {all:?}"
    );
}
