//! While what the notebooks run in is installed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use http::StatusCode;

use crate::browser::Browser;
use crate::hub::TestHub;

/// A hub whose notebooks are ready once this file is there.
async fn hub(install_timeout: u64) -> (TestHub, PathBuf) {
    let mut ready = PathBuf::new();
    let test = TestHub::new(|config, folder| {
        ready = folder.join("notebook/stamp");
        config.notebooks.ready = Some(ready.clone());
        config.notebooks.install_timeout = install_timeout;
    })
    .await;
    (test, ready)
}

async fn frame(browser: &mut Browser) -> (String, Vec<String>) {
    let page = browser.get("/hub/installing").await;
    assert_eq!(page.status, StatusCode::OK);
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("frame-ancestors 'self';"), "{policy}");
    assert!(page.all("form, script").is_empty());
    (
        page.one("[role=status]"),
        page.attributes("meta[http-equiv=refresh]", "content"),
    )
}

#[tokio::test]
async fn pages_say_so_and_a_start_goes_on_by_itself() {
    let (test, ready) = hub(60).await;
    test.user("alice").await;
    let mut visitor = test.browser();
    let page = visitor.get("/hub/login").await;
    assert_eq!(page.attributes("iframe", "src"), ["/hub/installing"]);
    let policy = page.header("content-security-policy");
    assert!(policy.contains("frame-src 'self';"), "{policy}");
    // The page around it stays as it is: nobody's half-typed password goes.
    assert!(page.all("meta[http-equiv=refresh]").is_empty());
    let (said, refresh) = frame(&mut visitor).await;
    assert!(said.contains("still being installed"), "{said}");
    assert_eq!(refresh, ["5"]);

    let mut browser = test.logged_in("alice").await;
    let page = browser.get("/hub/home").await;
    assert_eq!(page.attributes("iframe", "src"), ["/hub/installing"]);
    let page = browser.get("/hub/spawn?next=%2Fuser%2Falice%2Flab").await;
    let to = page.location().to_owned();
    assert!(to.starts_with("/hub/spawn-pending/alice?next="), "{to}");
    let page = browser.get(&to).await;
    let said = page.one("#message");
    assert!(said.contains("still being installed"), "{said}");
    assert!(page.text.contains("<noscript><meta http-equiv=\"refresh\""));

    std::fs::create_dir(ready.parent().unwrap()).unwrap();
    std::fs::write(&ready, "").unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while browser.get(&to).await.location_or_none() != Some("/user/alice/lab") {
        assert!(Instant::now() < deadline, "the start does not go on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (said, refresh) = frame(&mut visitor).await;
    assert_eq!(said, "The notebooks are installed now.");
    assert!(refresh.is_empty());
    assert!(
        visitor
            .get("/hub/login")
            .await
            .attributes("iframe", "src")
            .is_empty()
    );
}

#[tokio::test]
async fn who_is_not_to_wait_is_told_when_to_come_again() {
    let (test, ready) = hub(0).await;
    test.user("alice").await;
    let mut browser = test.logged_in("alice").await;
    let page = browser.get("/hub/spawn?next=%2Fuser%2Falice%2Flab").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(page.header("retry-after"), "30");
    assert!(page.one("[role=alert]").contains("still being installed"));
    // Trying again leads on to where the first try was to lead.
    assert_eq!(
        page.attributes("main .primary", "href"),
        ["/hub/spawn/alice?next=%2Fuser%2Falice%2Flab"]
    );
    let xsrf = browser.cookie("_xsrf").unwrap().value.clone();
    let page = browser
        .clone()
        .with("x-xsrftoken", &xsrf)
        .send(http::Method::POST, "/hub/api/users/alice/server", &[], None)
        .await;
    assert_eq!(
        page.status,
        StatusCode::SERVICE_UNAVAILABLE,
        "{}",
        page.text
    );
    assert_eq!(page.header("retry-after"), "30");
    assert!(page.text.contains("still being installed"), "{}", page.text);
    std::fs::create_dir(ready.parent().unwrap()).unwrap();
    std::fs::write(&ready, "").unwrap();
    let page = browser.get("/hub/spawn").await;
    assert_eq!(page.status, StatusCode::FOUND, "{}", page.text);
}
