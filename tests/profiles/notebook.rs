//! `notebook`: one person's Jupyter Server, without a hub.

use ::hubctl::health::{Browser, Endpoint, Trust};
use ::hubctl::secret::Secret;

use crate::directory::Directory;
use crate::hubctl::done;
use crate::story::{NAME, Story, work_in};
use crate::tunnel::Tunnel;

#[test]
fn one_persons_notebook_server() {
    let mut story = Story::provision("notebook", &[]);
    works(&story);
    story.is_settled();
    what_the_operator_sees(&mut story);
    after_a_laptop_was_lost(&mut story);

    let server = story.server();
    let pid = server.run("systemctl show notebook.service --value --property=MainPID");
    assert_eq!(server.run(&format!("stat -c %U /proc/{pid}")), "notebook");
    let held = server.run(&format!(
        "grep -E '^(CapBnd|NoNewPrivs)' /proc/{pid}/status"
    ));
    for line in ["CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(held.contains(line), "{line} is not in\n{held}");
    }
    // The hash is the server's, the password is nowhere on it.
    assert_eq!(
        server.run("sudo stat -c '%U:%G %a' /etc/notebook/secrets/password-hash"),
        "root:notebook 640"
    );
    let found = server.run_with(
        "sudo grep -rlFf - /etc /var/lib /home /run 2>/dev/null || true",
        &story.password("notebook"),
    );
    assert_eq!(found, "", "the password is on the server");
    // The root of it leads to its base URL.
    let url = story.operator.receipt(NAME)["url"]
        .as_str()
        .unwrap()
        .to_owned();
    let root = url.replace("/jupyter/", "/");
    assert_eq!(
        server.run(&format!(
            "curl -sk -o /dev/null -w '%{{http_code}} %{{redirect_url}}' {root}"
        )),
        format!("302 {url}")
    );
    // Kernels are spoken to on sockets. A kernel's one port is for what processes forked in it print: it is on the loopback
    // device, and takes nothing without a secret of the kernel's.
    let (browser, runtime) = log_in(&story);
    let (listening, transports) = runtime.block_on(async {
        let kernel = ::hubctl::health::Kernel::start(&browser).await.unwrap();
        let listening = server.run(
            "sudo ss -Hltn | awk '{print $4}' | grep -v '^127\\.0\\.0\\.1:' | sed 's/.*://' | sort -nu | tr '\\n' ' '",
        );
        let transports = server.run("sudo sh -c 'cat /run/notebook/kernel-*.json' | grep -o '\"transport\": *\"[a-z]*\"'");
        kernel.end(&browser).await.unwrap();
        (listening, transports)
    });
    assert_eq!(listening, "22 8888");
    assert_eq!(transports, "\"transport\": \"ipc\"");

    // One front after another takes over before the same server.
    for (front, refusal) in [("apache", "500"), ("nginx", "502"), ("hubproxy", "503")] {
        story.set(&format!("proxy.kind={front}"));
        story.hubctl(&["provision", "--yes"]);
        story.tell(front);
        stands_before(&story);
        story.is_whole(&ALONE);
        nobody_else_is_taken_for_it(&story, refusal);
    }
    // And into a container, which puts right what the last one left.
    story.set("spawner.kind=docker");
    story.hubctl(&["provision", "--yes"]);
    story.tell("in a container");
    works(&story);
    in_a_container(&story);
    story.is_whole(&ALONE);

    story.reboot();
    works(&story);

    by_acme_for_its_address(&mut story);
    without_tls(&mut story);
    story.destroy();
}

/// The world is shown a certificate of a directory's, for the bare address; the server keeps one of the deployment's, for
/// the proxy. What provision ends with logs in and computes.
fn by_acme_for_its_address(story: &mut Story) {
    let address = story.operator.receipt(NAME)["address"]
        .as_str()
        .unwrap()
        .to_owned();
    let directory = Directory::start(&story.operator.folder, address.parse().unwrap());
    story.set("tls.kind=acme-ip");
    story.set(&format!("tls.directory={}", directory.url));
    let authorities = directory.authorities.display();
    story.set(&format!("tls.directory_ca={authorities}"));
    let events = story.hubctl(&["provision", "--yes"]);
    assert!(events.iter().any(|event| event["name"] == "check compute"));
    let issuer = |place: &str| {
        story.server().run(&format!(
            "echo | openssl s_client -connect {place} 2>/dev/null | openssl x509 -noout -issuer"
        ))
    };
    let shown = issuer(&format!("{address}:443"));
    assert!(shown.contains("Pebble"), "{shown}");
    let shown = issuer("172.31.250.2:8888");
    assert!(shown.contains("hubctl"), "{shown}");
    story.tell("a certificate for its address");
}

