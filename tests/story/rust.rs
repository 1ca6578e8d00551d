//! The default profile, at work: hubd, its helper and hubproxy beneath a class, with the homes on a volume.

use std::time::{Duration, Instant};

use crate::cloud::Cloud;
use crate::hub::{Hub, Session};
use crate::hubctl::{Operator, done};
use crate::neighbour::neither_reached_nor_left;
use crate::proxy::acme;
use crate::server::Server;

/// No profile is named. Seldom does a class start on two processors that eight other things run on.
const SPEC: &str = "name: class
volume:
  size: 1
spawner:
  start_timeout: 180
limits:
  seats: 10
hub:
  admins: [ada]
";

#[test]
fn a_class_at_work_on_the_default_profile() {
    let cloud = Cloud::with_disk("4G");
    let mut operator = cloud.operator(SPEC);

    // It ends when a test user has computed 1+1 in a server of hubd's; the login page was there before the notebooks.
    let told = operator.events(&["provision", "--yes"]);
    assert!(done(&told)["changed"].as_u64().unwrap() > 20);
    assert!(told.iter().any(|event| event["name"] == "check compute"));
    let finished = |part: &str| {
        let named = |event: &serde_json::Value| {
            event["name"]
                .as_str()
                .is_some_and(|name| name.starts_with(part))
        };
        told.iter()
            .position(named)
            .unwrap_or_else(|| panic!("{part}: {told:?}"))
    };
    assert!(finished("start hubd.service") < finished("install JupyterLab"));
    nothing_changes(&mut operator);

    operator.events(&["add-users", "ada", "bob"]);
    let told = operator.events(&["add-users", "--count", "10"]);
    assert_eq!(done(&told)["created"].as_array().unwrap().len(), 10);
    let hub = Hub::of(&operator, "class");
    let server = Server::of(&operator, "class");
    assert_eq!(server.run("getent passwd | grep hubctl-check || true"), "");
    assert_eq!(server.run("findmnt -n -o FSTYPE /home"), "ext4");
    let passwords = operator.passwords("class");
    let wrong = hub.try_log_in("training01", &passwords["training02"]);
    assert!(wrong.is_err(), "training02's password opens training01");

    let mut class = ten_at_once(&hub, &operator);
    a_hog_is_killed_alone(&hub, &mut class, &server);
    hub.log_in("ada", &passwords["ada"]);
    let token = server.run("sudo -u hubd /opt/hubctl/bin/hubd token --user ada");
    full_disks_stop_nothing(&hub, &mut class, &server, &token, &passwords["bob"]);

    // The hub is killed: what is open goes on, and nobody's server is lost.
    let [mut bob, _ada] = ["bob", "ada"].map(|user| hub.open(user, &passwords[user]));
    server.run("sudo systemctl kill --signal=KILL hubd.service");
    assert_eq!(hub.run(&mut bob, "print('still here')"), "still here");
    hub.wait(Duration::from_secs(60));
    hub.reopen(&mut bob);
    assert_eq!(hub.run(&mut bob, "print(2 ** 10)"), "1024");
    assert_eq!(running(&hub, &token), 12);

    neither_reached_nor_left(&hub, &mut bob, &server, &passwords["ada"]);
    what_runs_holds_nothing(&server);
    what_is_said_of_it(&mut operator);

    // It comes back by itself, with all it knew.
    server.reboot();
    hub.wait(Duration::from_secs(120));
    nothing_changes(&mut operator);
    assert_eq!(hub.api(&token, "user")["name"], "ada");
    assert_eq!(running(&hub, &token), 0);
    assert_eq!(
        hub.compute(
            "training07",
            &passwords["training07"],
            "print(open('mine').read())"
        ),
        "7 times"
    );

    acme(&mut operator, &hub, &[]);

    let told = operator.events(&["destroy", "--yes"]);
    assert_eq!(done(&told)["left"].as_array().unwrap().len(), 0);
    cloud.assert_empty("class");
    assert!(!operator.state("class").exists());
}

fn nothing_changes(operator: &mut Operator) {
    let told = operator.events(&["provision", "--yes"]);
    assert_eq!(done(&told)["changed"], 0, "{:?}", done(&told));
    assert_eq!(done(&told)["ssh_exchanges"], 1, "{:?}", done(&told));
}

