//! Login at a real OpenID provider: discovery, PKCE, state, nonce, lists.

use http::StatusCode;
use hub_api::hub::Oauth;
use tokio::process::Child;

use crate::browser::{Browser, Page};
use crate::hub::TestHub;
use crate::real::provider;

const CALLBACK: &str = "http://hub.test/hub/oauth_callback";
const SECRET: &str = "the-secret-of-hub-and-provider-0123456789";

/// A hub that knows its visitors by a provider, with this secret and these lists.
async fn hub(secret: &str, edit: impl FnOnce(&mut Oauth)) -> (TestHub, Child) {
    let (child, issuer) = provider(CALLBACK, SECRET).await;
    let test = TestHub::new(|config, folder| {
        let file = folder.join("client-secret");
        std::fs::write(&file, secret).unwrap();
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&file, permissions).unwrap();
        let mut oauth: Oauth = serde_json::from_value(serde_json::json!({
            "id": "uni", "kind": "oidc", "label": "your university account", "client_id": "hub",
            "client_secret_file": file, "issuer": issuer, "scopes": ["openid", "profile", "email", "groups"],
            "groups_claim": "groups",
        }))
        .unwrap();
        edit(&mut oauth);
        config.auth.oauth = vec![oauth];
        config.auth.password_file = None;
        config.public_url = Some("http://hub.test".to_owned());
    })
    .await;
    (test, child)
}

/// Goes to the provider, logs in there as `name`, and is back at the hub with a code: the path of the callback.
async fn at_provider(browser: &mut Browser, from: &str, name: &str) -> String {
    let page = browser.get(from).await;
    assert_eq!(page.status, StatusCode::FOUND, "{}", page.text);
    let mut to = url::Url::parse(page.location()).unwrap();
    for needed in [
        "code_challenge_method=S256",
        "code_challenge=",
        "state=",
        "nonce=",
        "response_type=code",
    ] {
        assert!(to.query().unwrap().contains(needed), "{needed}: {to}");
    }
    let client = reqwest::Client::builder()
        .cookie_store(true)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    for _ in 0..12 {
        let reply = client.get(to.clone()).send().await.unwrap();
        let next = match reply.headers().get("location") {
            Some(next) => next.to_str().unwrap().to_owned(),
            None => {
                // The provider's own page: its login, then its consent.
                let html = reply.text().await.unwrap();
                let form: &[(&str, &str)] = if html.contains("name=\"login\"") {
                    &[("prompt", "login"), ("login", name), ("password", "any")]
                } else {
                    &[("prompt", "consent")]
                };
                let reply = client.post(to.clone()).form(form).send().await.unwrap();
                reply.headers()["location"].to_str().unwrap().to_owned()
            }
        };
        to = to.join(&next).unwrap();
        if to.as_str().starts_with(CALLBACK) {
            return to[url::Position::BeforePath..].to_owned();
        }
    }
    panic!("the provider never sends anybody back: {to}");
}

fn says(page: &Page) -> String {
    page.one("[role=alert]")
}

#[tokio::test]
async fn a_person_logs_in_with_pkce() {
    let (test, _provider) = hub(SECRET, |oauth| {
        oauth.allowed_groups = vec!["teachers".to_owned()];
        oauth.admin_groups = vec!["teachers".to_owned()];
    })
    .await;
    let mut browser = test.browser();
    let page = browser.get("/hub/login?next=%2Fhub%2Ftoken").await;
    assert_eq!(
        page.one(".providers"),
        "Log in with your university account"
    );
    let start = page.attributes(".providers a", "href").remove(0);
    let back = at_provider(&mut browser, &start, "ada").await;
    assert!(
        browser
            .cookie("hubd-oauth-state")
            .unwrap()
            .attributes
            .contains("HttpOnly")
    );
    let mut thief = test.browser();
    let page = browser.get(&back).await;
    assert_eq!(
        (page.status, page.location()),
        (StatusCode::FOUND, "/hub/token"),
        "{}",
        page.text
    );
    assert!(browser.cookie("hubd-oauth-state").is_none());
    let page = browser.get("/hub/token").await;
    assert_eq!(page.one(".me .name"), "Logged in as ada");
    let page = browser.get("/hub/admin").await;
    assert_eq!(page.all("tbody td[data-label=Groups]"), ["teachers"]);
    assert_eq!(page.one("tbody .tag"), "admin");

    // An account that took the name over is not let in as her, whatever the lists say.
    let mut later = test.browser();
    let taken = at_provider(&mut later, "/hub/oauth_login", "thief").await;
    let page = later.get(&taken).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(
        says(&page).contains("belongs to another account"),
        "{}",
        says(&page)
    );

    // The same address again, and in another browser.
    assert_eq!(browser.get(&back).await.status, StatusCode::FORBIDDEN);
    let page = thief.get(&back).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    assert!(says(&page).contains("log in again"), "{}", says(&page));
}

