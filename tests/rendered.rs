//! Every combination that holds, rendered, and what the programs that read the files say of them.
//!
//! The files are laid over this machine's own system in a mount namespace, so that each is at its place beside the
//! distribution's. Needs root.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stderr,
    reason = "a test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use hubctl::secret::Secret;
use hubctl::setup::{self, Content, Desired};
use hubctl::spec::model::Spec;
use hubctl::spec::{self, Document, ProxyKind, TlsKind};
use sha2::{Digest, Sha256};

mod common;
use common::{X86_64, program, site};

/// Kinds by their words, as `hub.yaml` has them.
const HUBS: [&str; 3] = ["jupyterhub", "hubd", "notebook"];
const SPAWNERS: [&str; 4] = ["systemd", "local", "docker", "sudo"];
const AUTHENTICATORS: [&str; 5] = ["pam", "github", "gitlab", "google", "oidc"];

/// What a machine has that was set up, where the files alone lack it: programs that units start.
const PROGRAMS: [&str; 9] = [
    "/opt/jupyterhub/bin/python",
    "/opt/notebook/bin/jupyter-lab",
    "/opt/notebook/bin/jupyterhub-singleuser",
    "/opt/nodejs/node",
    "/opt/hubctl/bin/hubd",
    "/opt/hubctl/bin/hubproxy",
    "/opt/hubctl/bin/hub-helper",
    "/opt/traefik/bin/traefik",
    RUN_NOTEBOOK,
];

/// What starts the container of a notebook server.
const RUN_NOTEBOOK: &str = "/usr/local/lib/hubctl/run-notebook";

/// A rendering: the combination it is of, and its files.
struct Rendered {
    of: String,
    files: BTreeMap<String, String>,
}

fn load(words: [&str; 5], folder: &Path) -> Option<Spec> {
    let [hub, proxy, spawner, authenticator, tls] = words;
    let mut yaml = format!(
        "name: class\nhub: {{kind: {hub}, cull_after_minutes: 60}}\nproxy: {{kind: {proxy}}}\nspawner: {{kind: {spawner}}}\ntls: {{kind: {tls}"
    );
    match tls {
        "own" => yaml.push_str(", certificate: hub.pem, key: hub.key"),
        "acme" => yaml.push_str(", email: ada@example.org"),
        _ => {}
    }
    yaml.push_str("}\n");
    if tls != "acme-ip" {
        yaml.push_str("domain: hub.example.org\n");
    }
    if tls == "none" {
        yaml.push_str("access: {web: []}\n");
    }
    if hub == "jupyterhub" && (spawner == "sudo" || spawner == "docker") {
        yaml = yaml.replace(
            "hub: {kind: jupyterhub",
            "hub: {kind: jupyterhub, user: jupyterhub",
        );
    }
    yaml.push_str(&format!("authenticator: {{kind: {authenticator}"));
    if authenticator != "pam" {
        yaml.push_str(", client_id: class, client_secret_file: secret, allowed_users: [ada]");
    }
    if authenticator == "oidc" {
        yaml.push_str(", issuer: 'https://id.example.org'");
    }
    yaml.push_str("}\n");
    let mut document = Document::new("hub.yaml", yaml.as_str(), folder);
    document.now = None;
    let profile = folder.join("nothing.yaml");
    match spec::load(&document, profile.to_str(), &[]) {
        Ok(loaded) => Some(loaded.spec),
        Err(problems) => panic!("{words:?} holds, and hub.yaml is refused:\n{problems}\n{yaml}"),
    }
}

fn certificate(folder: &Path) -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["hub.example.org".to_owned()])
        .unwrap()
        .self_signed(&key)
        .unwrap();
    let (certificate, key) = (certificate.pem(), key.serialize_pem());
    fs::write(folder.join("hub.pem"), &certificate).unwrap();
    fs::write(folder.join("hub.key"), &key).unwrap();
    fs::write(folder.join("secret"), "a-secret\n").unwrap();
    fs::write(folder.join("nothing.yaml"), "limits: {seats: 10}\n").unwrap();
    (certificate, key)
}

