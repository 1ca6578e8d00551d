//! What figures and answers mean, and how a chart reads.

use super::host::{culprits, room, size, witnesses};
use super::*;
use crate::health::Broken;
use crate::setup::{Disk, Memory, Service, Vitals};

fn disk(place: &str, size: u64, free: u64) -> Disk {
    Disk {
        place: place.to_owned(),
        size,
        free,
        inodes: None,
        read_only: false,
    }
}

fn unit(name: &str, active: &str, sub: &str, result: &str) -> Service {
    Service {
        name: name.to_owned(),
        active: active.to_owned(),
        sub: sub.to_owned(),
        result: result.to_owned(),
        ..Service::default()
    }
}

fn healthy() -> Vitals {
    Vitals {
        memory: Memory {
            total: 8 << 30,
            available: 5 << 30,
        },
        disks: vec![
            disk("/", 40 << 30, 30 << 30),
            disk("/home", 1 << 40, 1 << 39),
        ],
        services: vec![
            unit("jupyterhub.service", "active", "running", "success"),
            unit("jupyterhub-proxy.service", "active", "running", "success"),
        ],
        ..Vitals::default()
    }
}

#[test]
fn a_server_without_room_is_told_with_what_is_missing() {
    assert_eq!(
        room(&healthy()).unwrap(),
        "30.0 GiB free on /, 5.0 GiB of 8.0 GiB memory available"
    );
    type Change = fn(&mut Vitals);
    let table: [(Change, &str, &str); 6] = [
        (
            |v| v.disks[0].free = 10 << 20,
            "/ is full: 10 MiB left of 40.0 GiB",
            "--max-depth=2 /",
        ),
        (
            |v| v.disks[1].free = 0,
            "/home is full: 0 KiB left of 1024.0 GiB",
            "volume.size",
        ),
        (
            |v| v.disks[1].inodes = Some(3),
            "/home is full: no further files can be made there",
            "/home",
        ),
        (
            |v| v.disks[1].read_only = true,
            "/home takes no writes: it is mounted read-only",
            "dmesg",
        ),
        (
            |v| v.memory.available = 60 << 20,
            "60 MiB of memory are left of 8.0 GiB",
            "limits.memory",
        ),
        // Both: the disk first, without which nobody logs in at all.
        (
            |v| {
                v.memory.available = 0;
                v.disks[0].free = 0;
            },
            "/ is full: 0 KiB left of 40.0 GiB",
            "du",
        ),
    ];
    for (change, cause, hint) in table {
        let mut vitals = healthy();
        change(&mut vitals);
        let fault = room(&vitals).unwrap_err();
        assert_eq!(fault.cause, cause);
        assert!(fault.hint.unwrap().contains(hint), "{cause}");
    }
    // Small on purpose.
    let mut vitals = healthy();
    vitals.disks.push(disk("/run", 50 << 20, 40 << 20));
    assert!(room(&vitals).is_ok());
}

#[test]
fn a_broken_link_is_blamed_on_the_units_behind_it() {
    let mut vitals = healthy();
    vitals.services[1] = unit("jupyterhub-proxy.service", "failed", "failed", "oom-kill");
    let words = |vitals: &Vitals, part| -> Vec<String> {
        culprits(vitals, part)
            .iter()
            .map(|unit| unit.words())
            .collect()
    };
    let proxy = ["jupyterhub-proxy.service is failed (oom-kill)"];
    assert_eq!(words(&vitals, Part::Connection), proxy);
    assert_eq!(words(&vitals, Part::Hub), proxy);
    assert!(words(&vitals, Part::Login).is_empty());
    vitals.services[0] = unit("jupyterhub.service", "inactive", "dead", "success");
    assert_eq!(
        words(&vitals, Part::Login),
        ["jupyterhub.service is inactive (dead)"]
    );

    let rust = Vitals {
        services: vec![
            unit("hubd.service", "active", "running", "success"),
            unit("hub-helper.socket", "inactive", "dead", "success"),
            // It runs while it is asked.
            unit("hub-helper.service", "inactive", "dead", "success"),
            unit("hubproxy.service", "active", "running", "success"),
        ],
        ..Vitals::default()
    };
    assert_eq!(
        words(&rust, Part::Login),
        ["hub-helper.socket is inactive (dead)"]
    );
    assert_eq!(
        witnesses(&rust, Part::Spawn, Some("ada")),
        ["jupyter@ada.service", "hubd.service"]
    );
    assert_eq!(
        witnesses(&rust, Part::Connection, None),
        ["hubproxy.service"]
    );

    // A front, and what is behind it.
    let behind = Vitals {
        services: vec![
            unit("jupyterhub.service", "active", "running", "success"),
            unit("jupyterhub-proxy.service", "active", "running", "success"),
            unit("nginx.service", "failed", "failed", "exit-code"),
        ],
        ..Vitals::default()
    };
    assert_eq!(
        words(&behind, Part::Connection),
        ["nginx.service is failed (exit-code)"]
    );
    assert_eq!(
        witnesses(&behind, Part::Proxy, None),
        ["nginx.service", "jupyterhub-proxy.service"]
    );
    let traefik = Vitals {
        services: vec![
            unit("jupyterhub.service", "active", "running", "success"),
            unit("traefik-https.socket", "inactive", "dead", "success"),
            unit("traefik.service", "active", "running", "success"),
        ],
        ..Vitals::default()
    };
    assert_eq!(
        words(&traefik, Part::Connection),
        ["traefik-https.socket is inactive (dead)"]
    );

    // One person's server stands for itself.
    let alone = Vitals {
        services: vec![unit("notebook.service", "inactive", "dead", "success")],
        ..Vitals::default()
    };
    assert_eq!(alone.hub(), Some(crate::spec::HubKind::Notebook));
    for part in [Part::Connection, Part::Hub, Part::Login] {
        assert_eq!(words(&alone, part), ["notebook.service is inactive (dead)"]);
    }
    assert_eq!(
        witnesses(&alone, Part::Connection, None),
        ["notebook.service"]
    );
    assert_eq!(
        witnesses(&alone, Part::Compute, Some("notebook")),
        ["notebook.service"]
    );
}

