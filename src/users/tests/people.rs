//! Those who are there: told, given another password, removed; and what was done to them by hand.

use serde_json::json;

use super::hub::Hub;
use super::*;
use crate::users::credentials::Note;

impl Bed {
    async fn with_hub(&mut self) -> Hub {
        let hub = Hub::start().await;
        self.server.hub = Some(hub.api.clone());
        hub
    }

    async fn reset(&self, whose: Whose) -> Result<Reset, UsersError> {
        reset(
            &self.server,
            &self.state,
            &whose,
            "https://203.0.113.7/",
            &Silent,
        )
        .await
    }

    async fn remove(&self, removal: &Removal) -> Result<Removed, UsersError> {
        remove(
            &self.server,
            &self.state,
            removal,
            "https://203.0.113.7/",
            &Silent,
        )
        .await
    }

    fn note_of(&self, name: &str) -> Note {
        Credentials::load(&self.state)
            .unwrap()
            .of(name)
            .unwrap()
            .note
    }

    /// Writes over a field of an account file, as an operator at the server does.
    fn by_hand(&self, file: &str, name: &str, place: usize, value: &str) {
        let lines: Vec<String> = self
            .text(file)
            .lines()
            .map(|line| {
                let mut fields: Vec<&str> = line.split(':').collect();
                if fields[0] == name {
                    fields[place] = value;
                }
                fields.join(":") + "\n"
            })
            .collect();
        std::fs::write(self.path(file), lines.concat()).unwrap();
    }

    /// Makes an account as useradd does.
    fn useradd(&self, name: &str, uid: u32) {
        for (file, line) in [
            (
                "etc/passwd",
                format!("{name}:x:{uid}:{uid}::/home/{name}:/bin/bash\n"),
            ),
            (
                "etc/shadow",
                format!("{name}:$6$salt$hash:20000:0:99999:7:::\n"),
            ),
            ("etc/group", format!("{name}:x:{uid}:\n")),
            ("etc/gshadow", format!("{name}:!::\n")),
        ] {
            std::fs::write(self.path(file), self.text(file) + &line).unwrap();
        }
        for file in ["etc/group", "etc/gshadow"] {
            let members = self.row(file, USERS_GROUP).unwrap()[3].clone();
            self.by_hand(
                file,
                USERS_GROUP,
                3,
                format!("{members},{name}").trim_start_matches(','),
            );
        }
        std::fs::create_dir(self.path(&format!("home/{name}"))).unwrap();
        chown(self.path(&format!("home/{name}")), Some(uid), Some(uid)).unwrap();
    }

    fn is_gone(&self, name: &str) -> bool {
        let in_files = ["etc/passwd", "etc/shadow", "etc/group", "etc/gshadow"]
            .iter()
            .any(|file| {
                self.text(file)
                    .split([':', ',', '\n'])
                    .any(|word| word == name)
            });
        let ledger =
            std::fs::read_to_string(self.path("var/lib/hubctl/users.json")).unwrap_or_default();
        !in_files
            // A digest in it may well have `ada` among its digits.
            && !ledger.contains(&format!("\"{name}\""))
            && Credentials::load(&self.state).unwrap().of(name).is_none()
    }
}

fn these(names: &[&str]) -> Whose {
    Whose::These(names.iter().map(ToString::to_string).collect())
}

fn removal(names: &[&str]) -> Removal {
    Removal {
        names: names.iter().map(ToString::to_string).collect(),
        ..Removal::default()
    }
}

