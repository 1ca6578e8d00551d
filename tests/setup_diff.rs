//! What makes each step needed: a host that is as it should be, one thing about it changed, and the steps that follow.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::collections::BTreeMap;

use hubctl::setup::facts::{
    AccountFacts, Facts, FileFacts, PortHolder, UnitFacts, VenvFacts, VolumeFacts,
};
use hubctl::setup::{self, Content, Desired, Upgrade};

mod common;
use common::{AARCH64, X86_64, program, site, spec};

/// Stock JupyterHub behind its own proxy: the choice with the most parts.
const STOCK: &str = "name: class\nhub: {kind: jupyterhub}\nproxy: {kind: chp}\n";

fn desired() -> Desired {
    setup::desired(&spec(STOCK), &site()).unwrap()
}

/// The same with hubproxy, built for a processor.
fn with_hubproxy(machine: u16) -> Desired {
    let mut site = site();
    site.programs = vec![program("hubproxy", machine)];
    setup::desired(&spec("{name: class, hub: {kind: jupyterhub}}"), &site).unwrap()
}

/// The default: hubd and hubproxy.
fn with_hubd() -> Desired {
    let mut site = site();
    site.programs = ["hubproxy", "hubd", "hub-helper"]
        .map(|name| program(name, X86_64))
        .to_vec();
    setup::desired(&spec("{name: class}"), &site).unwrap()
}

/// The host that one choice led to, seen by who makes another.
fn seen_by(desired: &Desired, left: &Desired) -> Facts {
    let mut facts = converged(left);
    for path in &desired.absent {
        let below = |other: &String| other == path || other.starts_with(&format!("{path}/"));
        let kind = if facts.files.contains_key(path) {
            "file"
        } else {
            "folder"
        };
        if facts.files.keys().any(below) || left.npm.as_ref().is_some_and(|npm| npm.folder == path)
        {
            let found = FileFacts {
                kind: kind.to_owned(),
                ..FileFacts::default()
            };
            facts.files.entry(path.clone()).or_insert(Some(found));
        }
    }
    facts
}

/// The host that `desired` leads to.
fn converged(desired: &Desired) -> Facts {
    let mut files = BTreeMap::new();
    for file in &desired.files {
        let text = match &file.content {
            Content::Text(text) => Some(text.clone()),
            Content::Secret(_) | Content::Program(_) | Content::Bytes(_) => None,
        };
        let facts = FileFacts {
            kind: "file".to_owned(),
            owner: file.owner.to_owned(),
            group: file.group.to_owned(),
            mode: file.mode.to_owned(),
            sha256: Some(file.content.sha256()),
            text,
            target: None,
        };
        files.insert(file.path.clone(), Some(facts));
    }
    let text_file = |text: &str| {
        Some(FileFacts {
            kind: "file".to_owned(),
            owner: "root".to_owned(),
            group: "root".to_owned(),
            mode: "0644".to_owned(),
            sha256: Some(Content::Text(text.to_owned()).sha256()),
            text: Some(text.to_owned()),
            target: None,
        })
    };
    for folder in &desired.folders {
        let facts = FileFacts {
            kind: "folder".to_owned(),
            owner: folder.owner.to_owned(),
            group: folder.group.to_owned(),
            mode: folder.mode.to_owned(),
            ..FileFacts::default()
        };
        files.insert(folder.path.to_owned(), Some(facts));
    }
    files.insert(desired.ssh.path.to_owned(), text_file(&desired.ssh.content));
    files.insert(
        "/etc/hosts".to_owned(),
        text_file("127.0.0.1 localhost\n127.0.1.1 class\n"),
    );
    files.insert("/etc/adduser.conf".to_owned(), text_file("DIR_MODE=0700\n"));
    files.insert("/etc/login.defs".to_owned(), text_file("HOME_MODE\t0700\n"));
    files.insert(
        "/home/debian/.ssh/authorized_keys".to_owned(),
        text_file("ssh-ed25519 A image\n"),
    );
    files.insert(setup::names::UPGRADED.to_owned(), text_file(""));
    if let Some(download) = &desired.download {
        let stamp = download.stamp("x86_64").unwrap();
        files.insert(
            format!("{}/hubctl-release.txt", download.folder),
            text_file(&stamp),
        );
    }
    files.insert("/opt/hubctl/uv/bin/uv".to_owned(), text_file(""));
    let mut venvs = BTreeMap::new();
    for venv in &desired.venvs {
        let stamp = format!("{}/{}", venv.folder, setup::names::STAMP);
        files.insert(stamp, text_file(&venv.requirements));
        for (_, link) in &venv.links {
            files.insert(link.clone(), text_file(""));
        }
        let facts = VenvFacts {
            python: "3.11.2".to_owned(),
            packages: venv.pins.iter().cloned().collect(),
        };
        venvs.insert(venv.folder.to_owned(), Some(facts));
    }
    let unit = UnitFacts {
        load: "loaded".to_owned(),
        active: "active".to_owned(),
        enabled: "enabled".to_owned(),
        started: 200.0,
        newest: 100.0,
        newest_path: "something".to_owned(),
        ..UnitFacts::default()
    };
    let sshd = desired.ssh.expect.iter().map(|line| {
        let (key, value) = line.split_once(' ').unwrap();
        (key.to_owned(), vec![value.to_owned()])
    });
    Facts {
        files,
        packages: desired
            .packages
            .iter()
            .map(|name| (name.clone(), Some("1".to_owned())))
            .collect(),
        units: desired
            .units
            .iter()
            .map(|one| (one.name.to_owned(), unit.clone()))
            .collect(),
        accounts: desired
            .accounts
            .iter()
            .map(|name| ((*name).to_owned(), Some(AccountFacts::default())))
            .collect(),
        groups: desired
            .groups
            .iter()
            .map(|name| ((*name).to_owned(), Some(vec!["debian".to_owned()])))
            .collect(),
        key_users: vec!["debian".to_owned()],
        venvs,
        npm: desired
            .npm
            .iter()
            .map(|npm| (npm.folder.to_owned(), Some(npm.version.clone())))
            .collect(),
        sshd: Some(sshd.collect()),
        nft: desired
            .nft_tables
            .iter()
            .map(|(name, text)| (name.clone(), Some(text.clone())))
            .collect(),
        memory_kb: 4 << 20,
        disk_free_mb: 20_000,
        timezone: "Etc/UTC".to_owned(),
        ports: [80, 443]
            .map(|port| PortHolder {
                port,
                pid: 1,
                process: "node".to_owned(),
                unit: Some("jupyterhub-proxy.service".to_owned()),
            })
            .to_vec(),
        ..Facts::default()
    }
}

