//! Tokens.

use http::{Method, StatusCode};

use crate::hub::TestHub;

#[tokio::test]
async fn a_token_is_made_shown_once_used_and_revoked() {
    let test = TestHub::plain().await;
    test.user("alice").await;
    let mut browser = test.logged_in("alice").await;
    let page = browser
        .post(
            "/hub/token",
            &[("note", "my <script>"), ("expires_in", "3600")],
        )
        .await;
    assert_eq!(page.status, StatusCode::OK);
    let token = page.attributes("#token", "value").remove(0);
    assert_eq!(token.len(), 64);
    let bearer = format!("Bearer {token}");
    let authorization = [("authorization", bearer.as_str())];
    let me = test
        .browser()
        .send(Method::GET, "/hub/api/user", &authorization, None)
        .await;
    assert_eq!(me.status, StatusCode::OK);
    assert!(me.text.contains("\"alice\""));

    let page = browser.get("/hub/token").await;
    assert!(!page.text.contains(&token));
    assert_eq!(page.all("tbody th"), ["my <script>"]);
    let ends = page.all("td[data-label=Ends]").remove(0);
    assert!(ends == "in 60 minutes" || ends == "in 59 minutes", "{ends}");
    let id = page.attributes("tbody [name=id]", "value").remove(0);

    // Another's is as good as none.
    test.user("bob").await;
    let mut bob = test.logged_in("bob").await;
    assert_eq!(
        bob.post("/hub/token/revoke", &[("id", &id)]).await.status,
        StatusCode::NOT_FOUND
    );
    assert!(bob.get("/hub/token").await.all("tbody th").is_empty());

    assert_eq!(
        browser
            .post("/hub/token/revoke", &[("id", &id)])
            .await
            .location(),
        "/hub/token?done=revoked"
    );
    let me = test
        .browser()
        .send(Method::GET, "/hub/api/user", &authorization, None)
        .await;
    assert_eq!(me.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_token_does_no_more_than_its_owner() {
    let test = TestHub::new(|config, _| config.tokens.expires_in_max = 86_400).await;
    test.user("alice").await;
    let mut browser = test.logged_in("alice").await;
    let page = browser.get("/hub/token").await;
    assert_eq!(
        page.attributes("#expires_in option", "value"),
        ["3600", "86400"]
    );
    let page = browser
        .post(
            "/hub/token",
            &[("scopes", "admin:users"), ("note", "too much")],
        )
        .await;
    assert_eq!(page.status, StatusCode::BAD_REQUEST);
    assert!(
        page.one("[role=alert]").contains("admin:users"),
        "{}",
        page.text
    );
    assert_eq!(page.attributes("#note", "value"), ["too much"]);
    assert_eq!(
        browser
            .post("/hub/token", &[("scopes", "nonsense")])
            .await
            .status,
        StatusCode::BAD_REQUEST
    );
    let page = browser
        .post(
            "/hub/token",
            &[("scopes", "read:users:name!user"), ("expires_in", "0")],
        )
        .await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.one("tbody code"), "read:users:name!user");
    assert!(
        page.one("td[data-label=Ends]").starts_with("in "),
        "the operator's limit holds"
    );
}
