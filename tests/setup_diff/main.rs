//! What makes each step needed: a host that is as it should be, one thing about it changed, and the steps that follow.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::collections::BTreeMap;

use hubctl::setup::facts::{AccountFacts, Facts, FileFacts, PortHolder, UnitFacts, VenvFacts};
use hubctl::setup::{self, Content, Desired};

#[path = "../common/mod.rs"]
mod common;
mod files;
mod obstacle;
mod order;
mod packages;
mod ssh;
mod takeover;
mod units;
mod volume;
use common::{X86_64, program, site, spec};

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

/// Stock JupyterHub behind a kind of proxy.
fn behind(proxy: &str) -> Desired {
    let mut site = site();
    site.programs = vec![program("hubproxy", X86_64)];
    let yaml = format!("{{name: class, hub: {{kind: jupyterhub}}, proxy: {{kind: {proxy}}}}}");
    setup::desired(&spec(&yaml), &site).unwrap()
}