/// How many servers the hub says are ready, and none is on its way.
fn running(hub: &Hub, token: &str) -> usize {
    let users = hub.api(token, "users");
    let users = users.as_array().unwrap();
    assert!(
        users.iter().all(|user| user["pending"].is_null()),
        "{users:?}"
    );
    users
        .iter()
        .filter(|user| !user["server"].is_null())
        .count()
}

/// Waits until a hub that started has looked at every server that ran before.
fn all_are_found_again(hub: &Hub, token: &str) {
    let started = Instant::now();
    loop {
        let users = hub.api(token, "users");
        let mut users = users.as_array().unwrap().iter();
        if users.all(|user| user["pending"].is_null()) {
            return;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "{users:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Ten log in, start their servers and compute, each something of their own, in the same moment.
fn ten_at_once(hub: &Hub, operator: &Operator) -> Vec<Session> {
    let passwords = operator.passwords("class");
    let users: Vec<_> = passwords
        .into_iter()
        .filter(|(user, _)| user.starts_with("training"))
        .collect();
    let mut class = hub.open_all(&users);
    assert_eq!(class.len(), 10);
    let cell = |number: usize| {
        format!(
            "import time; begun = time.time(); open('mine', 'w').write('{number} times'); time.sleep(5)\n\
             print(sum(i * {number} for i in range(1001)), begun, time.time())"
        )
    };
    let said = hub.run_all(class.iter_mut().zip((1..).map(cell)));
    let (mut begun, mut ended) = (Vec::new(), Vec::new());
    for (said, number) in said.iter().zip(1..) {
        let words: Vec<f64> = said.split(' ').map(|word| word.parse().unwrap()).collect();
        assert!(
            (words[0] - 500_500.0 * f64::from(number)).abs() < 0.5,
            "{said}"
        );
        begun.push(words[1]);
        ended.push(words[2]);
    }
    let last_begun = begun.iter().copied().fold(f64::MIN, f64::max);
    let first_ended = ended.iter().copied().fold(f64::MAX, f64::min);
    assert!(last_begun < first_ended, "not at the same time: {said:?}");
    class
}

/// The kernel that takes all there is goes; its server, and the other nine, stay.
fn a_hog_is_killed_alone(hub: &Hub, class: &mut [Session], server: &Server) {
    let hog = "hoard = []\nwhile True: hoard.append(bytearray(16 << 20))";
    let kernel = "pgrep --uid training01 --full ipykernel_launcher || true";
    let before = server.run(kernel);
    hub.begin(&mut class[0], hog, || server.run(kernel) != before);
    let others = hub.run_all(
        class
            .iter_mut()
            .skip(1)
            .zip(std::iter::repeat_with(|| "print(6 * 7)".to_owned())),
    );
    assert_eq!(others, vec!["42"; 9]);
    // Its owner is told, nobody else is, and goes on in the same server.
    let why = "together they used more memory than it has";
    assert!(hub.home(&class[0]).contains(why), "{}", hub.home(&class[0]));
    assert!(!hub.home(&class[1]).contains(why));
    hub.reopen(&mut class[0]);
    assert_eq!(hub.run(&mut class[0], "print('again')"), "again");
}

/// A user fills the homes' volume and, by /tmp, the system's disk; root takes what was kept for root.
fn full_disks_stop_nothing(
    hub: &Hub,
    class: &mut [Session],
    server: &Server,
    token: &str,
    password: &str,
) {
    // In steps that end with a block: the last byte of it is taken.
    let fill = |path: &str| {
        format!(
            "import os\nfile, size, step = os.open(os.path.expanduser('{path}'), os.O_CREAT | os.O_WRONLY), 0, 1 << 30\n\
             while step >= 4096:\n    try: os.posix_fallocate(file, size, step); size += step\n    except OSError: step //= 2\n\
             os.close(file)\nprint(size >> 20)"
        )
    };
    for path in ["~/all", "/tmp/all"] {
        let taken: u64 = hub.run(&mut class[1], &fill(path)).parse().unwrap();
        assert!(taken > 200, "{path}: only {taken} MiB were free");
    }
    for folder in ["/home", "/var/lib"] {
        server.run_with(
            &format!("sudo tee {folder}/.all >/dev/null; sudo python3 -"),
            "",
        );
        server.run_with("sudo python3 -", &fill(&format!("{folder}/.all")));
    }
    let free = server.run("sudo df --output=avail,target /home /var/lib | tail -n 2");
    assert!(
        free.lines().all(|line| line.trim_start().starts_with("0 ")),
        "{free}"
    );

    // The hub answers, and what runs goes on.
    hub.wait(Duration::from_secs(30));
    assert_eq!(hub.api(token, "user")["name"], "ada");
    assert_eq!(running(hub, token), 10);
    let said = hub.run_all(
        class
            .iter_mut()
            .zip(std::iter::repeat_with(|| "print(6 * 7)".to_owned())),
    );
    assert_eq!(said, vec!["42"; 10]);
    // Who comes now is let in, or told why not.
    if let Err(fault) = hub.try_log_in("bob", password) {
        assert!(format!("{fault:?}").contains("disk is full"), "{fault:?}");
    }
    // Even a hub that starts now does.
    server.run("sudo systemctl kill --signal=KILL hubd.service");
    hub.wait(Duration::from_secs(60));
    assert_eq!(hub.api(token, "user")["name"], "ada");
    all_are_found_again(hub, token);
    assert_eq!(running(hub, token), 10);

    // Room again, and nothing is lost.
    hub.run(
        &mut class[1],
        "import os; os.unlink('/tmp/all'); os.unlink(os.path.expanduser('~/all'))",
    );
    server.run("sudo rm /home/.all /var/lib/.all");
    let check = "import sqlite3; print(sqlite3.connect('/var/lib/hubd/hubd.sqlite').execute('pragma integrity_check').fetchone()[0])";
    assert_eq!(server.run_with("sudo python3 -", check), "ok");
    hub.log_in("bob", password);
    assert_eq!(
        hub.compute(
            "bob",
            password,
            "open('kept', 'w').write('x' * 10000); print('room')"
        ),
        "room"
    );
    assert_eq!(running(hub, token), 10);
    assert_eq!(hub.api(token, "user")["name"], "ada");
}

fn what_is_said_of_it(operator: &mut Operator) {
    for (of, word) in [("bob", "jupyter"), ("hub", "hubd")] {
        let said = operator.run(&["logs", of]);
        assert!(said.stdout.contains(word), "{}{}", said.stdout, said.stderr);
    }
    let status = operator.run(&["status"]);
    for part in ["proxy   hubproxy ", "hub: version 6.1.1", "drift   none"] {
        assert!(status.stdout.contains(part), "{part}: {}", status.stdout);
    }
}

/// Neither hub nor proxy is root's or could be; the secrets are the hub's.
fn what_runs_holds_nothing(server: &Server) {
    for account in ["hubd", "hubproxy"] {
        let unit = format!("{account}.service");
        let pid = server.run(&format!("systemctl show {unit} --value --property=MainPID"));
        let held = server.run(&format!(
            "grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs)' /proc/{pid}/status"
        ));
        let uid = server.run(&format!("id -u {account}"));
        for line in [
            &format!("Uid:\t{uid}"),
            "CapEff:\t0000000000000000",
            "CapBnd:\t0000000000000000",
            "NoNewPrivs:\t1",
        ] {
            assert!(held.contains(line), "{account}: {line} is not in\n{held}");
        }
    }
    let secrets = "sudo sh -c 'stat -c \"%U:%G %a\" /etc/hubd/secrets /etc/hubd/secrets/*'";
    assert_eq!(
        server.run(secrets),
        "root:hubd 750\nroot:hubd 640\nroot:hubd 640"
    );
    // A user of the machine reaches neither the helper nor the hub's own socket.
    for socket in ["/run/hub-helper.sock", "/run/hubd/public.sock"] {
        let tried = format!(
            "sudo -u bob python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"{socket}\")' 2>&1 | tail -n 1"
        );
        let said = server.run(&tried);
        assert!(said.contains("Permission denied"), "{socket}: {said}");
    }
}