#[tokio::test]
async fn all_are_told_however_many_the_hub_has_to_a_page() {
    let mut bed = bed!();
    let hub = bed.with_hub().await;
    bed.add(&named(&["ada"])).await.unwrap();
    bed.useradd("carl", 1500);
    hub.knows(
        "ada",
        &json!({"": {"ready": true, "started": null, "last_activity": null}}),
    );
    for number in 0..450 {
        hub.knows(&format!("only-{number}"), &json!({}));
    }
    hub.knows("hubctl-check-abcd", &json!({}));
    let found = roster(&bed.server).await.unwrap();
    assert_eq!(found.hub_problem, None);
    assert_eq!(found.hub.len(), 451);
    assert_eq!(found.without_account().count(), 450);
    assert!(found.hub["ada"].servers[0].ready);
    let told: Vec<_> = found
        .accounts
        .iter()
        .map(|account| (account.name.as_str(), account.made, account.password))
        .collect();
    assert_eq!(
        told,
        [
            ("ada", true, PasswordState::Given),
            ("carl", false, PasswordState::Unknown)
        ]
    );
    assert_eq!(mode(&bed.path("var/lib/hubctl/users.json")), (0, 0, 0o600));
    // A hub that is down keeps nobody from being told.
    bed.server.hub = Some("http://127.0.0.1:1/hub/api".into());
    let found = roster(&bed.server).await.unwrap();
    assert_eq!(found.accounts.len(), 2);
    assert!(found.hub_problem.unwrap().contains("refused"));
}

#[tokio::test]
async fn what_was_done_by_hand_is_seen_and_left() {
    let bed = bed!();
    bed.add(&named(&["ada", "bob", "carl", "dora"]))
        .await
        .unwrap();
    bed.by_hand("etc/shadow", "ada", 1, "$6$salt$chosenbyherself");
    bed.by_hand(
        "etc/shadow",
        "bob",
        1,
        &format!("!{}", bed.row("etc/shadow", "bob").unwrap()[1]),
    );
    for file in ["etc/passwd", "etc/shadow"] {
        let kept: String = bed
            .text(file)
            .lines()
            .filter(|line| !line.starts_with("carl:"))
            .flat_map(|line| [line, "\n"])
            .collect();
        std::fs::write(bed.path(file), kept).unwrap();
    }
    let before = bed.text("etc/shadow");
    bed.add(&named(&["dora"])).await.unwrap();
    assert_eq!(bed.text("etc/shadow"), before);
    assert_eq!(
        ["ada", "bob", "carl", "dora"].map(|name| bed.note_of(name)),
        [Note::Changed, Note::Locked, Note::NoAccount, Note::None]
    );
    let file = bed.state.read(credentials::FILE).unwrap().unwrap();
    assert!(file.contains(",password changed on the server\n"), "{file}");

    // Asked for by name, she gets another; and who was locked can log in.
    let done = bed.reset(these(&["ada", "bob"])).await.unwrap();
    assert_eq!(done.reset.len(), 2);
    for name in ["ada", "bob", "dora"] {
        bed.assert_whole(name);
        assert_eq!(bed.note_of(name), Note::None);
    }
    // Whoever is made again is there again.
    bed.add(&named(&["carl"])).await.unwrap();
    assert_eq!(bed.note_of("carl"), Note::None);
    bed.assert_whole("carl");
}

#[tokio::test]
async fn new_passwords_are_for_notebook_users_alone() {
    let bed = bed!();
    bed.add(&named(&["ada"])).await.unwrap();
    bed.useradd("carl", 1500);
    bed.useradd("boss", 1501);
    bed.by_hand("etc/group", "sudo", 3, "debian,boss");
    let before = Credentials::load(&bed.state).unwrap();
    let done = bed
        .reset(these(&[
            "ada",
            "boss",
            "carl",
            "debian",
            "nobody-yet",
            "root",
        ]))
        .await
        .unwrap();
    let users: Vec<&str> = done.reset.iter().map(|row| row.user.as_str()).collect();
    assert_eq!(users, ["ada", "carl"]);
    let refused: Vec<String> = done
        .refused
        .iter()
        .map(|(name, why)| format!("{name} {why}"))
        .collect();
    assert_eq!(
        refused,
        [
            "boss may do more on the server than a notebook user: it is in the group sudo",
            "debian is an account of the server's own",
            "nobody-yet has no account",
            "root is an account of the server's own",
        ]
    );
    let after = Credentials::load(&bed.state).unwrap();
    assert_ne!(before.of("ada"), after.of("ada"));
    assert_matches(
        &after.of("carl").unwrap().password,
        &bed.row("etc/shadow", "carl").unwrap()[1],
    );
    // All that hubctl made: carl stays.
    let done = bed.reset(Whose::AllMade).await.unwrap();
    let users: Vec<&str> = done.reset.iter().map(|row| row.user.as_str()).collect();
    assert_eq!(users, ["ada"]);
    assert_eq!(
        Credentials::load(&bed.state).unwrap().of("carl"),
        after.of("carl")
    );
}