/// Each combination that holds, once for all that render alike.
fn renderings(folder: &Path) -> Vec<Rendered> {
    let (certificate, key) = certificate(folder);
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    let mut hold = 0;
    for hub in HUBS {
        for proxy in ProxyKind::ALL {
            for spawner in SPAWNERS {
                for authenticator in AUTHENTICATORS {
                    for tls in TlsKind::ALL {
                        let words = [hub, proxy.word(), spawner, authenticator, tls.word()];
                        if !holds(words) {
                            continue;
                        }
                        hold += 1;
                        let spec = load(words, folder).unwrap();
                        let mut site = site();
                        site.domain.clone_from(&spec.domain);
                        site.certificate_pem.clone_from(&certificate);
                        site.key_pem = Secret::new(key.as_str());
                        site.authority_pem = Some(certificate.clone());
                        site.password_hash =
                            Some(Secret::new("argon2:$argon2id$v=19$m=10240,t=10,p=8$a$b"));
                        site.oauth_client_secret = Some(Secret::new("client-secret"));
                        site.programs = ["hubproxy", "hubd", "hub-helper"]
                            .map(|name| program(name, X86_64))
                            .to_vec();
                        let desired = setup::desired(&spec, &site)
                            .unwrap_or_else(|error| panic!("{words:?}: {error}"));
                        let mut files = texts(&desired);
                        // Its content is a secret, and it must be a key.
                        for (path, _) in files.clone() {
                            if path.ends_with("/tls/key.pem") {
                                files.insert(path, key.clone());
                            }
                        }
                        let print = Sha256::digest(format!("{files:?}"));
                        if seen.insert(print.to_vec()) {
                            found.push(Rendered {
                                of: words.join(" "),
                                files,
                            });
                        }
                    }
                }
            }
        }
    }
    eprintln!("{hold} combinations, {} renderings", found.len());
    assert!(hold > 100, "{hold} combinations hold");
    found
}

fn holds(words: [&str; 5]) -> bool {
    let kind = |word: &str| serde_json::Value::from(word);
    fn read<T: serde::de::DeserializeOwned>(value: serde_json::Value) -> T {
        serde_json::from_value(value).unwrap()
    }
    spec::combination(
        read(kind(words[0])),
        read(kind(words[1])),
        read(kind(words[2])),
        read(kind(words[3])),
        read(kind(words[4])),
    )
    .is_ok()
}

fn texts(desired: &Desired) -> BTreeMap<String, String> {
    let mut files: BTreeMap<String, String> = desired
        .files
        .iter()
        .map(|file| {
            let text = match &file.content {
                Content::Text(text) => text.clone(),
                _ => "of no concern\n".to_owned(),
            };
            (file.path.clone(), text)
        })
        .collect();
    files.insert(desired.ssh.path.to_owned(), desired.ssh.content.clone());
    files
}

