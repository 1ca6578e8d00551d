//! Those of browsers: cookies, XSRF, where a login leads, what ends with a logout.

use std::collections::BTreeMap;

use reqwest::{Method, Response, StatusCode};
use serde_json::json;

use crate::support::{ADMIN, Running};

/// A browser that keeps cookies and follows nothing.
struct Browser<'a> {
    hub: &'a Running,
    client: reqwest::Client,
    cookies: BTreeMap<String, String>,
}

impl<'a> Browser<'a> {
    fn new(hub: &'a Running) -> Self {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent("browser")
            .build()
            .expect("a client");
        Self {
            hub,
            client,
            cookies: BTreeMap::new(),
        }
    }

    fn cookie_line(&self) -> String {
        let pairs: Vec<String> = self
            .cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        pairs.join("; ")
    }

    async fn send(&mut self, method: Method, path: &str, form: &[(&str, &str)]) -> Response {
        let mut request = self
            .client
            .request(method.clone(), format!("{}{path}", self.hub.url))
            .header("cookie", self.cookie_line())
            .header("sec-fetch-mode", "navigate");
        if method == Method::POST {
            request = request.form(form);
        }
        let answer = request.send().await.expect("an answer");
        for set in answer.headers().get_all("set-cookie") {
            let set = set.to_str().expect("text");
            let pair = set.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    fn xsrf(&self) -> String {
        self.cookies.get("_xsrf").cloned().unwrap_or_default()
    }

    /// Logs in; where it leads.
    async fn log_in(&mut self, user: &str, next: &str) -> String {
        let query: String = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("next", next)
            .finish();
        let page = format!("/hub/login?{query}");
        assert_eq!(self.send(Method::GET, &page, &[]).await.status(), 200);
        let xsrf = self.xsrf();
        let form = [("username", user), ("password", "s3cret"), ("_xsrf", &xsrf)];
        let answer = self.send(Method::POST, &page, &form).await;
        assert_eq!(answer.status(), StatusCode::FOUND, "{next}");
        answer.headers()["location"]
            .to_str()
            .expect("text")
            .to_owned()
    }
}

/// A login led to another host.
#[tokio::test]
async fn cve_2019_10255_cve_2026_33709_a_login_leads_nowhere_else() {
    let hub = crate::hub("").await;
    for next in [
        "//evil.example/",
        "https://evil.example/",
        "/\\evil.example/",
        "\\\\evil.example/",
        "/\t/evil.example/",
        "/hub/../..//evil.example/",
        "///evil.example",
        "javascript:alert(1)",
        " //evil.example",
    ] {
        let leads = Browser::new(&hub).log_in("ann", next).await;
        assert!(
            leads.starts_with('/') && !leads.starts_with("//"),
            "{next} leads to {leads}"
        );
        assert!(!leads.contains("evil"), "{next} leads to {leads}");
    }
    let leads = Browser::new(&hub).log_in("ann", "/hub/home?x=1").await;
    assert_eq!(leads, "/hub/home?x=1");
}

/// A page of somebody's server put cookies of its own into the browser, and had the hub take its token for the victim's.
#[tokio::test]
async fn cve_2024_28233_ghsa_7r3h_4ph8_w38g_a_tossed_cookie_is_no_token() {
    let hub = crate::hub("").await;
    let (mut attacker, mut victim) = (Browser::new(&hub), Browser::new(&hub));
    attacker.log_in("ann", "/hub/home").await;
    victim.log_in("bob", "/hub/home").await;
    let ask = async |cookies: String, sent: &str| {
        let answer = reqwest::Client::new()
            .post(format!("{}/hub/api/users/bob/tokens", hub.url))
            .header("cookie", cookies)
            .header("sec-fetch-mode", "cors")
            .header("x-xsrftoken", sent)
            .json(&json!({}))
            .send()
            .await;
        answer.expect("an answer").status().as_u16()
    };
    let (own, tossed) = (victim.xsrf(), attacker.xsrf());
    let cookies = victim.cookie_line();
    // Put first, last, and alone in place of the victim's.
    for line in [
        format!("_xsrf={tossed}; {cookies}"),
        format!("{cookies}; _xsrf={tossed}"),
        cookies.replace(&own, &tossed),
    ] {
        assert_eq!(ask(line, &tossed).await, 403);
    }
    assert_eq!(ask(cookies.clone(), "").await, 403);
    // And the victim's own counts, whatever was tossed before it.
    assert_eq!(ask(format!("_xsrf={tossed}; {cookies}"), &own).await, 201);
    // A session's public id, tossed, makes nobody somebody else.
    let mut mixed = attacker.cookies.clone();
    mixed.insert(
        "jupyterhub-session-id".to_owned(),
        victim.cookies["jupyterhub-session-id"].clone(),
    );
    attacker.cookies = mixed;
    let answer = attacker.send(Method::GET, "/hub/api/user", &[]).await;
    let text = answer.text().await.expect("a body");
    assert!(!text.contains("\"bob\""), "{text}");
}

/// A form of another site was taken for the hub's own if the browser called it `no-cors`.
#[tokio::test]
async fn cve_2026_40864_ghsa_m68r_v472_jgq9_no_cors_forms_need_the_token() {
    let hub = crate::hub("").await;
    let mut browser = Browser::new(&hub);
    browser.log_in("ann", "/hub/home").await;
    for (mode, site) in [
        ("no-cors", "cross-site"),
        ("no-cors", "same-site"),
        ("navigate", "cross-site"),
    ] {
        for path in ["/hub/spawn", "/hub/token", "/hub/logout"] {
            let answer = reqwest::Client::builder()
                .redirect(reqwest::redirect::Policy::none())
                .build()
                .expect("a client")
                .post(format!("{}{path}", hub.url))
                .header("cookie", browser.cookie_line())
                .header("sec-fetch-mode", mode)
                .header("sec-fetch-site", site)
                .form(&[("note", "x")])
                .send()
                .await
                .expect("an answer");
            assert!(
                answer.status().is_client_error(),
                "{mode} {site} {path}: {}",
                answer.status()
            );
        }
    }
    let (_, ann) = hub.ask("GET", "/users/ann", ADMIN, None).await;
    assert_eq!(ann["servers"], json!({}), "no server was started");
}

/// What a session had been given stayed good after its end.
#[tokio::test]
async fn cve_2021_41247_ghsa_cw7p_q79f_m2v7_a_logout_ends_the_tokens_of_its_session() {
    use hubd::store::token::{self, New, OwnerId};
    use hubd::store::user;

    let hub = crate::hub("").await;
    let mut browser = Browser::new(&hub);
    browser.log_in("ann", "/hub/home").await;
    let session = browser.cookies["jupyterhub-session-id"].clone();
    let store = hub.hub.store.clone();
    let minted = hub
        .hub
        .store
        .write(move |connection| {
            let ann = user::find(connection, "ann")?.expect("ann");
            let new = New {
                session_id: Some(&session),
                ..New::of(OwnerId::User(ann.id), "")
            };
            token::mint(connection, store.catalog(), store.clock().now(), &new)
        })
        .await;
    let (token, _) = minted.expect("a token");
    assert_eq!(hub.ask("GET", "/user", &token, None).await.0, 200);
    let xsrf = browser.xsrf();
    let old = browser.cookie_line();
    let answer = browser
        .send(Method::POST, "/hub/logout", &[("_xsrf", &xsrf)])
        .await;
    let answer = match answer.status() {
        StatusCode::METHOD_NOT_ALLOWED => browser.send(Method::GET, "/hub/logout", &[]).await,
        _ => answer,
    };
    assert!(
        answer.status().is_redirection() || answer.status().is_success(),
        "{}",
        answer.status()
    );
    assert_eq!(
        hub.ask("GET", "/user", &token, None).await.0,
        403,
        "the session's token is gone"
    );
    // Nor is the old login cookie any good.
    let again = reqwest::Client::new()
        .get(format!("{}/hub/api/user", hub.url))
        .header("cookie", old);
    let again = again
        .header("sec-fetch-mode", "navigate")
        .send()
        .await
        .expect("an answer");
    assert_eq!(again.status(), 403);
}
