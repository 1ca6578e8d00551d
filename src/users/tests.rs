//! The account program against a server's folders in a temporary place, run by the very Python that runs it there.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use async_trait::async_trait;
use sha_crypt::{PasswordHash, PasswordVerifier, ShaCrypt};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

use super::remote::Talk;
use super::*;
use crate::event::Silent;
use crate::health::{Checking, synthetic};
use crate::host::{Limits, Output};
use crate::state::State;

/// Ends the program at its Nth step that changes something on disk.
const KILLER: &str = r#"
import os
steps = KILL_AT
def deadly(function):
    def step(*words, **named):
        global steps
        steps -= 1
        if steps == 0:
            os._exit(9)
        return function(*words, **named)
    return step
for name in ("rename", "mkdir", "chown", "fchown", "chmod", "rmdir"):
    setattr(os, name, deadly(getattr(os, name)))
"#;

/// The interpreter itself: what stands in its place on a developer's machine may take longer than the program.
fn python() -> &'static str {
    static PYTHON: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    PYTHON.get_or_init(|| {
        let found = std::process::Command::new("python3")
            .args(["-c", "import sys; print(sys.executable)"])
            .output()
            .unwrap();
        String::from_utf8(found.stdout).unwrap().trim().to_owned()
    })
}

/// A server that is a folder.
struct Folder {
    root: PathBuf,
    /// At which step the program is killed.
    kill_at: Option<usize>,
}

struct Process {
    child: Child,
    input: Option<ChildStdin>,
    start: Option<String>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Root for Folder {
    fn start_as_root(&self, words: &[&str], input: Vec<u8>, _: Limits) -> Box<dyn Talk> {
        // What the program is, and what it is told first, with the folder to work in.
        let text = String::from_utf8(input).unwrap();
        let (length, rest) = text.split_once('\n').unwrap();
        let (program, first) = rest.split_at(length.parse().unwrap());
        let mut settings: serde_json::Value = serde_json::from_str(first).unwrap();
        settings["root"] = self.root.to_str().unwrap().into();
        let killer = self
            .kill_at
            .map(|step| KILLER.replace("KILL_AT", &step.to_string()))
            .unwrap_or_default();
        let program = format!("{killer}{program}");
        let (_, words) = words.split_first().unwrap();
        let mut child = Command::new(python())
            .args(words)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        Box::new(Process {
            input: child.stdin.take(),
            start: Some(format!("{}\n{program}{settings}\n", program.len())),
            lines: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
        })
    }
}

impl Process {
    async fn begin(&mut self) {
        if let Some(start) = self.start.take() {
            self.say(start.as_bytes()).await;
        }
    }
}

#[async_trait]
impl Talk for Process {
    async fn say(&mut self, bytes: &[u8]) {
        // Whether a killed program still reads shows in how it ends.
        let _ = self.input.as_mut().unwrap().write_all(bytes).await;
    }

    async fn hush(&mut self) {
        self.input = None;
    }

    async fn hear(&mut self) -> Option<String> {
        self.begin().await;
        self.lines.next_line().await.unwrap()
    }

    async fn end(mut self: Box<Self>) -> Result<Output, HostError> {
        self.input = None;
        let output = self.child.wait_with_output().await.unwrap();
        Ok(Output {
            lines: Vec::new(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
            exit_status: output.status.code().unwrap_or(-1),
        })
    }
}

const PASSWD: &str = "root:x:0:0:root:/root:/bin/bash\n\
    daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n\
    debian:x:1000:1000:Debian,,,:/home/debian:/bin/bash\n";
const GROUP_FILE: &str = "root:x:0:\ndaemon:x:1:\nsudo:x:27:debian\nrobotics:x:999:\ndebian:x:1000:\n\
    jupyterhub-users:x:998:\njupyterhub-admins:x:997:\n";
const SHADOW: &str =
    "root:*:20000:0:99999:7:::\ndaemon:*:20000:0:99999:7:::\ndebian:!:20000:0:99999:7:::\n";
const GSHADOW: &str = "root:*::\ndaemon:*::\nsudo:*::debian\nrobotics:!::\ndebian:!::\n\
    jupyterhub-users:!::\njupyterhub-admins:!::\n";

struct Bed {
    base: tempfile::TempDir,
    state: State,
    server: Folder,
}

/// `None` where files cannot be given to others: these tests need root, as the program on the server has it.
fn bed() -> Option<Bed> {
    if !nix::unistd::geteuid().is_root() {
        return None;
    }
    // In memory where that is: hundreds of runs each sync what they write.
    let base = tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap();
    let root = base.path().join("root");
    for folder in ["etc/skel", "home/debian", "run"] {
        std::fs::create_dir_all(root.join(folder)).unwrap();
    }
    for (file, text, mode) in [
        ("etc/passwd", PASSWD, 0o644),
        ("etc/group", GROUP_FILE, 0o644),
        ("etc/shadow", SHADOW, 0o640),
        ("etc/gshadow", GSHADOW, 0o640),
        ("etc/skel/.bashrc", "# skel\n", 0o644),
    ] {
        std::fs::write(root.join(file), text).unwrap();
        std::fs::set_permissions(root.join(file), PermissionsExt::from_mode(mode)).unwrap();
    }
    chown(root.join("etc/shadow"), Some(0), Some(42)).unwrap();
    symlink("/etc/motd", root.join("etc/skel/.motd")).unwrap();
    chown(root.join("home/debian"), Some(1000), Some(1000)).unwrap();
    let state = State::open(&base.path().join("state"), "class").unwrap();
    let server = Folder {
        root,
        kill_at: None,
    };
    Some(Bed {
        base,
        state,
        server,
    })
}

macro_rules! bed {
    () => {
        match bed() {
            Some(bed) => bed,
            None => return,
        }
    };
}

impl Bed {
    fn path(&self, path: &str) -> PathBuf {
        self.server.root.join(path)
    }