/// Lays the files over this system, and runs a script there, away from this machine's network.
fn in_their_place(files: &BTreeMap<String, String>, script: &str) -> Output {
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    let over = folder.path().join("over");
    let write = |path: &str, text: &str, mode: u32| {
        let path = over.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    for path in PROGRAMS {
        write(path, "#!/bin/sh\n", 0o755);
    }
    for (path, text) in files {
        if !PROGRAMS.contains(&path.as_str()) {
            let mode = if path.contains("sudoers") {
                0o440
            } else {
                0o644
            };
            write(path, text, mode);
        }
    }
    let root = folder.path().join("root");
    fs::create_dir(&root).unwrap();
    let enter = r#"
set -eu
# Layers must not lie in each other: a file system of its own for the upper one.
mount -t tmpfs tmpfs "$2"
mkdir "$2/over" "$2/upper" "$2/work" "$2/root"
cp -a "$1/." "$2/over"
mount -t overlay overlay -o "lowerdir=$2/over:/,upperdir=$2/upper,workdir=$2/work" "$2/root"
set -- "$1" "$2/root" "$3"
mount --rbind /dev "$2/dev"
mount -t proc proc "$2/proc"
mount -t tmpfs tmpfs "$2/run"
mount -t tmpfs tmpfs "$2/tmp"
mount -t tmpfs tmpfs "$2/var/lib/systemd"
mkdir -p "$2/run/sshd" "$2/run/apache2" "$2/run/systemd"
ip link set lo up
exec chroot "$2" sh -euc "$3"
"#;
    Command::new("setpriv")
        .args([
            "--pdeathsig",
            "KILL",
            "unshare",
            "--mount",
            "--net",
            "--pid",
        ])
        .args([
            "--fork",
            "--kill-child",
            "--propagation",
            "private",
            "sh",
            "-c",
            enter,
            "sh",
        ])
        .arg(&over)
        .arg(&root)
        .arg(script)
        .stdin(Stdio::null())
        .output()
        .expect("setpriv starts")
}

fn lint(rendered: &Rendered, files: &BTreeMap<String, String>, script: &str) {
    let output = in_their_place(files, script);
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{}: {script}\n{said}", rendered.of);
}

/// The files of a rendering that one program reads.
fn picked(rendered: &Rendered, wanted: impl Fn(&str) -> bool) -> BTreeMap<String, String> {
    rendered
        .files
        .iter()
        .filter(|(path, _)| wanted(path))
        .map(|(path, text)| (path.clone(), text.clone()))
        .collect()
}

/// Runs `script` on what `wanted` picks, once for each content; returns how many there were.
fn each(
    what: &str,
    renderings: &[Rendered],
    main: impl Fn(&str) -> bool,
    beside: impl Fn(&str) -> bool,
    script: impl Fn(&BTreeMap<String, String>) -> String,
) -> usize {
    let begun = Instant::now();
    let mut seen = BTreeSet::new();
    for rendered in renderings {
        let files = picked(rendered, &main);
        if files.is_empty() || !seen.insert(format!("{files:?}")) {
            continue;
        }
        let script = script(&files);
        lint(
            rendered,
            &picked(rendered, |path| main(path) || beside(path)),
            &script,
        );
    }
    eprintln!(
        "{:4} of {what}, {:.1} s",
        seen.len(),
        begun.elapsed().as_secs_f64()
    );
    seen.len()
}

/// Python compiles each program and each configuration that is one; all of them at once.
fn python(renderings: &[Rendered]) -> usize {
    let folder = tempfile::tempdir().unwrap();
    let programs: BTreeSet<&String> = renderings
        .iter()
        .flat_map(|rendered| &rendered.files)
        .filter(|(path, _)| path.ends_with(".py"))
        .map(|(_, text)| text)
        .collect();
    let mut command = Command::new("python3");
    command.args(["-W", "error", "-m", "py_compile"]);
    for (number, text) in programs.iter().enumerate() {
        let path = folder.path().join(format!("{number}.py"));
        fs::write(&path, text).unwrap();
        command.arg(path);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    eprintln!("{:4} of python", programs.len());
    programs.len()
}

/// What a shell is given is what it takes, and it starts the engine's client as is meant; returns how many there were.
fn shell(renderings: &[Rendered]) -> usize {
    let mut seen = BTreeSet::new();
    for rendered in renderings {
        let Some(text) = rendered.files.get(RUN_NOTEBOOK) else {
            continue;
        };
        if !seen.insert(text) {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        };
        write("run", text);
        write("docker", "#!/bin/sh\nprintf '%s\\n' \"$@\"\n");
        write("id", "#!/bin/sh\necho 1001\n");
        let output = Command::new("sh")
            .arg("-eu")
            .arg(folder.path().join("run"))
            .env("PATH", format!("{}:/usr/bin:/bin", folder.path().display()))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}: {said}", rendered.of);
        let words: Vec<&str> = said.lines().collect();
        for word in ["run", "--user=1001:1001", "--cap-drop=ALL", "--rm"] {
            assert!(words.contains(&word), "{}: {word}: {said}", rendered.of);
        }
        assert!(
            words.ends_with(&["--config=/etc/notebook/jupyter_server_config.py"]),
            "{said}"
        );
    }
    eprintln!("{:4} of shell", seen.len());
    seen.len()
}

fn peers() {
    let done = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/peers"))
        .arg("--lint")
        .status()
        .unwrap();
    assert!(done.success(), "scripts/peers --lint");
}

fn words(files: &BTreeMap<String, String>) -> String {
    files.keys().cloned().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_rendering_is_what_its_reader_takes() {
    peers();
    let begun = Instant::now();
    let folder = tempfile::tempdir().unwrap();
    let renderings = renderings(folder.path());
    let tls = |path: &str| path.contains("/tls/");

    // What is wrong is noticed.
    for (path, text, script) in [
        (
            "/etc/nginx/hubctl.conf",
            "nonsense;\n",
            "nginx -t -q -c /etc/nginx/hubctl.conf",
        ),
        (
            "/etc/apache2/hubctl.conf",
            "Nonsense on\n",
            "apache2 -t -f /etc/apache2/hubctl.conf",
        ),
        (
            "/etc/sudoers.d/x",
            "nonsense\n",
            "visudo -c -q -f /etc/sudoers.d/x",
        ),
        ("/etc/x.nft", "nonsense\n", "nft -c -f /etc/x.nft"),
    ] {
        let files = BTreeMap::from([(path.to_owned(), text.to_owned())]);
        assert!(!in_their_place(&files, script).status.success(), "{path}");
    }

    let nginx = each(
        "nginx",
        &renderings,
        |path| path == "/etc/nginx/hubctl.conf",
        tls,
        |_| "nginx -t -q -c /etc/nginx/hubctl.conf".to_owned(),
    );
    assert!(nginx >= 2, "{nginx}");
    let apache = each(
        "apache",
        &renderings,
        |path| path == "/etc/apache2/hubctl.conf",
        tls,
        |_| "apache2 -t -f /etc/apache2/hubctl.conf 2>&1".to_owned(),
    );
    assert!(apache >= 2, "{apache}");
    let sudoers = each(
        "sudoers",
        &renderings,
        |path| path.starts_with("/etc/sudoers.d/"),
        |_| false,
        |files| {
            format!(
                "for file in {}; do visudo -c -q -f $file; done",
                words(files)
            )
        },
    );
    assert!(sudoers >= 1, "{sudoers}");
    let sshd = each(
        "sshd",
        &renderings,
        |path| path.starts_with("/etc/ssh/"),
        |_| false,
        |_| "ssh-keygen -q -t ed25519 -N '' -f /tmp/key; /usr/sbin/sshd -t -h /tmp/key".to_owned(),
    );
    assert!(sshd >= 1, "{sshd}");
    let nft = each(
        "nft",
        &renderings,
        |path| path.ends_with(".nft"),
        |_| false,
        |files| format!("for file in {}; do nft -c -f $file; done", words(files)),
    );
    assert!(nft >= 2, "{nft}");
    let shell = shell(&renderings);
    assert!(shell >= 2, "{shell}");
    let python = python(&renderings);
    assert!(python > 10, "{python}");
    let units = each(
        "units",
        &renderings,
        |path| path.starts_with("/etc/systemd/system/"),
        |_| false,
        |files| {
            let mut units: BTreeSet<String> = BTreeSet::new();
            for path in files.keys() {
                let name = path.trim_start_matches("/etc/systemd/system/");
                units.insert(match name.split_once(".d/") {
                    Some((unit, _)) => unit.to_owned(),
                    None if name.contains('@') => name.replace('@', "@ada"),
                    None => name.to_owned(),
                });
            }
            let units: Vec<String> = units.into_iter().collect();
            format!(
                "systemd-analyze verify --man=no --recursive-errors=no {} >/tmp/said 2>&1 || touch /tmp/wrong
                 grep /etc/systemd/system /tmp/said && exit 1
                 [ ! -e /tmp/wrong ] || {{ cat /tmp/said; exit 1; }}",
                units.join(" ")
            )
        },
    );
    assert!(units > 10, "{units}");
    let fronts = fronts(&renderings);
    assert!(fronts >= 4, "{fronts}");
    eprintln!("{fronts:4} of fronts that run");
    traefik_by_acme(folder.path());
    let traefik = traefik(&renderings);
    assert!(traefik >= 2, "{traefik}");
    eprintln!(
        "{traefik:4} of Traefik; {:.1} s in all",
        begun.elapsed().as_secs_f64()
    );
}

/// Each front, running: what a browser sees through it, and what arrives behind it.
fn fronts(renderings: &[Rendered]) -> usize {
    const WAY: &str = "/usr/local/share/front.py";
    let mut seen = BTreeSet::new();
    for rendered in renderings {
        let front =
            |path: &str| path == "/etc/nginx/hubctl.conf" || path == "/etc/apache2/hubctl.conf";
        let mut files = picked(rendered, front);
        // A certificate of the operator's would have to come from an authority that this system knows.
        let system = files
            .values()
            .any(|text| text.contains("ca-certificates.crt"));
        if files.is_empty() || system || !seen.insert(format!("{files:?}")) {
            continue;
        }
        let server = if files.keys().any(|path| path.contains("nginx")) {
            "nginx -c /etc/nginx/hubctl.conf -g 'daemon off;'"
        } else {
            "apache2 -f /etc/apache2/hubctl.conf -D FOREGROUND"
        };
        files.extend(picked(rendered, |path| path.contains("/tls/")));
        files.insert(WAY.to_owned(), include_str!("rendered/front.py").to_owned());
        let folder = files
            .keys()
            .find_map(|path| path.strip_suffix("/tls/key.pem"))
            .unwrap();
        let behind = if folder.ends_with("notebook") {
            "8888 https"
        } else {
            "880 http"
        };
        // What is behind it may be in a container, which has an address of its own.
        let script = format!(
            "ip address add 172.31.250.2/32 dev lo; {server} & python3 {WAY} {behind} {folder}/tls/certificate.pem {folder}/tls/key.pem"
        );
        lint(rendered, &files, &script);
    }
    seen.len()
}

/// Traefik gets a certificate from a directory, by what is rendered for it and with the environment of its unit.
fn traefik_by_acme(folder: &Path) {
    let certified = |names: &[&str], issuer: Option<&rcgen::Issuer<'_, rcgen::KeyPair>>| {
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        let pem = match issuer {
            Some(issuer) => params.signed_by(&key, issuer).unwrap().pem(),
            None => {
                params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
                params.self_signed(&key).unwrap().pem()
            }
        };
        (pem, key, params)
    };
    let (authority, key, params) = certified(&[], None);
    let issuer = rcgen::Issuer::new(params, key);
    let (server, server_key, _) = certified(&["127.0.0.1"], Some(&issuer));
    fs::write(folder.join("directory.pem"), &authority).unwrap();
    let yaml = "name: class\ndomain: hub.example.org\nhub: {kind: jupyterhub}\nproxy: {kind: traefik}\n\
        tls: {kind: acme, email: ada@example.org, directory: 'https://127.0.0.1:14000/dir', directory_ca: directory.pem}\n";
    let document = Document::new("hub.yaml", yaml, folder);
    let profile = folder.join("nothing.yaml");
    let spec = spec::load(&document, profile.to_str(), &[]).unwrap().spec;
    let mut site = site();
    site.domain.clone_from(&spec.domain);
    let mut files = texts(&setup::desired(&spec, &site).unwrap());
    let unit = files["/etc/systemd/system/traefik.service"].clone();
    let environment = unit
        .lines()
        .find_map(|line| line.strip_prefix("Environment="))
        .unwrap();
    files.retain(|path, _| path.contains("traefik") && !path.ends_with("api-users"));
    for (path, text) in [
        (
            "/etc/traefik/api-users",
            "jupyterhub:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n",
        ),
        (
            "/var/lib/jupyterhub-traefik/routes.toml",
            "[http.routers.hub]\nrule = 'PathPrefix(`/`)'\nentryPoints = ['https']\nservice = 'hub'\n\
             [[http.services.hub.loadBalancer.servers]]\nurl = 'http://127.0.0.1:881'\n",
        ),
        ("/pebble/server.pem", &server),
        ("/pebble/server.key", &server_key.serialize_pem()),
        (
            "/pebble/pebble.json",
            r#"{"pebble": {"listenAddress": "127.0.0.1:14000", "managementListenAddress": "127.0.0.1:15000",
                "certificate": "/pebble/server.pem", "privateKey": "/pebble/server.key", "httpPort": 80, "tlsPort": 443,
                "ocspResponderURL": "", "certificateValidityPeriod": 7776000}}"#,
        ),
    ] {
        files.insert(path.to_owned(), text.to_owned());
    }
    let program = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/target/peers/traefik/bin/traefik"
    );
    let script = format!(
        r#"
mkdir -p /var/lib/traefik
pebble-challtestsrv -http01= -https01= -tlsalpn01= -defaultIPv6= -defaultIPv4=127.0.0.1 -dns01=127.0.0.1:8053 -management=127.0.0.1:8055 >/tmp/dns 2>&1 &
PEBBLE_VA_NOSLEEP=1 pebble -config /pebble/pebble.json -dnsserver 127.0.0.1:8053 >/tmp/pebble 2>&1 &
for turn in $(seq 100); do
  ! curl -s -k -o /dev/null https://127.0.0.1:14000/dir || break
  sleep 0.1
done
env {environment} {program} --configFile=/etc/traefik/traefik.toml >/tmp/log 2>&1 &
for turn in $(seq 200); do
  shown=$(echo | openssl s_client -connect 127.0.0.1:443 -servername hub.example.org 2>/dev/null | openssl x509 -noout -issuer -ext subjectAltName 2>/dev/null || true)
  case $shown in *Pebble*hub.example.org*) exit 0 ;; esac
  sleep 0.1
