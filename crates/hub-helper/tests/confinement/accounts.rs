//! Accounts that the helper makes, with the machine's own tools.

use hub_api::helper::{Answer, VERSION};
use serde_json::json;

use crate::bed::Bed;

async fn create(bed: &Bed, name: &str) -> Answer {
    let request = json!({"version": VERSION, "verb": {"verb": "create", "name": name}});
    let line = bed.ask("hubd", request).await;
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"))
}

fn refused(answer: &Answer, why: &str) {
    let Answer::Refused { message } = answer else {
        panic!("{answer:?}");
    };
    assert!(message.contains(why), "{message}");
}

pub async fn accounts_are_made_where_root_said_so(bed: &Bed) {
    refused(&create(bed, "uni-eve").await, "no [accounts]");

    bed.root(
        "cp /etc/hub-helper/helper.toml /etc/hub-helper/before
         printf '\\n[accounts]\\ngroup = \"hub-users\"\\nprefix = \"uni-\"\\n' >>/etc/hub-helper/helper.toml
         echo hello >/etc/skel/README
         mkdir /home/uni-left
         groupadd uni-group
         useradd -M uni-stranger
         systemctl stop hub-helper.service",
    )
    .await;
    // The unit as it is cannot write the system's files, and says what it takes; nothing is left of the try.
    let answer = create(bed, "uni-eve").await;
    assert!(
        matches!(&answer, Answer::Unavailable { message } if message.contains("docs/login.md")),
        "{answer:?}"
    );
    let left = bed
        .root("getent passwd uni-eve; ls -d /home/uni-eve 2>/dev/null; true")
        .await;
    assert_eq!(left, "");

    let drop_in = "[Service]\nProtectHome=no\nReadWritePaths=/etc /home\n";
    let place = "/etc/systemd/system/hub-helper.service.d/accounts.conf";
    bed.put(place, "644", drop_in.as_bytes()).await;
    bed.root("systemctl daemon-reload; systemctl stop hub-helper.service")
        .await;
    assert_eq!(
        create(bed, "uni-eve").await,
        Answer::Account { created: true }
    );
    assert_eq!(
        create(bed, "uni-eve").await,
        Answer::Account { created: false }
    );
    let made = bed
        .root(
            "test $(id -u uni-eve) -ge 1000; id -Gn uni-eve; stat -c '%U %a' /home/uni-eve; cat /home/uni-eve/README
             passwd -S uni-eve | cut -d' ' -f2; grep -c uni-eve /etc/subuid || true; getent passwd uni-eve | cut -d: -f7",
        )
        .await;
    assert_eq!(
        made,
        "uni-eve hub-users\nuni-eve 700\nhello\nL\n0\n/bin/bash"
    );
    for (name, why) in [
        ("root", "not for people"),
        ("debian", "begin with"),
        ("uni-stranger", "no notebook user's"),
        ("uni-group", "a group of that name"),
        ("uni-left", "a home of that name"),
        ("uni-$(id)", "no name of an account"),
    ] {
        refused(&create(bed, name).await, why);
    }
    // Neither a password nor a key opens it by SSH, and it runs a server as any other.
    let eve = bed.started("uni-eve", "t").await;
    let seen = bed.inside("uni-eve", "id -un; cat ~/README").await;
    assert_eq!(seen.out, "uni-eve\nhello");
    bed.hub("stop", "uni-eve", json!({"state": eve["state"]}))
        .await
        .unwrap();
    bed.root(
        "mv /etc/hub-helper/before /etc/hub-helper/helper.toml
         rm /etc/systemd/system/hub-helper.service.d/accounts.conf
         systemctl daemon-reload; systemctl stop hub-helper.service",
    )
    .await;
}
