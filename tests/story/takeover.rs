//! One hub in another's place on a server that people work on, and back again.

use crate::SPEC;
use crate::cloud::Cloud;
use crate::hub::Hub;
use crate::hubctl::{Operator, done};
use crate::server::Server;

const RUST: [&str; 2] = ["--profile", "rust"];

#[test]
fn one_hub_takes_over_from_another_and_back() {
    let cloud = Cloud::start();
    let mut operator = cloud.operator(SPEC);
    operator.events(&["provision", "--yes"]);
    operator.events(&["add-users", "ada", "bob"]);
    let server = Server::of(&operator, "class");
    let hub = Hub::of(&operator, "class");
    let passwords = operator.passwords("class");
    let mut sessions = ["ada", "bob"].map(|user| hub.open(user, &passwords[user]));
    let keep = "open('kept', 'w').write('mine'); print('written')";
    assert_eq!(hub.run(&mut sessions[0], keep), "written");
    let before = of_nobodys_hub(&server);

    // There.
    what_it_means_is_said(
        &mut operator,
        &RUST,
        &[
            "hubd takes JupyterHub's place: it ends 2 running servers, and what is unsaved in them",
            "end JupyterHub and its 2 running servers (hubd takes its place)",
            "stop and remove jupyterhub.service (hubd takes its place)",
            "set /var/lib/jupyterhub/jupyterhub.sqlite aside (hubd takes its place)",
            "remove /opt/jupyterhub (not asked for any more)",
            "start hubd.service (absent)",
        ],
    );
    let told = operator.events(&[&["provision", "--yes"][..], &RUST].concat());
    assert!(told.iter().any(|event| event["name"] == "check compute"));
    nothing_changes(&mut operator, &RUST);
    assert_eq!(of_nobodys_hub(&server), before);
    let left = "ls -d /etc/jupyterhub /opt/jupyterhub /opt/nodejs /opt/configurable-http-proxy /etc/pam.d/jupyterhub \
                /etc/systemd/system/jupyterhub* 2>/dev/null; systemctl list-units --plain --no-legend 'jupyterhub*' 'jupyter-*.service'";
    assert_eq!(server.run(left), "");
    records_were_set_aside(&server, "/var/lib/jupyterhub/jupyterhub.sqlite", "users");
    let read = "print(open('kept').read())";
    assert_eq!(hub.compute("ada", &passwords["ada"], read), "mine");
    let wrong = hub.try_log_in("bob", &passwords["ada"]);
    assert!(wrong.is_err(), "ada's password opens bob");

    // And back, while somebody works.
    let _session = hub.open("bob", &passwords["bob"]);
    what_it_means_is_said(
        &mut operator,
        &[],
        &[
            "JupyterHub takes hubd's place: it ends 1 running server, and what is unsaved in it",
            "stop and remove hub-helper.socket (JupyterHub takes its place)",
            "set /var/lib/hubd/hubd.sqlite aside (JupyterHub takes its place)",
            "remove /opt/hubctl/bin/hub-helper (not asked for any more)",
            "start jupyterhub.service (absent)",
        ],
    );
    operator.events(&["provision", "--yes"]);
    nothing_changes(&mut operator, &[]);
    assert_eq!(of_nobodys_hub(&server), before);
    let left = "ls -d /etc/hubd /etc/hub-helper /etc/hubproxy /opt/hubctl/bin/* /etc/pam.d/hubd /etc/systemd/system/hub[-dp]* \
                /etc/systemd/system/jupyter@* 2>/dev/null; systemctl list-units --plain --no-legend 'hubd*' 'hub-helper*' 'jupyter@*'";
    assert_eq!(server.run(left), "");
    records_were_set_aside(&server, "/var/lib/hubd/hubd.sqlite", "users");
    assert_eq!(hub.compute("ada", &passwords["ada"], read), "mine");
    hub.log_in("bob", &passwords["bob"]);

    let told = operator.events(&["destroy", "--yes"]);
    assert_eq!(done(&told)["left"].as_array().unwrap().len(), 0);
}

fn what_it_means_is_said(operator: &mut Operator, choices: &[&str], parts: &[&str]) {
    let plan = operator.run(&[&["plan", "--detailed-exitcode"][..], choices].concat());
    let told = format!("{}{}", plan.stdout, plan.stderr);
    assert_eq!(plan.status.code(), Some(10), "{told}");
    for part in parts {
        assert!(told.contains(part), "{part} is not in the plan:\n{told}");
    }
}

fn nothing_changes(operator: &mut Operator, choices: &[&str]) {
    let told = operator.events(&[&["provision", "--yes"][..], choices].concat());
    assert_eq!(done(&told)["changed"], 0, "{:?}", done(&told));
    assert_eq!(done(&told)["ssh_exchanges"], 1, "{:?}", done(&told));
}

/// The people, their passwords, and the certificate that is presented.
fn of_nobodys_hub(server: &Server) -> String {
    server.run(
        "getent group jupyterhub-users jupyterhub-admins; getent passwd ada bob; sudo grep -E '^(ada|bob):' /etc/shadow; \
         sudo ls -ldn /home/ada /home/bob; \
         openssl s_client -connect 127.0.0.1:443 </dev/null 2>/dev/null | openssl x509 -noout -fingerprint -sha256",
    )
}

/// The database is beside where it was, whole, and another one, if any, is in its place.
fn records_were_set_aside(server: &Server, database: &str, table: &str) {
    let kept = server.run(&format!("sudo sh -c 'ls {database}.until-*'"));
    assert_eq!(kept.lines().count(), 1, "{kept}");
    let count = format!(
        "import sqlite3; print(sqlite3.connect('{kept}').execute('select count(*) from {table}').fetchone()[0])"
    );
    let users: u32 = server.run_with("sudo python3 -", &count).parse().unwrap();
    assert!(users >= 2, "{users} users in {kept}");
    assert_eq!(
        server.run(&format!(
            "sudo sh -c 'ls {database}* | grep -v until- | wc -l'"
        )),
        "0"
    );
}
