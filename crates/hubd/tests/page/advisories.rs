//! JupyterHub's security advisories, as far as they bear on pages, cookies, XSRF and redirects: each would succeed here
//! if hubd had the fault.

use http::{Method, StatusCode};

use crate::browser::{Browser, Stored};
use crate::hub::{PASSWORD, TestHub};

fn toss(browser: &mut Browser, name: &str, value: &str, path: &str) {
    browser.cookies.push(Stored {
        name: name.to_owned(),
        value: value.to_owned(),
        path: path.to_owned(),
        attributes: String::new(),
    });
}

/// CVE-2024-28233 (XSS through cookie tossing): cookies that a page of another user's server put into the browser, on
/// more specific paths, neither log in as somebody else nor make his token pass; and nothing of a cookie is in a page.
#[tokio::test]
async fn cve_2024_28233_tossed_cookies() {
    let test = TestHub::plain().await;
    test.user("alice").await;
    test.user("mallory").await;
    let mallory = test.logged_in("mallory").await;
    let mut alice = test.logged_in("alice").await;
    let (token, session) = (
        &mallory.cookie("_xsrf").unwrap().value,
        &mallory.cookie("jupyterhub-session-id").unwrap().value,
    );
    toss(&mut alice, "_xsrf", token, "/hub/token");
    toss(&mut alice, "jupyterhub-session-id", session, "/hub/");
    toss(
        &mut alice,
        "_xsrf",
        "\"><script>alert(1)</script>",
        "/hub/home",
    );

    let page = alice.get("/hub/home").await;
    assert_eq!(page.one(".me .name"), "Logged in as alice");
    assert!(!page.text.contains("alert(1)"));
    // Mallory knows his own token; it is in the browser, and still is not Alice's.
    let page = alice
        .post_as_it_is("/hub/token", &[("note", "x"), ("_xsrf", token)])
        .await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    // Alice's own page goes on working beside the tossed cookies.
    let page = alice.get("/hub/token").await;
    let own = page.attributes("main form [name=_xsrf]", "value").remove(0);
    assert_ne!(&own, token);
    assert_eq!(
        alice
            .post_as_it_is("/hub/token", &[("note", "x"), ("_xsrf", &own)])
            .await
            .status,
        StatusCode::OK
    );
    // The session that counts is the one of the login, not the tossed one.
    alice.get("/hub/logout").await;
    let mut mallory = mallory;
    assert_eq!(
        mallory.get("/hub/home").await.status,
        StatusCode::OK,
        "mallory's session was not what ended"
    );
}

/// CVE-2024-28233: a login cookie that was tossed in does not make the visitor act as its owner.
#[tokio::test]
async fn cve_2024_28233_a_tossed_login() {
    let test = TestHub::plain().await;
    test.user("alice").await;
    test.user("mallory").await;
    let mut mallory = test.logged_in("mallory").await;
    let mut alice = test.logged_in("alice").await;
    let login = mallory
        .cookie("jupyterhub-hub-login")
        .unwrap()
        .value
        .clone();
    toss(&mut alice, "jupyterhub-hub-login", &login, "/hub/token");
    // One that is no session of ours changes nothing.
    toss(&mut alice, "jupyterhub-hub-login", "nonsense", "/hub/home");
    assert_eq!(
        alice.get("/hub/home").await.one(".me .name"),
        "Logged in as alice"
    );
    let page = alice.get("/hub/token").await;
    assert_eq!(page.location(), "/hub/login?next=%2Fhub%2Ftoken");
    // Only where the cookie was tossed to; and a login there ends mallory's session with the old one.
    toss(&mut alice, "jupyterhub-hub-login", &login, "/hub/login");
    alice.get("/hub/login").await;
    alice
        .post(
            "/hub/login",
            &[("username", "alice"), ("password", PASSWORD)],
        )
        .await;
    assert_eq!(mallory.get("/hub/home").await.status, StatusCode::FOUND);
    assert_eq!(
        alice.get("/hub/token").await.one(".me .name"),
        "Logged in as alice"
    );
}