#[tokio::test]
async fn whom_no_list_names_stays_outside() {
    let (test, _provider) = hub(SECRET, |oauth| {
        oauth.allowed_domains = vec!["uni.example".to_owned()]
    })
    .await;
    let mut browser = test.browser();
    let back = at_provider(&mut browser, "/hub/oauth_login", "ada").await;
    assert_eq!(
        browser.get(&back).await.status,
        StatusCode::FOUND,
        "a verified address of the domain"
    );
    // Bob's address is of the domain, too, but nobody has verified it; Eve's is of another.
    for name in ["bob", "eve"] {
        let mut browser = test.browser();
        let back = at_provider(&mut browser, "/hub/oauth_login", name).await;
        let page = browser.get(&back).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN, "{name}");
        assert!(
            says(&page).contains("You may not use this hub"),
            "{}",
            says(&page)
        );
        assert!(browser.cookie("jupyterhub-hub-login").is_none());
    }
}

#[tokio::test]
async fn what_comes_back_must_be_what_left() {
    let (test, _provider) = hub(SECRET, |oauth| oauth.allow_all = true).await;
    let mut one = test.browser();
    let mut other = test.browser();
    let mine = at_provider(&mut one, "/hub/oauth_login", "ada").await;
    let theirs = at_provider(&mut other, "/hub/oauth_login", "bob").await;
    // A login that somebody else began is pushed onto this browser.
    let page = one.get(&theirs).await;
    assert_eq!(page.status, StatusCode::FORBIDDEN);
    // The right state with another login's code: the verifier is not its own, so the provider gives no token.
    let part = |address: &str, name: &str| {
        let url = url::Url::parse(&format!("http://hub.test{address}")).unwrap();
        url.query_pairs()
            .find(|(key, _)| key == name)
            .unwrap()
            .1
            .into_owned()
    };
    let mut one = test.browser();
    let mine_again = at_provider(&mut one, "/hub/oauth_login", "ada").await;
    let mixed = format!(
        "/hub/oauth_callback?code={}&state={}",
        part(&theirs, "code"),
        part(&mine_again, "state")
    );
    let page = one.get(&mixed).await;
    assert_eq!(page.status, StatusCode::BAD_GATEWAY);
    assert!(one.cookie("jupyterhub-hub-login").is_none());
    drop(mine);
    // The person changed her mind at the provider.
    let mut one = test.browser();
    let back = at_provider(&mut one, "/hub/oauth_login", "ada").await;
    let denied = format!(
        "/hub/oauth_callback?error=access_denied&state={}",
        part(&back, "state")
    );
    let page = one.get(&denied).await;
    assert!(says(&page).contains("not completed"), "{}", says(&page));
}

#[tokio::test]
async fn a_name_that_is_none_and_an_account_that_is_missing() {
    let (test, _provider) = hub(SECRET, |oauth| {
        oauth.allow_all = true;
        oauth.require_account = true;
        oauth.username_prefix = "nobody-here-is-called-".to_owned();
    })
    .await;
    for (name, says_so) in [
        ("ada", "no account on this server"),
        ("eve", "You may not use this hub"),
    ] {
        let mut browser = test.browser();
        let back = at_provider(&mut browser, "/hub/oauth_login", name).await;
        let page = browser.get(&back).await;
        assert_eq!(page.status, StatusCode::FORBIDDEN);
        assert!(says(&page).contains(says_so), "{}", says(&page));
    }
}