/// Without TLS nobody but the server itself reaches it, and the operator through SSH.
fn without_tls(story: &mut Story) {
    for set in [
        "tls.kind=none",
        "tls.directory=null",
        "tls.directory_ca=null",
    ] {
        story.set(set);
    }
    let refused = story.try_hubctl(&["validate"]);
    assert!(
        refused.stderr.contains("set `access.web: []`"),
        "{}",
        refused.stderr
    );
    story.set("access.web=[]");
    let events = story.hubctl(&["provision", "--yes"]);
    assert!(events.iter().any(|event| event["name"] == "check compute"));
    let listening = story.server().run(
        "sudo ss -Hltn | awk '{print $4}' | grep -v '^127\\.0\\.0\\.1:' | sed 's/.*://' | sort -nu | tr '\\n' ' '",
    );
    assert_eq!(listening, "22", "more than SSH is open");

    let tunnel = Tunnel::start(&story.operator);
    assert!(
        tunnel.url.starts_with("http://localhost:") && tunnel.url.ends_with("/jupyter/"),
        "{}",
        tunnel.url
    );
    let password = story.password("notebook");
    let seen = tunnel.log_in("login", &[("password", &password)], "api/status");
    assert_eq!(seen, [403, 302, 200]);
    story.tell("through the tunnel");
    story.is_settled();
    let by_ssh = ["ssh", "host", "proxy", "hub"];
    story.is_whole(&[&ALONE[..4], &by_ssh, &ALONE[10..]].concat());
}

/// The links of one person's server, from outside in.
const ALONE: [&str; 15] = [
    "cloud",
    "server",
    "address",
    "security-group",
    "connection",
    "certificate",
    "proxy",
    "hub",
    "ssh",
    "host",
    "login",
    "notebook",
    "kernel",
    "compute",
    "logout",
];

/// It has no users and no routes, and says so; the doctor works as its person, and sees when it does not run.
fn what_the_operator_sees(story: &mut Story) {
    for words in [
        &["add-users", "ada"][..],
        &["list-users"],
        &["reset-password", "notebook"],
        &["remove-users", "notebook", "--yes"],
        &["routes"],
    ] {
        let said = story
            .operator
            .run(&[words, &["--deployment", NAME]].concat());
        assert_eq!(said.status.code(), Some(1), "{words:?}");
        assert!(
            said.stderr.contains("one person's notebook server"),
            "{words:?}: {}",
            said.stderr
        );
    }
    story.is_whole(&ALONE);
    let server = story.server();
    server.run("sudo systemctl stop notebook.service");
    let receipt = story.operator.receipt(NAME);
    let address = receipt["address"].as_str().unwrap();
    story.is_broken(
        "connection",
        &format!("{address}:8888 refuses connections; notebook.service is inactive (dead)"),
    );
    assert!(story.logs(&["hub"]).contains("notebook.service"));
    let events = story.hubctl(&["provision", "--yes"]);
    assert_eq!(done(&events)["changed"], 1, "{events:?}");
}

/// Whoever has the password, or a session of it, is out.
fn after_a_laptop_was_lost(story: &mut Story) {
    let (browser, runtime) = log_in(story);
    runtime.block_on(browser.open()).unwrap();
    let known = story.password("notebook");
    story.hubctl(&["rotate", "--yes"]);
    assert_ne!(story.password("notebook"), known);
    assert!(runtime.block_on(browser.open()).is_err(), "a session stays");
    // Another authority vouches for it now.
    let (endpoint, runtime) = endpoint(story);
    let refused = runtime.block_on(Browser::login_to_notebook(&endpoint, &Secret::new(known)));
    assert!(refused.is_err(), "the old password lets in");
    works(story);
    story.is_settled();
}

/// What a request to the front gets: the status and where it is sent.
fn through_the_front(story: &Story, path: &str) -> String {
    let address = story.operator.receipt(NAME)["address"]
        .as_str()
        .unwrap()
        .to_owned();
    story.server().run(&format!(
        "curl -sk -o /dev/null -w '%{{http_code}} %{{redirect_url}}' {}",
        path.replace("ADDRESS", &address)
    ))
}

