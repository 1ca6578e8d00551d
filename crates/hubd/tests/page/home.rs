//! Home, starting and stopping.

use http::StatusCode;

use crate::browser::{Browser, Page};
use crate::hub::TestHub;

/// Asks for a page until it says so, as its refresh would.
async fn until(browser: &mut Browser, path: &str, done: impl Fn(&Page) -> bool) -> Page {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        let page = browser.get(path).await;
        if done(&page) {
            return page;
        }
        assert!(
            std::time::Instant::now() < deadline,
            "{path}: {} {}",
            page.status,
            page.text
        );
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_server_is_started_shown_and_stopped() {
    let test = TestHub::plain().await;
    test.user("alice").await;
    let mut browser = test.logged_in("alice").await;
    let page = browser.get("/hub/home").await;
    assert_eq!(page.one(".state"), "Not running");
    assert_eq!(page.attributes(".actions a", "href"), ["/hub/spawn/alice"]);

    // The front door leads to it, and starts it.
    assert_eq!(browser.get("/hub/").await.location(), "/hub/spawn");
    let page = browser
        .get("/hub/spawn?next=%2Fuser%2Falice%2Flab%3Fx%3D1")
        .await;
    assert_eq!(page.status, StatusCode::FOUND);
    let to = page.location().to_owned();
    if to.starts_with("/hub/spawn-pending") {
        assert_eq!(
            to,
            "/hub/spawn-pending/alice?next=%2Fuser%2Falice%2Flab%3Fx%3D1"
        );
        let page = browser.get(&to).await;
        if page.status == StatusCode::OK {
            assert_eq!(page.one("h1"), "The server is starting");
            let xsrf = browser.cookie("_xsrf").unwrap().value.clone();
            let events = format!("/hub/api/users/alice/server/progress?_xsrf={xsrf}");
            assert_eq!(page.attributes("progress", "data-events"), [events]);
            assert!(
                page.text
                    .contains("<noscript><meta http-equiv=\"refresh\" content=\"2\"></noscript>")
            );
        }
    }
    let page = until(&mut browser, &to.replace("/user/", "/hub/user/"), |page| {
        page.status == StatusCode::FOUND
    })
    .await;
    assert!(
        page.location().starts_with("/user/alice/lab?x=1"),
        "{}",
        page.location()
    );

    let page = browser.get("/hub/home").await;
    assert_eq!(page.one(".state"), "Running");
    assert_eq!(page.attributes(".actions a", "href"), ["/user/alice/"]);
    assert!(page.one("main .hint").starts_with("Started just now"));
    assert_eq!(browser.get("/hub/").await.location(), "/user/alice/");

    let page = browser.post("/hub/home/stop", &[("name", "")]).await;
    assert!(
        page.location().starts_with("/hub/home?done=stopp"),
        "{}",
        page.location()
    );
    let page = until(&mut browser, "/hub/home", |page| {
        page.one(".state") == "Not running"
    })
    .await;
    assert_eq!(page.status, StatusCode::OK);

    // Whoever follows an old link is told, and led on to where the link led.
    let page = browser.get("/hub/user/alice/lab/tree/a%20b.ipynb").await;
    assert_eq!(
        (page.status, page.one("h1")),
        (
            StatusCode::FAILED_DEPENDENCY,
            "Your server is not running".to_owned()
        )
    );
    let start = page.attributes("main .primary", "href").remove(0);
    assert!(start.starts_with("/hub/spawn/alice?next="), "{start}");
    assert!(start.ends_with("lab%2Ftree%2Fa%2520b.ipynb"), "{start}");
    let page = browser
        .clone()
        .with("accept", "application/json")
        .get("/hub/user/alice/api/status")
        .await;
    assert_eq!(page.status, StatusCode::FAILED_DEPENDENCY);
    assert!(
        page.text
            .starts_with("{\"message\":\"JupyterHub server no longer running at "),
        "{}",
        page.text
    );
}

#[tokio::test]
async fn a_start_that_fails_shows_the_last_lines() {
    let test = TestHub::new(|config, _| {
        let script = "echo 'ImportError: no module named jupyterhub' >&2; exit 3";
        config.spawn.process.command = vec!["sh".to_owned(), "-c".to_owned(), script.to_owned()];
    })
    .await;
    test.user("alice").await;
    let mut browser = test.logged_in("alice").await;
    let page = browser.get("/hub/spawn").await;
    let page = if page.status == StatusCode::FOUND {
        let to = page.location().to_owned();
        until(&mut browser, &to, |page| {
            page.one("h1") != "The server is starting"
        })
        .await
    } else {
        page
    };
    assert_eq!(page.one("h1"), "The server did not start");
    assert!(page.one("[role=alert]").ends_with('.'), "{}", page.text);
    assert_eq!(
        page.attributes("main .primary", "href"),
        ["/hub/spawn/alice"]
    );
}

#[tokio::test]
async fn what_the_operator_offers_is_chosen_from() {
    let test = TestHub::new(|config, _| {
        for (slug, groups) in [("small", vec![]), ("large", vec![]), ("gpu", vec!["ml".to_owned()])] {
            let profile = serde_json::json!({
                "slug": slug, "display_name": slug, "description": "<i>", "mem_limit": 1u64 << 30, "groups": groups,
            });
            config.spawn.profiles.push(serde_json::from_value(profile).unwrap());
        }
    })
    .await;
    test.user("alice").await;
    let mut browser = test.logged_in("alice").await;
    let page = browser.get("/hub/spawn?next=%2Fuser%2Falice%2Flab").await;
    assert_eq!(page.attributes("[type=radio]", "value"), ["small", "large"]);
    assert_eq!(page.attributes("[type=radio][checked]", "value"), ["small"]);
    assert!(page.all("main i").is_empty());
    let action = page.attributes("main form", "action").remove(0);
    assert_eq!(action, "/hub/spawn/alice?next=%2Fuser%2Falice%2Flab");
    let page = browser.post(&action, &[("profile", "gpu")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(
        page.one("[role=alert]")
            .contains("choose one of small, large")
    );

    let page = browser.post(&action, &[("profile", "large")]).await;
    assert_eq!(page.status, StatusCode::FOUND);
    let to = page.location().replace("/user/", "/hub/user/");
    until(&mut browser, &to, |page| page.status == StatusCode::FOUND).await;
    browser.post("/hub/home/stop", &[("name", "")]).await;
    until(&mut browser, "/hub/home", |page| {
        page.one(".state") == "Not running"
    })
    .await;
    // What was chosen is chosen the next time.
    let page = browser.get("/hub/spawn").await;
    assert_eq!(page.attributes("[type=radio][checked]", "value"), ["large"]);

    test.join("alice", "ml").await;
    assert_eq!(
        browser
            .get("/hub/spawn")
            .await
            .attributes("[type=radio]", "value")
            .len(),
        3
    );
}

#[tokio::test]
async fn named_servers_come_and_go() {
    let test = TestHub::new(|config, _| {
        config.named_servers.allow = true;
        config.named_servers.limit = 1;
    })
    .await;
    test.user("alice").await;
    let mut browser = test.logged_in("alice").await;
    let page = browser.post("/hub/home/servers", &[("name", "/")]).await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    let page = browser
        .post("/hub/home/servers", &[("name", "My Thesis")])
        .await;
    assert_eq!(page.status, StatusCode::FOUND, "{}", page.text);
    let page = until(&mut browser, "/hub/home", |page| {
        page.all(".running").len() == 1
    })
    .await;
    assert_eq!(page.one("h3"), "my-thesis");
    assert!(
        page.attributes(".actions a", "href")
            .contains(&"/user/alice/my-thesis/".to_owned())
    );
    assert!(page.all("#server-name").is_empty(), "one is the limit");
    browser
        .post("/hub/home/stop", &[("name", "my-thesis")])
        .await;
    until(&mut browser, "/hub/home", |page| {
        page.all(".stopped").len() == 2
    })
    .await;
    let page = browser
        .post("/hub/home/remove", &[("name", "my-thesis")])
        .await;
    assert_eq!(page.location(), "/hub/home?done=removed");
    let page = browser.get("/hub/home?done=removed").await;
    assert!(page.all("h3").is_empty());
    assert_eq!(
        page.one("[role=status]"),
        "The server is removed. Files are not touched."
    );
    assert!(
        browser
            .get("/hub/home?done=%3Cscript%3E")
            .await
            .all("[role=status]")
            .is_empty()
    );
}

#[tokio::test]
async fn links_for_everybody_lead_to_one_s_own_server() {
    let test = TestHub::plain().await;
    test.user("alice").await;
    assert_eq!(
        test.browser()
            .get("/hub/user-redirect/lab/tree/x.ipynb?a=1")
            .await
            .location(),
        "/hub/login?next=%2Fhub%2Fuser-redirect%2Flab%2Ftree%2Fx.ipynb%3Fa%3D1"
    );
    let mut browser = test.logged_in("alice").await;
    let page = browser.get("/hub/user-redirect/lab/tree/x.ipynb?a=1").await;
    assert_eq!(
        page.location(),
        "/hub/spawn/alice?next=%2Fuser%2Falice%2Flab%2Ftree%2Fx.ipynb%3Fa%3D1"
    );
}
