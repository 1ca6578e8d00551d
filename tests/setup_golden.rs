//! Every template, rendered, byte for byte. `UPDATE_GOLDEN=1 cargo test --test setup_golden` accepts what changed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hubctl::secret::Secret;
use hubctl::setup;
use hubctl::spec::model::Spec;
use hubctl::spec::{self, Document};

mod common;
use common::{X86_64, program, site, spec};

/// The rendering that the others are kept as differences from.
const BASE: &str = "jupyterhub";
/// Lists the files of a rendering that are as in the base.
const AS_IN_BASE: &str = "as-in-jupyterhub.txt";

/// A profile as it is, under a name.
fn profile(name: &str) -> Spec {
    let mut document = Document::new("hub.yaml", "name: class\n", Path::new("/"));
    document.now = None;
    spec::load(&document, Some(name), &[]).unwrap().spec
}

#[test]
fn each_profile() {
    for summary in spec::profiles() {
        check(summary.name, &profile(summary.name), |site| {
            with_hubd(site);
            site.password_hash = Some(hash());
        });
    }
}

/// Of a notebook server's password, as the others would be: nothing that must be kept from others.
fn hash() -> Secret {
    Secret::new(format!("argon2:{}", "3".repeat(64)))
}

#[test]
fn everything_else() {
    let yaml = "
name: course
domain: hub.example.org
hub: {kind: jupyterhub, version: 5.5.4, admins: [ada, grace], cull_after_minutes: 0, extra_config: 'c.JupyterHub.shutdown_on_logout = True'}
proxy: {kind: chp}
spawner: {default_url: /tree, start_timeout: 90}
limits: {seats: 30, memory: 1.5G, cpu: 0.5}
environment: {jupyterlab: 4.5.0, packages: ['numpy', 'pandas>=2']}
host: {pip_index_url: 'https://pypi.example.org/simple', npm_registry: 'https://npm.example.org/', http_proxy: 'http://proxy.example.org:3128', timezone: Europe/Zurich, packages: [git]}
";
    check("everything-else", &spec(yaml), |site| {
        site.domain = Some("hub.example.org".to_owned());
        site.data_volume = Some("0f7c2c2e-cdaa-478e-a7eb-957c78845f30".to_owned());
        site.memory_mb = 1024;
        site.operator_keys = vec!["ssh-ed25519 AAAA grace".to_owned()];
    });
}

#[test]
fn local_spawner() {
    let yaml = "{name: class, hub: {kind: jupyterhub}, proxy: {kind: chp}, spawner: {kind: local}}";
    check("local-spawner", &spec(yaml), |_| {});
}

const HUBPROXY: &str = "
name: class
hub: {kind: jupyterhub}
proxy: {kind: hubproxy, hsts_days: 365, access_log: true, drain_seconds: 5, limits: {upload_mib: 512}}
limits: {seats: 40}
";

const ACME: &str = "
name: class
domain: Hub.example.org
hub: {kind: jupyterhub, version: 5.5.4}
proxy: {kind: hubproxy}
tls: {kind: acme, email: ada@example.org, staging: true}
";

fn with_hubproxy(site: &mut setup::Site) {
    site.programs = vec![program("hubproxy", X86_64)];
}

const RUST: &str = "
name: class
hub: {admins: [ada], cull_after_minutes: 30}
limits: {seats: 10, cpu: 1.5}
host: {pip_index_url: 'https://pypi.example.org/simple'}
";

fn with_hubd(site: &mut setup::Site) {
    site.programs = ["hubproxy", "hubd", "hub-helper"]
        .map(|name| program(name, X86_64))
        .to_vec();
}

fn with_domain(site: &mut setup::Site) {
    with_hubproxy(site);
    site.domain = Some("Hub.example.org".to_owned());
}

#[test]
fn hubproxy() {
    check("hubproxy", &spec(HUBPROXY), with_hubproxy);
}

#[test]
fn acme() {
    check("acme", &spec(ACME), with_domain);
}

#[test]
fn rust_with_limits() {
    check("rust-with-limits", &spec(RUST), with_hubd);
}

#[test]
fn notebook_with_everything() {
    let yaml = "
name: class
hub: {kind: notebook, base_url: /jupyter}
proxy: {kind: none}
limits: {seats: 1, cpu: 2}
environment: {r: true, conda: [gdal, 'python=3.12']}
host: {pip_index_url: 'https://pypi.example.org/simple'}
";
    check("notebook-with-everything", &spec(yaml), |site| {
        site.password_hash = Some(hash());
    });
}