/// CVE-2024-28233, other half: a form that was filled before the login is nobody's afterwards.
#[tokio::test]
async fn a_token_from_before_the_login_is_worth_nothing_after_it() {
    let test = TestHub::plain().await;
    test.user("alice").await;
    let mut browser = test.browser();
    browser.get("/hub/login").await;
    let before = browser.cookie("_xsrf").unwrap().value.clone();
    browser.log_in("alice", PASSWORD).await;
    toss(&mut browser, "_xsrf", &before, "/hub/token");
    let page = browser
        .post_as_it_is("/hub/token", &[("note", "x"), ("_xsrf", &before)])
        .await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
}

/// GHSA-7r3h-4ph8-w38g and the XSRF rework of 4.1: a request that a page of a user's server makes with the visitor's
/// cookies (fetch, form, image) changes nothing and reads nothing.
#[tokio::test]
async fn requests_of_other_pages_are_turned_away() {
    let test = TestHub::plain().await;
    test.admin("root").await;
    test.user("alice").await;
    let mut browser = test.logged_in("root").await;
    let token = browser.cookie("_xsrf").unwrap().value.clone();
    for (method, path, mode, site) in [
        (
            Method::POST,
            "/hub/admin/users/alice",
            "navigate",
            "same-origin",
        ),
        (Method::POST, "/hub/logout", "navigate", "cross-site"),
        (Method::POST, "/hub/spawn", "no-cors", "same-origin"),
        (Method::POST, "/hub/token", "cors", "same-origin"),
        (Method::GET, "/hub/api/user", "cors", "same-origin"),
        (Method::GET, "/hub/api/user", "no-cors", "cross-site"),
    ] {
        let headers = [
            ("sec-fetch-mode", mode),
            ("sec-fetch-site", site),
            ("content-type", "application/x-www-form-urlencoded"),
        ];
        let page = browser
            .send(method.clone(), path, &headers, Some("admin=yes".to_owned()))
            .await;
        assert_eq!(
            page.status,
            StatusCode::FORBIDDEN,
            "{method} {path} {mode} {site}"
        );
    }
    // With the token, or where a browser lets no page see the answer, it is answered.
    for headers in [
        [("sec-fetch-mode", "cors"), ("x-xsrftoken", token.as_str())],
        [
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-site", "cross-site"),
        ],
    ] {
        let page = browser
            .send(Method::GET, "/hub/api/user", &headers, None)
            .await;
        assert_eq!(page.status, StatusCode::OK, "{headers:?}");
    }
    // A form cannot post to the API even with the token in its address.
    let address = format!("/hub/api/users/alice/server?_xsrf={token}");
    let kind = [("content-type", "text/plain")];
    let page = browser
        .send(Method::POST, &address, &kind, Some("{}".to_owned()))
        .await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(
        browser.get("/hub/admin").await.all("tbody .tag").len() == 1,
        "alice is no admin"
    );
}

/// GHSA-7r3h-4ph8-w38g: the token of one user's session is not another's, nor the same user's in another browser.
#[tokio::test]
async fn a_token_is_of_one_session() {
    let test = TestHub::plain().await;
    test.user("alice").await;
    let first = test.logged_in("alice").await;
    let mut second = test.logged_in("alice").await;
    let token = first.cookie("_xsrf").unwrap().value.clone();
    second.cookies.retain(|cookie| cookie.name != "_xsrf");
    toss(&mut second, "_xsrf", &token, "/hub/");
    let page = second
        .post_as_it_is("/hub/token", &[("note", "x"), ("_xsrf", &token)])
        .await;
    assert_eq!(
        (page.status, page.one("h1")),
        (StatusCode::FORBIDDEN, "This page is out of date".to_owned())
    );
}

