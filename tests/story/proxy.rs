//! One proxy takes the place of another on a hub that people work on, and what it promises then.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::SPEC;
use crate::cloud::Cloud;
use crate::directory::Directory;
use crate::hub::Hub;
use crate::hubctl::{Operator, done};
use crate::server::Server;

const HUBPROXY: [&str; 2] = ["--set", "proxy.kind=hubproxy"];

#[test]
fn hubproxy_takes_over_from_chp_and_the_hub_restarts_beneath_it() {
    let cloud = Cloud::start();
    let mut operator = cloud.operator(SPEC);
    operator.events(&["provision", "--yes"]);
    operator.events(&["add-users", "ada"]);
    let server = Server::of(&operator, "class");
    let hub = Hub::of(&operator, "class");
    let mut session = hub.open("ada", &operator.password("class", "ada"));
    assert_eq!(
        hub.run(&mut session, "import os; pid = os.getppid(); print(6 * 7)"),
        "42"
    );
    let unit = "systemctl show jupyter-ada.service --value --property=ExecMainPID";
    let before = server.run(unit);

    // What comes and what goes is planned, and nothing else.
    let plan = operator.run(&[&["plan", "--detailed-exitcode"][..], &HUBPROXY].concat());
    assert_eq!(
        plan.status.code(),
        Some(10),
        "{}{}",
        plan.stdout,
        plan.stderr
    );
    let told = format!("{}{}", plan.stdout, plan.stderr);
    for part in [
        "write /opt/hubctl/bin/hubproxy (absent)",
        "stop and remove jupyterhub-proxy.service (another proxy was chosen)",
        "start hubproxy.service (absent)",
        "remove /opt/configurable-http-proxy (not asked for any more)",
    ] {
        assert!(told.contains(part), "{part} is not in the plan:\n{told}");
    }
    operator.events(&[&["provision", "--yes"][..], &HUBPROXY].concat());
    let left = "ls -d /opt/configurable-http-proxy /opt/nodejs /etc/systemd/system/jupyterhub-proxy.service 2>/dev/null; true";
    assert_eq!(server.run(left), "");
    let events = operator.events(&[&["provision", "--yes"][..], &HUBPROXY].concat());
    assert_eq!(done(&events)["changed"], 0, "{:?}", done(&events));

    // The server that was started before went on, and is reached through the new proxy.
    assert_eq!(server.run(unit), before);
    hub.reopen(&mut session);
    assert_eq!(hub.run(&mut session, "print('still here')"), "still here");

    // The hub restarts; nobody's WebSocket is cut.
    server.run("sudo systemctl restart jupyterhub.service");
    hub.wait(Duration::from_secs(120));
    assert_eq!(hub.run(&mut session, "print(2 ** 10)"), "1024");

    // The proxy restarts, killed even: no connection is refused, and every route is back.
    let refused = knocking(hub.address(), || {
        server.run("sudo systemctl kill --signal=KILL hubproxy.service");
        hub.wait(Duration::from_secs(30));
        server.run("sudo systemctl restart hubproxy.service");
        hub.wait(Duration::from_secs(30));
    });
    assert_eq!(
        refused, 0,
        "connections were refused while the proxy restarted"
    );
    hub.reopen(&mut session);
    assert_eq!(hub.run(&mut session, "print('back')"), "back");

    // It says how it is, and holds nothing it could do harm with.
    let status = operator.run(&[&["status"][..], &HUBPROXY].concat());
    assert!(
        status.stdout.contains("proxy   hubproxy "),
        "{}",
        status.stdout
    );
    assert!(
        status.stdout.contains("from a file (hubctl class"),
        "{}",
        status.stdout
    );
    assert!(status.stdout.contains("drift   none"), "{}", status.stdout);
    let pid = server.run("systemctl show hubproxy.service --value --property=MainPID");
    let held = server.run(&format!(
        "grep -E '^(Uid|CapEff|CapBnd|NoNewPrivs)' /proc/{pid}/status"
    ));
    let uid = server.run("id -u hubproxy");
    for line in [
        &format!("Uid:\t{uid}"),
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
    ] {
        assert!(held.contains(line), "{line} is not in\n{held}");
    }
    let exposure = server.run("systemd-analyze security hubproxy.service --no-pager | tail -n 1");
    let level: f64 = exposure
        .rsplit_once(": ")
        .and_then(|(_, rest)| rest.split_whitespace().next()?.parse().ok())
        .unwrap_or_else(|| panic!("no exposure in {exposure}"));
    assert!(level < 2.0, "{exposure}");

    acme(&mut operator, &hub, &HUBPROXY);

    let events = operator.events(&["destroy", "--yes"]);
    assert_eq!(done(&events)["left"].as_array().unwrap().len(), 0);
}

/// The hub gets a name, and its certificate from a directory. A public one is refused: it could not reach this cloud.
/// `choices` are those of the deployment so far.
pub(crate) fn acme(operator: &mut Operator, hub: &Hub, choices: &[&str]) {
    let refused = operator.run(&[&["plan", "--set", "tls.kind=acme-ip"][..], choices].concat());
    assert_eq!(refused.status.code(), Some(2), "{}", refused.stderr);
    let why = "cannot be reached from outside: no certificate authority gives a certificate";
    assert!(refused.stderr.contains(why), "{}", refused.stderr);

    let directory = Directory::start(&operator.folder, hub.address().ip());
    let (url, authorities) = (
        format!("tls.directory={}", directory.url),
        format!("tls.directory_ca={}", directory.authorities.display()),
    );
    let mut choices = choices.to_vec();
    for set in [
        "tls.kind=acme",
        "domain=hub.sandbox.test",
        &url,
        &authorities,
    ] {
        choices.extend(["--set", set]);
    }
    // It ends with a check as a user, over HTTPS, which nothing but the directory's authority vouches for.
    let events = operator.events(&[&["provision", "--yes"][..], &choices].concat());
    assert_eq!(done(&events)["url"], "https://hub.sandbox.test/");
    assert!(events.iter().any(|event| event["name"] == "check compute"));
    let events = operator.events(&[&["provision", "--yes"][..], &choices].concat());
    assert_eq!(done(&events)["changed"], 0, "{:?}", done(&events));
    assert_eq!(done(&events)["ssh_exchanges"], 1, "{:?}", done(&events));
    let status = operator.run(&[&["status"][..], &choices].concat());
    for part in [
        "by ACME (Pebble",
        ": issued; tried next at ",
        "drift   none",
    ] {
        assert!(status.stdout.contains(part), "{part}: {}", status.stdout);
    }
}

/// Opens connections one after the other while `work` is done; returns how many were refused.
fn knocking(address: std::net::SocketAddr, work: impl FnOnce()) -> usize {
    let stop = Arc::new(AtomicBool::new(false));
    let tried = Arc::new(AtomicUsize::new(0));
    let knocker = {
        let (stop, tried) = (Arc::clone(&stop), Arc::clone(&tried));
        thread::spawn(move || {
            let mut refused = 0;
            while !stop.load(Ordering::Relaxed) {
                let answer = TcpStream::connect_timeout(&address, Duration::from_secs(10));
                refused += usize::from(answer.is_err());
                tried.fetch_add(1, Ordering::Relaxed);
            }
            refused
        })
    };
    work();
    stop.store(true, Ordering::Relaxed);
    let refused = knocker.join().expect("the knocker ends");
    assert!(
        tried.load(Ordering::Relaxed) > 100,
        "hardly any connection was tried"
    );
    refused
}
