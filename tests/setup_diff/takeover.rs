//! One hub or proxy in the place of another.

use hubctl::setup::facts::{Facts, FileFacts, UnitFacts};
use hubctl::setup::{self, Desired};

use crate::common::X86_64;
use crate::{behind, converged, desired, seen_by, steps, with_hubd, with_hubproxy};

#[test]
fn another_proxy_takes_over_and_nothing_of_the_first_is_left() {
    let (chp, hubproxy) = (desired(), with_hubproxy(X86_64));
    assert_eq!(
        steps(&hubproxy, &seen_by(&hubproxy, &chp)),
        [
            "make the system account hubproxy (absent)",
            "make the folder /etc/hubproxy (absent)",
            "write /usr/local/lib/hubctl/recheck-routes.py (changed)",
            "write /etc/systemd/system/jupyterhub.service (changed)",
            "write /etc/jupyterhub/jupyterhub_config.py (changed)",
            "write /etc/systemd/system/hubproxy.service (absent)",
            "write /etc/systemd/system/hubproxy-http.socket (absent)",
            "write /etc/systemd/system/hubproxy-https.socket (absent)",
            "write /etc/systemd/system/hubproxy-api.socket (absent)",
            "write /etc/hubproxy/hubproxy.toml (absent)",
            "write /etc/hubproxy/api-token (absent)",
            "write /opt/hubctl/bin/hubproxy (absent)",
            "stop and remove jupyterhub-proxy.service (another proxy was chosen)",
            "start hubproxy-http.socket (absent)",
            "start hubproxy-https.socket (absent)",
            "start hubproxy-api.socket (absent)",
            "start hubproxy.service (absent)",
            "restart jupyterhub.service (/etc/systemd/system/jupyterhub.service changes)",
            "remove /opt/configurable-http-proxy (not asked for any more)",
            "remove /opt/nodejs (not asked for any more)",
            "remove /etc/jupyterhub/secrets/proxy.env (not asked for any more)",
        ]
    );
    let back = steps(&chp, &seen_by(&chp, &hubproxy));
    for step in [
        "stop and remove hubproxy.service (another proxy was chosen)",
        "stop and remove hubproxy-https.socket (another proxy was chosen)",
        "install configurable-http-proxy 5.3.0 (absent)",
        "start jupyterhub-proxy.service (absent)",
        "remove /etc/hubproxy (not asked for any more)",
        "remove /opt/hubctl/bin/hubproxy (not asked for any more)",
    ] {
        assert!(
            back.iter().any(|found| found == step),
            "{step} is not in {back:#?}"
        );
    }
    let position = |part: &str| back.iter().position(|step| step.starts_with(part)).unwrap();
    assert!(position("stop and remove hubproxy-http.socket") < position("start jupyterhub-proxy"));
    // While a socket listens, a visitor would start the service again.
    let last = |part: &str| {
        back.iter()
            .rposition(|step| step.starts_with(part))
            .unwrap()
    };
    assert!(last("stop and remove hubproxy-") < position("stop and remove hubproxy.service"));

    assert_eq!(
        steps(&hubproxy, &converged(&hubproxy)),
        Vec::<String>::new()
    );
    // What runs without a file is still in the way.
    let mut facts = converged(&chp);
    let runs = UnitFacts {
        load: "not-found".to_owned(),
        active: "active".to_owned(),
        ..UnitFacts::default()
    };
    facts.units.insert("hubproxy.service".to_owned(), runs);
    assert_eq!(
        steps(&chp, &facts),
        ["stop and remove hubproxy.service (another proxy was chosen)"]
    );
}

/// The host of one hub with servers running, seen by who asks for another.
fn to_be_taken_over(desired: &Desired, left: &Desired, database: &str, servers: u32) -> Facts {
    let mut facts = seen_by(desired, left);
    let file = FileFacts {
        kind: "file".to_owned(),
        ..FileFacts::default()
    };
    facts.files.insert(database.to_owned(), Some(file));
    facts.servers.insert(left.hub.service.to_owned(), servers);
    facts
}