/// CVE-2020-36191 (XSRF on the login and the admin's forms before 1.2).
#[tokio::test]
async fn cve_2020_36191_login_needs_the_token() {
    let test = TestHub::plain().await;
    test.user("mallory").await;
    let mut victim = test.browser();
    let fields = [("username", "mallory"), ("password", PASSWORD)];
    assert_eq!(
        victim.post_as_it_is("/hub/login", &fields).await.status,
        StatusCode::FORBIDDEN
    );
    // Nor with a token that mallory got at another address.
    let mut mallory = test.browser().with("x-forwarded-for", "198.51.100.66");
    mallory.get("/hub/login").await;
    let token = mallory.cookie("_xsrf").unwrap().value.clone();
    toss(&mut victim, "_xsrf", &token, "/hub/");
    let with = [
        ("username", "mallory"),
        ("password", PASSWORD),
        ("_xsrf", token.as_str()),
    ];
    assert_eq!(
        victim.post_as_it_is("/hub/login", &with).await.status,
        StatusCode::FORBIDDEN
    );
    assert!(victim.cookie("jupyterhub-hub-login").is_none());
}

/// CVE-2021-41247 (incomplete logout): every tab and every token of the session ends, and what other tabs still hold in
/// cookies is worth nothing.
#[tokio::test]
async fn cve_2021_41247_logout_is_whole() {
    let test = TestHub::plain().await;
    test.user("alice").await;
    let mut browser = test.logged_in("alice").await;
    let mut other_tab = browser.clone();
    browser.get("/hub/logout").await;
    assert_eq!(other_tab.get("/hub/home").await.status, StatusCode::FOUND);
    let token = other_tab.cookie("_xsrf").unwrap().value.clone();
    let page = other_tab
        .send(
            Method::GET,
            "/hub/api/user",
            &[("x-xsrftoken", &token)],
            None,
        )
        .await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
}

