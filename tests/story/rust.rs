//! The profile `rust` from nothing and back: hubd, its helper and hubproxy in JupyterHub's place.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cloud::Cloud;
use crate::hub::Hub;
use crate::hubctl::done;
use crate::server::Server;

const SPEC: &str = "name: class\nprofile: rust\nlimits:\n  seats: 4\nhub:\n  admins: [ada]\n";

#[test]
fn the_profile_rust_from_nothing_and_back() {
    let cloud = Cloud::start();
    let mut operator = cloud.operator(SPEC);
    let release = format!("release.source={}", release(&operator.folder).display());
    let with = |args: &[&str]| -> Vec<String> {
        let words = args.iter().copied().chain(["--set", &release]);
        words.map(str::to_owned).collect()
    };
    let mut events = |args: &[&str]| {
        let words = with(args);
        operator.events(&words.iter().map(String::as_str).collect::<Vec<_>>())
    };

    // It ends when a test user has computed 1+1 in a server of hubd's; the login page was there before the notebooks.
    let told = events(&["provision", "--yes"]);
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

    let second = events(&["provision", "--yes"]);
    assert_eq!(done(&second)["changed"], 0, "{:?}", done(&second));
    assert_eq!(done(&second)["ssh_exchanges"], 1, "{:?}", done(&second));

    let told = events(&["add-users", "ada", "bob", "eve"]);
    assert_eq!(done(&told)["created"].as_array().unwrap().len(), 3);
    let hub = Hub::of(&operator, "class");
    let passwords = operator.passwords("class");
    for (user, password) in &passwords {
        hub.log_in(user, password);
    }
    assert_eq!(passwords.len(), 3);
    assert!(hub.try_log_in("bob", &passwords["eve"]).is_err());
    assert_eq!(hub.compute("ada", &passwords["ada"], "print(6 * 7)"), "42");

    // The hub restarts, killed even: what is open goes on, and nobody's server is lost.
    let server = Server::of(&operator, "class");
    assert_eq!(server.run("getent passwd | grep hubctl-check || true"), "");
    let mut session = hub.open("bob", &passwords["bob"]);
    server.run("sudo systemctl kill --signal=KILL hubd.service");
    assert_eq!(hub.run(&mut session, "print('still here')"), "still here");
    hub.wait(std::time::Duration::from_secs(60));
    hub.reopen(&mut session);
    assert_eq!(hub.run(&mut session, "print(2 ** 10)"), "1024");

    what_runs_holds_nothing(&server);
    crate::what_strangers_must_not_reach(&hub, &passwords["bob"], &server, "/etc/hubd/secrets");

    let said = operator.run(&["logs", "bob"]);
    assert!(
        said.stdout.contains("jupyter"),
        "{}{}",
        said.stdout,
        said.stderr
    );
    let said = operator.run(&["logs", "hub"]);
    assert!(
        said.stdout.contains("hubd"),
        "{}{}",
        said.stdout,
        said.stderr
    );
    let status = operator.run(&["status", "--set", &release]);
    for part in ["proxy   hubproxy ", "hub: version 6.1.1", "drift   none"] {
        assert!(status.stdout.contains(part), "{part}: {}", status.stdout);
    }

    // One hub does not take over from another.
    let other = operator.run(&["plan", "--set", &release, "--set", "hub.kind=jupyterhub"]);
    let why = "the server has hubd, and JupyterHub is asked for";
    assert!(
        other.stderr.contains(why),
        "{}{}",
        other.stdout,
        other.stderr
    );

    let told = operator.events(&["destroy", "--yes"]);
    assert_eq!(done(&told)["left"].as_array().unwrap().len(), 0);
    cloud.assert_empty("class");
    assert!(!operator.state("class").exists());
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
            "sudo -u eve python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"{socket}\")' 2>&1 | tail -n 1"
        );
        let said = server.run(&tried);
        assert!(said.contains("Permission denied"), "{socket}: {said}");
    }
}

/// The programs as they are installed: without what only a debugger reads.
fn release(folder: &Path) -> PathBuf {
    let built = Path::new(env!("CARGO_BIN_EXE_hubctl")).parent().unwrap();
    let release = folder.join("release");
    std::fs::create_dir_all(&release).unwrap();
    for name in ["hubproxy", "hubd", "hub-helper"] {
        let done = Command::new("strip")
            .arg("-o")
            .args([release.join(name), built.join(name)])
            .status();
        assert!(done.expect("strip starts").success(), "{name} is built");
    }
    release
}
