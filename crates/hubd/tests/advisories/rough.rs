//! What one request, a full disk or a secret that was handed out must not do to a hub.

use serde_json::{Value, json};

use super::{ADMIN, Running, hub};

/// A length of life, or a moment, that no date can be written for took the store's thread down, and the hub with it.
#[tokio::test]
async fn no_moment_is_too_far_away_to_be_told() {
    let hub = hub("").await;
    let own = hub.token("ann", json!(["self"])).await;
    for seconds in [1_000_000_000_000_i64, i64::MAX] {
        let body = json!({"expires_in": seconds});
        let (status, model) = hub.ask("POST", "/users/ann/tokens", &own, Some(body)).await;
        assert_eq!(status, 201, "{model}");
        assert_eq!(model["expires_at"], "9999-12-31T23:59:59.999999Z");
    }
    let body = json!({"last_activity": "9999-12-31T23:59:59-23:00"});
    let (status, answer) = hub
        .ask("POST", "/users/ann/activity", &own, Some(body))
        .await;
    assert_eq!(status, 400, "{answer}");
    let (status, _) = hub.ask("POST", "/users/fresh", ADMIN, None).await;
    assert_eq!(status, 201, "the hub goes on");
}

/// Lets nothing be written of users and tokens, as on a full disk, or lets it again.
async fn writable(hub: &Running, on: bool) {
    let done = hub.hub.store.note(move |connection| {
        for (name, act) in [
            ("a", "UPDATE ON users"),
            ("b", "INSERT ON users"),
            ("c", "UPDATE ON tokens"),
        ] {
            let sql = match on {
                true => format!("DROP TRIGGER {name}"),
                false => format!(
                    "CREATE TRIGGER {name} BEFORE {act} BEGIN SELECT RAISE(ABORT, 'full'); END"
                ),
            };
            connection.execute_batch(&sql)?;
        }
        Ok::<_, hubd::store::StoreError>(())
    });
    done.await.expect("a store");
}

#[tokio::test]
async fn what_is_known_is_told_while_nothing_can_be_written() {
    let hub = hub("").await;
    let own = hub.token("ann", json!(["self"])).await;
    writable(&hub, false).await;
    for (path, token) in [
        ("/user", own.as_str()),
        ("/users/ann", &own),
        ("/users", ADMIN),
        ("/users/ann/tokens", &own),
        ("/groups", ADMIN),
    ] {
        let (status, answer) = hub.ask("GET", path, token, None).await;
        assert_eq!(status, 200, "{path}: {answer}");
    }
    assert_eq!(hub.ask("POST", "/users/fresh", ADMIN, None).await.0, 500);
    writable(&hub, true).await;
    assert_eq!(hub.ask("POST", "/users/fresh", ADMIN, None).await.0, 201);
    let (_, ann) = hub.ask("GET", "/users/ann", ADMIN, None).await;
    assert_ne!(ann["last_activity"], Value::Null, "nothing is lost: {ann}");
}

/// A real limit on the database's size: SQLite says what it says of a full disk.
#[tokio::test]
async fn a_full_disk_is_said() {
    let hub = hub("").await;
    let limited = hub.hub.store.note(|connection| {
        let pages: i64 = connection.query_row("PRAGMA page_count", [], |row| row.get(0))?;
        connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))?;
        Ok::<_, hubd::store::StoreError>(())
    });
    limited.await.expect("a limit");
    let mut last = (http::StatusCode::OK, Value::Null);
    for number in 0..200 {
        let names: Vec<String> = (0..50).map(|at| format!("user-{number}-{at}")).collect();
        last = hub
            .ask("POST", "/users", ADMIN, Some(json!({"usernames": names})))
            .await;
        if last.0 != 201 {
            break;
        }
    }
    assert_eq!(last.0, 507, "{}", last.1);
    assert!(last.1.to_string().contains("disk is full"), "{}", last.1);
    assert_eq!(hub.ask("GET", "/users", ADMIN, None).await.0, 200);
}

/// Every made-up method had a series of its own in the metrics, for good.
#[tokio::test]
async fn made_up_methods_do_not_fill_the_memory() {
    let hub = hub("").await;
    for path in ["/health", "/users", "/users/ann", "/"] {
        assert_eq!(hub.ask("MADEUP", path, "", None).await.0, 405, "{path}");
    }
    let (status, text) = hub.ask("GET", "/metrics", ADMIN, None).await;
    assert_eq!(status, 200);
    let text = text.to_string();
    assert!(text.contains("other") && !text.contains("MADEUP"), "{text}");
}

/// The page on which to choose a password is all that such a secret opens; a token made with it would outlive it.
#[tokio::test]
async fn a_first_login_secret_makes_no_tokens() {
    let folder = tempfile::tempdir().expect("a folder");
    let more = format!(
        "[auth]\nallowed_users = [\"ann\"]\n[auth.password_file]\npath = \"{}/passwords\"",
        folder.path().display()
    );
    let hub = Running::start(folder, &more).await;
    let passwords = hub.hub.authenticators.passwords().expect("a file");
    for (must_change, expected) in [(true, 403), (false, 201)] {
        passwords
            .set("ann", "given-to-you", must_change)
            .await
            .expect("a password");
        let answer = reqwest::Client::new()
            .post(format!("{}/hub/api/users/ann/tokens", hub.url))
            .json(&json!({"auth": {"username": "ann", "password": "given-to-you"}}))
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.status(), expected, "must change: {must_change}");
    }
}