/// CVE-2024-41942 and its like: who may manage users is not made admin by it, and makes none.
#[tokio::test]
async fn cve_2024_41942_admin_pages_need_admin_rights() {
    let test = TestHub::new(|config, _| {
        for (name, scopes, user) in [
            (
                "helper",
                vec!["admin-ui", "list:users", "users", "groups"],
                "tutor",
            ),
            (
                "manager",
                vec!["admin-ui", "admin:users", "list:users"],
                "manager",
            ),
        ] {
            let role = serde_json::json!({"name": name, "scopes": scopes, "users": [user]});
            config.roles.push(serde_json::from_value(role).unwrap());
        }
    })
    .await;
    let passwords = test.hub.authenticators.passwords().unwrap();
    for name in ["tutor", "manager"] {
        passwords.set(name, PASSWORD, false).await.unwrap();
    }
    test.admin("root").await;
    // Who may do everything to users is no admin yet, and becomes none.
    let mut manager = test.logged_in("manager").await;
    for (path, fields) in [
        ("/hub/admin/users/manager", vec![("admin", "yes")]),
        ("/hub/admin/users/root", vec![]),
        ("/hub/admin/users/root/secret", vec![]),
        ("/hub/admin/users/root/delete", vec![("confirm", "root")]),
        ("/hub/admin/users", vec![("names", "eve"), ("admin", "yes")]),
    ] {
        assert_eq!(
            manager.post(path, &fields).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    let page = manager.post("/hub/admin/users", &[("names", "eve")]).await;
    assert_eq!(page.status, StatusCode::OK);
    test.user("ada").await;
    let mut tutor = test.logged_in("tutor").await;
    assert_eq!(tutor.get("/hub/admin").await.status, StatusCode::OK);
    for (path, fields) in [
        ("/hub/admin/users/tutor", vec![("admin", "yes")]),
        ("/hub/admin/users", vec![("names", "eve"), ("admin", "yes")]),
        ("/hub/admin/users/ada/secret", vec![]),
        ("/hub/admin/users/ada/delete", vec![("confirm", "ada")]),
    ] {
        assert_eq!(
            tutor.post(path, &fields).await.status,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    // The server of somebody else is not theirs either.
    let fields = [("user", "ada"), ("name", "")];
    assert_eq!(
        tutor.post("/hub/admin/servers/start", &fields).await.status,
        StatusCode::NOT_FOUND
    );
}

/// Open redirects (fixed in 0.7.2, 0.9.6 and again after): see also the table in `session::next`.
#[tokio::test]
async fn nobody_is_led_elsewhere() {
    let test = TestHub::plain().await;
    test.user("alice").await;
    let mut browser = test.logged_in("alice").await;
    for path in [
        "//evil.example",
        "//evil.example/hub/login",
        "/%2F/evil.example",
        "/%5Cevil.example",
        "/hub/user-redirect//evil.example",
        "/hub/user-redirect/%2F%2Fevil.example",
        "/hub/user-redirect/..%2F..%2F%2Fevil.example",
        "/hub/login?next=%2F%5Cevil.example",
        "/hub/login?next=%2F%09%2Fevil.example",
        "/hub/spawn?next=https%3A%2F%2Fevil.example",
        "/hub/spawn-pending/alice?next=%2F%2Fevil.example",
        "/hub/user/alice//evil.example",
    ] {
        let mut page = browser.get(path).await;
        for _ in 0..6 {
            if !page.status.is_redirection() {
                break;
            }
            let here = url::Url::parse("https://hub.example/").unwrap();
            let to = page.location().to_owned();
            assert_eq!(
                here.join(&to).unwrap().origin(),
                here.origin(),
                "{path} leads to {to}"
            );
            page = browser.get(&to).await;
        }
        assert!(
            !page.text.contains("href=\"//evil") && !page.text.contains("href=\"https://evil"),
            "{path}"
        );
    }
}

/// CVE-2019-10255, CVE-2026-33709: whatever a link to the login says comes after it, the browser stays at the hub; what
/// names the hub's own host and then another one by two slashes as well.
#[tokio::test]
async fn cve_2019_10255_cve_2026_33709_a_login_leads_to_no_other_host() {
    let test =
        TestHub::new(|config, _| config.public_url = Some("http://hub.test".to_owned())).await;
    test.user("alice").await;
    for next in [
        "http://hub.test//evil.example",
        "http://hub.test///evil.example/",
        "http://hub.test\\\\evil.example",
        "//hub.test//evil.example",
        "http://hub.test@evil.example/",
        "http://hub.test.evil.example/",
        "///evil.example",
        "/hub/../..//evil.example",
    ] {
        let mut browser = test.browser();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("next", next)
            .finish();
        let address = format!("/hub/login?{query}");
        let page = browser.get(&address).await;
        for action in page.attributes("form", "action") {
            assert!(!action.contains("evil"), "{next}: {action}");
        }
        let fields = [("username", "alice"), ("password", PASSWORD)];
        for page in [
            browser.post(&address, &fields).await,
            browser.get(&address).await,
            browser.get(&format!("/hub/spawn?{query}")).await,
        ] {
            let to = page.location_or_none().unwrap_or_default();
            assert!(!to.contains("evil"), "{next}: {to}");
        }
    }
}

/// GHSA-p43p-whwx-q52h (CVE-2026-54338): a name that nobody has fills neither the log nor the memory.
#[tokio::test]
async fn cve_2026_54338_ghsa_p43p_whwx_q52h_a_long_name_is_logged_short() {
    #[derive(Clone, Default)]
    struct Log(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);
    impl std::io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let log = Log::default();
    let written = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(move || written.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);
    let test = TestHub::plain().await;
    let mut browser = test.browser();
    browser.get("/hub/login").await;
    let long = "n".repeat(200_000);
    let fields = [("username", &*long), ("password", "wrong password")];
    let page = browser.post("/hub/login", &fields).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    let log = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let line = log.lines().find(|line| line.contains("a login was denied"));
    assert!(line.is_some_and(|line| line.contains("nnnn")), "{line:?}");
    assert!(log.len() < 20_000, "{} bytes", log.len());
}