#[test]
fn docker() {
    let yaml = "{name: class, hub: {kind: jupyterhub, user: jupyterhub}, proxy: {kind: chp}, spawner: {kind: docker}, limits: {cpu: 0.5}}";
    check("docker", &spec(yaml), |_| {});
}

#[test]
fn hubd_with_docker() {
    let yaml = "{name: class, spawner: {kind: docker}, limits: {cpu: 0.5}}";
    check("hubd-docker", &spec(yaml), with_hubd);
}

/// What the helper starts, and where its containers reach the hub.
#[test]
fn hubds_containers_are_roots_to_say() {
    let yaml = "{name: class, spawner: {kind: docker, image: 'lab:3', network: 10.7.0.0/24}}";
    let helper: hub_api::helper::Options = read(yaml, with_hubd, "/etc/hub-helper/helper.toml");
    let container = helper.container.unwrap();
    assert_eq!(container.image, "lab:3");
    assert_eq!(container.command, ["jupyterhub-singleuser"]);
    assert_eq!(
        container.read_only,
        [Path::new("/etc/passwd"), Path::new("/etc/group")]
    );
    let hub: hub_api::hub::Hub = read(yaml, with_hubd, "/etc/hubd/hubd.toml");
    assert_eq!(hub.spawn.kind, hub_api::hub::SpawnerKind::Systemd);
    assert_eq!(hub.listen.internal.bind.to_string(), "0.0.0.0:881");
    assert_eq!(
        hub.listen.internal.url.as_deref(),
        Some("http://10.7.0.1:881")
    );
    assert!(hub.notebooks.ready.is_none());
}

#[test]
fn github() {
    let yaml = "
name: class
hub: {kind: jupyterhub, admins: [ada]}
proxy: {kind: chp}
authenticator: {kind: github, client_id: Iv1.0123, client_secret_file: secret.txt, allowed_users: [ada], allowed_groups: ['class:teachers']}
";
    check("github", &spec(yaml), with_secret);
}

#[test]
fn oidc() {
    let yaml = "
name: class
domain: hub.example.org
hub: {kind: jupyterhub}
proxy: {kind: chp}
authenticator: {kind: oidc, client_id: hub, issuer: 'https://login.example.org/realm/', client_secret_env: SECRET, allowed_groups: [students]}
";
    check("oidc", &spec(yaml), |site| {
        with_secret(site);
        site.domain = Some("hub.example.org".to_owned());
    });
}

fn with_secret(site: &mut setup::Site) {
    site.oauth_client_secret = Some(Secret::new("2".repeat(40)));
}

/// A provider's people are let in to hubd by name and group, and nobody by a password.
#[test]
fn hubd_asks_a_provider() {
    let yaml = "
name: class
hub: {kind: hubd, admins: [ada]}
proxy: {kind: hubproxy}
authenticator: {kind: github, client_id: Iv1.0123, client_secret_env: SECRET, allowed_users: [bob], allowed_groups: [class, 'class:teachers']}
";
    let with_provider = |site: &mut setup::Site| {
        with_hubd(site);
        with_secret(site);
    };
    let hub: hub_api::hub::Hub = read(yaml, with_provider, "/etc/hubd/hubd.toml");
    assert!(!hub.auth.allow_all && hub.auth.pam.is_none());
    assert_eq!(hub.auth.allowed_users, ["bob"]);
    let provider = &hub.auth.oauth[0];
    assert!(provider.create_accounts && !provider.allow_all);
    let helper: hub_api::helper::Options = read(yaml, with_provider, "/etc/hub-helper/helper.toml");
    assert_eq!(helper.accounts.unwrap().group, "jupyterhub-users");
    assert_eq!(provider.allowed_organizations, ["class"]);
    assert_eq!(provider.allowed_groups, ["class:teachers"]);
    assert_eq!(
        provider.client_secret_file.to_str().unwrap(),
        "/etc/hubd/secrets/oauth-client-secret"
    );
}

#[test]
fn traefik_by_acme() {
    let yaml = "{name: class, hub: {kind: jupyterhub}, domain: hub.example.org, proxy: {kind: traefik, hsts_days: 30}, tls: {kind: acme, email: ada@example.org}}";
    check("traefik-acme", &spec(yaml), |site| {
        site.domain = Some("hub.example.org".to_owned());
    });
}

