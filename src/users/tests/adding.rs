//! Adding people: who is made, who is left alone, and what a killed run leaves.

use super::*;

#[tokio::test]
async fn a_class_is_made_and_the_next_one_numbered_on() {
    let bed = bed!();
    let first = bed.add(&numbered(3)).await.unwrap();
    assert_eq!(users(&first), ["training01", "training02", "training03"]);
    let second = bed.add(&numbered(2)).await.unwrap();
    assert_eq!(users(&second), ["training04", "training05"]);
    for number in 1..=5 {
        bed.assert_whole(&format!("training0{number}"));
    }
    // What was there is there, byte for byte, with its mode and owner.
    assert!(bed.text("etc/passwd").starts_with(PASSWD));
    assert!(bed.text("etc/shadow").starts_with(SHADOW));
    assert_eq!(mode(&bed.path("etc/shadow")), (0, 42, 0o640));
    assert_eq!(mode(&bed.path("etc/passwd")), (0, 0, 0o644));
    let hashes: std::collections::BTreeSet<_> = (1..=5)
        .map(|n| bed.row("etc/shadow", &format!("training0{n}")).unwrap()[1].clone())
        .collect();
    assert_eq!(hashes.len(), 5);
    let listed = roster(&bed.server).await.unwrap().accounts;
    assert_eq!(listed.len(), 5);
    assert_eq!(
        (listed[0].name.as_str(), listed[0].uid, listed[0].admin),
        ("training01", 1001, false)
    );
}

#[tokio::test]
async fn who_is_there_is_left_alone_and_reported() {
    let bed = bed!();
    bed.add(&named(&["ada", "bob"])).await.unwrap();
    let before =
        ["etc/passwd", "etc/shadow", "etc/group", "etc/gshadow"].map(|file| bed.text(file));
    let again = bed.add(&named(&["ada", "bob", "ada"])).await.unwrap();
    assert_eq!(again.existing, ["ada", "bob"]);
    assert!(again.is_nothing() && again.without_password.is_empty());
    std::fs::remove_file(bed.state.path(credentials::FILE)).unwrap();
    let again = bed.add(&named(&["ada"])).await.unwrap();
    assert_eq!(again.without_password, ["ada"]);
    assert!(Credentials::load(&bed.state).unwrap().rows().is_empty());
    assert_eq!(
        before,
        ["etc/passwd", "etc/shadow", "etc/group", "etc/gshadow"].map(|file| bed.text(file))
    );
}

#[tokio::test]
async fn the_servers_own_accounts_and_groups_are_refused() {
    let bed = bed!();
    std::fs::create_dir(bed.path("home/eve")).unwrap();
    symlink("/root", bed.path("home/mallory")).unwrap();
    std::fs::write(
        bed.path("etc/passwd"),
        format!("{PASSWD}operator1:x:1001:1001::/home/operator1:/bin/bash\n"),
    )
    .unwrap();
    let added = bed
        .add(&named(&["operator1", "robotics", "eve", "mallory", "ada"]))
        .await
        .unwrap();
    assert_eq!(users(&added), ["ada"]);
    let refused: Vec<String> = added
        .refused
        .iter()
        .map(|(name, reason)| format!("{name} {reason}"))
        .collect();
    assert_eq!(
        refused,
        [
            "operator1 is an account of the server's own",
            "robotics is a group of the server's own",
            "eve has a home that belongs to the system: /home/eve",
            "mallory has something else than a folder as /home/mallory",
        ]
    );
    let rows = Credentials::load(&bed.state).unwrap();
    assert_eq!(
        rows.rows().len(),
        1,
        "no password is handed out for an account that is not ours"
    );
    assert!(!bed.in_group(USERS_GROUP, "operator1"));
}

#[tokio::test]
async fn names_are_checked_before_the_server_is_asked() {
    let bed = bed!();
    let unreachable = Folder {
        root: bed.base.path().join("nowhere"),
        kill_at: None,
        kill_after: false,
        hub: None,
        ends_sessions: false,
    };
    let error = add(
        &unreachable,
        &bed.state,
        &named(&["Ada", "root", "fine"]),
        password::Ahead::begin(0),
        &Silent,
    )
    .await
    .unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"Ada\" has 'A' in it\n\"root\" is reserved"
    );
}

#[tokio::test]
async fn admins_are_promoted_whether_new_or_old() {
    let bed = bed!();
    bed.add(&named(&["ada"])).await.unwrap();
    let mut request = named(&["bob"]);
    request.admins = vec![
        "ada".into(),
        "bob".into(),
        "debian".into(),
        "nobody-yet".into(),
    ];
    let added = bed.add(&request).await.unwrap();
    assert_eq!(added.promoted, ["ada", "bob"]);
    assert!(bed.in_group(ADMINS_GROUP, "ada") && bed.in_group(ADMINS_GROUP, "bob"));
    assert!(!bed.in_group(ADMINS_GROUP, "debian"));
    let again = bed.add(&request).await.unwrap();
    assert!(again.is_nothing());
    assert!(
        roster(&bed.server)
            .await
            .unwrap()
            .accounts
            .iter()
            .all(|account| account.admin)
    );
}

