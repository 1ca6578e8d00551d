//! From nothing to a class and back, on a real machine: what an operator does, by the program itself.
//!
//! Needs root: the sandbox makes its servers of namespaces.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod ci;
mod cloud;
mod directory;
mod doctor;
#[allow(dead_code, reason = "the stories of the profiles take another part")]
mod hub;
mod hubctl;
mod neighbour;
mod proxy;
mod rust;
mod secrets;
mod server;
mod takeover;
mod week;

use std::time::Duration;

use cloud::Cloud;
use hub::Hub;
use hubctl::done;
use secrets::Watch;
use server::Server;

/// Stock JupyterHub; the default profile has a story of its own.
const SPEC: &str = "name: class\nprofile: jupyterhub\nlimits:\n  seats: 4\nhub:\n  admins: [ada]\n";

/// What `SPEC` leaves to the defaults, the profile among it: a name, a data volume, the host key through user data.
const WIDE_SPEC: &str = "name: wide
domain: hub.sandbox.test
volume:
  size: 2
ssh:
  host_key: injected
limits:
  seats: 4
";

#[test]
fn a_class_from_nothing_and_back() {
    let cloud = Cloud::start();
    let mut operator = cloud.operator(SPEC);
    let watch = Watch::start();

    // Provision ends when a test user has computed 1+1, and that user is gone.
    let events = operator.events(&["provision", "--yes"]);
    assert!(done(&events)["changed"].as_u64().unwrap() > 20);
    assert!(events.iter().any(|event| event["name"] == "check compute"));
    let server = Server::of(&operator, "class");
    assert_eq!(server.run("getent passwd | grep hubctl-check || true"), "");

    // One person logs in over HTTPS and computes through the WebSocket.
    operator.events(&["add-users", "ada"]);
    let hub = Hub::of(&operator, "class");
    let password = operator.password("class", "ada");
    assert_eq!(hub.compute("ada", &password, "print(6 * 7)"), "42");

    // A second run changes nothing and costs little.
    let events = operator.events(&["provision", "--yes"]);
    let second = done(&events);
    assert_eq!(second["changed"], 0, "{second}");
    assert_eq!(second["ssh_exchanges"], 1, "{second}");
    assert!(second["api_calls"].as_u64().unwrap() <= 12, "{second}");

    // A class, each with a password of their own; the numbers go on, who exists is left alone.
    let events = operator.events(&["add-users", "--count", "10"]);
    assert_eq!(done(&events)["created"].as_array().unwrap().len(), 10);
    let events = operator.events(&["add-users", "--count", "1"]);
    assert_eq!(done(&events)["created"][0], "training11");
    let events = operator.events(&["add-users", "ada", "bob"]);
    assert_eq!(done(&events)["existing"][0], "ada");
    assert_eq!(done(&events)["created"][0], "bob");
    for number in 1..=10 {
        let user = format!("training{number:02}");
        hub.log_in(&user, &operator.password("class", &user));
    }
    let wrong = hub.try_log_in("training01", &operator.password("class", "training02"));
    assert!(wrong.is_err(), "training02's password opens training01");

    what_strangers_must_not_reach(
        &hub,
        &operator.password("class", "bob"),
        &server,
        "/etc/jupyterhub/secrets",
    );

    // Drift by hand on both sides is planned, repaired, and gone.
    cloud.remove_rule("hubctl-class", 443);
    server.run("echo '# by hand' | sudo tee -a /etc/jupyterhub/jupyterhub_config.py");
    server.run("sudo systemctl stop jupyterhub-proxy.service");
    let plan = operator.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(
        plan.status.code(),
        Some(10),
        "{}{}",
        plan.stdout,
        plan.stderr
    );
    let told = format!("{}{}", plan.stdout, plan.stderr);
    for part in ["tcp 443", "-# by hand", "jupyterhub-proxy.service"] {
        assert!(told.contains(part), "{part} is not in the plan:\n{told}");
    }
    operator.events(&["provision", "--yes"]);
    let plan = operator.run(&["plan", "--detailed-exitcode"]);
    assert_eq!(
        plan.status.code(),
        Some(0),
        "{}{}",
        plan.stdout,
        plan.stderr
    );
    let password = operator.password("class", "training01");
    assert_eq!(hub.compute("training01", &password, "1 + 1"), "2");

    // A server that was restarted comes back by itself.
    server.reboot();
    hub.wait(Duration::from_secs(120));
    let events = operator.events(&["provision", "--yes"]);
    assert_eq!(done(&events)["changed"], 0, "{:?}", done(&events));

    secrets::scan(&operator, "class", &server, &watch.end());

    // And away without a trace.
    let events = operator.events(&["destroy", "--yes"]);
    assert_eq!(done(&events)["left"].as_array().unwrap().len(), 0);
    cloud.assert_empty("class");
    assert!(!operator.state("class").exists());
    let events = operator.events(&["destroy", "class", "--yes"]);
    assert_eq!(done(&events)["changed"], 0);
}