#[test]
fn traefik_from_the_registry() {
    let yaml = "{name: class, hub: {kind: jupyterhub}, proxy: {kind: traefik, source: registry, access_log: true}}";
    check("traefik-registry", &spec(yaml), |_| {});
}

#[test]
fn nginx() {
    let yaml = "{name: class, hub: {kind: jupyterhub}, proxy: {kind: nginx, hsts_days: 30, access_log: true, limits: {upload_mib: 64}}}";
    check("nginx", &spec(yaml), |_| {});
}

#[test]
fn apache() {
    let yaml = "{name: class, hub: {kind: jupyterhub}, proxy: {kind: apache, hsts_days: 30, access_log: true}, limits: {seats: 40}}";
    check("apache", &spec(yaml), |_| {});
}

#[test]
fn apache_before_hubd() {
    let yaml = "{name: class, hub: {kind: hubd}, proxy: {kind: apache}}";
    check("apache-hubd", &spec(yaml), with_hubd);
}

#[test]
fn nginx_before_a_notebook_server() {
    let yaml = "{name: class, hub: {kind: notebook, base_url: /jupyter}, proxy: {kind: nginx}}";
    check("nginx-notebook", &spec(yaml), |site| {
        site.password_hash = Some(hash());
    });
}

#[test]
fn hubproxy_before_a_notebook_server() {
    let yaml = "
name: class
domain: Nb.example.org
hub: {kind: notebook, base_url: /jupyter}
proxy: {kind: hubproxy}
tls: {kind: acme, email: ada@example.org}
";
    let with_notebook = |site: &mut setup::Site| {
        with_hubproxy(site);
        site.domain = Some("Nb.example.org".to_owned());
        site.password_hash = Some(hash());
    };
    check("hubproxy-notebook", &spec(yaml), with_notebook);
    // What hubctl writes is what hubproxy reads.
    let file: hub_api::proxy::File = read(yaml, with_notebook, "/etc/hubproxy/hubproxy.toml");
    assert_eq!(
        file.default_target.as_deref(),
        Some("https://127.0.0.1:8888")
    );
    assert_eq!(file.forward.server_name.as_deref(), Some("nb.example.org"));
    let ca = file.forward.ca.unwrap();
    assert_eq!(ca.to_str(), Some("/etc/notebook/tls/authority.pem"));
    assert!(!file.forward.insecure && file.state_file.is_none());
    assert_eq!(file.limits.login_path, "/jupyter/login");

    // By a certificate of the operator's the next hop is checked, too, against what the system knows.
    let own = yaml.replace(
        "{kind: acme, email: ada@example.org}",
        "{kind: own, certificate: a, key: b}",
    );
    let file: hub_api::proxy::File = read(&own, with_notebook, "/etc/hubproxy/hubproxy.toml");
    assert!(file.forward.ca.is_none() && !file.forward.insecure);
    assert_eq!(file.forward.server_name.as_deref(), Some("nb.example.org"));

    // Without TLS there is none on either hop, and nobody but this machine is let in.
    let plain = yaml.replace("{kind: acme, email: ada@example.org}", "{kind: none}");
    let file: hub_api::proxy::File = read(&plain, with_notebook, "/etc/hubproxy/hubproxy.toml");
    assert_eq!(
        file.default_target.as_deref(),
        Some("http://127.0.0.1:8888")
    );
    assert_eq!(file.http.unwrap().listen[0].to_string(), "127.0.0.1:80");
}