/// The steps as one line each.
fn steps(desired: &Desired, facts: &Facts) -> Vec<String> {
    let plan = setup::diff(desired, facts);
    assert_eq!(plan.problems, []);
    plan.steps
        .iter()
        .map(|step| format!("{} ({})", step.name, step.why))
        .collect()
}

#[track_caller]
fn check(change: impl FnOnce(&mut Desired, &mut Facts), expected: &[&str]) {
    let mut desired = desired();
    let mut facts = converged(&desired);
    change(&mut desired, &mut facts);
    assert_eq!(steps(&desired, &facts), expected);
}

fn file<'a>(facts: &'a mut Facts, path: &str) -> &'a mut FileFacts {
    facts.files.get_mut(path).unwrap().as_mut().unwrap()
}

const CONFIG: &str = "/etc/jupyterhub/jupyterhub_config.py";

#[test]
fn a_host_that_is_as_it_should_be_needs_nothing() {
    let desired = desired();
    let plan = setup::diff(&desired, &converged(&desired));
    assert!(plan.is_empty(), "{plan}");
    assert_eq!(plan.to_string(), "");
}

#[test]
fn an_edited_file_is_written_and_its_unit_restarted() {
    check(
        |_, facts| file(facts, CONFIG).sha256 = Some("other".to_owned()),
        &[
            "write /etc/jupyterhub/jupyterhub_config.py (changed)",
            "restart jupyterhub.service (/etc/jupyterhub/jupyterhub_config.py changes)",
        ],
    );
}

#[test]
fn a_restart_is_due_whoever_wrote_the_file() {
    check(
        |_, facts| {
            let unit = facts.units.get_mut("jupyterhub.service").unwrap();
            (unit.newest, unit.newest_path) = (200.5, CONFIG.to_owned());
        },
        &[
            "restart jupyterhub.service (/etc/jupyterhub/jupyterhub_config.py changed since it started)",
        ],
    );
}

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
fn owners_and_modes_are_set_without_writing() {
    check(
        |_, facts| {
            file(facts, "/etc/jupyterhub/tls/key.pem").mode = "0644".to_owned();
            file(facts, "/etc/jupyterhub/secrets").owner = "ada".to_owned();
        },
        &[
            "make the folder /etc/jupyterhub/secrets (owner ada:root → root:root)",
            "set owner and mode of /etc/jupyterhub/tls/key.pem (mode 0644 → 0640)",
            "restart jupyterhub-proxy.service (/etc/jupyterhub/tls/key.pem changes)",
        ],
    );
}

