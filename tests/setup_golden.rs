//! Every template, rendered, byte for byte. `UPDATE_GOLDEN=1 cargo test --test setup_golden` accepts what changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hubctl::setup;

mod common;
use common::{site, spec};

#[test]
fn defaults() {
    check("defaults", "{name: class}", |_| {});
}

#[test]
fn everything_else() {
    let yaml = "
name: course
domain: hub.example.org
hub: {version: 5.5.4, admins: [ada, grace], cull_after_minutes: 0, extra_config: 'c.JupyterHub.shutdown_on_logout = True'}
spawner: {default_url: /tree, start_timeout: 90}
limits: {seats: 30, memory: 1.5G, cpu: 0.5}
environment: {jupyterlab: 4.5.0, packages: ['numpy', 'pandas>=2']}
host: {pip_index_url: 'https://pypi.example.org/simple', npm_registry: 'https://npm.example.org/', http_proxy: 'http://proxy.example.org:3128', timezone: Europe/Zurich, packages: [git]}
";
    check("everything-else", yaml, |site| {
        site.domain = Some("hub.example.org".to_owned());
        site.data_volume = Some("0f7c2c2e-cdaa-478e-a7eb-957c78845f30".to_owned());
        site.memory_mb = 1024;
        site.operator_keys = vec!["ssh-ed25519 AAAA grace".to_owned()];
    });
}

#[test]
fn local_spawner() {
    check(
        "local-spawner",
        "{name: class, spawner: {kind: local}}",
        |_| {},
    );
}

fn check(case: &str, yaml: &str, change: impl FnOnce(&mut setup::Site)) {
    let mut site = site();
    change(&mut site);
    let desired = setup::desired(&spec(yaml), &site).unwrap();
    let folder = tempfile::tempdir().unwrap();
    setup::render(&desired, folder.path()).unwrap();
    let mut rendered = tree(folder.path());
    // The programs are in the repository as they are sent.
    rendered.remove(Path::new("observe.py")).unwrap();
    rendered.remove(Path::new("apply.py")).unwrap();

    for (path, text) in &rendered {
        for secret in [
            "private-key-of-the-proxy",
            "11111111",
            "22222222",
            "33333333",
        ] {
            assert!(!text.contains(secret), "a secret in {}", path.display());
        }
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/setup")
        .join(case);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let _ = std::fs::remove_dir_all(&golden);
        for (path, text) in &rendered {
            let path = golden.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
    }
    let expected = tree(&golden);
    assert_eq!(
        rendered.keys().collect::<Vec<_>>(),
        expected.keys().collect::<Vec<_>>(),
        "files of {case}"
    );
    for (path, text) in &rendered {
        let diff = similar::TextDiff::from_lines(&expected[path], text);
        assert!(
            expected[path] == *text,
            "{} differs:\n{}",
            path.display(),
            diff.unified_diff()
        );
    }
}

fn tree(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut files = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(here) = open.pop() {
        for entry in std::fs::read_dir(&here).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let text = std::fs::read_to_string(&path).unwrap();
                files.insert(path.strip_prefix(folder).unwrap().to_owned(), text);
            }
        }
    }
    files
}
