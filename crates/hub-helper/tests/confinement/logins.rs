//! Passwords, and who is refused whatever the password.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hub_api::helper::{Answer, VERSION};
use serde_json::{Value, json};

use crate::bed::{Bed, PASSWORD};
use crate::support::patience;

fn login(name: &str, password: &str) -> Value {
    json!({"version": VERSION, "verb": {"verb": "authenticate", "name": name, "password": password}})
}

async fn said(bed: &Bed, name: &str, password: &str) -> Answer {
    let line = bed.ask("hubd", login(name, password)).await;
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

pub async fn passwords_are_checked_and_strangers_refused(bed: &Bed) {
    let ada = Answer::Authenticated {
        name: "ada".to_owned(),
        groups: vec!["hub-users".to_owned()],
    };
    assert_eq!(said(bed, "ada", PASSWORD).await, ada);

    let started = Instant::now();
    let wrong = [
        ("ada", "wrong"),
        ("ada", ""),
        ("ada", "correct horse 4711\0x"),
        ("nobody-such", PASSWORD),
        // Right, but a member of sudo.
        ("debian", PASSWORD),
        ("root", PASSWORD),
        ("ADA", PASSWORD),
        ("ada\n", PASSWORD),
    ];
    let answers = join_all(wrong.map(|(name, password)| said(bed, name, password))).await;
    for (answer, (name, _)) in answers.into_iter().zip(wrong) {
        assert_eq!(answer, Answer::Denied, "{name:?}");
    }
    // Each takes three seconds or so: they did not wait for one another.
    let took = started.elapsed();
    assert!(
        took > Duration::from_secs(3) && took < Duration::from_secs(9) * patience(),
        "{took:?}"
    );

    // An account that expired is its password's owner, and does not get in.
    bed.root("chage -E 0 bob").await;
    assert_eq!(said(bed, "bob", PASSWORD).await, Answer::Denied);
    bed.root("chage -E -1 bob").await;
    // PAM's session is not opened: no manager of the user's own.
    let users = bed
        .root("systemctl list-units --plain --no-legend 'user@*.service'")
        .await;
    let ada = bed.root("id -u ada").await;
    assert!(!users.contains(&format!("user@{ada}.service")), "{users}");
}
