//! How servers end, and what is told of it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::bed::Bed;
use crate::support::{patience, until};

async fn ended(bed: &Bed, server: &str, state: &Value) -> Value {
    let said = std::cell::RefCell::new(Value::Null);
    let over = until(20, async || {
        *said.borrow_mut() = bed.poll(server, state).await;
        said.borrow()["running"] == false
    });
    assert!(over.await, "{server} still runs");
    said.into_inner()
}

pub async fn a_hub_started_anew_finds_what_runs(bed: &Bed) {
    let first = bed.started("ada", "one").await;
    assert_eq!(bed.poll("ada", &first["state"]).await["running"], true);
    // What the store may not have kept yet.
    assert_eq!(bed.poll("ada", &Value::Null).await["running"], true);
    // A start of the same key ends the leftover; the old run is over then, the new one runs.
    let second = bed.started("ada", "two").await;
    assert_ne!(first["state"], second["state"]);
    assert_eq!(bed.poll("ada", &first["state"]).await["running"], false);
    assert_eq!(bed.poll("ada", &second["state"]).await["running"], true);
    assert_eq!(
        bed.inside("ada", "echo $JUPYTERHUB_API_TOKEN").await.out,
        "two"
    );
    // The helper goes when nobody asks; servers stay, and it comes back when asked.
    bed.root("systemctl stop hub-helper.service").await;
    assert_eq!(bed.poll("ada", &second["state"]).await["running"], true);
    bed.hub("stop", "ada", json!({"state": second["state"]}))
        .await
        .unwrap();
    assert_eq!(bed.poll("ada", &second["state"]).await["running"], false);
}

pub async fn a_hog_is_killed_alone_and_called_that(bed: &Bed) {
    const HOG: &str =
        "python3 -c 'held = [bytearray(b\"x\" * (8 << 20)) for _ in range(200)]'; echo code=$?";
    let ada = bed.started("ada", "t").await;
    let bob = bed.started("bob", "t").await;
    // A kernel: the server and its other kernels stay.
    let hog = bed.inside("ada", HOG).await;
    assert!(hog.out.ends_with("code=137"), "{hog:?}");
    assert_eq!(bed.poll("ada", &ada["state"]).await["running"], true);
    // The hub can tell her so, and bob nothing.
    assert_eq!(bed.hub("kills", "ada", json!({})).await.unwrap(), 1);
    assert_eq!(bed.hub("kills", "bob", json!({})).await.unwrap(), 0);
    // The server itself.
    bed.post("ada", "/eat", "").await;
    let told = ended(bed, "ada", &ada["state"]).await;
    assert_eq!(told["out_of_memory"], true, "{told}");
    assert_eq!(bed.poll("bob", &bob["state"]).await["running"], true);
    // Killed by hand, it is not called that.
    bed.root("systemctl kill -s KILL jupyter@bob.service").await;
    let told = ended(bed, "bob", &bob["state"]).await;
    assert_eq!(
        (&told["out_of_memory"], &told["code"]),
        (&json!(false), &Value::Null),
        "{told}"
    );
    // A larger profile holds what the small one did not.
    let large = json!({"profile": "large", "environment": {}});
    let ada = bed.hub("start", "ada", large).await.unwrap();
    let limits = bed
        .root("systemctl show -P MemoryMax -P CPUQuotaPerSecUSec jupyter@ada.service")
        .await;
    assert_eq!(limits, format!("800ms\n{}", 400 << 20));
    bed.hub("stop", "ada", json!({"state": ada["state"]}))
        .await
        .unwrap();
    bed.hub("stop", "bob", json!({})).await.unwrap();
}

pub async fn a_failure_shows_its_last_lines_without_secrets(bed: &Bed) {
    let ada = bed.started("ada", "t").await;
    let line = "ModuleNotFoundError: no lab at http://x/?token=0123456789abcdef0123456789abcdef";
    bed.post("ada", "/fail", line).await;
    let told = ended(bed, "ada", &ada["state"]).await;
    assert_eq!(told["code"], 3, "{told}");
    let lines = told["last_lines"].to_string();
    assert!(
        lines.contains("ModuleNotFoundError") && lines.contains("token=[hidden]"),
        "{lines}"
    );
    // Nobody but the hub reads them.
    let said = bed
        .as_account("bob", "cat /run/hub-helper/ended/ada.json")
        .await;
    assert_ne!(said.code, Some(0), "{said:?}");
    // It starts again after that.
    let ada = bed.started("ada", "t").await;
    bed.hub("stop", "ada", json!({"state": ada["state"]}))
        .await
        .unwrap();
}

pub async fn what_does_not_end_politely_is_killed(bed: &Bed) {
    let ada = bed.started("ada", "t").await;
    // The server ignores SIGTERM, and a child of its own is in another session.
    let said = bed
        .inside("ada", "setsid sleep 300 >/dev/null 2>&1 & echo $!")
        .await;
    let orphan: u32 = said.out.parse().unwrap();
    let deaf = "kill -STOP $PPID";
    let stopping = Instant::now();
    bed.post_and_leave("ada", deaf).await;
    let kill =
        json!({"version": hub_api::helper::VERSION, "verb": {"verb": "kill", "user": "ada"}});
    assert_eq!(bed.ask("hubd", kill).await, r#"{"answer":"ended"}"#);
    assert!(stopping.elapsed() < Duration::from_secs(10) * patience());
    assert_eq!(bed.poll("ada", &ada["state"]).await["running"], false);
    let left = bed.root("ps -u ada -o pid=,args= || true").await;
    assert_eq!(left, "", "{orphan} or another is left");
}