    fn text(&self, path: &str) -> String {
        std::fs::read_to_string(self.path(path)).unwrap()
    }

    fn row(&self, file: &str, name: &str) -> Option<Vec<String>> {
        let rows: Vec<Vec<String>> = self
            .text(file)
            .lines()
            .map(|line| line.split(':').map(str::to_owned).collect())
            .filter(|row: &Vec<String>| row.first().is_some_and(|field| field == name))
            .collect();
        assert!(rows.len() < 2, "{name} is in {file} twice");
        rows.into_iter().next()
    }

    async fn add(&self, request: &Request) -> Result<Added, UsersError> {
        add(&self.server, &self.state, request, &Silent).await
    }

    /// That `name` is all there, and its password is the one in the credentials file.
    fn assert_whole(&self, name: &str) {
        let passwd = self.row("etc/passwd", name).expect(name);
        let (uid, gid) = (
            passwd[2].parse::<u32>().unwrap(),
            passwd[3].parse::<u32>().unwrap(),
        );
        assert!((1001..59000).contains(&uid), "{name} {uid}");
        assert_eq!(passwd[5..], [format!("/home/{name}"), "/bin/bash".into()]);
        let shadow = self.row("etc/shadow", name).expect(name);
        let credentials = Credentials::load(&self.state).unwrap();
        let password = &credentials.of(name).expect(name).password;
        assert_matches(password, &shadow[1]);
        assert_eq!(self.row("etc/group", name).expect(name)[2], gid.to_string());
        assert!(self.row("etc/gshadow", name).is_some());
        assert!(self.in_group(USERS_GROUP, name), "{name}");
        let home = std::fs::metadata(self.path(&format!("home/{name}"))).expect(name);
        assert_eq!(
            (home.uid(), home.gid(), home.mode() & 0o7777),
            (uid, gid, 0o700),
            "{name}"
        );
        let bashrc = std::fs::metadata(self.path(&format!("home/{name}/.bashrc"))).expect(name);
        assert_eq!((bashrc.uid(), bashrc.gid()), (uid, gid), "{name}");
        let link = std::fs::symlink_metadata(self.path(&format!("home/{name}/.motd"))).expect(name);
        assert_eq!((link.uid(), link.is_symlink()), (uid, true), "{name}");
    }

    fn in_group(&self, group: &str, name: &str) -> bool {
        ["etc/group", "etc/gshadow"].iter().all(|file| {
            self.row(file, group).unwrap()[3]
                .split(',')
                .filter(|member| *member == name)
                .count()
                == 1
        })
    }
}

fn assert_matches(password: &crate::secret::Secret, hash: &str) {
    let hash = PasswordHash::new(hash.to_owned()).unwrap();
    ShaCrypt::SHA512
        .verify_password(password.reveal().as_bytes(), &hash)
        .unwrap();
}

fn numbered(count: usize) -> Request {
    Request {
        count,
        prefix: "training".into(),
        url: "https://203.0.113.7/".into(),
        ..Request::default()
    }
}

fn named(names: &[&str]) -> Request {
    Request {
        names: names.iter().map(ToString::to_string).collect(),
        url: "https://203.0.113.7/".into(),
        ..Request::default()
    }
}

fn users(added: &Added) -> Vec<&str> {
    added
        .created
        .iter()
        .map(|credential| credential.user.as_str())
        .collect()
}

fn mode(path: &Path) -> (u32, u32, u32) {
    let found = std::fs::metadata(path).unwrap();
    (found.uid(), found.gid(), found.mode() & 0o7777)
}

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
    let listed = list(&bed.server).await.unwrap();
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
    };
    let error = add(
        &unreachable,
        &bed.state,
        &named(&["Ada", "root", "fine"]),
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
        list(&bed.server)
            .await
            .unwrap()
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
    let listed = list(&bed.server).await.unwrap();
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

fn checking() -> Checking {
    Checking {
        within: Duration::from_secs(60),
        // There is no hub here, and so no token either.
        token_file: "/nowhere/token".into(),
        ..Checking::default()
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
        list(&bed.server).await.unwrap().is_empty(),
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
