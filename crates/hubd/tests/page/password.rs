//! One's own password, and first-login secrets.

use http::{Method, StatusCode};

use crate::hub::{PASSWORD, TestHub};

#[tokio::test]
async fn a_password_is_changed_by_who_knows_it() {
    let test = TestHub::plain().await;
    test.user("alice").await;
    let mut browser = test.logged_in("alice").await;
    let mut other = test.logged_in("alice").await;
    for (present, new, again, status, says) in [
        (
            "wrong",
            "a new password",
            "a new password",
            403,
            "not your present password",
        ),
        (
            PASSWORD,
            "a new password",
            "another one",
            400,
            "not the same",
        ),
        (PASSWORD, "short", "short", 400, "10 characters"),
        (PASSWORD, PASSWORD, PASSWORD, 400, "old one"),
    ] {
        let page = browser
            .post(
                "/hub/password",
                &[("present", present), ("new", new), ("again", again)],
            )
            .await;
        assert_eq!(page.status, status, "{says}");
        assert!(
            page.one("[role=alert]").contains(says),
            "{}",
            page.one("[role=alert]")
        );
        assert!(!page.text.contains(new), "passwords are not sent back");
    }
    let fields = [
        ("present", PASSWORD),
        ("new", "a new password"),
        ("again", "a new password"),
    ];
    assert_eq!(
        browser.post("/hub/password", &fields).await.location(),
        "/hub/home?done=password"
    );
    assert_eq!(
        browser.get("/hub/home").await.status,
        StatusCode::OK,
        "this browser stays logged in"
    );
    assert_eq!(
        other.get("/hub/home").await.status,
        StatusCode::FOUND,
        "others do not"
    );
    test.browser().log_in("alice", "a new password").await;
}

#[tokio::test]
async fn a_first_login_secret_opens_one_page_only() {
    let test = TestHub::plain().await;
    test.user("alice").await;
    let passwords = test.hub.authenticators.passwords().unwrap();
    passwords.set("alice", "given-to-you", true).await.unwrap();
    let mut browser = test.browser();
    browser.log_in("alice", "given-to-you").await;
    for path in [
        "/hub/",
        "/hub/home",
        "/hub/token",
        "/hub/spawn",
        "/hub/user/alice/lab",
        "/hub/api/oauth2/authorize?x",
    ] {
        let page = browser.get(path).await;
        assert_eq!(
            (page.status, page.location()),
            (StatusCode::FOUND, "/hub/password"),
            "{path}"
        );
    }
    let page = browser.post("/hub/token", &[("note", "sneaky")]).await;
    assert_eq!(page.location(), "/hub/password");
    let xsrf = browser.cookie("_xsrf").unwrap().value.clone();
    let page = browser
        .send(
            Method::GET,
            "/hub/api/user",
            &[("x-xsrftoken", &xsrf)],
            None,
        )
        .await;
    assert_eq!(page.status, StatusCode::FORBIDDEN, "nor the API");

    let page = browser.get("/hub/password").await;
    assert_eq!(page.one("h1"), "Choose a password");
    let fields = [
        ("present", "given-to-you"),
        ("new", "a new password"),
        ("again", "a new password"),
    ];
    assert_eq!(
        browser.post("/hub/password", &fields).await.location(),
        "/hub/home?done=password"
    );
    assert_eq!(browser.get("/hub/home").await.status, StatusCode::OK);
    let page = browser
        .send(
            Method::GET,
            "/hub/api/user",
            &[("x-xsrftoken", &xsrf)],
            None,
        )
        .await;
    assert_eq!(page.status, StatusCode::OK);
}