#[tokio::test]
async fn a_provider_that_fails_keeps_nobody_waiting() {
    let (test, mut child) = hub("another-secret", |oauth| oauth.allow_all = true).await;
    let mut browser = test.browser();
    let back = at_provider(&mut browser, "/hub/oauth_login", "ada").await;
    let page = browser.get(&back).await;
    assert_eq!(
        page.status,
        StatusCode::BAD_GATEWAY,
        "a wrong client secret"
    );
    child.kill().await.unwrap();
    // A hub that has never reached it still starts and shows its pages.
    let (fresh, mut child) = hub(SECRET, |_| ()).await;
    child.kill().await.unwrap();
    let page = fresh.browser().get("/hub/oauth_login/uni").await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(
        says(&page).contains("your university account cannot be reached"),
        "{}",
        says(&page)
    );
    assert_eq!(
        fresh.browser().get("/hub/oauth_login/other").await.status,
        StatusCode::NOT_FOUND
    );
}

/// A root helper that makes the accounts it is asked for, but one; the names it was asked for.
fn helper(socket: &std::path::Path) -> std::sync::Arc<std::sync::Mutex<Vec<String>>> {
    use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
    let listener = tokio::net::UnixListener::bind(socket).unwrap();
    let asked = std::sync::Arc::<std::sync::Mutex<Vec<String>>>::default();
    let names = asked.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            stream.read_line(&mut line).await.unwrap();
            let request: hub_api::helper::Request = serde_json::from_str(&line).unwrap();
            let hub_api::helper::Verb::Create { name } = request.verb else {
                panic!("{line}");
            };
            let answer = if name.ends_with("bob") {
                hub_api::helper::Answer::Refused {
                    message: "there is a home of that name already".to_owned(),
                }
            } else {
                hub_api::helper::Answer::Account { created: true }
            };
            names.lock().unwrap().push(name);
            let mut answer = serde_json::to_vec(&answer).unwrap();
            answer.push(b'\n');
            stream.get_mut().write_all(&answer).await.unwrap();
        }
    });
    asked
}

#[tokio::test]
async fn an_account_is_made_at_the_first_login_of_whom_a_list_names() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("helper.sock");
    let (provider, issuer) = provider(CALLBACK, SECRET).await;
    let at = socket.clone();
    let test = TestHub::new(|config, folder| {
        let file = folder.join("client-secret");
        std::fs::write(&file, SECRET).unwrap();
        let permissions = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&file, permissions).unwrap();
        let oauth = serde_json::from_value(serde_json::json!({
            "id": "uni", "kind": "oidc", "client_id": "hub", "client_secret_file": file, "issuer": issuer,
            "allowed_domains": ["uni.example"], "username_prefix": "uni-", "require_account": true,
            "create_accounts": true,
        }));
        config.auth.oauth = vec![oauth.unwrap()];
        config.auth.allowed_users = vec!["uni-bob".to_owned()];
        config.auth.password_file = None;
        config.spawn.systemd.helper = Some(at);
        config.public_url = Some("http://hub.test".to_owned());
    })
    .await;
    // Before there is a helper: it is the server that is not ready, not the person who is refused.
    let mut ada = test.browser();
    let back = at_provider(&mut ada, "/hub/oauth_login", "ada").await;
    let page = ada.get(&back).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(ada.cookie("jupyterhub-hub-login").is_none());

    let asked = helper(&socket);
    for (name, status, says_so) in [
        ("ada", StatusCode::FOUND, ""),
        ("bob", StatusCode::FORBIDDEN, "No account named uni-bob"),
        ("eve", StatusCode::FORBIDDEN, "You may not use this hub"),
    ] {
        let mut browser = test.browser();
        let back = at_provider(&mut browser, "/hub/oauth_login", name).await;
        let page = browser.get(&back).await;
        assert_eq!(page.status, status, "{name}: {}", page.text);
        assert!(says_so.is_empty() || says(&page).contains(says_so));
        let has_session = browser.cookie("jupyterhub-hub-login").is_some();
        assert_eq!(has_session, status == StatusCode::FOUND, "{name}");
    }
    // Nothing was asked for somebody whom no list names.
    assert_eq!(*asked.lock().unwrap(), ["uni-ada", "uni-bob"]);
    drop(provider);
}