#[tokio::test]
async fn whoever_gets_a_new_password_is_logged_out_where_the_hub_can() {
    let mut bed = bed!();
    bed.add(&named(&["ada", "bob", "eve"])).await.unwrap();
    // One that cannot is not asked.
    let hub = bed.with_hub().await;
    let done = bed.reset(these(&["ada", "bob"])).await.unwrap();
    assert_eq!((done.reset.len(), done.logged_out), (2, false));
    assert_eq!(log_out(&bed.server).await.unwrap(), LoggedOut::default());
    assert_eq!(hub.logged_out(), [""; 0]);

    bed.server.ends_sessions = true;
    let done = bed.reset(these(&["ada", "bob", "nobody"])).await.unwrap();
    assert!(done.logged_out && done.left.is_empty(), "{done:?}");
    assert_eq!(hub.logged_out(), ["ada", "bob"]);
    let done = log_out(&bed.server).await.unwrap();
    assert_eq!((done.logged_out, done.left), (true, None));
    assert_eq!(hub.logged_out(), ["*"]);

    // The password is another one all the same, and it is said who may still be in.
    let done = bed.reset(these(&["ada", "eve"])).await.unwrap();
    assert_eq!(done.reset.len(), 2);
    assert_eq!(done.left, ["eve may be logged in still: HTTP 507"]);
}

/// Whatever a reset was killed at: what the credentials file says afterwards is what opens the door.
#[tokio::test]
async fn a_reset_killed_anywhere_loses_no_password() {
    let mut killed_after_the_change = 0;
    for step in 2.. {
        let mut bed = bed!();
        let kill_at = step / 2;
        bed.server.kill_after = step % 2 == 1;
        bed.add(&named(&["ada", "bob"])).await.unwrap();
        let before = bed.text("etc/shadow");
        bed.server.kill_at = Some(kill_at);
        let killed = bed.reset(these(&["ada", "bob"])).await.is_err();
        bed.server.kill_at = None;
        if killed && bed.text("etc/shadow") != before {
            killed_after_the_change += 1;
        }
        bed.add(&named(&["ada"])).await.unwrap();
        for name in ["ada", "bob"] {
            bed.assert_whole(name);
            assert_eq!(bed.note_of(name), Note::None, "step {kill_at}");
        }
        assert!(
            !bed.state.path("reset-password.json").exists(),
            "step {kill_at}"
        );
        if !killed {
            assert!(
                kill_at > 3 && killed_after_the_change > 0,
                "only {kill_at} steps were tried"
            );
            return;
        }
    }
}

#[tokio::test]
async fn people_go_with_all_they_had_and_nobody_else_does() {
    let mut bed = bed!();
    let hub = bed.with_hub().await;
    bed.add(&named(&["ada", "bob", "eve"])).await.unwrap();
    bed.useradd("carl", 1500);
    bed.useradd("dora", 1501);
    for name in ["ada", "bob", "carl", "dora", "eve", "ghost"] {
        hub.knows(name, &json!({}));
    }
    let asked = Removal {
        by_hand: vec!["dora".into()],
        ..removal(&["ada", "carl", "debian", "ghost", "eve"])
    };
    let done = bed.remove(&asked).await.unwrap();
    assert_eq!(done.removed, ["ada", "dora", "eve"]);
    assert_eq!(done.absent, ["ghost"]);
    assert_eq!(
        done.refused,
        [
            ("carl".to_owned(), "was made by hand".to_owned()),
            (
                "debian".to_owned(),
                "is an account of the server's own".to_owned()
            ),
        ]
    );
    assert_eq!(done.left, [""; 0]);
    assert_eq!(hub.names(), ["bob", "carl"]);
    for name in ["ada", "dora", "eve"] {
        assert!(bed.is_gone(name), "{name}");
        assert!(!bed.path(&format!("home/{name}")).exists());
    }
    bed.assert_whole("bob");
    assert!(bed.in_group(USERS_GROUP, "carl"));
    assert!(bed.text("etc/passwd").starts_with(PASSWD));
    let again = bed.remove(&removal(&["ada"])).await.unwrap();
    assert_eq!(
        (again.absent, again.removed),
        (vec!["ada".to_owned()], Vec::new())
    );
}

