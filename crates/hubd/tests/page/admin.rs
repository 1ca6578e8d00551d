//! The admin pages.

use http::StatusCode;

use crate::hub::{PASSWORD, TestHub};

#[tokio::test]
async fn only_admins_come_in() {
    let test = TestHub::plain().await;
    test.user("alice").await;
    let mut browser = test.logged_in("alice").await;
    assert!(
        !browser
            .get("/hub/home")
            .await
            .all("header nav a")
            .contains(&"Admin".to_owned())
    );
    for path in [
        "/hub/admin",
        "/hub/admin/groups",
        "/hub/admin/servers",
        "/hub/admin/users/alice",
        "/hub/admin/groups/x",
    ] {
        assert_eq!(
            browser.get(path).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
        assert_eq!(
            test.browser().get(path).await.status,
            StatusCode::FOUND,
            "{path}"
        );
    }
    for path in [
        "/hub/admin/users",
        "/hub/admin/users/alice",
        "/hub/admin/users/alice/secret",
        "/hub/admin/users/alice/delete",
        "/hub/admin/groups",
        "/hub/admin/groups/x/add",
        "/hub/admin/groups/x/remove",
        "/hub/admin/groups/x/delete",
        "/hub/admin/servers/start",
        "/hub/admin/servers/stop",
    ] {
        let page = browser
            .post(
                path,
                &[
                    ("names", "eve"),
                    ("admin", "yes"),
                    ("user", "alice"),
                    ("confirm", "alice"),
                ],
            )
            .await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{path}");
    }
    assert_eq!(browser.get("/hub/home").await.status, StatusCode::OK);
}

#[tokio::test]
async fn users_are_added_with_secrets_that_are_shown_once() {
    let test = TestHub::plain().await;
    test.admin("root").await;
    let mut browser = test.logged_in("root").await;
    let page = browser
        .post("/hub/admin/users", &[("names", "Ada, bob\n\nroot")])
        .await;
    assert_eq!(page.all("tbody th"), ["ada", "bob"]);
    let secrets = page.all("tbody code");
    let mut ada = test.browser();
    let page = ada.log_in("ada", &secrets[0]).await;
    assert_eq!(ada.get(page.location()).await.location(), "/hub/password");

    let page = browser.post("/hub/admin/users", &[("names", "ada")]).await;
    assert_eq!(page.status, StatusCode::CONFLICT);
    let page = browser
        .post("/hub/admin/users", &[("names", "fine, a/b, ..")])
        .await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(page.one("[role=alert]").contains("a/b, .."));
    assert_eq!(page.all("textarea"), ["fine, a/b, .."]);
    assert_eq!(
        browser
            .post("/hub/admin/users", &[("names", " ")])
            .await
            .status,
        StatusCode::BAD_REQUEST
    );
    assert_eq!(
        browser.get("/hub/admin").await.all("tbody th a"),
        ["ada", "bob", "root"]
    );

    // A new secret in place of a password that was forgotten logs out.
    let page = browser.post("/hub/admin/users/ada/secret", &[]).await;
    assert_eq!(page.all("tbody th"), ["ada"]);
    assert_eq!(ada.get("/hub/password").await.status, StatusCode::FOUND);
}

#[tokio::test]
async fn rights_and_groups_are_changed() {
    let test = TestHub::plain().await;
    test.admin("root").await;
    test.user("ada").await;
    let mut browser = test.logged_in("root").await;
    assert_eq!(
        browser
            .post("/hub/admin/groups", &[("name", "physics 1")])
            .await
            .location(),
        "/hub/admin/groups/physics%201?done=added"
    );
    assert_eq!(
        browser
            .post("/hub/admin/groups", &[("name", "physics 1")])
            .await
            .status,
        StatusCode::CONFLICT
    );
    assert_eq!(
        browser
            .post("/hub/admin/groups", &[("name", "a/b")])
            .await
            .status,
        StatusCode::BAD_REQUEST
    );
    let page = browser.get("/hub/admin/users/ada").await;
    assert_eq!(page.attributes("[name=group]", "value"), ["physics 1"]);
    let page = browser
        .post(
            "/hub/admin/users/ada",
            &[("admin", "yes"), ("group", "physics 1")],
        )
        .await;
    assert_eq!(page.location(), "/hub/admin/users/ada?done=saved");
    let page = browser.get("/hub/admin/users/ada").await;
    assert_eq!(page.one("h1"), "ada admin");
    assert_eq!(
        page.attributes("[name=group][checked]", "value"),
        ["physics 1"]
    );
    assert!(
        test.logged_in("ada")
            .await
            .get("/hub/admin")
            .await
            .status
            .is_success()
    );
    assert_eq!(
        browser
            .get("/hub/admin/groups/physics%201")
            .await
            .all(".members a"),
        ["ada"]
    );

    browser.post("/hub/admin/users/ada", &[]).await;
    let page = browser.get("/hub/admin/users/ada").await;
    assert_eq!(page.one("h1"), "ada");
    assert!(
        browser
            .get("/hub/admin/groups/physics%201")
            .await
            .all(".members a")
            .is_empty()
    );

    let page = browser
        .post(
            "/hub/admin/groups/physics%201/add",
            &[("names", "ada\nnobody")],
        )
        .await;
    assert!(page.one("[role=alert]").contains("nobody"));
    assert_eq!(page.all(".members a"), ["ada"]);
    browser
        .post("/hub/admin/groups/physics%201/remove", &[("user", "ada")])
        .await;
    assert!(
        browser
            .get("/hub/admin/groups/physics%201")
            .await
            .all(".members a")
            .is_empty()
    );
    browser
        .post("/hub/admin/groups/physics%201/delete", &[])
        .await;
    assert_eq!(
        browser.get("/hub/admin/groups/physics%201").await.status,
        StatusCode::NOT_FOUND
    );

    // Nobody takes his own rights away by mistake.
    browser.post("/hub/admin/users/root", &[]).await;
    assert_eq!(browser.get("/hub/admin").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_user_is_deleted_when_the_name_is_typed() {
    let test = TestHub::plain().await;
    test.admin("root").await;
    test.user("ada").await;
    let mut ada = test.logged_in("ada").await;
    let mut browser = test.logged_in("root").await;
    let page = browser
        .post("/hub/admin/users/ada/delete", &[("confirm", "bob")])
        .await;
    assert!(page.one("[role=alert]").contains("type ada"));
    let page = browser
        .post("/hub/admin/users/root/delete", &[("confirm", "root")])
        .await;
    assert!(page.one("[role=alert]").contains("cannot delete yourself"));
    let page = browser
        .post("/hub/admin/users/ada/delete", &[("confirm", "ada")])
        .await;
    assert_eq!(page.location(), "/hub/admin?done=deleted");
    assert_eq!(ada.get("/hub/home").await.status, StatusCode::FOUND);
    ada.get("/hub/login").await;
    let page = ada
        .post("/hub/login", &[("username", "ada"), ("password", PASSWORD)])
        .await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "the password went, too");
}

#[tokio::test]
async fn servers_of_others_are_started_and_stopped() {
    let test = TestHub::plain().await;
    test.admin("root").await;
    test.user("ada").await;
    let mut browser = test.logged_in("root").await;
    let back = "/hub/admin?name_filter=ad&page=1";
    let fields = [("user", "ada"), ("name", ""), ("back", back)];
    let page = browser.post("/hub/admin/servers/start", &fields).await;
    assert!(
        page.location()
            .starts_with("/hub/admin?name_filter=ad&page=1&done=start"),
        "{}",
        page.location()
    );
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while browser
        .get("/hub/admin/servers")
        .await
        .all("tbody .running")
        .is_empty()
    {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let page = browser.get("/hub/admin?state=active").await;
    assert_eq!(page.all("tbody th a"), ["ada"]);
    assert_eq!(page.one("tbody .state"), "Running");
    // A way back that leads elsewhere is not taken.
    let fields = [
        ("user", "ada"),
        ("name", ""),
        ("back", "https://evil.example/"),
    ];
    let page = browser.post("/hub/admin/servers/stop", &fields).await;
    assert!(
        page.location()
            .starts_with("/hub/admin/users/ada?done=stopp"),
        "{}",
        page.location()
    );
    let page = browser
        .post(
            "/hub/admin/servers/stop",
            &[("user", "nobody"), ("name", "")],
        )
        .await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    // A link never starts somebody else's.
    assert_eq!(
        browser.get("/hub/spawn/ada").await.one("h1"),
        "Start the server of ada"
    );
}

#[tokio::test]
async fn ten_thousand_users_are_searched_and_paged() {
    let test = TestHub::plain().await;
    test.admin("root").await;
    test.many((0..10_000).map(|number| format!("student{number:05}")))
        .await;
    let mut browser = test.logged_in("root").await;
    let begun = std::time::Instant::now();
    let page = browser.get("/hub/admin").await;
    let took = begun.elapsed();
    assert_eq!(page.all("tbody tr").len(), 50);
    assert_eq!(page.one(".heading .hint"), "10 001 users");
    assert_eq!(page.one(".paging span"), "Page 1 of 201");
    let next = page.attributes("[rel=next]", "href").remove(0);
    assert_eq!(next, "/hub/admin?page=2");
    assert_eq!(
        browser
            .get(&next)
            .await
            .all("tbody th a")
            .first()
            .map(String::as_str),
        Some("student00049")
    );
    let page = browser.get("/hub/admin?name_filter=T0999&sort=-id").await;
    assert_eq!(page.all("tbody tr").len(), 10);
    assert_eq!(
        page.all("tbody th a").first().map(String::as_str),
        Some("student09999")
    );
    assert_eq!(page.attributes("#name_filter", "value"), ["T0999"]);
    let page = browser
        .get("/hub/admin?page=9999999999&name_filter=%25%3Cx")
        .await;
    assert_eq!(page.one(".empty"), "No user’s name contains “%<x”.");
    assert!(took < std::time::Duration::from_millis(500), "{took:?}");
}