#[test]
fn what_cannot_be_tried_is_neither_whole_nor_broken() {
    let mut chart = Chart::new("class");
    assert!(!chart.has_untried());
    chart.findings = vec![
        Finding::untried(Part::Login, "people log in at a provider"),
        Finding::skipped(Part::Spawn, Part::Login),
    ];
    assert!(chart.has_untried());
    assert_eq!(chart.broken(), None);
    assert_eq!(
        chart.findings[0].lines(),
        ["untried  login           people log in at a provider"]
    );
    let xml = junit::document(&chart).unwrap();
    for part in [
        r#"tests="2" skipped="2" errors="0" failures="0""#,
        r#"<skipped message="people log in at a provider"/>"#,
    ] {
        assert!(xml.contains(part), "{part}\n{xml}");
    }
}

#[test]
fn sizes_are_read_easily() {
    for (bytes, words) in [
        (0, "0 KiB"),
        (4096, "4 KiB"),
        (200 << 20, "200 MiB"),
        (3 << 29, "1.5 GiB"),
    ] {
        assert_eq!(size(bytes), words);
    }
}

fn chart() -> Chart {
    let report = health::Report {
        links: vec![health::Link {
            part: Part::Connection,
            seconds: 0.01,
            seen: "192.0.2.7:443".to_owned(),
        }],
        broken: Some(Broken {
            part: Part::Certificate,
            seconds: 0.02,
            cause: "the certificate has ended".to_owned(),
            hint: "`hubctl provision` renews it".to_owned(),
        }),
        ..health::Report::default()
    };
    let mut chart = Chart::new("class");
    chart
        .findings
        .push(Finding::holds(Part::Server, 0.0, "ACTIVE"));
    let parts = [Part::Connection, Part::Certificate, Part::Proxy, Part::Hub];
    chart.findings.extend(findings(&report, &parts));
    let because = chart.blocked(&[Part::Hub]).unwrap();
    chart.findings.push(Finding::skipped(Part::Login, because));
    chart
}

#[test]
fn what_depends_on_a_broken_link_is_left_out_and_says_so() {
    let lines: Vec<String> = chart().findings.iter().flat_map(Finding::lines).collect();
    assert_eq!(
        lines,
        [
            "ok       server          ACTIVE (0.0 s)",
            "ok       connection      192.0.2.7:443 (0.0 s)",
            "BROKEN   certificate     the certificate has ended (0.0 s)",
            "                         hint: `hubctl provision` renews it",
            "skipped  proxy           needs certificate",
            "skipped  hub             needs certificate",
            "skipped  login           needs certificate",
        ]
    );
    assert_eq!(chart().broken().unwrap().part, Part::Certificate);
    assert_eq!(chart().blocked(&[Part::Server, Part::Connection]), None);
}

#[test]
fn a_chart_is_a_suite_for_ci() {
    let mut chart = chart();
    if let State::Broken { log, .. } = &mut chart.findings[2].state {
        // What a program says may hold anything.
        log.push("jupyterhub-proxy.service: \u{1b}[31m<error> & more\u{0}".to_owned());
    }
    let xml = junit::document(&chart).unwrap();
    for part in [
        r#"<testsuite name="class" tests="6" skipped="3" errors="0" failures="1""#,
        r#"<testcase name="server" classname="hubctl.doctor.class" time="0.000">"#,
        r#"<failure message="the certificate has ended" type="certificate">"#,
        "&lt;error&gt; &amp; more",
        "hint: `hubctl provision` renews it",
        r#"<skipped message="needs certificate"/>"#,
    ] {
        assert!(xml.contains(part), "{part}\n{xml}");
    }
    assert!(!xml.contains(['\u{1b}', '\u{0}']), "{xml}");
}