/// The world sees the front alone, on its two ports; it leads to the server, and a browser works through it.
fn stands_before(story: &Story) {
    works(story);
    let url = story.operator.receipt(NAME)["url"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(!url.contains(":8888"), "{url}");
    let root = url.replace("/jupyter/", "/");
    assert_eq!(
        through_the_front(story, "https://ADDRESS/"),
        format!("302 {url}")
    );
    let plain = root.replace("https:", "http:");
    assert_eq!(through_the_front(story, &plain), format!("301 {root}"));
    assert_eq!(
        through_the_front(story, "https://ADDRESS/jupyter/api"),
        "200"
    );
    let own = story.server().run("sudo ss -Hltn 'sport = 8888'");
    assert!(own.contains("127.0.0.1:8888"), "{own}");
}

/// A server with another certificate for the same address, by an authority that nobody knows, is not served.
fn nobody_else_is_taken_for_it(story: &Story, refusal: &str) {
    let address = story.operator.receipt(NAME)["address"]
        .as_str()
        .unwrap()
        .to_owned();
    let server = story.server();
    server.run(&format!(
        "sudo sh -ec 'cd /etc/notebook/tls
         openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=other \
           -addext subjectAltName=IP:{address} -keyout other-key.pem -out other.pem 2>/dev/null
         chgrp notebook other-key.pem; chmod 640 other-key.pem
         sed -i \"s,tls/certificate.pem,tls/other.pem,;s,tls/key.pem,tls/other-key.pem,\" ../jupyter_server_config.py
         systemctl restart notebook
         for turn in $(seq 150); do ! curl -sk https://127.0.0.1:8888/jupyter/api >/dev/null || exit 0; sleep 0.2; done
         exit 1'",
    ));
    let refused = through_the_front(story, "https://ADDRESS/jupyter/api");
    assert_eq!(refused.trim(), refusal);
}

/// An init reaps what is left; of the machine nothing is reached; nothing is root's.
fn in_a_container(story: &Story) {
    let (browser, runtime) = log_in(story);
    let asked = |code: &str| {
        runtime.block_on(async {
            let mut kernel = ::hubctl::health::Kernel::start(&browser).await.unwrap();
            let said = kernel.execute(code).await.unwrap();
            kernel.end(&browser).await.unwrap();
            said.trim().to_owned()
        })
    };
    let said = asked(ORPHAN);
    assert_eq!(said, "tini reaped");
    let said = asked(REACH);
    assert_eq!(said, "closed closed False");
    let status = asked("print(open('/proc/self/status').read())");
    for line in ["CapBnd:\t0000000000000000", "NoNewPrivs:\t1"] {
        assert!(status.contains(line), "{line} is not in\n{status}");
    }
    let server = story.server();
    let memory = server.run("sudo docker inspect -f '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}} {{.Config.User}}' notebook");
    let id = server.run("echo $(id -u notebook):$(id -g notebook)");
    let words: Vec<&str> = memory.split(' ').collect();
    assert!(words[0] != "0" && words[0] == words[1], "{memory}");
    assert_eq!(words[2], id);
}

/// A process whose parent is gone ends, and nobody of the notebook's waits for it.
const ORPHAN: &str = "
import os, subprocess, time
pid = subprocess.run(['sh', '-c', 'sleep 0.2 >/dev/null & echo $!'], stdout=subprocess.PIPE, text=True).stdout.strip()
until = time.monotonic() + 10
while os.path.exists('/proc/' + pid) and time.monotonic() < until:
    time.sleep(0.05)
print(open('/proc/1/comm').read().strip(), 'a zombie' if os.path.exists('/proc/' + pid) else 'reaped')
";

/// The machine's SSH, the cloud's metadata, the engine.
const REACH: &str = "
import os, socket
def door(host, port):
    try:
        socket.create_connection((host, port), 3).close()
        return 'open'
    except OSError:
        return 'closed'
print(door('172.31.250.1', 22), door('169.254.169.254', 80), os.path.exists('/run/docker.sock'))
";

fn endpoint(story: &Story) -> (Endpoint, tokio::runtime::Runtime) {
    let receipt = story.operator.receipt(NAME);
    let authority = std::fs::read_to_string(story.operator.state(NAME).join("ca.pem")).unwrap();
    let endpoint = Endpoint::new(
        receipt["url"].as_str().unwrap(),
        None,
        &Trust::Authority(authority),
    )
    .unwrap()
    .of_notebook();
    (endpoint, tokio::runtime::Runtime::new().unwrap())
}

pub(crate) fn log_in(story: &Story) -> (Browser, tokio::runtime::Runtime) {
    let (endpoint, runtime) = endpoint(story);
    let password = Secret::new(story.password("notebook"));
    let browser = runtime
        .block_on(Browser::login_to_notebook(&endpoint, &password))
        .unwrap();
    let wrong = Secret::new("something else");
    let refused = runtime.block_on(Browser::login_to_notebook(&endpoint, &wrong));
    assert!(refused.is_err());
    (browser, runtime)
}

pub(crate) fn works(story: &Story) {
    let (browser, runtime) = log_in(story);
    runtime
        .block_on(async {
            browser.open().await?;
            work_in(&browser, "notebook").await?;
            browser.logout().await
        })
        .unwrap();
    story.tell("worked");
}