#[test]
fn a_notebook_server_in_a_container() {
    let with_notebook = |site: &mut setup::Site| site.password_hash = Some(hash());
    let yaml = "
name: class
hub: {kind: notebook, base_url: /jupyter}
proxy: {kind: nginx}
spawner: {kind: docker}
limits: {seats: 1, cpu: 1.5}
host: {pip_index_url: 'https://pypi.example.org/simple'}
";
    check("notebook-container", &spec(yaml), with_notebook);
    // An image of the operator's brings its own programs, and the engine's init.
    let yaml = "
name: class
hub: {kind: notebook}
proxy: {kind: none}
spawner: {kind: docker, image: \"it's/mine\"}
";
    check("notebook-image", &spec(yaml), with_notebook);
}

#[test]
fn without_tls() {
    let yaml = "{name: class, hub: {kind: jupyterhub}, access: {web: []}, proxy: {kind: chp}, tls: {kind: none}}";
    check("plain", &spec(yaml), |_| {});
}

/// What hubctl writes is what hubd and its helper read.
#[test]
fn hubds_configuration_is_read_by_its_own_types() {
    let hub: hub_api::hub::Hub = read(RUST, with_hubd, "/etc/hubd/hubd.toml");
    assert_eq!(hub.public_url.as_deref(), Some("https://192.0.2.7"));
    assert_eq!((hub.cull.enabled, hub.cull.idle), (true, 1800));
    assert_eq!(hub.auth.admin_users, ["ada"]);
    assert!(hub.auth.dummy.is_none() && hub.auth.pam.is_some());
    let helper: hub_api::helper::Options = read(RUST, with_hubd, "/etc/hub-helper/helper.toml");
    assert_eq!(
        helper.user_groups,
        ["jupyterhub-users", "jupyterhub-admins"]
    );
    let seat = &helper.profiles[&helper.default_profile];
    assert_eq!((seat.memory_mb, seat.cpu_percent), (665, Some(150)));
    // What the hub sets, the helper lets through.
    for name in hub.spawn.environment.keys() {
        assert!(helper.environment.contains(name), "{name}");
    }
}

/// What hubctl writes is what hubproxy reads.
#[test]
fn hubproxys_configuration_is_read_by_its_own_types() {
    let file = configuration(HUBPROXY, with_hubproxy);
    let https = file.https.unwrap();
    assert_eq!(https.hsts.unwrap().max_age_seconds, 365 * 24 * 3600);
    // A class shares an address.
    assert_eq!(file.limits.login_per_minute, 120);
    assert_eq!(file.limits.connections_per_address, 1600);
    assert_eq!(file.limits.body_bytes, 512 << 20);
    assert_eq!(file.tls.unwrap().files.len(), 1);
    let api = file.api.unwrap().listen;
    assert_eq!(api.to_string(), "unix:/run/hubproxy/api.sock");

    let file = configuration(ACME, with_domain);
    let tls = file.tls.unwrap();
    let acme = tls.acme.unwrap();
    assert!(tls.files.is_empty() && acme.staging);
    assert_eq!(acme.names, ["hub.example.org"]);
    assert_eq!(acme.contact, ["ada@example.org"]);
    assert_eq!(file.api.unwrap().listen.to_string(), "127.0.0.1:882");
}

fn configuration(yaml: &str, change: fn(&mut setup::Site)) -> hub_api::proxy::File {
    read(yaml, change, "/etc/hubproxy/hubproxy.toml")
}

fn read<T: serde::de::DeserializeOwned>(
    yaml: &str,
    change: impl FnOnce(&mut setup::Site),
    path: &str,
) -> T {
    let mut site = site();
    change(&mut site);
    let desired = setup::desired(&spec(yaml), &site).unwrap();
    let file = desired.files.iter().find(|file| file.path == path).unwrap();
    let setup::Content::Text(text) = &file.content else {
        panic!("{path} is a text");
    };
    toml::from_str(text).unwrap()
}

fn rendered(spec: &Spec, change: impl FnOnce(&mut setup::Site)) -> BTreeMap<PathBuf, String> {
    let mut site = site();
    change(&mut site);
    let programs = setup::programs(spec);
    site.programs
        .retain(|program| programs.contains(&program.name.as_str()));
    let desired = setup::desired(spec, &site).unwrap();
    let folder = tempfile::tempdir().unwrap();
    setup::render(&desired, folder.path()).unwrap();
    let mut rendered = tree(folder.path());
    // The programs are in the repository as they are sent.
    rendered.remove(Path::new("observe.py")).unwrap();
    rendered.remove(Path::new("apply.py")).unwrap();
    rendered
}

fn check(case: &str, spec: &Spec, change: impl FnOnce(&mut setup::Site)) {
    let mut rendered = rendered(spec, change);
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
    if case != BASE {
        without_what_is_as_in_the_base(&mut rendered);
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

/// Puts a list of their names in the place of files that the base has byte for byte.
fn without_what_is_as_in_the_base(files: &mut BTreeMap<PathBuf, String>) {
    let base = rendered(&profile(BASE), |_| {});
    let mut same = String::new();
    files.retain(|path, text| {
        let is_same = base.get(path) == Some(text);
        if is_same {
            same.push_str(&format!("{}\n", path.display()));
        }
        !is_same
    });
    files.insert(PathBuf::from(AS_IN_BASE), same);
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
