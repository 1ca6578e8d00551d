//! The user of a check: there while it lasts, gone whatever ends it.

use super::*;
use crate::health::{Checking, synthetic};
use crate::spec::model::HubKind;

fn checking() -> Checking {
    Checking {
        within: Duration::from_secs(60),
        // There is no hub here, and so no token either.
        token_file: "/nowhere/token".into(),
        ..Checking::of(HubKind::Jupyterhub)
    }
}

impl Bed {
    /// That nothing of any check is left, and nothing else was touched.
    fn assert_no_check(&self, when: &str) {
        for (file, text) in [
            ("etc/passwd", PASSWD),
            ("etc/shadow", SHADOW),
            ("etc/group", GROUP_FILE),
            ("etc/gshadow", GSHADOW),
        ] {
            assert_eq!(self.text(file), text, "{file}, {when}");
        }
        for folder in ["home", "run/hubctl"] {
            let left: Vec<_> = std::fs::read_dir(self.path(folder))
                .unwrap()
                .map(|entry| entry.unwrap().file_name())
                .filter(|name| name != "debian")
                .collect();
            assert!(left.is_empty(), "{left:?}, {when}");
        }
    }
}

#[tokio::test]
async fn the_user_of_a_check_is_there_while_it_lasts() {
    let bed = bed!();
    let checked = synthetic(&bed.server, &checking()).await.unwrap();
    let passwd = bed.row("etc/passwd", &checked.user).unwrap();
    assert_eq!(passwd[2], "60000", "the numbers of people are not used up");
    assert_matches(
        &checked.password,
        &bed.row("etc/shadow", &checked.user).unwrap()[1],
    );
    assert!(bed.in_group(USERS_GROUP, &checked.user));
    assert_eq!(
        mode(&bed.path(&format!("home/{}", checked.user))),
        (60000, 60000, 0o700)
    );
    assert!(
        roster(&bed.server).await.unwrap().accounts.is_empty(),
        "nobody is told of it"
    );
    let added = bed.add(&named(&["ada"])).await.unwrap();
    assert_eq!(users(&added), ["ada"]);
    assert_eq!(bed.row("etc/passwd", "ada").unwrap()[2], "1001");
    let user = checked.user.clone();
    let left = checked.end().await.unwrap();
    assert_eq!(
        left,
        [format!(
            "the hub still knows {user}: /nowhere/token: No such file or directory"
        )]
    );
    assert!(bed.row("etc/passwd", &user).is_none());
    bed.assert_whole("ada");
}

#[tokio::test]
async fn two_checks_at_once_leave_each_other_alone() {
    let bed = bed!();
    let first = synthetic(&bed.server, &checking()).await.unwrap();
    let second = synthetic(&bed.server, &checking()).await.unwrap();
    assert_eq!(second.swept, [""; 0]);
    second.end().await.unwrap();
    assert!(bed.row("etc/passwd", &first.user).is_some());
    first.end().await.unwrap();
    bed.assert_no_check("after both");
}

/// A server that is switched off in the middle: the next check removes what was left.
#[tokio::test]
async fn what_a_check_left_is_removed_by_the_next() {
    for kill_at in 1.. {
        let mut bed = bed!();
        bed.server.kill_at = Some(kill_at);
        let killed = match synthetic(&bed.server, &checking()).await {
            Ok(checked) => checked.end().await.is_err(),
            Err(_) => true,
        };
        bed.server.kill_at = None;
        let next = synthetic(&bed.server, &checking()).await.unwrap();
        assert!(next.swept.len() <= usize::from(killed), "step {kill_at}");
        next.end().await.unwrap();
        bed.assert_no_check(&format!("step {kill_at}"));
        if !killed {
            assert!(kill_at > 10, "only {kill_at} steps were tried");
            return;
        }
    }
}