#[test]
fn a_link_in_a_file_s_place_is_replaced() {
    check(
        |_, facts| file(facts, "/etc/cron.allow").kind = "link".to_owned(),
        &["write /etc/cron.allow (it is a link)"],
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
fn another_version_of_the_hub_is_installed_and_started() {
    check(
        |_, facts| {
            let venv = facts
                .venvs
                .get_mut("/opt/jupyterhub")
                .unwrap()
                .as_mut()
                .unwrap();
            venv.packages
                .insert("jupyterhub".to_owned(), "5.5.4".to_owned());
        },
        &[
            "install JupyterHub into /opt/jupyterhub (jupyterhub 5.5.4 → 6.1.1)",
            "restart jupyterhub.service (/opt/jupyterhub/hubctl-requirements.txt changes)",
        ],
    );
}

#[test]
fn an_installation_that_was_killed_is_finished() {
    check(
        |_, facts| {
            facts
                .files
                .insert("/opt/notebook/hubctl-requirements.txt".to_owned(), None);
            facts
                .npm
                .insert("/opt/configurable-http-proxy".to_owned(), None);
            facts.dpkg_interrupted = true;
        },
        &[
            "finish interrupted package installation (dpkg was ended in the middle of its work)",
            "install JupyterLab into /opt/notebook (an installation was not finished)",
            "install configurable-http-proxy 5.3.0 (absent)",
            "restart jupyterhub-proxy.service (/opt/configurable-http-proxy/node_modules/configurable-http-proxy/package.json changes)",
        ],
    );
}

#[test]
fn further_notebook_packages_restart_nothing() {
    let desired = setup::desired(
        &spec(&format!("{STOCK}environment: {{packages: [numpy]}}")),
        &site(),
    )
    .unwrap();
    let facts = converged(&self::desired());
    assert_eq!(
        steps(&desired, &facts),
        ["install JupyterLab into /opt/notebook (other packages are asked for)"]
    );
}

#[test]
fn packages_are_installed_and_the_system_upgraded_once_or_when_asked() {
    check(
        |_, facts| {
            facts.packages.insert("nftables".to_owned(), None);
        },
        &["install packages (missing: nftables)"],
    );
    check(
        |_, facts| {
            facts.files.insert(setup::names::UPGRADED.to_owned(), None);
        },
        &[
            "upgrade the system (it was not yet)",
            "note that the system was upgraded (so that the next run need not)",
        ],
    );
    check(
        |desired, _| desired.upgrade = Upgrade::Now,
        &[
            "upgrade the system (asked for)",
            "note that the system was upgraded (so that the next run need not)",
        ],
    );
    check(
        |desired, facts| {
            desired.upgrade = Upgrade::Never;
            facts.files.insert(setup::names::UPGRADED.to_owned(), None);
        },
        &[],
    );
}

#[test]
fn nobody_who_can_log_in_by_key_and_sudo_is_locked_out() {
    check(
        |_, facts| {
            facts.key_users = vec!["ada".to_owned(), "debian".to_owned()];
            facts
                .files
                .insert("/etc/ssh/sshd_config.d/00-hubctl.conf".to_owned(), None);
        },
        &[
            "let ada log in by SSH (not in the group hubctl-ssh)",
            "close SSH to all but the group hubctl-ssh, and passwords (absent)",
        ],
    );
}

#[test]
fn an_ssh_setting_that_has_no_effect_is_not_good_enough() {
    check(
        |_, facts| {
            let sshd = facts.sshd.as_mut().unwrap();
            sshd.insert("passwordauthentication".to_owned(), vec!["yes".to_owned()]);
        },
        &["close SSH to all but the group hubctl-ssh, and passwords (it has no effect)"],
    );
}

#[test]
fn an_ssh_setting_that_was_never_confirmed_is_proven_again() {
    check(
        |_, facts| {
            let mut timer = facts.units["jupyterhub.service"].clone();
            timer.enabled = "transient".to_owned();
            facts
                .units
                .insert(setup::names::SSH_GUARD.to_owned(), timer);
        },
        &[
            "close SSH to all but the group hubctl-ssh, and passwords (an earlier run ended before a second login proved it)",
        ],
    );
}

#[test]
fn open_homes_are_closed_and_lines_are_set() {
    check(
        |_, facts| {
            facts.open_homes = vec!["/home/ada".to_owned()];
            file(facts, "/etc/login.defs").text = Some("HOME_MODE 0755\n".to_owned());
            file(facts, "/etc/hosts").text = Some("127.0.0.1 localhost\n".to_owned());
            facts.files.insert("/etc/adduser.conf".to_owned(), None);
        },
        &[
            "edit /etc/hosts (the server knows its own name)",
            "edit /etc/login.defs (new homes are private)",
            "make homes private (others can look into /home/ada)",
        ],
    );
}

#[test]
fn what_is_not_asked_for_any_more_is_removed() {
    let desired = setup::desired(
        &spec(&format!("{STOCK}host: {{unattended_upgrades: false}}")),
        &site(),
    )
    .unwrap();
    let facts = converged(&self::desired());
    assert_eq!(
        steps(&desired, &facts),
        ["remove /etc/apt/apt.conf.d/52hubctl-unattended-upgrades (not asked for any more)"]
    );
}

#[test]
fn a_small_server_gets_swap_but_a_container_cannot() {
    let mut site = site();
    site.memory_mb = 1024;
    let desired = setup::desired(&spec(STOCK), &site).unwrap();
    let mut facts = converged(&desired);
    facts.memory_kb = 1 << 20;
    assert_eq!(
        steps(&desired, &facts),
        ["make a swap file (1024 MB of memory)"]
    );
    facts.container = true;
    assert_eq!(steps(&desired, &facts), [""; 0]);
    facts.container = false;
    facts.swap_kb = 100;
    assert_eq!(steps(&desired, &facts), [""; 0]);
}

fn volume(present: bool, empty: bool, kind: Option<&str>, mounted: &[&str]) -> VolumeFacts {
    VolumeFacts {
        device: "/dev/disk/by-id/virtio-0123".to_owned(),
        present,
        empty,
        kind: kind.map(ToOwned::to_owned),
        uuid: None,
        size: 10 << 30,
        used: kind.map(|_| 10 << 30),
        mounted: mounted.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn a_data_volume_is_formatted_only_when_it_holds_nothing_at_all() {
    let steps_with = |volume| {
        let desired = desired();
        let mut facts = converged(&desired);
        facts.volume = Some(volume);
        let plan = setup::diff(&desired, &facts);
        let steps = plan
            .steps
            .iter()
            .map(|step| format!("{} ({})", step.name, step.why));
        let problems = plan
            .problems
            .iter()
            .map(|problem| format!("! {}", problem.message));
        problems.chain(steps).collect::<Vec<_>>()
    };
    for (volume, expected) in [
        (
            volume(true, true, None, &[]),
            vec!["format the data volume and mount it at /home (it is empty)"],
        ),
        (
            volume(true, false, Some("ext4"), &[]),
            vec!["mount the data volume at /home (it is not mounted)"],
        ),
        (volume(true, false, Some("ext4"), &["/home"]), vec![]),
        (
            volume(true, false, Some("xfs"), &[]),
            vec![
                "! the data volume /dev/disk/by-id/virtio-0123 holds something else than homes (xfs); it is not formatted",
            ],
        ),
        (
            volume(true, false, None, &[]),
            vec![
                "! the data volume /dev/disk/by-id/virtio-0123 holds something else than homes (not a file system); it is not formatted",
            ],
        ),
        (
            volume(false, false, None, &[]),
            vec!["! the data volume /dev/disk/by-id/virtio-0123 is not on the server"],
        ),
    ] {
        let steps = steps_with(volume);
        assert_eq!(
            steps
                .iter()
                .map(String::as_str)
                .take(expected.len().max(1))
                .collect::<Vec<_>>(),
            expected
        );
    }
}

#[test]
fn a_volume_that_grew_takes_its_file_system_along() {
    check(
        |_, facts| {
            let mut grown = volume(true, false, Some("ext4"), &["/home"]);
            grown.size = 20 << 30;
            facts.volume = Some(grown);
        },
        &["grow the homes' file system to its volume (10240 MB of it are not used)"],
    );
}

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
fn a_fresh_host_gets_everything_in_an_order_that_can_be_cut_anywhere() {
    let desired = desired();
    let facts = Facts {
        disk_free_mb: 20_000,
        ..Facts::default()
    };
    let plan = setup::diff(&desired, &facts);
    let position = |name: &str| {
        plan.steps
            .iter()
            .position(|step| step.name.contains(name))
            .unwrap_or_else(|| panic!("no step {name}"))
    };
    for pair in [
        ["upgrade the system", "install uv"],
        ["upgrade the system", "note that"],
        ["group jupyterhub-users", "jupyterhub_config.py"],
        ["account jupyterhub-proxy", "tls/key.pem"],
        ["start hubctl-metadata", "start jupyterhub.service"],
        ["log in by SSH", "close SSH"],
        ["install uv", "install JupyterHub"],
        ["install Node.js", "install configurable-http-proxy"],
        ["secrets/proxy.env", "start jupyterhub-proxy.service"],
        ["start jupyterhub-proxy.service", "start jupyterhub.service"],
    ] {
        assert!(position(pair[0]) < position(pair[1]), "{pair:?}");
    }
}

#[test]
fn the_login_page_is_there_before_packages_and_those_before_notebooks() {
    let facts = Facts {
        disk_free_mb: 20_000,
        ..Facts::default()
    };
    let mut site = site();
    site.programs = ["hubproxy", "hubd", "hub-helper"]
        .map(|name| program(name, X86_64))
        .to_vec();
    let with_nginx = setup::desired(&spec("{name: class, proxy: {kind: nginx}}"), &site).unwrap();
    for (desired, needed, proxy) in [
        (
            with_hubd(),
            "install ca-certificates (",
            "start hubproxy.service",
        ),
        // A proxy of the distribution's is there before it is started.
        (
            with_nginx,
            "install ca-certificates, nginx (",
            "restart nginx.service",
        ),
    ] {
        let steps = steps(&desired, &facts);
        let at = |part: &str| {
            let named = |step: &String| step.starts_with(part);
            steps
                .iter()
                .position(named)
                .unwrap_or_else(|| panic!("{part}: {steps:?}"))
        };
        let order = [
            needed,
            "close SSH to all",
            proxy,
            "start hubd.service",
            "upgrade the system and install packages",
            "start hubctl-metadata.service",
            "install uv",
            "install JupyterLab",
        ];
        assert!(order.map(at).is_sorted(), "{steps:?}");
        // What was needed early is not among the others.
        let again = |step: &&String| step.contains("missing: ca-certificates");
        assert_eq!(steps.iter().find(again), None);
    }
}

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
fn a_program_for_another_processor_is_refused() {
    let desired = with_hubproxy(AARCH64);
    let mut facts = converged(&desired);
    facts.arch = "x86_64".to_owned();
    let problems = setup::diff(&desired, &facts).problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(
        problems[0].message,
        "the server's processor is x86_64, and /usr/lib/hubctl/hubproxy is built for aarch64"
    );
    facts.arch = "aarch64".to_owned();
    assert_eq!(setup::diff(&desired, &facts).problems, []);
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
fn no_plan_shows_a_secret() {
    let desired = desired();
    let plan = setup::diff(&desired, &Facts::default());
    for text in [
        plan.to_string(),
        plan.to_json().to_string(),
        format!("{plan:?}"),
        format!("{desired:?}"),
    ] {
        for secret in [
            "private-key-of-the-proxy",
            "11111111",
            "22222222",
            "33333333",
        ] {
            assert!(!text.contains(secret), "{secret} in {text}");
        }
    }
}

#[test]
fn a_changed_file_is_shown_as_a_unified_diff_and_a_secret_only_by_name() {
    let desired = desired();
    let mut facts = converged(&desired);
    let allow = file(&mut facts, "/etc/cron.allow");
    (allow.text, allow.sha256) = (Some("root\nada\n".to_owned()), None);
    file(&mut facts, "/etc/jupyterhub/secrets/api-token").sha256 = None;
    assert_eq!(
        setup::diff(&desired, &facts).to_string(),
        "\
~ write /etc/cron.allow (changed)
    --- /etc/cron.allow (host)
    +++ /etc/cron.allow (wanted)
    @@ -1,2 +1,2 @@
     root
    -ada
    +debian
~ write /etc/jupyterhub/secrets/api-token (changed)
~ restart jupyterhub.service (/etc/jupyterhub/secrets/api-token changes)
"
    );
}

/// Stock JupyterHub behind a kind of proxy.
fn behind(proxy: &str) -> Desired {
    let mut site = site();
    site.programs = vec![program("hubproxy", X86_64)];
    let yaml = format!("{{name: class, hub: {{kind: jupyterhub}}, proxy: {{kind: {proxy}}}}}");
    setup::desired(&spec(&yaml), &site).unwrap()
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

#[test]
fn traefiks_program_is_the_release_of_its_checksum_and_another_is_fetched_anew() {
    let desired = behind("traefik");
    let mut facts = converged(&desired);
    file(&mut facts, "/opt/traefik/hubctl-release.txt").text = Some("another\n".to_owned());
    assert_eq!(
        steps(&desired, &facts),
        [
            "install Traefik into /opt/traefik (another release is asked for)",
            "restart traefik.service (/opt/traefik/hubctl-release.txt changes)",
        ]
    );
    facts.arch = "riscv64".to_owned();
    let plan = setup::diff(&desired, &facts);
    assert_eq!(
        plan.problems[0].message,
        "Traefik has no release here for the server's processor, riscv64"
    );
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

/// Debian 13 has the engine's client, by which hubctl speaks to it, in a package of its own.
#[test]
fn a_distribution_s_own_packages_come_with_the_others() {
    let spec = spec(
        "{name: class, hub: {kind: jupyterhub, user: jupyterhub}, proxy: {kind: chp}, spawner: {kind: docker}}",
    );
    let desired = setup::desired(&spec, &site()).unwrap();
    for (id, version, step) in [
        (
            "debian",
            "13",
            Some("install packages (missing: docker-cli)"),
        ),
        ("debian", "12", None),
        ("ubuntu", "24.04", None),
    ] {
        let mut facts = converged(&desired);
        facts.os.id = id.to_owned();
        facts.os.version = version.to_owned();
        let plan = setup::diff(&desired, &facts);
        let found = plan
            .steps
            .iter()
            .map(|step| format!("{} ({})", step.name, step.why))
            .find(|step| step.contains("packages"));
        assert_eq!(found.as_deref(), step, "{id} {version}");
    }
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

/// A host with the versions of a lock, and the same with one of them changed by hand, or in the lock by somebody else.
#[test]
fn locked_versions_come_back() {
    let text = |version: &str| {
        let hash = Content::Text(desired().venvs[0].requirements.clone()).sha256();
        format!("# {hash}\n# python 3.11\nJinja2=={version}\n")
    };
    let with = |version: &str| {
        let mut site = site();
        let lock = setup::Lock::parse(&text(version)).unwrap();
        assert!(site.locks.keep(desired().venvs[0].folder, lock));
        setup::desired(&spec(STOCK), &site).unwrap()
    };
    let locked = with("3.1.6");
    let folder = locked.venvs[0].folder;
    let installed = |version: &str, python: &str| {
        let mut facts = converged(&locked);
        let venv = facts.venvs.get_mut(folder).unwrap().as_mut().unwrap();
        python.clone_into(&mut venv.python);
        venv.packages
            .insert("jinja2".to_owned(), version.to_owned());
        facts
    };
    assert!(setup::diff(&locked, &installed("3.1.6", "3.11.2")).is_empty());
    let plan = setup::diff(&locked, &installed("3.1.5", "3.11.2"));
    assert_eq!(plan.steps[0].why, "jinja2 3.1.5 → 3.1.6, as locked");
    // Another Python has other versions.
    assert!(setup::diff(&locked, &installed("3.1.5", "3.13.1")).is_empty());

    // What the server has is kept here, where nobody kept it yet.
    let fresh = desired();
    let mut facts = converged(&fresh);
    assert_eq!(setup::unkept_locks(&fresh, &facts), []);
    let file = FileFacts {
        text: Some(text("3.1.6")),
        ..FileFacts::default()
    };
    let path = format!(
        "/var/lib/hubctl/{}.lock",
        folder.rsplit('/').next().unwrap()
    );
    facts.files.insert(path, Some(file));
    let found = setup::unkept_locks(&fresh, &facts);
    assert_eq!(found[0].0, folder);
    assert_eq!(found[0].1.packages, ["Jinja2==3.1.6"]);
    assert_eq!(setup::unkept_locks(&locked, &facts), []);
}