/// Somebody's notebook server, used against the others.
/// `secrets` is the folder of the hub's.
fn what_strangers_must_not_reach(hub: &Hub, password: &str, server: &Server, secrets: &str) {
    let code = r#"
import os, subprocess, urllib.request
def reach(url):
    try:
        return urllib.request.urlopen(url, timeout=3).status
    except OSError as error:
        return 'no'
def sh(line):
    return subprocess.run(line, shell=True, capture_output=True, text=True).returncode
print(
    reach('http://169.254.169.254/openstack/latest/user_data'),
    'no' if sh('ls /home/ada') else 'homes are open',
    'no' if sh('cat SECRETS/*') else 'secrets are open',
    'no' if sh('sudo -n true') else 'sudo',
    'no' if sh('systemd-run --user true') else 'a way out of the unit',
    'no' if sh('echo true | at now') else 'at',
    'no' if sh('crontab -l; echo "* * * * * true" | crontab -') else 'cron',
)
"#;
    let code = code.replace("SECRETS", secrets);
    assert_eq!(hub.compute("bob", password, &code), "no no no no no no no");
    // Root still gets at the metadata: the cloud's own agents need it.
    let status = server.run(
        "sudo curl -s -o /dev/null -w '%{http_code}' http://169.254.169.254/openstack/latest/meta_data.json",
    );
    assert_eq!(status, "200");
    // Nobody but the operator logs in by SSH, and nobody with a password.
    let sshd = server.run("sudo sshd -T | grep -E '^(allowgroups|passwordauthentication)'");
    assert!(sshd.contains("passwordauthentication no"), "{sshd}");
    assert!(sshd.contains("allowgroups hubctl-ssh"), "{sshd}");
}

#[test]
fn killed_runs_are_finished_by_the_next() {
    let cloud = Cloud::start();
    let mut operator = cloud.operator(WIDE_SPEC);

    // Killed the moment the server's create was carried out.
    let killed = operator.run_until(&["provision", "--yes", "--output", "json"], |_| {
        cloud.has_server()
    });
    assert_eq!(killed.status.code(), None, "killed: {}", killed.stdout);

    // Killed in the middle of the host's setup, while packages are being installed.
    let killed = operator.run_until(&["provision", "--yes", "--output", "json"], |line| {
        line.contains("step-started") && line.contains("/opt/notebook")
    });
    assert_eq!(killed.status.code(), None, "killed: {}", killed.stdout);

    let events = operator.events(&["provision", "--yes"]);
    assert!(done(&events)["changed"].as_u64().unwrap() > 0);
    let events = operator.events(&["provision", "--yes"]);
    assert_eq!(done(&events)["changed"], 0, "{:?}", done(&events));

    // The homes are on the volume, the name is the cloud's, and the host key that went through user data is not in use.
    let server = Server::of(&operator, "wide");
    assert_eq!(server.run("findmnt -n -o FSTYPE /home"), "ext4");
    assert_eq!(
        cloud.record("hub.sandbox.test."),
        vec![operator.receipt("wide")["address"].as_str().unwrap()]
    );
    let user_data = server.run("sudo curl -s http://169.254.169.254/openstack/latest/user_data");
    assert!(user_data.contains("ssh_keys"), "{user_data}");
    let known = std::fs::read_to_string(operator.state("wide").join("known_hosts")).unwrap();
    for key in known
        .lines()
        .map(|line| line.split_whitespace().nth(2).unwrap())
    {
        assert!(
            !user_data.contains(key),
            "the first host key is still in use"
        );
    }
    let hub = Hub::of(&operator, "wide");
    operator.events(&["add-users", "ada"]);
    assert_eq!(
        hub.compute("ada", &operator.password("wide", "ada"), "2 ** 10"),
        "1024"
    );

    // Destroyed from another laptop: no receipt, no key, no hub.yaml.
    std::fs::remove_dir_all(operator.folder.join("state")).unwrap();
    std::fs::remove_file(operator.folder.join("hub.yaml")).unwrap();
    operator.events(&["destroy", "wide", "--yes"]);
    cloud.assert_empty("wide");
}
