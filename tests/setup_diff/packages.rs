//! Packages, environments and programs.

use hubctl::setup::facts::FileFacts;
use hubctl::setup::{self, Content, Upgrade};

use crate::common::{AARCH64, site, spec};
use crate::{STOCK, behind, check, converged, desired, file, steps, with_hubproxy};

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
fn further_packages_that_were_not_all_installed_are() {
    check(
        |desired, facts| {
            let stamp = file(facts, "/opt/notebook/hubctl-requirements.txt");
            let asked = stamp.text.take().unwrap();
            assert_eq!(asked, desired.venvs[1].requirements);
            stamp.text = Some(format!("# not finished\n{asked}"));
        },
        &["install JupyterLab into /opt/notebook (an installation was not finished)"],
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