done
cat /tmp/log /tmp/pebble
exit 1
"#
    );
    let rendered = Rendered {
        of: "traefik by ACME".to_owned(),
        files: BTreeMap::new(),
    };
    lint(&rendered, &files, &script);
}

/// Traefik itself starts on each of its configurations, and answers on its API with the password alone; returns how many
/// there were.
fn traefik(renderings: &[Rendered]) -> usize {
    let program = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/target/peers/traefik/bin/traefik"
    );
    let of_traefik = |path: &str| {
        path == "/etc/traefik/traefik.toml" || path == "/var/lib/jupyterhub-traefik/hubctl.toml"
    };
    let mut seen = BTreeSet::new();
    for rendered in renderings {
        let mut files = picked(rendered, of_traefik);
        if files.is_empty() || !seen.insert(format!("{files:?}")) {
            continue;
        }
        files.extend(picked(rendered, |path| path.contains("/tls/")));
        // `secret`, as htpasswd writes it.
        files.insert(
            "/etc/traefik/api-users".to_owned(),
            "jupyterhub:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n".to_owned(),
        );
        let script = format!(
            r#"
mkdir -p /var/lib/traefik
{program} --configFile=/etc/traefik/traefik.toml >/tmp/log 2>&1 &
status() {{ curl -s -o /dev/null -w '%{{http_code}}' "$@" || true; }}
for turn in $(seq 100); do
  [ "$(status -u jupyterhub:secret http://127.0.0.1:882/api/overview)" != 200 ] || break
  sleep 0.1
done
cat /tmp/log
[ "$(status -u jupyterhub:secret http://127.0.0.1:882/api/entrypoints/https)" = 200 ]
[ "$(status http://127.0.0.1:882/api/overview)" = 401 ]
[ "$(status http://127.0.0.1/hub/login)" = 301 ]
[ "$(status -k https://127.0.0.1/)" = 404 ]
! grep -E 'ERR|level=error' /tmp/log | grep -v -i acme
"#
        );
        lint(rendered, &files, &script);
    }
    seen.len()
}
