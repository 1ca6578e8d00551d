//! What is around every page: headers, texts of the operator's, static files, errors.

use http::{Method, StatusCode};

use crate::hub::TestHub;

#[tokio::test]
async fn every_answer_carries_its_headers() {
    let test = TestHub::plain().await;
    test.admin("root").await;
    let mut browser = test.logged_in("root").await;
    for path in [
        "/hub/login",
        "/hub/home",
        "/hub/token",
        "/hub/password",
        "/hub/admin",
        "/hub/admin/groups",
        "/hub/admin/servers",
        "/hub/admin/users/root",
        "/hub/nothing",
        "/hub/error/503?url=%2Fuser%2Falice%2F",
        "/hub/api/oauth2/authorize",
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.header("x-jupyterhub-version"), "6.1.1", "{path}");
        let policy = page.header("content-security-policy");
        assert!(
            policy.starts_with("frame-ancestors 'none'; report-uri /hub/security/csp-report; "),
            "{path}: {policy}"
        );
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{path}: {policy}"
        );
        assert_eq!(
            page.header("access-control-allow-headers"),
            "accept, content-type, authorization",
            "{path}"
        );
        assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(page.header("cache-control"), "no-store", "{path}");
        if page.status.is_redirection() {
            continue;
        }
        assert!(page.is_html(), "{path}");
        assert_eq!(page.attributes("html", "lang"), ["en"], "{path}");
        assert_eq!(page.all("h1").len(), 1, "{path}");
        assert_eq!(page.all("main").len(), 1, "{path}");
        assert!(page.one("title").contains(" · "), "{path}");
        // Every field has a label, every list its name.
        for id in page.attributes(
            "input:not([type=hidden]):not([hidden]), select, textarea",
            "id",
        ) {
            assert_eq!(
                page.all(&format!("label[for='{id}']")).len(),
                1,
                "{path}: {id}"
            );
        }
        let fields = page
            .all("input:not([type=hidden]):not([hidden]), select, textarea")
            .len();
        assert_eq!(page.all("label[for]").len(), fields, "{path}");
        for href in page.attributes("link, script", "href") {
            assert_eq!(browser.get(&href).await.status, StatusCode::OK, "{href}");
        }
    }
}

#[tokio::test]
async fn the_operator_s_texts_are_shown_as_texts() {
    let test = TestHub::new(|config, folder| {
        config.pages.title = Some("Uni <b>Hub</b>".to_owned());
        config.pages.announcement = Some("Down on Friday <script>alert(1)</script>".to_owned());
        config.pages.login_text = Some("Use your university account.".to_owned());
        config.pages.contact = Some("help@uni.example".to_owned());
        let logo = folder.join("logo.svg");
        std::fs::write(&logo, "<svg xmlns='http://www.w3.org/2000/svg'/>").unwrap();
        config.pages.logo_file = Some(logo);
    })
    .await;
    let page = test.browser().get("/hub/login").await;
    assert_eq!(page.one(".brand"), "Uni <b>Hub</b>");
    assert_eq!(
        page.one(".announcement"),
        "Down on Friday <script>alert(1)</script>"
    );
    assert!(page.all("script").is_empty());
    assert_eq!(page.one(".lead"), "Use your university account.");
    assert_eq!(
        page.attributes("footer a", "href"),
        ["mailto:help@uni.example"]
    );
    let logo = test.browser().get("/hub/logo").await;
    assert_eq!(logo.header("content-type"), "image/svg+xml");
    assert!(logo.header("content-security-policy").ends_with("sandbox"));
}

#[tokio::test]
async fn what_is_outside_is_brought_inside() {
    let test = TestHub::new(|config, _| config.base_url = "/jupyter/".to_owned()).await;
    for (path, to) in [
        ("/jupyter/", "/jupyter/hub/"),
        ("/jupyter/user/bob/lab?x=1", "/jupyter/hub/user/bob/lab?x=1"),
        ("/jupyter/hub", "/jupyter/hub/"),
    ] {
        let page = test.browser().get(path).await;
        assert_eq!(
            (page.status, page.location()),
            (StatusCode::FOUND, to),
            "{path}"
        );
    }
    let page = test.browser().get("/jupyter/hub/").await;
    assert_eq!(
        page.location(),
        "/jupyter/hub/login?next=%2Fjupyter%2Fhub%2F"
    );
    let page = test.browser().get("/jupyter/hub/login").await;
    for href in page
        .attributes("link, a, img", "href")
        .iter()
        .chain(&page.attributes("img", "src"))
    {
        assert!(
            href.starts_with("/jupyter/hub/") || href.starts_with('#'),
            "{href}"
        );
    }
}

#[tokio::test]
async fn errors_say_what_to_do() {
    let test = TestHub::plain().await;
    test.user("alice").await;
    let mut browser = test.logged_in("alice").await;
    for (path, status, heading) in [
        ("/hub/nothing", 404, "Nothing here"),
        ("/hub/admin", 403, "Not allowed"),
        ("/hub/user/bob/lab", 404, "Nothing here"),
        ("/hub/spawn/bob", 404, "Nothing here"),
        ("/hub/spawn-pending/bob", 404, "Nothing here"),
        (
            "/hub/error/503?url=%2Fuser%2Falice%2Flab",
            503,
            "The server does not answer",
        ),
        ("/hub/error/404?url=%2Fx", 404, "Nothing here"),
        ("/hub/error/500", 500, "Something went wrong"),
        ("/hub/error/200", 404, "Nothing here"),
        ("/hub/error/abc", 400, ""),
    ] {
        let page = browser.get(path).await;
        assert_eq!(page.status, status, "{path}");
        if !heading.is_empty() {
            assert_eq!(page.one("h1"), heading, "{path}");
            assert!(!page.all("main .actions a").is_empty(), "{path}");
            assert!(
                !page.text.contains("url="),
                "{path}: what the proxy says is not repeated"
            );
        }
    }
    let page = browser.send(Method::DELETE, "/hub/home", &[], None).await;
    assert_eq!(page.status, StatusCode::METHOD_NOT_ALLOWED);
    let page = browser
        .post("/hub/home/stop", &[("x", &"y".repeat(300_000))])
        .await;
    assert_eq!(page.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn reports_of_browsers_are_taken() {
    let test = TestHub::plain().await;
    let report = Some("{\"csp-report\":{}}".to_owned());
    let page = test
        .browser()
        .send(Method::POST, "/hub/security/csp-report", &[], report)
        .await;
    assert_eq!(page.status, StatusCode::NO_CONTENT);
}