#[test]
fn another_hub_takes_over_and_nothing_of_the_first_is_left_but_its_records() {
    let (jupyterhub, hubd) = (desired(), with_hubd());
    let database = "/var/lib/jupyterhub/jupyterhub.sqlite";
    let facts = to_be_taken_over(&hubd, &jupyterhub, database, 3);
    let there = steps(&hubd, &facts);
    let order = [
        "write /etc/hubd/hubd.toml (absent)",
        "stop and remove jupyterhub-proxy.service (another proxy was chosen)",
        "end JupyterHub and its 3 running servers (hubd takes its place)",
        "stop and remove jupyterhub.service (hubd takes its place)",
        "set /var/lib/jupyterhub/jupyterhub.sqlite aside (hubd takes its place)",
        "start hub-helper.socket (absent)",
        "start hubd.service (absent)",
        "remove /etc/jupyterhub (not asked for any more)",
    ];
    let position = |steps: &[String], step: &str| {
        let found = steps.iter().position(|found| found == step);
        found.unwrap_or_else(|| panic!("{step} is not in {steps:#?}"))
    };
    assert!(
        order.map(|step| position(&there, step)).is_sorted(),
        "{there:#?}"
    );
    for path in ["/etc/pam.d/jupyterhub", "/opt/jupyterhub"] {
        position(&there, &format!("remove {path} (not asked for any more)"));
    }
    // What users work in, and the accounts, are of no hub.
    let touched = |part: &&String| {
        ["/opt/notebook", "account debian", "/home"]
            .iter()
            .any(|no| part.contains(no))
    };
    assert_eq!(there.iter().find(touched), None);
    let said = setup::diff(&hubd, &facts).to_string();
    for part in [
        "hubd takes JupyterHub's place: it ends 3 running servers",
        "accounts, passwords, homes and certificates stay",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }

    let facts = to_be_taken_over(&jupyterhub, &hubd, "/var/lib/hubd/hubd.sqlite", 1);
    let back = steps(&jupyterhub, &facts);
    let order = [
        "install JupyterHub into /opt/jupyterhub (absent)",
        "end hubd and its 1 running server (JupyterHub takes its place)",
        "stop and remove hubd-public.socket (JupyterHub takes its place)",
        "stop and remove hubd.service (JupyterHub takes its place)",
        "set /var/lib/hubd/hubd.sqlite aside (JupyterHub takes its place)",
        "start jupyterhub.service (absent)",
        "remove /etc/hubd (not asked for any more)",
    ];
    assert!(
        order.map(|step| position(&back, step)).is_sorted(),
        "{back:#?}"
    );
    for path in [
        "/etc/hub-helper",
        "/etc/pam.d/hubd",
        "/etc/systemd/system/jupyter@.service",
        "/opt/hubctl/bin/hubd",
        "/opt/hubctl/bin/hub-helper",
    ] {
        position(&back, &format!("remove {path} (not asked for any more)"));
    }
}

#[test]
fn a_takeover_that_was_killed_is_finished() {
    let (jupyterhub, hubd) = (desired(), with_hubd());
    let mut facts = converged(&hubd);
    let file = FileFacts::default();
    let database = "/var/lib/jupyterhub/jupyterhub.sqlite".to_owned();
    facts.files.insert(database, Some(file));
    let unit = facts.units["hubd.service"].clone();
    facts.units.insert("jupyterhub.service".to_owned(), unit);
    assert_eq!(
        steps(&hubd, &facts),
        [
            "end JupyterHub (hubd takes its place)",
            "stop and remove jupyterhub.service (hubd takes its place)",
            "set /var/lib/jupyterhub/jupyterhub.sqlite aside (hubd takes its place)",
        ]
    );
    // A database of its own is nobody else's.
    let mut facts = converged(&jupyterhub);
    let database = "/var/lib/jupyterhub/jupyterhub.sqlite".to_owned();
    facts.files.insert(database, Some(FileFacts::default()));
    assert_eq!(steps(&jupyterhub, &facts), Vec::<String>::new());
}

#[test]
fn every_proxy_takes_over_from_every_other() {
    // What each needs to run, and what is left when it has gone.
    let kinds = [
        (
            "chp",
            "jupyterhub-proxy.service",
            "/opt/configurable-http-proxy",
        ),
        ("hubproxy", "hubproxy.service", "/etc/hubproxy"),
        ("traefik", "traefik.service", "/opt/traefik"),
        ("nginx", "nginx.service", "/etc/nginx/hubctl.conf"),
        ("apache", "apache2.service", "/etc/apache2/hubctl.conf"),
    ];
    for (old, old_unit, old_path) in kinds {
        for (new, new_unit, _) in kinds {
            let (desired, left) = (behind(new), behind(old));
            let steps = steps(&desired, &seen_by(&desired, &left));
            if old == new {
                assert_eq!(steps, Vec::<String>::new(), "{new}");
                continue;
            }
            let place = |part: &str| {
                steps
                    .iter()
                    .position(|step| step.starts_with(part))
                    .unwrap_or_else(|| panic!("{old} to {new}: {part} is not in {steps:#?}"))
            };
            // configurable-http-proxy is behind nginx and Apache.
            if old == "chp" && (new == "nginx" || new == "apache") {
                place("restart jupyterhub-proxy.service");
                continue;
            }
            if new == "chp" && (old == "nginx" || old == "apache") {
                assert!(
                    place(&format!("stop {old_unit}")) < place("restart jupyterhub-proxy.service")
                );
                continue;
            }
            // The package of a distribution's server may have started it.
            let verb = if new == "nginx" || new == "apache" {
                "restart"
            } else {
                "start"
            };
            let begins = place(&format!("{verb} {new_unit}"));
            let ends = if old == "nginx" || old == "apache" {
                place(&format!("stop {old_unit}"))
            } else {
                place(&format!("stop and remove {old_unit}"))
            };
            assert!(ends < begins, "{old} to {new}: {steps:#?}");
            assert!(begins < place(&format!("remove {old_path}")), "{steps:#?}");
        }
    }
}
