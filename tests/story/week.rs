//! The week of a class, at the operator's: people come from a list, change and go, and a laptop is lost.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use crate::cloud::Cloud;
use crate::doctor::{the_links_of_hubd, the_other_commands};
use crate::hub::Hub;
use crate::hubctl::{Operator, done};
use crate::server::Server;

/// An SSH agent with a key in it; ends with this value.
struct Agent {
    child: Child,
    socket: PathBuf,
    public: String,
}

impl Agent {
    fn start(folder: &Path) -> Self {
        fs::create_dir_all(folder).unwrap();
        let (socket, key) = (folder.join("agent"), folder.join("key"));
        let made = Command::new("ssh-keygen")
            .args([
                "-q",
                "-t",
                "ed25519",
                "-N",
                "",
                "-C",
                "colleague@desk",
                "-f",
            ])
            .arg(&key)
            .status();
        assert!(made.unwrap().success());
        let child = Command::new("ssh-agent")
            .arg("-D")
            .arg("-a")
            .arg(&socket)
            .stdout(Stdio::null())
            .spawn()
            .expect("ssh-agent starts");
        let agent = Self {
            child,
            public: fs::read_to_string(key.with_extension("pub"))
                .unwrap()
                .trim()
                .to_owned(),
            socket,
        };
        let started = std::time::Instant::now();
        while !agent.socket.exists() {
            assert!(started.elapsed().as_secs() < 10, "the agent has no socket");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let added = Command::new("ssh-add")
            .args(["-q"])
            .arg(&key)
            .env("SSH_AUTH_SOCK", &agent.socket)
            .status();
        assert!(added.unwrap().success());
        fs::remove_file(key).unwrap();
        agent
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const PEOPLE: &str = "\u{feff}User;Full name;Admin;Password\r\n\
    ada;Ada Lovelace;yes;\r\n\
    bob;Bob;no;\r\n\
    dora;Dora;no;correct horse battery\r\n";

fn listed(operator: &mut Operator) -> Value {
    done(&operator.events(&["list-users"])).clone()
}

/// What `list-users` says of somebody.
fn account(list: &Value, name: &str) -> Value {
    let all = list["users"].as_array().unwrap();
    all.iter()
        .find(|account| account["name"] == name)
        .cloned()
        .unwrap_or(Value::Null)
}

#[test]
fn people_change_and_a_laptop_is_lost() {
    let cloud = Cloud::start();
    let desk = Agent::start(&cloud.place("desk"));
    let spec = format!(
        "name: week\nlimits:\n  seats: 4\nssh:\n  authorized_keys: [{}]\n",
        desk.public
    );
    let mut operator = cloud.operator(&spec);
    operator.events(&["provision", "--yes", "--ttl", "8h"]);
    let list = operator.run(&["list"]);
    assert!(
        list.stdout
            .lines()
            .any(|line| line.starts_with("week") && line.trim_end().ends_with('Z')),
        "{}",
        list.stdout
    );
    let server = Server::of(&operator, "week");
    let hub = Hub::of(&operator, "week");

    the_other_commands(&mut operator, "week", "sam", &hub);
    operator.events(&["remove-users", "sam", "--yes"]);
    let mut operator = the_links_of_hubd(operator, "week", &server);

    people_come_from_a_list(&mut operator, &hub);
    what_is_done_by_hand_is_seen(&mut operator, &hub, &server);
    people_go(&mut operator, &hub, &server);
    a_laptop_is_lost(&mut operator, &cloud, &server);
    the_other_laptop_takes_over(&mut operator, &cloud, &spec, &desk);

    let gone = operator.events(&["destroy", "--yes"]);
    assert_eq!(done(&gone)["left"].as_array().unwrap().len(), 0);
    cloud.assert_empty("week");
}

fn people_come_from_a_list(operator: &mut Operator, hub: &Hub) {
    let people = operator.folder.join("people.csv");
    fs::write(&people, PEOPLE).unwrap();
    fs::set_permissions(&people, PermissionsExt::from_mode(0o600)).unwrap();
    let slips = operator.folder.join("slips.html");
    let events = operator.events(&[
        "add-users",
        "--from",
        "people.csv",
        "--handout",
        "slips.html",
    ]);
    assert_eq!(done(&events)["created"].as_array().unwrap().len(), 3);
    assert_eq!(done(&events)["promoted"], serde_json::json!(["ada"]));
    assert_eq!(done(&events)["ssh_exchanges"], 1);
    let page = fs::read_to_string(&slips).unwrap();
    assert!(page.contains("Ada Lovelace") && page.contains(&operator.password("week", "bob")));
    for path in [slips, operator.state("week").join("handout.html")] {
        assert_eq!(
            fs::metadata(path).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    hub.log_in("dora", "correct horse battery");
    let list = listed(operator);
    assert_eq!(list["ssh_exchanges"], 1);
    assert_eq!(list["hub_problem"], Value::Null);
    let ada = account(&list, "ada");
    assert_eq!(
        (&ada["admin"], &ada["made"], &ada["password"]),
        (&true.into(), &true.into(), &"given".into())
    );
    assert!(list["hub"]["dora"]["last_activity"].is_string(), "{list}");
}

fn what_is_done_by_hand_is_seen(operator: &mut Operator, hub: &Hub, server: &Server) {
    server.run_with("sudo chpasswd", "bob:bobs own words\n");
    server.run("sudo useradd --create-home --groups jupyterhub-users carl");
    server.run("sudo userdel --remove dora 2>/dev/null");
    let list = listed(operator);
    assert_eq!(account(&list, "bob")["password"], "changed");
    assert_eq!(account(&list, "carl")["made"], false);
    assert_eq!(account(&list, "dora"), Value::Null);
    assert!(
        list["hub"]["dora"].is_object(),
        "the hub still knows her: {list}"
    );
    operator.events(&["add-users", "bob"]);
    hub.log_in("bob", "bobs own words");
    let file = fs::read_to_string(operator.state("week").join("credentials.csv")).unwrap();
    for (user, note) in [
        ("bob", "password changed on the server"),
        ("dora", "account removed on the server"),
    ] {
        let row = file
            .lines()
            .find(|line| line.contains(&format!(",{user},")))
            .unwrap();
        assert!(row.ends_with(note), "{row}");
    }
    let session = hub.browse("bob", "bobs own words");
    assert!(hub.is_in(&session));
    let events = operator.events(&["reset-password", "bob"]);
    assert_eq!(done(&events)["reset"], serde_json::json!(["bob"]));
    assert_eq!(done(&events)["logged_out"], true);
    assert!(!hub.is_in(&session), "bob's browser is still logged in");
    hub.log_in("bob", &operator.password("week", "bob"));
    assert!(hub.try_log_in("bob", "bobs own words").is_err());
}

fn people_go(operator: &mut Operator, hub: &Hub, server: &Server) {
    // In the middle of her work.
    let password = operator.password("week", "ada");
    let mut session = hub.open("ada", &password);
    assert_eq!(
        hub.run(&mut session, "open('/tmp/left', 'w').write('x')"),
        "1"
    );
    let list = listed(operator);
    assert_eq!(list["hub"]["ada"]["servers"][0]["ready"], true, "{list}");
    let run = operator.run(&[
        "remove-users",
        "ada",
        "carl",
        "dora",
        "debian",
        "--yes",
        "--output",
        "json",
    ]);
    assert_eq!(run.status.code(), Some(1), "{}{}", run.stdout, run.stderr);
    let events = run.events();
    let removed = done(&events);
    assert_eq!(removed["removed"], serde_json::json!(["ada"]), "{removed}");
    assert_eq!(removed["absent"], serde_json::json!(["dora"]), "{removed}");
    assert_eq!(removed["left"], serde_json::json!([]), "{removed}");
    assert_eq!(removed["refused"].as_array().unwrap().len(), 2, "{removed}");
    assert_eq!(removed["ssh_exchanges"], 1);
    assert_eq!(
        server.run("getent passwd ada || ls -d /home/ada 2>/dev/null || echo none"),
        "none"
    );
    assert_eq!(
        server.run("systemctl is-active jupyter@ada.service || true"),
        "inactive"
    );
    assert!(!hub.is_in(&session.browser), "ada is still logged in");
    let list = listed(operator);
    let known = list["hub"].as_object().unwrap();
    assert!(
        !known.contains_key("ada") && !known.contains_key("dora"),
        "{list}"
    );
    assert!(hub.try_log_in("ada", &password).is_err());
    let users: Vec<String> = operator.passwords("week").into_keys().collect();
    assert_eq!(users, ["bob"]);
    let page = fs::read_to_string(operator.state("week").join("handout.html")).unwrap();
    assert!(page.contains("<dd>bob</dd>") && !page.contains("<dd>ada</dd>"));

    let events = operator.events(&["remove-users", "--by-hand", "carl", "--keep-homes", "--yes"]);
    assert_eq!(done(&events)["removed"], serde_json::json!(["carl"]));
    assert_eq!(server.run("sudo ls -d /home/carl"), "/home/carl");
}

/// The way to the server with another key than hubctl's.
fn with_key(server: &Server, key: &Path) -> Server {
    let mut ssh = server.ssh.clone();
    ssh[1] = key.display().to_string();
    // Before the place to go to, which is last.
    let place = ssh.len() - 1;
    let only = ["-o".to_owned(), "IdentitiesOnly=yes".to_owned()];
    ssh.splice(place..place, only);
    Server { ssh }
}

/// What a lost laptop has, for later.
struct Lost {
    key: PathBuf,
    secrets: Value,
    authority: String,
    password: String,
}

impl Lost {
    fn of(operator: &Operator, place: PathBuf) -> Self {
        let state = operator.state("week");
        fs::copy(state.join("id_ed25519"), &place).unwrap();
        Self {
            key: place,
            secrets: operator.receipt("week")["secrets"].clone(),
            authority: fs::read_to_string(state.join("ca.pem")).unwrap(),
            password: operator.password("week", "bob"),
        }
    }

    /// That nothing of it is of use any more, and what there is now is.
    fn is_useless(&self, operator: &Operator, cloud: &Cloud) {
        let server = Server::of(operator, "week");
        assert_eq!(server.run("echo in"), "in");
        let old = with_key(&server, &self.key);
        assert!(old.try_run("echo in", "").is_err(), "the old key gets in");
        let keys =
            server.run("sudo sh -c 'cat /root/.ssh/authorized_keys ~debian/.ssh/authorized_keys'");
        let public = Command::new("ssh-keygen")
            .arg("-y")
            .arg("-f")
            .arg(&self.key)
            .output()
            .unwrap();
        let public = String::from_utf8(public.stdout).unwrap();
        let blob = public.split_whitespace().nth(1).unwrap();
        assert!(!keys.contains(blob), "{keys}");
        assert!(!cloud.key_pair("hubctl-week").contains(blob));
        let secrets = &operator.receipt("week")["secrets"];
        for (name, old) in self.secrets.as_object().unwrap() {
            assert_ne!(&secrets[name], old, "{name}");
        }
        let held = server.run("sudo sh -c 'cat /etc/hubd/secrets/*'");
        for (name, old) in self.secrets.as_object().unwrap() {
            assert!(
                !held.contains(old.as_str().unwrap()),
                "{name} is still in use"
            );
        }
        let authority = fs::read_to_string(operator.state("week").join("ca.pem")).unwrap();
        assert_ne!(authority, self.authority);
        let hub = Hub::of(operator, "week");
        hub.log_in("bob", &operator.password("week", "bob"));
        assert!(hub.try_log_in("bob", &self.password).is_err());
        assert!(!operator.state("week").join("rotate.json").exists());
    }
}

/// How many browsers are logged in. None of before a rotation can be asked: it does not trust the new authority.
fn sessions(server: &Server) -> String {
    let count = "import sqlite3; print(sqlite3.connect('/var/lib/hubd/hubd.sqlite').execute('select count(*) from sessions').fetchone()[0])";
    server.run_with("sudo python3 -", count)
}

fn a_laptop_is_lost(operator: &mut Operator, cloud: &Cloud, server: &Server) {
    let lost = Lost::of(operator, cloud.place("lost"));
    let asked = operator.run(&["rotate"]);
    assert_eq!(
        asked.status.code(),
        Some(1),
        "nobody said yes: {}",
        asked.stderr
    );
    assert!(
        asked.stderr.contains("a new password for each user"),
        "{}",
        asked.stderr
    );
    assert_eq!(server.run("echo in"), "in");
    let hub = Hub::of(operator, "week");
    hub.browse("bob", &lost.password);
    assert_ne!(sessions(server), "0");

    // Killed once the secrets here are the new ones and the server's are not yet; and again when the key is just another.
    for (phase, event) in [("key", "phase-started"), ("setup", "phase-started")] {
        let killed = operator.run_until(&["rotate", "--yes", "--output", "json"], |line| {
            line.contains(event) && line.contains(&format!("\"{phase}\""))
        });
        assert_eq!(
            killed.status.code(),
            None,
            "killed: {}{}",
            killed.stdout,
            killed.stderr
        );
    }
    let plan = operator.run(&["plan"]);
    assert!(
        format!("{}{}", plan.stdout, plan.stderr).contains("a rotation was cut short"),
        "{}",
        plan.stderr
    );
    let events = operator.events(&["rotate", "--yes"]);
    assert!(done(&events)["changed"].as_u64().unwrap() > 0);
    assert_eq!(sessions(server), "0", "somebody is still logged in");
    lost.is_useless(operator, cloud);
    let events = operator.events(&["provision", "--yes"]);
    assert_eq!(done(&events)["changed"], 0, "{:?}", done(&events));
}

fn the_other_laptop_takes_over(operator: &mut Operator, cloud: &Cloud, spec: &str, desk: &Agent) {
    let lost = Lost::of(operator, cloud.place("lost-too"));
    let mut other = Operator::new(&cloud.place("other"), operator.clouds_yaml(), spec);
    other.agent = Some(desk.socket.clone());
    other.events(&["rotate", "--yes"]);
    lost.is_useless(&other, cloud);
    let refused = operator.run(&["list-users"]);
    assert_eq!(refused.status.code(), Some(6), "{}", refused.stderr);
    *operator = other;
}