#[tokio::test]
async fn a_home_that_stays_is_the_next_ones_of_that_name() {
    let bed = bed!();
    bed.add(&named(&["ada"])).await.unwrap();
    std::fs::write(bed.path("home/ada/notes.ipynb"), "{}").unwrap();
    chown(bed.path("home/ada/notes.ipynb"), Some(1001), Some(1001)).unwrap();
    let kept = Removal {
        keep_homes: true,
        ..removal(&["ada"])
    };
    let done = bed.remove(&kept).await.unwrap();
    assert_eq!(done.removed, ["ada"]);
    // There is no hub on this server, and that is said.
    assert_eq!(
        done.left,
        ["the hub still knows ada: the server has no hub"]
    );
    assert!(bed.is_gone("ada"));
    bed.add(&named(&["bob", "ada"])).await.unwrap();
    assert_eq!(bed.row("etc/passwd", "ada").unwrap()[2], "1001");
    assert_eq!(
        std::fs::read_to_string(bed.path("home/ada/notes.ipynb")).unwrap(),
        "{}"
    );
}

/// Killed at every step that changes something, then run again: those named are gone whole, the others are whole.
#[tokio::test]
async fn a_removal_killed_anywhere_is_finished_by_the_next() {
    for kill_at in 1.. {
        let mut bed = bed!();
        let hub = bed.with_hub().await;
        bed.add(&named(&["ada", "bob", "carl"])).await.unwrap();
        hub.knows("ada", &json!({}));
        bed.server.kill_at = Some(kill_at);
        let killed = bed.remove(&removal(&["ada", "bob"])).await.is_err();
        bed.server.kill_at = None;
        if killed {
            let done = bed.remove(&removal(&["ada", "bob"])).await.unwrap();
            assert_eq!(done.refused, [], "step {kill_at}");
            assert_eq!(done.removed.len() + done.absent.len(), 2, "step {kill_at}");
        }
        let homes: Vec<_> = std::fs::read_dir(bed.path("home"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "debian")
            .collect();
        assert_eq!(homes, ["carl"], "step {kill_at}");
        assert!(bed.is_gone("ada") && bed.is_gone("bob"), "step {kill_at}");
        assert_eq!(hub.names(), [""; 0], "step {kill_at}");
        bed.assert_whole("carl");
        if !killed {
            assert!(kill_at > 10, "only {kill_at} steps were tried");
            return;
        }
    }
}

#[tokio::test]
async fn a_list_is_made_with_what_it_says_of_each() {
    let bed = bed!();
    let text = "name,password,admin,full_name,email\n\
        ada,correct horse,yes,Ada Lovelace,ada@example.org\nbob,,no,Bob,\n";
    let request = Request {
        people: sheet::read(text.as_bytes()).unwrap(),
        url: "https://203.0.113.7/".into(),
        ..Request::default()
    };
    let added = bed.add(&request).await.unwrap();
    assert_eq!(users(&added), ["ada", "bob"]);
    assert_eq!(added.promoted, ["ada"]);
    bed.assert_whole("ada");
    bed.assert_whole("bob");
    let rows = Credentials::load(&bed.state).unwrap();
    let ada = rows.of("ada").unwrap();
    assert_eq!(ada.password.reveal(), "correct horse");
    assert_eq!(
        (ada.full_name.as_str(), ada.email.as_str()),
        ("Ada Lovelace", "ada@example.org")
    );
    // What they are called stays here.
    for file in ["etc/passwd", "var/lib/hubctl/users.json"] {
        assert!(!bed.text(file).contains("Lovelace"), "{file}");
    }
}