#[tokio::test]
async fn a_kept_home_keeps_its_owner_and_nobody_else_gets_the_number() {
    let bed = bed!();
    // A volume from an earlier server: ada was 1005 there. Meanwhile 1007 went to someone else here.
    for (name, uid) in [("ada", 1005), ("old", 1007)] {
        let home = bed.path(&format!("home/{name}"));
        std::fs::create_dir(&home).unwrap();
        std::fs::write(home.join("notes.ipynb"), "{}").unwrap();
        symlink("/etc/passwd", home.join("link")).unwrap();
        for path in [home.join("notes.ipynb"), home.clone()] {
            chown(path, Some(uid), Some(uid)).unwrap();
        }
        std::os::unix::fs::lchown(home.join("link"), Some(uid), Some(uid)).unwrap();
    }
    std::fs::write(
        bed.path("etc/passwd"),
        format!("{PASSWD}other:x:1007:1007::/home/other:/bin/bash\n"),
    )
    .unwrap();
    let added = bed.add(&named(&["bob", "ada", "old"])).await.unwrap();
    assert_eq!(users(&added), ["bob", "ada", "old"]);
    let uid = |name: &str| bed.row("etc/passwd", name).unwrap()[2].clone();
    assert_eq!(
        (uid("ada"), uid("bob"), uid("old")),
        ("1005".into(), "1008".into(), "1009".into())
    );
    let notes = std::fs::metadata(bed.path("home/old/notes.ipynb")).unwrap();
    assert_eq!((notes.uid(), notes.gid()), (1009, 1009));
    assert_eq!(
        std::fs::symlink_metadata(bed.path("home/old/link"))
            .unwrap()
            .uid(),
        1009
    );
    assert_eq!(mode(&bed.path("home/ada")), (1005, 1005, 0o700));
    assert_eq!(std::fs::metadata("/etc/passwd").unwrap().uid(), 0);
}

#[tokio::test]
async fn what_an_account_lacks_is_added() {
    let bed = bed!();
    bed.add(&named(&["ada", "bob"])).await.unwrap();
    std::fs::remove_dir_all(bed.path("home/ada")).unwrap();
    let hash = bed.row("etc/shadow", "bob").unwrap()[1].clone();
    std::fs::write(
        bed.path("etc/shadow"),
        bed.text("etc/shadow").replace(&hash, "!"),
    )
    .unwrap();
    let listed = roster(&bed.server).await.unwrap().accounts;
    assert_eq!(
        (listed[0].missing.clone(), listed[1].missing.clone()),
        (vec!["home".into()], vec!["password".into()])
    );
    let added = bed.add(&named(&["ada", "bob"])).await.unwrap();
    assert_eq!(added.completed, ["ada"]);
    assert_eq!(users(&added), ["bob"]);
    bed.assert_whole("ada");
    bed.assert_whole("bob");
}

#[tokio::test]
async fn a_server_that_is_not_set_up_says_so() {
    let bed = bed!();
    std::fs::write(bed.path("etc/group"), "root:x:0:\n").unwrap();
    let error = bed.add(&numbered(1)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the server has no group jupyterhub-users"
    );
    assert!(error.hint().unwrap().contains("provision"));
}

/// Killed at every step that changes something, then run again: the same ten people, whole, with the passwords that
/// were written down, and nothing half made beside them.
#[tokio::test]
async fn a_run_killed_anywhere_is_finished_by_the_next() {
    for kill_at in 1.. {
        let mut bed = bed!();
        bed.server.kill_at = Some(kill_at);
        let killed = bed.add(&numbered(2)).await;
        let written = Credentials::load(&bed.state).unwrap();
        bed.server.kill_at = None;
        let second = bed.add(&numbered(2)).await.unwrap();
        for name in ["training01", "training02"] {
            bed.assert_whole(name);
            let row = Credentials::load(&bed.state).unwrap();
            if killed.is_err() {
                assert_eq!(
                    row.of(name),
                    written.of(name),
                    "step {kill_at}: a password was lost"
                );
                assert!(written.of(name).is_some());
            }
        }
        if killed.is_err() {
            assert_eq!(
                second.created.len() + second.existing.len() + second.completed.len(),
                2,
                "step {kill_at}"
            );
            assert!(
                bed.row("etc/passwd", "training03").is_none(),
                "step {kill_at}"
            );
        }
        assert!(bed.text("etc/passwd").starts_with(PASSWD), "step {kill_at}");
        let left: Vec<_> = ["home", "etc"]
            .iter()
            .flat_map(|folder| std::fs::read_dir(bed.path(folder)).unwrap())
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.contains("hubctl"))
            .collect();
        assert_eq!(left, [""; 0], "step {kill_at}");
        assert!(!bed.state.path("add-users.json").exists());
        if killed.is_ok() {
            assert!(kill_at > 15, "only {kill_at} steps were tried");
            return;
        }
    }
}

#[tokio::test]
async fn a_home_begins_with_all_of_the_skeleton() {
    let bed = bed!();
    let large = vec![b'x'; (1 << 20) + 1];
    for (inside, content, mode) in [
        ("etc/skel/notes/start/run.sh", &b"#!/bin/sh\n"[..], 0o755),
        ("etc/skel/notes/data.csv", &large[..], 0o640),
        ("etc/skel/empty", b"", 0o644),
    ] {
        let path = bed.path(inside);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
    }
    std::fs::set_permissions(
        bed.path("etc/skel/notes/start"),
        PermissionsExt::from_mode(0o750),
    )
    .unwrap();
    bed.add(&named(&["ada", "bob"])).await.unwrap();
    for name in ["ada", "bob"] {
        bed.assert_whole(name);
        let owner: u32 = bed.row("etc/passwd", name).unwrap()[2].parse().unwrap();
        for (inside, expected) in [
            ("notes/start/run.sh", 0o755),
            ("notes/start", 0o750),
            ("notes/data.csv", 0o640),
            ("empty", 0o644),
        ] {
            let found = mode(&bed.path(&format!("home/{name}/{inside}")));
            assert_eq!(found, (owner, owner, expected), "{inside}");
        }
        let copied = std::fs::read(bed.path(&format!("home/{name}/notes/data.csv"))).unwrap();
        assert!(copied == large);
    }
}
