//! Units: what starts and restarts them, and what does not.

use crate::common::X86_64;
use crate::{behind, check, converged, file, steps, with_hubd, with_hubproxy};

#[test]
fn a_certificate_restarts_the_proxy_alone() {
    check(
        |_, facts| file(facts, "/etc/jupyterhub/tls/certificate.pem").sha256 = None,
        &[
            "write /etc/jupyterhub/tls/certificate.pem (changed)",
            "restart jupyterhub-proxy.service (/etc/jupyterhub/tls/certificate.pem changes)",
        ],
    );
}

#[test]
fn units_that_stopped_failed_or_are_disabled_are_started() {
    check(
        |_, facts| {
            facts
                .units
                .get_mut("jupyterhub-proxy.service")
                .unwrap()
                .active = "inactive".to_owned();
            let hub = facts.units.get_mut("jupyterhub.service").unwrap();
            (hub.active, hub.result) = ("failed".to_owned(), "exit-code".to_owned());
            facts
                .units
                .get_mut("hubctl-metadata.service")
                .unwrap()
                .enabled = "disabled".to_owned();
        },
        &[
            "start hubctl-metadata.service at boot (it is disabled)",
            "start jupyterhub-proxy.service (it is inactive)",
            "start jupyterhub.service (it is failed: exit-code)",
        ],
    );
}

#[test]
fn rules_that_somebody_flushed_are_loaded_again() {
    check(
        |_, facts| {
            facts.nft.insert("inet hubctl".to_owned(), None);
        },
        &["restart hubctl-metadata.service (its rules are not loaded)"],
    );
}

#[test]
fn a_new_program_restarts_what_runs_it_and_a_new_certificate_does_not() {
    let desired = with_hubproxy(X86_64);
    let mut facts = converged(&desired);
    file(&mut facts, "/opt/hubctl/bin/hubproxy").sha256 = Some("older".to_owned());
    assert_eq!(
        steps(&desired, &facts),
        [
            "write /opt/hubctl/bin/hubproxy (changed)",
            "restart hubproxy.service (/opt/hubctl/bin/hubproxy changes)",
        ]
    );
    let mut facts = converged(&desired);
    file(&mut facts, "/etc/jupyterhub/tls/certificate.pem").sha256 = Some("older".to_owned());
    assert_eq!(
        steps(&desired, &facts),
        ["write /etc/jupyterhub/tls/certificate.pem (changed)"]
    );
}

#[test]
fn what_changes_of_hubd_restarts_what_reads_it_and_nothing_else() {
    let desired = with_hubd();
    let due = |path: &str| {
        let mut facts = converged(&desired);
        file(&mut facts, path).sha256 = Some("older".to_owned());
        let mut due = steps(&desired, &facts);
        assert_eq!(due.remove(0), format!("write {path} (changed)"));
        due
    };
    assert_eq!(steps(&desired, &converged(&desired)), Vec::<String>::new());
    let changes = |verb: &str, path: &str| vec![format!("{verb} ({path} changes)")];
    for (path, verb) in [
        ("/etc/hubd/hubd.toml", "restart hubd.service"),
        ("/opt/hubctl/bin/hubd", "restart hubd.service"),
        ("/opt/hubctl/bin/hub-helper", "restart hub-helper.socket"),
        ("/etc/hub-helper/helper.toml", "restart hub-helper.socket"),
        (
            "/etc/systemd/system/jupyter@.service",
            "reload the definition of jupyter.slice",
        ),
    ] {
        assert_eq!(due(path), changes(verb, path));
    }
    assert_eq!(due("/etc/hubd/tls/certificate.pem"), Vec::<String>::new());
    assert_eq!(due("/etc/pam.d/hubd"), Vec::<String>::new());
}

#[test]
fn a_new_certificate_restarts_the_front_and_not_what_is_behind_it() {
    for (proxy, unit) in [("nginx", "nginx.service"), ("apache", "apache2.service")] {
        let desired = behind(proxy);
        let mut facts = converged(&desired);
        file(&mut facts, "/etc/jupyterhub/tls/certificate.pem").sha256 = None;
        assert_eq!(
            steps(&desired, &facts),
            [
                "write /etc/jupyterhub/tls/certificate.pem (changed)".to_owned(),
                format!("restart {unit} (/etc/jupyterhub/tls/certificate.pem changes)"),
            ]
        );
    }
}
