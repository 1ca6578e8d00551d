//! What is in the way, and what a server is told of itself.

use hubctl::setup::facts::{Facts, PortHolder, UnitFacts};
use hubctl::setup::{self};

use crate::common::X86_64;
use crate::{behind, converged, desired, with_hubproxy};

#[test]
fn what_is_in_the_way_stops_the_run_with_a_remedy() {
    let desired = desired();
    let mut facts = converged(&desired);
    facts.ports[1] = PortHolder {
        port: 443,
        pid: 812,
        process: "nginx".to_owned(),
        unit: Some("nginx.service".to_owned()),
    };
    facts.disk_free_mb = 100;
    facts.venvs.clear();
    let plan = setup::diff(&desired, &facts);
    let messages: Vec<_> = plan
        .problems
        .iter()
        .map(|problem| problem.message.as_str())
        .collect();
    assert_eq!(
        messages,
        [
            "port 443 is taken by nginx (process 812, nginx.service)",
            "100 MB are free on the server's disk; the hub needs 2048",
        ]
    );
    assert!(
        plan.problems[0]
            .hint
            .as_ref()
            .unwrap()
            .contains("systemctl disable --now nginx.service")
    );
}

#[test]
fn the_sockets_that_systemd_holds_for_the_proxy_are_nobody_elses() {
    let desired = with_hubproxy(X86_64);
    let mut facts = converged(&desired);
    facts.ports[0].unit = Some("init.scope".to_owned());
    facts.ports[1].unit = Some("hubproxy.service".to_owned());
    assert_eq!(setup::diff(&desired, &facts).problems, []);
    for (unit, _, _) in setup::names::HUBPROXY_SOCKETS {
        facts.units.get_mut(unit).unwrap().active = "inactive".to_owned();
    }
    assert_eq!(setup::diff(&desired, &facts).problems.len(), 1);
}

#[test]
fn a_web_server_that_serves_something_else_is_in_the_way_and_not_changed() {
    for proxy in ["chp", "nginx"] {
        let desired = behind(proxy);
        let mut facts = Facts {
            ports: vec![PortHolder {
                port: 80,
                pid: 7,
                process: "nginx".to_owned(),
                unit: Some("nginx.service".to_owned()),
            }],
            disk_free_mb: 20_000,
            ..Facts::default()
        };
        let unit = UnitFacts {
            load: "loaded".to_owned(),
            active: "active".to_owned(),
            enabled: "enabled".to_owned(),
            ..UnitFacts::default()
        };
        facts.units.insert("nginx.service".to_owned(), unit);
        let plan = setup::diff(&desired, &facts);
        assert_eq!(
            plan.problems[0].message, "port 80 is taken by nginx (process 7, nginx.service)",
            "{proxy}"
        );
        assert!(
            !plan
                .steps
                .iter()
                .any(|step| step.name == "stop nginx.service")
        );
    }
}

#[test]
fn what_a_server_runs_is_tested_untested_or_unknown() {
    let said = |id: &str, version: &str, name: &str| {
        let desired = desired();
        let mut facts = converged(&desired);
        facts.os.id = id.to_owned();
        facts.os.version = version.to_owned();
        facts.os.name = name.to_owned();
        let plan = setup::diff(&desired, &facts);
        let problems = plan.problems.iter().map(|problem| problem.message.clone());
        problems.chain(plan.warnings).collect::<Vec<_>>()
    };
    assert_eq!(said("debian", "12", "Debian"), Vec::<String>::new());
    assert_eq!(
        said("ubuntu", "24.04", "Ubuntu 24.04.3 LTS"),
        ["the server runs Ubuntu 24.04, which is meant to work and is not tested"]
    );
    assert_eq!(
        said("debian", "11", "Debian GNU/Linux 11 (bullseye)"),
        [
            "the server runs Debian GNU/Linux 11 (bullseye), which hubctl does not know; it knows Debian 12, Debian 13, Ubuntu 22.04, Ubuntu 24.04"
        ]
    );
    assert_eq!(
        said("fedora", "43", "Fedora Linux 43"),
        ["the server runs Fedora Linux 43, which hubctl cannot set up"]
    );
}
